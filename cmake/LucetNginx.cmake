# lucet_add_nginx_module(): builds a dynamic module for the nginx that is installed.
#
#   lucet_add_nginx_module(NAME
#     SOURCES file.c ...
#     [MODULES module ...]      the ngx_module_t objects in the sources; default: NAME
#     [FILTERS module ...]      those of MODULES that are filters: they go where third-party filters go, after what makes
#                               the response and before what compresses, chunks and sends it
#     [ORDER module ...]        instead of FILTERS: the modules and, behind them, those of nginx that they go before
#     [LIBRARIES target ...]    to link; Lucet::lucet comes by itself
#   )
#
# Makes a target NAME, part of `all`: NAME.so in the current binary directory, for load_module. Its property LUCET_NGINX_TEST is the
# name of a test that lets nginx load it; with enable_testing() it is one of CTest's.
#
# The sources of nginx come from NGINX_SOURCE_DIR: Debian's package nginx-dev, or a full source tree of the very version that
# will load the module. A tree has no ngx_auto_config.h before it is configured, so that happens here, once for each build
# directory: with the flags of Debian's package where there are any, else with NGINX_CONFIGURE_FLAGS, which must be those
# that nginx -V prints. Nothing is written into the tree.
#
# nginx checks version and build flags of a module when it loads it, and looks for three tables in it, which are made here. All other
# symbols are hidden: nginx loads modules into one global scope, where another module's symbols would win. The module
# stays mapped for ever (-z nodelete): nginx unloads modules at a reload, and signal handlers must not go away.

include_guard(GLOBAL)

set(NGINX_SOURCE_DIR /usr/share/nginx/src CACHE PATH "The sources of the nginx that modules are for")
set(NGINX_CONFIGURE_FLAGS "--with-compat" CACHE STRING "For a source tree without conf_flags: as nginx -V prints them")

function(lucet_add_nginx_module name)
  cmake_parse_arguments(PARSE_ARGV 1 NGX "" "" "SOURCES;MODULES;FILTERS;ORDER;LIBRARIES")
  if(NGX_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "lucet_add_nginx_module(${name}): what is \"${NGX_UNPARSED_ARGUMENTS}\"?")
  endif()
  if(NOT NGX_SOURCES)
    message(FATAL_ERROR "lucet_add_nginx_module(${name}): expected SOURCES")
  endif()
  if(NOT NGX_MODULES)
    set(NGX_MODULES ${name})
  endif()
  if(NGX_FILTERS AND NOT NGX_ORDER)
    set(NGX_ORDER ${NGX_FILTERS} ngx_http_copy_filter_module)
  endif()
  lucet_configure_nginx(objects)
  set(glue "${CMAKE_CURRENT_BINARY_DIR}/${name}.glue")
  lucet_nginx_tables("${glue}.c")
  file(CONFIGURE OUTPUT "${glue}.map" CONTENT "{ global: ngx_modules; ngx_module_names; ngx_module_order; local: *; };\n")
  add_library(${name} MODULE ${NGX_SOURCES} "${glue}.c")
  set_target_properties(${name} PROPERTIES PREFIX "" LINK_DEPENDS "${glue}.map")
  set(source "${NGINX_SOURCE_DIR}/src")
  target_include_directories(${name} SYSTEM PRIVATE "${objects}" "${source}/core" "${source}/event" "${source}/event/modules"
    "${source}/os/unix" "${source}/http" "${source}/http/modules" "${source}/http/v2" "${source}/stream" "${source}/mail")
  target_link_libraries(${name} PRIVATE Lucet::lucet ${NGX_LIBRARIES})
  target_link_options(${name} PRIVATE "LINKER:-z,relro,-z,now,-z,nodelete" "LINKER:--exclude-libs,ALL"
    "LINKER:--version-script=${glue}.map")
  lucet_test_nginx_module(${name})
endfunction()

