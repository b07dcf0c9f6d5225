# SPDX-License-Identifier: MIT
# Makes BUILD/NAME.tar.gz and its .sha256 from what BUILD installs, stripped, and from the documents and bindings in
# SOURCE. The same input gives the same bytes, whatever the umask, the owner and the clock; SOURCE_DATE_EPOCH is heeded.
set(tree ${BUILD}/release/${NAME})
file(REMOVE_RECURSE ${BUILD}/release)
execute_process(COMMAND ${CMAKE_COMMAND} --install ${BUILD} --prefix ${tree} --strip
                OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
file(COPY ${SOURCE}/README.md ${SOURCE}/CHANGELOG.md ${SOURCE}/LICENSE DESTINATION ${tree})
file(COPY ${SOURCE}/bindings DESTINATION ${tree} PATTERN __pycache__ EXCLUDE PATTERN CMakeLists.txt EXCLUDE)
file(COPY ${SOURCE}/docs DESTINATION ${tree} FILES_MATCHING PATTERN *.md PATTERN *.svg PATTERN *.png PATTERN *.c)
if(EXISTS ${BUILD}/docs/html/index.html)
  file(COPY ${BUILD}/docs/html DESTINATION ${tree}/docs)
endif()

set(epoch 315532800) # 1980-01-01, the first day that all archivers know
if(DEFINED ENV{SOURCE_DATE_EPOCH})
  set(epoch $ENV{SOURCE_DATE_EPOCH})
endif()
execute_process(COMMAND tar --create --format=ustar --sort=name --mtime=@${epoch} --owner=0 --group=0 --numeric-owner
                        --mode=u=rwX,go=rX --directory ${BUILD}/release ${NAME}
                COMMAND gzip -9 --no-name OUTPUT_FILE ${BUILD}/${NAME}.tar.gz COMMAND_ERROR_IS_FATAL ANY)
file(SHA256 ${BUILD}/${NAME}.tar.gz hash)
file(WRITE ${BUILD}/${NAME}.tar.gz.sha256 "${hash}  ${NAME}.tar.gz\n")
file(SIZE ${BUILD}/${NAME}.tar.gz size)
message(STATUS "${BUILD}/${NAME}.tar.gz: ${size} bytes")
