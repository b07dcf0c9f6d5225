# SPDX-License-Identifier: MIT
# Installs BUILD and moves the installed tree, or unpacks the tarball RELEASE of BUILD, and uses it as others would: by
# pkg-config, by find_package, and by the tool where it is built. All three must come to the same maps.
function(run output)
  execute_process(COMMAND ${ARGN} OUTPUT_VARIABLE out COMMAND_ERROR_IS_FATAL ANY)
  set(${output} "${out}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})
if(RELEASE)
  run(log ${CMAKE_COMMAND} -E chdir ${WORK} ${CMAKE_COMMAND} -E tar xf ${BUILD}/${RELEASE}.tar.gz)
else()
  set(RELEASE first)
  run(log ${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/first)
endif()
file(RENAME ${WORK}/${RELEASE} ${WORK}/moved)
set(libraries ${WORK}/moved/${LIBDIR})

# pkg-config
set(ENV{PKG_CONFIG_PATH} ${libraries}/pkgconfig)
run(flags ${PKG_CONFIG} --cflags --libs eplb)
separate_arguments(flags UNIX_COMMAND "${flags}")
run(log ${C} -std=c99 -Wall -Wextra -pedantic-errors -Werror ${SOURCE}/consumer.c ${flags} -o ${WORK}/by_pkg_config)
run(by_pkg_config ${CMAKE_COMMAND} -E env LD_LIBRARY_PATH=${libraries} ${WORK}/by_pkg_config)
run(version ${PKG_CONFIG} --modversion eplb)
if(NOT version STREQUAL "${VERSION}\n")
  message(SEND_ERROR "pkg-config says that this is version ${version}")
endif()

# find_package
run(log ${CMAKE_COMMAND} -S ${SOURCE}/project -B ${WORK}/project -G ${GENERATOR} -D CMAKE_C_COMPILER=${C}
        -D CMAKE_PREFIX_PATH=${WORK}/moved)
run(log ${CMAKE_COMMAND} --build ${WORK}/project)
run(by_find_package ${WORK}/project/consumer)
if(NOT by_pkg_config STREQUAL by_find_package)
  message(SEND_ERROR "By pkg-config:\n${by_pkg_config}\nby find_package:\n${by_find_package}")
endif()

# The tool
if(TOOL)
  set(tool ${WORK}/moved/${BINDIR}/eplb)
  run(info ${tool} info)
  string(JSON loads GET "${by_pkg_config}" loads)
  file(WRITE ${WORK}/loads.json "${loads}")
  run(by_tool ${tool} plan ${WORK}/loads.json --slots 16 --groups 4 --nodes 2 --gpus 8 --format json)
  foreach(map physical_to_logical replica_rank replica_count)
    string(JSON ours GET "${by_pkg_config}" ${map})
    string(JSON tools GET "${by_tool}" ${map})
    string(JSON same EQUAL "${ours}" "${tools}")
    if(NOT same)
      message(SEND_ERROR "${map} by the library:\n${ours}\nby the tool:\n${tools}")
    endif()
  endforeach()
endif()
