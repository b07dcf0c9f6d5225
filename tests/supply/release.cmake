# SPDX-License-Identifier: MIT
# The target `release` of BUILD makes TARBALL, which has what it should have; it is left UNPACKED.
execute_process(COMMAND ${CMAKE_COMMAND} --build ${BUILD} --target release COMMAND_ERROR_IS_FATAL ANY)
cmake_path(GET TARBALL FILENAME name)
cmake_path(GET UNPACKED PARENT_PATH folder)
file(READ ${TARBALL}.sha256 said)
file(SHA256 ${TARBALL} hash)
if(NOT said STREQUAL "${hash}  ${name}\n")
  message(SEND_ERROR "The sum of ${name} is not ${said}")
endif()
file(REMOVE_RECURSE ${UNPACKED})
execute_process(COMMAND ${CMAKE_COMMAND} -E tar xf ${TARBALL} WORKING_DIRECTORY ${folder} COMMAND_ERROR_IS_FATAL ANY)

set(expected README.md CHANGELOG.md LICENSE include/eplb/eplb.h ${LIBDIR}/libeplb.so ${LIBDIR}/libeplb.so.${VERSION}
             ${LIBDIR}/pkgconfig/eplb.pc ${LIBDIR}/cmake/eplb/eplb-config.cmake
             ${LIBDIR}/cmake/eplb/eplb-config-version.cmake)
if(TOOL)
  list(APPEND expected ${BINDIR}/eplb)
endif()
if(EXISTS ${BUILD}/docs/html/index.html)
  list(APPEND expected docs/html/index.html)
endif()
file(GLOB_RECURSE sources RELATIVE ${SOURCE} ${SOURCE}/docs/*.md ${SOURCE}/docs/*.svg ${SOURCE}/docs/examples/*.c
     ${SOURCE}/bindings/*.rs ${SOURCE}/bindings/*.toml ${SOURCE}/bindings/*.go ${SOURCE}/bindings/go.mod
     ${SOURCE}/bindings/*.h ${SOURCE}/bindings/*.c ${SOURCE}/bindings/*.cs ${SOURCE}/bindings/*.csproj
     ${SOURCE}/bindings/*.py ${SOURCE}/bindings/*.md)
foreach(file ${expected} ${sources})
  if(NOT EXISTS ${UNPACKED}/${file})
    message(SEND_ERROR "${name} has no ${file}")
  endif()
endforeach()
file(GLOB top RELATIVE ${UNPACKED} ${UNPACKED}/*)
list(FILTER top EXCLUDE REGEX "^(README.md|CHANGELOG.md|LICENSE|include|${LIBDIR}|${BINDIR}|bindings|docs)$")
if(top)
  message(SEND_ERROR "${name} has ${top} as well")
endif()
