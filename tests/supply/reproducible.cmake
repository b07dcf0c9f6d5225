# SPDX-License-Identifier: MIT
# Makes the tarball twice, from one commit, in different places, at different settings of what must not matter: they
# are the same byte for byte, and so are the libraries. Names that nvcc makes up hold a sum of the path of the source,
# so with CUDA both builds are of the same.
file(REMOVE_RECURSE ${WORK})
set(copy ${WORK}/a/longer/path)
if(CUDA)
  set(copy ${SOURCE})
else()
  file(COPY ${SOURCE}/ DESTINATION ${copy} PATTERN .git EXCLUDE REGEX "/build[^/.]*$" EXCLUDE PATTERN __pycache__ EXCLUDE)
endif()

function(build source folder mask environment jobs)
  set(environment ${CMAKE_COMMAND} -E env ${environment} sh -c "umask ${mask}; exec \"$@\"" sh)
  execute_process(COMMAND ${environment} ${CMAKE_COMMAND} -S ${source} -B ${folder} -G ${GENERATOR}
                          -D CMAKE_C_COMPILER=${C} -D CMAKE_CXX_COMPILER=${CXX} -D CMAKE_BUILD_TYPE=Release
                          -D EPLB_CUDA=${CUDA} -D EPLB_TOOL=${TOOL}
                  COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND ${environment} ${CMAKE_COMMAND} --build ${folder} --target release --parallel ${jobs}
                  COMMAND_ERROR_IS_FATAL ANY)
endfunction()
build(${SOURCE} ${WORK}/first 022 "TZ=UTC;LC_ALL=C" 2)
build(${copy} ${WORK}/the/second 077 "TZ=Pacific/Kiritimati;LC_ALL=C.UTF-8;HOME=/nowhere" 1)

foreach(file release/${NAME}/lib/libeplb.so ${NAME}.tar.gz)
  execute_process(COMMAND ${CMAKE_COMMAND} -E compare_files ${WORK}/first/${file} ${WORK}/the/second/${file}
                  RESULT_VARIABLE differs)
  if(differs)
    message(SEND_ERROR "${WORK}/first/${file} and ${WORK}/the/second/${file} differ")
  endif()
endforeach()
