# SPDX-License-Identifier: MIT
# Makes the tarball twice, from one commit, in different places, at different settings of what must not matter: they
# are the same byte for byte, and so are the libraries, with debug information. nvcc is not as good: names that it makes
# up hold a sum of the path of the source, so with CUDA both builds are of the same; and a file's name, until stripped.
file(REMOVE_RECURSE ${WORK})
set(copy ${WORK}/a/longer/path)
if(CUDA)
  set(copy ${SOURCE})
  string(REPLACE ";" "\\;" ARCHITECTURES "${ARCHITECTURES}")
  set(cuda -D CMAKE_CUDA_COMPILER=${CUDA} -D "CMAKE_CUDA_ARCHITECTURES=${ARCHITECTURES}")
else()
  set(cuda -D EPLB_CUDA=OFF)
  file(COPY ${SOURCE}/ DESTINATION ${copy}
       PATTERN .git EXCLUDE PATTERN __pycache__ EXCLUDE REGEX "/build[^/.]*$" EXCLUDE)
endif()

function(build source folder mask environment jobs)
  set(environment ${CMAKE_COMMAND} -E env ${environment} sh -c "umask ${mask} && exec \"$@\"" sh)
  execute_process(COMMAND ${environment} ${CMAKE_COMMAND} -S ${source} -B ${folder} -G ${GENERATOR}
                          -D CMAKE_C_COMPILER=${C} -D CMAKE_CXX_COMPILER=${CXX} -D CMAKE_BUILD_TYPE=Release
                          -D CMAKE_CXX_FLAGS=-g -D EPLB_TOOL=${TOOL} ${cuda}
                  COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND ${environment} ${CMAKE_COMMAND} --build ${folder} --target release --parallel ${jobs}
                  COMMAND_ERROR_IS_FATAL ANY)
endfunction()
build(${SOURCE} ${WORK}/first 022 "TZ=UTC;LC_ALL=C" 2)
build(${copy} ${WORK}/the/second 077 "TZ=Pacific/Kiritimati;LC_ALL=C.UTF-8;HOME=/nowhere" 1)

set(files ${NAME}.tar.gz)
if(NOT CUDA)
  list(APPEND files src/libeplb.so)
endif()
foreach(file ${files})
  execute_process(COMMAND ${CMAKE_COMMAND} -E compare_files ${WORK}/first/${file} ${WORK}/the/second/${file}
                  RESULT_VARIABLE differs)
  if(differs)
    message(SEND_ERROR "${WORK}/first/${file} and ${WORK}/the/second/${file} differ")
  endif()
endforeach()
