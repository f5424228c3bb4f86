# The target lucet_cargo: lets cargo build the libraries and the compiler, then installs them into the build tree
# (LUCET_STAGE), whose package files give this build the targets that an installed Lucet has.

find_program(LUCET_CARGO NAMES cargo PATHS "$ENV{CARGO_HOME}/bin" "$ENV{HOME}/.cargo/bin" REQUIRED
  DOC "The cargo that builds Lucet; Cargo.toml says which version is needed")

set(LUCET_STAGE "${PROJECT_BINARY_DIR}/stage")
separate_arguments(lucet_cargo_flags UNIX_COMMAND "${LUCET_CARGO_FLAGS}")
# DESTDIR is for installations, not for the build tree.
set(lucet_stage "${CMAKE_COMMAND}" -E env --unset=DESTDIR "${PROJECT_SOURCE_DIR}/scripts/install.sh"
  --prefix "${LUCET_STAGE}" --target-dir "${LUCET_CARGO_TARGET_DIR}")
set(lucet_products "${LUCET_STAGE}/lib/liblucet.so.${PROJECT_VERSION}" "${LUCET_STAGE}/lib/liblucet.a")
set(lucet_parts "runtime libraries headers package")
if(LUCET_BUILD_COMPILER)
  string(APPEND lucet_parts " compiler")
  list(APPEND lucet_products "${LUCET_STAGE}/bin/lucetc")
endif()

# What does not have to be built is needed now: the targets, and the directory of headers that they name.
execute_process(COMMAND ${lucet_stage} --parts "headers package" OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
include("${LUCET_STAGE}/lib/cmake/Lucet/LucetTargets.cmake")

add_custom_target(lucet_cargo ALL
  COMMAND "${CMAKE_COMMAND}" -E env "CARGO=${LUCET_CARGO}" LUCET_BUILD_COMPILER=${LUCET_BUILD_COMPILER}
    "${PROJECT_SOURCE_DIR}/scripts/build.sh" --target-dir "${LUCET_CARGO_TARGET_DIR}" ${lucet_cargo_flags}
  COMMAND ${lucet_stage} --parts "${lucet_parts}" > "${PROJECT_BINARY_DIR}/stage.txt"
  BYPRODUCTS ${lucet_products}
  COMMENT "cargo build"
  USES_TERMINAL VERBATIM)
foreach(target IN ITEMS lucet lucet_shared lucet_static lucetc)
  add_dependencies(Lucet::${target} lucet_cargo)
endforeach()
