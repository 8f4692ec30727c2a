# vcas_folder(NAME USES folder... LIBRARIES target...): one static library for one folder of src.
# USES names the folders it may use; the direction of use that CONTRIBUTING.md draws thus holds when linking too.
# Sources are every .cpp below src/NAME. Several are compiled as one (VCAS_UNITY_BUILD): the headers of
# libraries take longer to read than a source.
function(vcas_folder name)
  cmake_parse_arguments(ARG "TORCH" "" "USES;LIBRARIES" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/${name}/*.cpp")
  if(NOT sources)
    add_library(vcas_${name} INTERFACE)
    return()
  endif()
  add_library(vcas_${name} STATIC ${sources})
  vcas_unity_build(vcas_${name})
  target_link_libraries(vcas_${name} PUBLIC vcas_options ${ARG_LIBRARIES})
  foreach(folder IN LISTS ARG_USES)
    target_link_libraries(vcas_${name} PUBLIC vcas_${folder})
  endforeach()
  if(ARG_TORCH)
    target_link_libraries(vcas_${name} PUBLIC vcas_torch)
  endif()
  set_property(GLOBAL APPEND PROPERTY VCAS_FOLDERS vcas_${name})
endfunction()
