# SPDX-License-Identifier: MIT
# Runs each of PROGRAMS, built from SOURCE with headers of several ages, with the library in each of the folders
# LIBRARIES. All print the same. SOURCE has every function of the header OLDEST.
file(READ ${OLDEST} header)
file(READ ${SOURCE} source)
string(REGEX MATCHALL "EPLB_CALL[ \n]+eplb_[a-z_]+" functions "${header}")
foreach(function ${functions})
  string(REGEX REPLACE "EPLB_CALL[ \n]+" "" function "${function}")
  if(NOT source MATCHES "[^a-z_]${function}\\(")
    message(SEND_ERROR "${SOURCE} does not call ${function}")
  endif()
endforeach()

set(expected "")
foreach(program ${PROGRAMS})
  foreach(library ${LIBRARIES})
    execute_process(COMMAND ${CMAKE_COMMAND} -E env LD_LIBRARY_PATH=${library} ${program}
                    OUTPUT_VARIABLE said COMMAND_ERROR_IS_FATAL ANY)
    if(NOT expected)
      set(expected "${said}")
    endif()
    if(NOT said MATCHES "physical_to_logical 2" OR NOT said STREQUAL expected)
      message(SEND_ERROR "${program} with ${library} says\n${said}\nin place of\n${expected}")
    endif()
  endforeach()
endforeach()
