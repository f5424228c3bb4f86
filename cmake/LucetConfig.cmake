# find_package(Lucet 0.1 CONFIG [COMPONENTS shared static compiler]): see LucetTargets.cmake for the targets and
# LucetModule.cmake for lucet_add_module(), and LucetNginx.cmake for lucet_add_nginx_module(). Depends on nothing else, and may be included many times.

include("${CMAKE_CURRENT_LIST_DIR}/LucetTargets.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/LucetModule.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/LucetNginx.cmake")

# A component is found if its file is: a distribution may ship the compiler in a package of its own.
foreach(lucet_component IN ITEMS shared static compiler)
  set(lucet_target "Lucet::lucet_${lucet_component}")
  if(lucet_component STREQUAL "compiler")
    set(lucet_target Lucet::lucetc)
  endif()
  set(Lucet_${lucet_component}_FOUND FALSE)
  if(TARGET ${lucet_target})
    get_target_property(lucet_file ${lucet_target} IMPORTED_LOCATION)
    if(EXISTS "${lucet_file}")
      set(Lucet_${lucet_component}_FOUND TRUE)
    endif()
    unset(lucet_file)
  endif()
endforeach()
unset(lucet_target)

foreach(lucet_component IN LISTS Lucet_FIND_COMPONENTS)
  if(Lucet_FIND_REQUIRED_${lucet_component} AND NOT Lucet_${lucet_component}_FOUND)
    set(Lucet_FOUND FALSE)
    set(Lucet_NOT_FOUND_MESSAGE "Lucet has no component \"${lucet_component}\" here; there are: shared static compiler")
  endif()
endforeach()
unset(lucet_component)
