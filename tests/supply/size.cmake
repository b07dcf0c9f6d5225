# SPDX-License-Identifier: MIT
# FILE, stripped, has less than KILOBYTES.
file(SIZE ${FILE} size)
message(STATUS "${size} bytes")
math(EXPR limit "${KILOBYTES} * 1000")
if(NOT size LESS limit)
  message(FATAL_ERROR "${FILE} has ${size} bytes; it has to have less than ${limit}")
endif()
