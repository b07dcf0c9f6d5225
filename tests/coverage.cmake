# SPDX-License-Identifier: MIT
# Builds everything below BUILD so that it counts the lines that run, runs its tests, writes what they ran to
# BUILD/coverage.html, and fails when they ran too few lines of a folder of src.
find_program(GCOVR gcovr)
if(NOT GCOVR)
  message("skipped: gcovr is not installed; on Debian and Ubuntu: apt-get install gcovr")
  return()
endif()
file(GLOB_RECURSE earlier_counts ${BUILD}/*.gcda)
file(REMOVE ${earlier_counts})
set(SANITIZE coverage)
include(${CMAKE_CURRENT_LIST_DIR}/sanitize.cmake)

set(counts ${BUILD}/coverage.json)
execute_process(COMMAND ${GCOVR} --root ${SOURCE} --filter ${SOURCE}/src/ --exclude-throw-branches --json ${counts} ${BUILD}
                COMMAND_ERROR_IS_FATAL ANY)
set(report ${GCOVR} --root ${SOURCE} --add-tracefile ${counts})
execute_process(COMMAND ${report} --html-details ${BUILD}/coverage.html --txt-branch COMMAND_ERROR_IS_FATAL ANY)
foreach(floor core=95 backend=95 api=95 cli=95)
  string(REPLACE "=" ";" floor ${floor})
  list(GET floor 0 folder)
  list(GET floor 1 percent)
  execute_process(COMMAND ${report} --filter ${SOURCE}/src/${folder}/ --fail-under-line ${percent}
                  COMMAND_ERROR_IS_FATAL ANY)
endforeach()
