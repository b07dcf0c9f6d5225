# SPDX-License-Identifier: MIT
# Compiles a file that has nothing but `#include <eplb/eplb.h>`, with every warning an error; clang's is all it
# has. -Wpadded: a byte of a struct without a name could not be zeroed by a binding.
set(warnings -Wall -Wextra -pedantic-errors -Wpadded -Wundef -Werror)

function(compile compiler language dialects)
  if(compiler MATCHES "clang")
    list(APPEND ARGN -Weverything)
  endif()
  foreach(dialect ${dialects})
    execute_process(COMMAND ${CMAKE_COMMAND} -E echo "#include <eplb/eplb.h>"
                    COMMAND ${compiler} -x ${language} -std=${dialect} ${warnings} ${ARGN} -I${INCLUDE} -fsyntax-only -
                    RESULTS_VARIABLE results)
    if(NOT results STREQUAL "0;0")
      message(SEND_ERROR "${compiler} -std=${dialect} does not accept the header")
    endif()
  endforeach()
endfunction()

foreach(compiler ${C})
  compile(${compiler} c "c90;c99;c11;c17;c2x" -Wstrict-prototypes -Wc++-compat)
endforeach()
foreach(compiler ${CXX})
  compile(${compiler} c++ "c++98;c++11;c++14;c++17;c++20" -Wold-style-cast)
endforeach()
