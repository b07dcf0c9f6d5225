# SPDX-License-Identifier: MIT
# Builds SOURCE below BUILD without CUDA and with debug information. The library has the symbols and the SONAME of
# LIBRARY, whatever backends that has.
execute_process(COMMAND ${CMAKE_COMMAND} -S ${SOURCE} -B ${BUILD} -G ${GENERATOR}
                        -D CMAKE_C_COMPILER=${C} -D CMAKE_CXX_COMPILER=${CXX} -D CMAKE_BUILD_TYPE=Release
                        -D CMAKE_CXX_FLAGS=-g -D EPLB_CUDA=OFF -D EPLB_TOOL=OFF
                COMMAND_ERROR_IS_FATAL ANY)
cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${BUILD} --parallel ${cores} COMMAND_ERROR_IS_FATAL ANY)

function(describe library result)
  execute_process(COMMAND ${NM} --dynamic --defined-only --just-symbols ${library}
                  OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND ${READELF} --dynamic --wide ${library} OUTPUT_VARIABLE section COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCH "\\(SONAME\\)[^\n]*" soname "${section}")
  set(${result} "${soname}\n${symbols}" PARENT_SCOPE)
endfunction()
describe(${LIBRARY} given)
describe(${BUILD}/src/libeplb.so without_cuda)
if(NOT given STREQUAL without_cuda)
  message(FATAL_ERROR "${LIBRARY} has\n${given}\nand without CUDA it has\n${without_cuda}")
endif()
