# SPDX-License-Identifier: MIT
# Compares what COMMAND prints, kept as ACTUAL, with FILE; with UPDATE it writes FILE instead.
set(ENV{LC_ALL} C) # nm sorts by it
execute_process(COMMAND ${COMMAND} OUTPUT_VARIABLE actual COMMAND_ERROR_IS_FATAL ANY)
if(UPDATE)
  file(WRITE ${FILE} "${actual}")
  return()
endif()
file(WRITE ${ACTUAL} "${actual}")
execute_process(COMMAND diff -u ${FILE} ${ACTUAL} RESULT_VARIABLE differs)
if(differs)
  message(FATAL_ERROR "The interface of the library is not what ${FILE} says. If it is meant to change, build the "
                      "target update_abi, and say so in CHANGELOG.md.")
endif()
