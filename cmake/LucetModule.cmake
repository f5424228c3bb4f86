# lucet_add_module(): compiles a WebAssembly guest to a native module while a project is built.
#
#   lucet_add_module(NAME filter
#     WASM filter.wasm | WAT filter.wat | C filter.c [more.c ...]
#     [OUTPUT filter.so]              where; default: NAME.so in the current binary directory
#     [TARGET wasm32-unknown-unknown] C only: wasm32-wasi adds the C library and a main()
#     [COMPILE_OPTIONS ...]           C only: for clang, when compiling; default -O2
#     [LINK_OPTIONS ...]              C only: for clang, when linking
#     [INCLUDES directory ...]        C only
#     [DEPENDS file ...]              C only: headers
#     [FALLBACK filter.wasm]          C only: compiled instead where there is no clang for wasm
#     [LUCETC_OPTIONS ...]            for lucetc, for example --target-cpu x86-64-v2
#   )
#
# Makes a target NAME, part of `all`, whose properties LUCET_MODULE and LUCET_WASM are the module's and the guest's
# path. Needs Lucet::lucetc (component compiler). C guests need clang with the wasm32 target and wasm-ld (Debian:
# clang lld); set LUCET_GUEST_CC to choose one. The module belongs to the CPU level given to lucetc, x86-64-v3 unless
# said otherwise, not to the machine that built it.

include_guard(GLOBAL)

function(lucet_add_module)
  set(single NAME WASM WAT OUTPUT TARGET FALLBACK)
  set(several C COMPILE_OPTIONS LINK_OPTIONS INCLUDES DEPENDS LUCETC_OPTIONS)
  cmake_parse_arguments(PARSE_ARGV 0 MODULE "" "${single}" "${several}")
  lucet_check_module_arguments()
  set(output "${CMAKE_CURRENT_BINARY_DIR}/${MODULE_NAME}.so")
  if(MODULE_OUTPUT)
    get_filename_component(output "${MODULE_OUTPUT}" ABSOLUTE BASE_DIR "${CMAKE_CURRENT_BINARY_DIR}")
  endif()
  lucet_guest_file(guest)
  get_filename_component(directory "${output}" DIRECTORY)
  file(MAKE_DIRECTORY "${directory}")
  add_custom_command(OUTPUT "${output}"
    COMMAND Lucet::lucetc ${MODULE_LUCETC_OPTIONS} -o "${output}" "${guest}"
    DEPENDS "${guest}" Lucet::lucetc
    COMMENT "lucetc ${MODULE_NAME}" VERBATIM)
  add_custom_target(${MODULE_NAME} ALL DEPENDS "${output}")
  if(TARGET lucet_cargo)
    add_dependencies(${MODULE_NAME} lucet_cargo)
  endif()
  set_target_properties(${MODULE_NAME} PROPERTIES LUCET_MODULE "${output}" LUCET_WASM "${guest}")
endfunction()

# Stops the configuration unless there is a name and exactly one kind of source.
macro(lucet_check_module_arguments)
  if(MODULE_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "lucet_add_module: what is ${MODULE_UNPARSED_ARGUMENTS}?")
  endif()
  if(NOT MODULE_NAME)
    message(FATAL_ERROR "lucet_add_module: NAME is missing")
  endif()
  set(kinds 0)
  foreach(kind IN ITEMS WASM WAT C)
    if(MODULE_${kind})
      math(EXPR kinds "${kinds} + 1")
    endif()
  endforeach()
  if(NOT kinds EQUAL 1)
    message(FATAL_ERROR "lucet_add_module(${MODULE_NAME}): give one of WASM, WAT and C")
  endif()
  if(NOT TARGET Lucet::lucetc)
    message(FATAL_ERROR "lucet_add_module(${MODULE_NAME}) needs lucetc: find_package(Lucet COMPONENTS compiler)")
  endif()
endmacro()

