# SPDX-License-Identifier: MIT
# Builds everything below BUILD with -fsanitize=SANITIZE and runs its tests, each path once.
cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
if(NOT DEFINED ENV{CMAKE_BUILD_PARALLEL_LEVEL})
  set(ENV{CMAKE_BUILD_PARALLEL_LEVEL} ${cores})
endif()
set(tool ON)
if(SANITIZE STREQUAL "thread")
  set(tool OFF)  # has a single thread
endif()
execute_process(COMMAND ${CMAKE_COMMAND} -S ${SOURCE} -B ${BUILD} -G ${GENERATOR}
                        -D CMAKE_C_COMPILER=${C} -D CMAKE_CXX_COMPILER=${CXX}
                        -D CMAKE_BUILD_TYPE=Debug -D EPLB_TESTS=ON -D EPLB_TOOL=${tool} -D EPLB_SANITIZE=${SANITIZE}
                COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${BUILD} COMMAND_ERROR_IS_FATAL ANY)
set(ENV{EPLB_BRIEF} 1)
execute_process(COMMAND ${CMAKE_CTEST_COMMAND} --test-dir ${BUILD} --output-on-failure --parallel ${cores}
                COMMAND_ERROR_IS_FATAL ANY)
