# SPDX-License-Identifier: MIT
# LIBRARY, stripped into COPY, has less than MEGABYTES.
execute_process(COMMAND ${STRIP} -o ${COPY} ${LIBRARY} COMMAND_ERROR_IS_FATAL ANY)
file(SIZE ${COPY} size)
math(EXPR limit "${MEGABYTES} * 1000000")
message(STATUS "Stripped: ${size} bytes")
if(NOT size LESS limit)
  message(FATAL_ERROR "${LIBRARY} has ${size} bytes when it is stripped; it has to have less than ${limit}")
endif()
