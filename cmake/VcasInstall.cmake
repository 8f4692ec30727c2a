# cmake --install: the program, libvcas.so, the stable public headers and a package that find_package(vcas) reads. The
# prefix can be moved; only PyTorch stays where it was when vcas was built, as the library's run path says.
include(CMakePackageConfigHelpers)

# The stable public headers: what programs outside this repository may include, and all that is installed. Each includes
# only others of the list, and compiles alone (tests/install). Headers that only this repository uses lie in src.
set(VCAS_PUBLIC_HEADERS
    control/costs.h control/gate.h control/options.h control/sampler.h
    data/dataset.h data/order.h data/text_batch.h data/tokenized_texts.h
    formats/error.h formats/json.h
    models/bert.h models/hugging_face/model_directory.h models/hugging_face/tensor_table.h models/text_batch.h
    models/text_classifier.h
    nn/batch.h nn/classification_loss.h nn/flops.h nn/loss.h nn/model.h nn/parameter.h nn/pass.h nn/recording.h
    nn/tensor_file.h nn/transformer_layer.h nn/transformer_stack.h
    ops/activation.h ops/compute_options.h ops/dropout.h ops/flops.h ops/linear.h ops/precision.h ops/transformer_layer.h
    sampling/counts.h sampling/layout.h sampling/plan.h sampling/statistics.h sampling/stream.h
    tasks/classification_metrics.h tasks/text_classification.h
    text/tokenizer.h
    training/loop/adamw.h training/loop/batch_source.h training/loop/evaluation.h training/loop/history.h
    training/loop/method.h training/loop/optimizer.h training/loop/options.h training/loop/schedule.h
    training/loop/task.h training/loop/trainer.h training/loop/zero_masks.h
    training/methods/calibration.h training/methods/exact.h training/methods/methods.h
    training/methods/probe_options.h training/methods/selective_backprop.h training/methods/upper_bound.h
    training/methods/vcas.h
    training/run/launch.h training/run/options.h training/run/requests.h training/run/result.h
    version.h)
list(TRANSFORM VCAS_PUBLIC_HEADERS PREPEND "${PROJECT_SOURCE_DIR}/include/vcas/")

set(VCAS_CMAKE_DIR "${CMAKE_INSTALL_LIBDIR}/cmake/vcas")

target_sources(vcas PUBLIC FILE_SET HEADERS BASE_DIRS "${PROJECT_SOURCE_DIR}/include" FILES ${VCAS_PUBLIC_HEADERS})
set_target_properties(vcas PROPERTIES VERSION "${PROJECT_VERSION}" SOVERSION "${PROJECT_VERSION_MAJOR}"
                                      INSTALL_RPATH "$ORIGIN;${VCAS_TORCH_LIB_DIR}")
install(TARGETS vcas EXPORT vcasTargets LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" FILE_SET HEADERS)
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
