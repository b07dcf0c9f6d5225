# SPDX-License-Identifier: MIT
# Compares what COMMAND prints, kept as ACTUAL, with FILE; with UPDATE it writes FILE instead.
set(ENV{LC_ALL} C) # nm sorts by it
execute_process(COMMAND ${COMMAND} OUTPUT_VARIABLE actual COMMAND_ERROR_IS_FATAL ANY)
if(UPDATE)
  file(READ ${FILE} before)
  if(NOT actual STREQUAL before)
    file(WRITE ${FILE} "${actual}")
    cmake_path(GET FILE FILENAME name)
    message("tests/abi/${name} was written")
  endif()
  return()
endif()
file(WRITE ${ACTUAL} "${actual}")
execute_process(COMMAND diff -u ${FILE} ${ACTUAL} RESULT_VARIABLE differs)
if(differs)
  message(FATAL_ERROR "${FILE} is not what the header and the library say now. Build the target update_abi, look at the "
                      "difference, and if the interface has changed, say so in CHANGELOG.md.")
endif()
