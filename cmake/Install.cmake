# Installation, by scripts/install.sh. Components as a distribution would split them: Runtime, Development, Compiler.
#
# The prefix and DESTDIR are those of the time of the installation, so cmake --install --prefix and CPack work.

# lucet_install(COMPONENT PARTS): the parts are install.sh's.
function(lucet_install component parts)
  string(CONFIGURE [=[
    execute_process(
      COMMAND "@PROJECT_SOURCE_DIR@/scripts/install.sh" --parts "@parts@"
        --prefix "${CMAKE_INSTALL_PREFIX}" --destdir "$ENV{DESTDIR}" --target-dir "@LUCET_CARGO_TARGET_DIR@"
        --libdir "@CMAKE_INSTALL_LIBDIR@" --includedir "@CMAKE_INSTALL_INCLUDEDIR@"
        --bindir "@CMAKE_INSTALL_BINDIR@" --docdir "@lucet_docdir@"
      OUTPUT_VARIABLE lucet_installed COMMAND_ERROR_IS_FATAL ANY)
    string(STRIP "${lucet_installed}" lucet_installed)
    string(REPLACE "\n" ";" lucet_installed "${lucet_installed}")
    # For install_manifest.txt.
    list(APPEND CMAKE_INSTALL_MANIFEST_FILES ${lucet_installed})
    foreach(lucet_file IN LISTS lucet_installed)
      message(STATUS "Installed: $ENV{DESTDIR}${lucet_file}")
    endforeach()
  ]=] code @ONLY)
  install(CODE "${code}" COMPONENT ${component})
endfunction()

# GNUInstallDirs names it after the project, which has a capital letter; the directory of a package has none.
set(lucet_docdir "${CMAKE_INSTALL_DATAROOTDIR}/doc/lucet")
lucet_install(Runtime "runtime")
lucet_install(Development "libraries headers package docs")
if(LUCET_BUILD_COMPILER)
  lucet_install(Compiler "compiler")
endif()