# Sets `result` to a directory with ngx_auto_config.h. Made once; a change of tree or flags makes another.
function(lucet_configure_nginx result)
  if(NOT EXISTS "${NGINX_SOURCE_DIR}/src/core/nginx.h")
    message(FATAL_ERROR "There is no nginx source in NGINX_SOURCE_DIR, ${NGINX_SOURCE_DIR}: install nginx-dev, or set it to a tree")
  endif()
  file(STRINGS "${NGINX_SOURCE_DIR}/src/core/nginx.h" version REGEX "NGINX_VERSION +\"")
  string(REGEX REPLACE ".*\"(.*)\".*" "\\1" version "${version}")
  string(SHA1 key "${NGINX_SOURCE_DIR} ${version} ${NGINX_CONFIGURE_FLAGS}")
  string(SUBSTRING "${key}" 0 8 key)
  set(objects "${CMAKE_BINARY_DIR}/nginx-${version}-${key}")
  set(${result} "${objects}" PARENT_SCOPE)
  if(EXISTS "${objects}/configured")
    return()
  endif()
  message(STATUS "Configuring nginx ${version} for its headers")
  set(flags "eval \"flags=(\$NGINX_FLAGS)\"")
  if(EXISTS "${NGINX_SOURCE_DIR}/conf_flags")
    set(flags ". ./conf_flags; flags=(\"\${NGX_CONF_FLAGS[@]}\")")
  endif()
  set(configure ./configure)
  if(NOT EXISTS "${NGINX_SOURCE_DIR}/configure")
    set(configure ./auto/configure)
  endif()
  execute_process(
    COMMAND "${CMAKE_COMMAND}" -E env "NGINX_FLAGS=${NGINX_CONFIGURE_FLAGS}"
      bash -c "${flags} && ${configure} \"\${flags[@]}\" \"--builddir=$1\"" configure "${objects}"
    WORKING_DIRECTORY "${NGINX_SOURCE_DIR}" RESULT_VARIABLE failed OUTPUT_VARIABLE log ERROR_VARIABLE log)
  file(WRITE "${objects}/configure.log" "${log}")
  if(failed OR NOT EXISTS "${objects}/ngx_auto_config.h")
    message(FATAL_ERROR "nginx's configure failed; see ${objects}/configure.log")
  endif()
  file(WRITE "${objects}/configured" "")
endfunction()

# The three tables that nginx looks for. Reads the caller's NGX_ variables.
function(lucet_nginx_tables file)
  set(declarations "")
  set(modules "")
  set(names "")
  set(order "")
  foreach(module IN LISTS NGX_MODULES)
    string(APPEND declarations "extern ngx_module_t ${module};\n")
    string(APPEND modules "&${module}, ")
    string(APPEND names "\"${module}\", ")
  endforeach()
  foreach(module IN LISTS NGX_ORDER)
    string(APPEND order "\"${module}\", ")
  endforeach()
  file(CONFIGURE OUTPUT "${file}" @ONLY CONTENT [=[
/* Made by lucet_add_nginx_module(). */
#include <ngx_config.h>
#include <ngx_core.h>
@declarations@
ngx_module_t *ngx_modules[] = {@modules@NULL};
char *ngx_module_names[] = {@names@NULL};
char *ngx_module_order[] = {@order@NULL};
]=])
endfunction()

# A test that lets nginx itself say whether the module fits: version, flags and every symbol.
function(lucet_test_nginx_module name)
  find_program(LUCET_NGINX nginx PATHS /usr/sbin /usr/local/sbin /usr/local/nginx/sbin DOC "The nginx that tests modules")
  set_target_properties(${name} PROPERTIES LUCET_NGINX_TEST "nginx-loads-${name}")
  if(NOT LUCET_NGINX)
    return()
  endif()
  set(directory "${CMAKE_CURRENT_BINARY_DIR}/${name}.test")
  file(MAKE_DIRECTORY "${directory}")
  file(GENERATE OUTPUT "${directory}/nginx-$<CONFIG>.conf"
    CONTENT "load_module $<TARGET_FILE:${name}>;\npid ${directory}/pid;\nevents {}\n")
  add_test(NAME nginx-loads-${name} COMMAND "${LUCET_NGINX}" -t -q -e stderr -c "${directory}/nginx-$<CONFIG>.conf")
endfunction()