# The .wasm or .wat to compile, made from C if need be. Reads the caller's MODULE_ variables.
function(lucet_guest_file result)
  set(guest "${MODULE_WASM}${MODULE_WAT}")
  if(MODULE_C)
    lucet_guest_compiler(compiler)
    if(compiler)
      lucet_compile_c_guest("${compiler}" guest)
    elseif(MODULE_FALLBACK)
      set(guest "${MODULE_FALLBACK}")
      message(STATUS "lucet_add_module(${MODULE_NAME}): no clang for wasm32, using ${guest}")
    else()
      message(FATAL_ERROR "lucet_add_module(${MODULE_NAME}): no clang for wasm32 found; install clang and lld, set "
        "LUCET_GUEST_CC, or give a FALLBACK")
    endif()
  endif()
  get_filename_component(guest "${guest}" ABSOLUTE)
  set(${result} "${guest}" PARENT_SCOPE)
endfunction()

# Adds the command that makes NAME.wasm from C.
function(lucet_compile_c_guest compiler result)
  set(target "${MODULE_TARGET}")
  if(NOT target)
    set(target wasm32-unknown-unknown)
  endif()
  set(options -O2)
  if(MODULE_COMPILE_OPTIONS)
    set(options ${MODULE_COMPILE_OPTIONS})
  endif()
  set(link ${MODULE_LINK_OPTIONS})
  if(NOT target MATCHES "wasi")
    list(PREPEND link -nostdlib -Wl,--no-entry)
  endif()
  set(includes "")
  foreach(directory IN LISTS MODULE_INCLUDES)
    get_filename_component(directory "${directory}" ABSOLUTE)
    list(APPEND includes "-I${directory}")
  endforeach()
  set(sources "")
  foreach(source IN LISTS MODULE_C)
    get_filename_component(source "${source}" ABSOLUTE)
    list(APPEND sources "${source}")
  endforeach()
  set(depends "")
  foreach(header IN LISTS MODULE_DEPENDS)
    get_filename_component(header "${header}" ABSOLUTE)
    list(APPEND depends "${header}")
  endforeach()
  set(wasm "${CMAKE_CURRENT_BINARY_DIR}/${MODULE_NAME}.wasm")
  add_custom_command(OUTPUT "${wasm}"
    COMMAND "${compiler}" --target=${target} ${options} ${includes} -o "${wasm}" ${sources} ${link}
    DEPENDS ${sources} ${depends}
    COMMENT "clang ${MODULE_NAME}.wasm" VERBATIM)
  set(${result} "${wasm}" PARENT_SCOPE)
endfunction()

# The first clang that links a wasm32 module; empty if there is none. Found once a configuration.
function(lucet_guest_compiler result)
  if(NOT DEFINED CACHE{LUCET_GUEST_CC} OR LUCET_GUEST_CC STREQUAL "")
    set(found "")
    set(probe "${CMAKE_BINARY_DIR}/CMakeFiles/lucet-guest-probe")
    file(WRITE "${probe}.c" "int probe(void) { return 1; }\n")
    foreach(name IN ITEMS clang clang-20 clang-19 clang-18 clang-17 clang-16 clang-15 clang-14)
      find_program(lucet_candidate NAMES ${name} NO_CACHE)
      if(lucet_candidate)
        execute_process(
          COMMAND "${lucet_candidate}" --target=wasm32-unknown-unknown -nostdlib -Wl,--no-entry -o "${probe}.wasm" "${probe}.c"
          RESULT_VARIABLE failed OUTPUT_QUIET ERROR_QUIET)
        if(failed EQUAL 0)
          set(found "${lucet_candidate}")
          break()
        endif()
      endif()
      unset(lucet_candidate)
    endforeach()
    set(LUCET_GUEST_CC "${found}" CACHE FILEPATH "The clang that compiles guests written in C" FORCE)
  endif()
  set(${result} "${LUCET_GUEST_CC}" PARENT_SCOPE)
endfunction()
