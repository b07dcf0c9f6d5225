# SPDX-License-Identifier: MIT
# Builds the targets below BUILD with libFuzzer and sanitizers, and runs each for SECONDS from its corpus on.
cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
if(NOT DEFINED ENV{CMAKE_BUILD_PARALLEL_LEVEL})
  set(ENV{CMAKE_BUILD_PARALLEL_LEVEL} ${cores})
endif()
execute_process(COMMAND ${CMAKE_COMMAND} -S ${SOURCE} -B ${BUILD} -G ${GENERATOR}
                        -D CMAKE_C_COMPILER=${C} -D CMAKE_CXX_COMPILER=${CXX} -D CMAKE_BUILD_TYPE=RelWithDebInfo
                        -D EPLB_TESTS=ON -D EPLB_CUDA=OFF -D EPLB_SANITIZE=fuzzer-no-link,address,undefined
                        -D EPLB_FUZZ_SECONDS=${SECONDS}
                COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${BUILD} --target fuzz COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_CTEST_COMMAND} --test-dir ${BUILD} --tests-regex ^fuzz --parallel ${cores} --verbose
                RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "A target failed: what and why is above, and after 'Test unit written to' the file that does it.\n"
                      "Once more: ${BUILD}/tests/fuzz/fuzz.TARGET FILE\n"
                      "When it is mended, keep the file, under a name that tells what it is, in ${SOURCE}/tests/fuzz/corpus/TARGET.")
endif()
