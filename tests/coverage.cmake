# SPDX-License-Identifier: MIT
# Builds everything below BUILD so that it counts the lines that run, runs its tests, writes what they ran to
# BUILD/report/index.html, and fails when a folder of src has fewer lines that ran than 95 of 100.
find_program(GCOVR gcovr)
if(NOT GCOVR)
  message("skipped: gcovr is not installed; on Debian and Ubuntu: apt-get install gcovr")
  return()
endif()
file(GLOB_RECURSE earlier_counts ${BUILD}/*.gcda)
if(earlier_counts)
  file(REMOVE ${earlier_counts})
endif()
set(SANITIZE coverage)
include(${CMAKE_CURRENT_LIST_DIR}/sanitize.cmake)

set(counts ${BUILD}/coverage.json)
execute_process(COMMAND ${GCOVR} --root ${SOURCE} --filter ${SOURCE}/src/ --object-directory ${BUILD}
                        --exclude-throw-branches --json ${counts} ${BUILD}
                WORKING_DIRECTORY ${BUILD} COMMAND_ERROR_IS_FATAL ANY)
set(report ${GCOVR} --root ${SOURCE} --add-tracefile ${counts})
file(MAKE_DIRECTORY ${BUILD}/report)
execute_process(COMMAND ${report} --html-details ${BUILD}/report/index.html COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${report} --branches COMMAND_ERROR_IS_FATAL ANY)
foreach(folder core backend api cli)
  execute_process(COMMAND ${report} --filter ${SOURCE}/src/${folder}/ --fail-under-line 95 COMMAND_ERROR_IS_FATAL ANY)
endforeach()
