# cmake --install: the program, libvcas.so, the public headers and a package that find_package(vcas) reads. The prefix
# can be moved; only PyTorch stays where it was when vcas was built, as the library's run path says.
include(CMakePackageConfigHelpers)

set(VCAS_CMAKE_DIR "${CMAKE_INSTALL_LIBDIR}/cmake/vcas")

target_include_directories(vcas PUBLIC "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>"
                                       "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
set_target_properties(vcas PROPERTIES VERSION "${PROJECT_VERSION}" SOVERSION "${PROJECT_VERSION_MAJOR}"
                                      INSTALL_RPATH "$ORIGIN;${VCAS_TORCH_LIB_DIR}")
install(TARGETS vcas EXPORT vcasTargets LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/vcas" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
        FILES_MATCHING PATTERN "*.h")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}")

if(TARGET vcas_cli)
  file(RELATIVE_PATH library_from_program "/${CMAKE_INSTALL_BINDIR}" "/${CMAKE_INSTALL_LIBDIR}")
  set_target_properties(vcas_cli PROPERTIES INSTALL_RPATH "$ORIGIN/${library_from_program};${VCAS_TORCH_LIB_DIR}")
  install(TARGETS vcas_cli RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()

install(EXPORT vcasTargets NAMESPACE vcas:: DESTINATION "${VCAS_CMAKE_DIR}")
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/vcasConfig.cmake.in" "${PROJECT_BINARY_DIR}/vcasConfig.cmake"
                              INSTALL_DESTINATION "${VCAS_CMAKE_DIR}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/vcasConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/vcasConfig.cmake" "${PROJECT_BINARY_DIR}/vcasConfigVersion.cmake"
              "${PROJECT_SOURCE_DIR}/cmake/VcasTorch.cmake"
        DESTINATION "${VCAS_CMAKE_DIR}")

if(VCAS_PYTHON_PACKAGE)
  # Beside the package's modules; PyTorch has been imported when it is loaded, so that its libraries are found.
  install(FILES "$<TARGET_FILE:vcas>" DESTINATION vcas RENAME libvcas.so COMPONENT python)
endif()
