# SPDX-License-Identifier: MIT
# One way through the source: api sees backend and core, backend sees core, core sees itself and the
# standard library. Only api sees the public header, and the tool, which sees nothing else of ours.
set(core_must_not_see "[<\"](eplb|api|backend|cli)/|<[^>]*[./]")
set(backend_must_not_see "[<\"](eplb|api|cli)/")
set(api_must_not_see "[<\"]cli/")
set(cli_must_not_see "[<\"](api|backend|core)/")

foreach(folder core backend api cli)
  set(seen "")
  file(GLOB_RECURSE files ${SOURCE}/${folder}/*)
  foreach(file ${files})
    file(STRINGS ${file} includes REGEX "^[ \t]*#[ \t]*include")
    list(APPEND seen ${includes})
    foreach(include ${includes})
      if(include MATCHES "${${folder}_must_not_see}|\\.\\./")
        message(SEND_ERROR "${file}: ${include}")
      endif()
    endforeach()
  endforeach()
  if(NOT seen)
    message(SEND_ERROR "No include was found in ${SOURCE}/${folder}")
  endif()
endforeach()
