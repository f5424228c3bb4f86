# bindings.cmake: what lucetc makes of lucet_http.wit for a host, and guests that are compiled with it. Included by the servers' projects.

set(LUCET_HTTP_DIR "${CMAKE_CURRENT_LIST_DIR}")
set(LUCET_HTTP_WIT "${LUCET_HTTP_DIR}/lucet_http.wit")

# lucet_http_host(TARGET): the prototypes of the host functions, their table and its checks (lucet_http_host.h and .c), the interface's
# numbers, and rules.h.
function(lucet_http_host target)
  set(directory "${CMAKE_CURRENT_BINARY_DIR}/${target}.http")
  file(MAKE_DIRECTORY "${directory}")
  foreach(kind IN ITEMS header source)
    string(REPLACE "header" "h" extension "${kind}")
    string(REPLACE "source" "c" extension "${extension}")
    set(file "${directory}/lucet_http_host.${extension}")
    add_custom_command(OUTPUT "${file}"
      COMMAND Lucet::lucetc --bindings "${LUCET_HTTP_WIT}" --emit host-${kind} -o "${file}"
      DEPENDS "${LUCET_HTTP_WIT}" Lucet::lucetc COMMENT "lucetc ${target}.http/lucet_http_host.${extension}" VERBATIM)
    target_sources(${target} PRIVATE "${file}")
  endforeach()
  target_sources(${target} PRIVATE "${LUCET_HTTP_DIR}/host/rules.c" "${LUCET_HTTP_DIR}/host/demo.c")
  target_include_directories(${target} PRIVATE "${directory}" "${LUCET_HTTP_DIR}/guest" "${LUCET_HTTP_DIR}/host")
endfunction()

# lucet_http_guests(): every guest of guests/prebuilt, as guests/NAME.so in the binary directory. Those that are not WASI programs are held to the
# bindings, and the checks of their calls compiled in.
function(lucet_http_guests)
  file(GLOB guests CONFIGURE_DEPENDS "${LUCET_HTTP_DIR}/guests/prebuilt/*.wasm" "${LUCET_HTTP_DIR}/guests/*.wat")
  foreach(guest IN LISTS guests)
    get_filename_component(name "${guest}" NAME_WE)
    set(options LUCETC_OPTIONS --bindings "${LUCET_HTTP_WIT}")
    if(name MATCHES "^wasi_")
      set(options "")
    endif()
    lucet_add_module(NAME guest_${name} WASM "${guest}" OUTPUT "${CMAKE_CURRENT_BINARY_DIR}/guests/${name}.so" ${options})
  endforeach()
endfunction()
