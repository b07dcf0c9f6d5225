# SPDX-License-Identifier: MIT
# Every file of SOURCE names its licence, but for those in which nothing can be said beside the data.
find_program(GIT git)
if(GIT AND EXISTS ${SOURCE}/.git)
  execute_process(COMMAND ${GIT} -c core.quotePath=off ls-files WORKING_DIRECTORY ${SOURCE}
                  OUTPUT_VARIABLE files COMMAND_ERROR_IS_FATAL ANY)
  string(REPLACE "\n" ";" files "${files}")
else()
  file(GLOB_RECURSE files RELATIVE ${SOURCE} ${SOURCE}/*)
  list(FILTER files EXCLUDE REGEX "^build|__pycache__")
endif()
list(FILTER files EXCLUDE REGEX "^LICENSE$|\\.(md|json|svg|png|npy|csv|lock|typed)$|(^|/)\\.|^tests/fuzz/corpus/")
list(REMOVE_ITEM files tests/abi/exports.txt "")

foreach(file ${files})
  file(READ ${SOURCE}/${file} text LIMIT 300)
  if(NOT text MATCHES "SPDX-License-Identifier: MIT")
    message(SEND_ERROR "${file} has no SPDX-License-Identifier: MIT in its first lines")
  endif()
endforeach()
list(LENGTH files count)
if(count LESS 100)
  message(FATAL_ERROR "Only ${count} files were found in ${SOURCE}")
endif()
