# Defines the imported target vcas::torch from an installed PyTorch (2.11 to 2.14), the CPU or the CUDA wheel.
# Not find_package(Torch): the configuration that a CUDA wheel brings demands the CUDA toolkit, which no part of
# vcas compiles against. Used by vcas's own build and by programs that find_package(vcas).
#
# PyTorch is taken from the first of: VCAS_TORCH_ROOT (its torch folder), Torch_DIR (as find_package(Torch) knows
# it), a TorchConfig.cmake on CMAKE_PREFIX_PATH, the torch that Python3_EXECUTABLE or python3 imports.
if(TARGET vcas::torch)
  return()
endif()

function(vcas_find_torch_root result)
  set(root "${VCAS_TORCH_ROOT}")
  if(NOT root AND Torch_DIR)
    get_filename_component(root "${Torch_DIR}/../../.." ABSOLUTE)
  endif()
  foreach(prefix IN LISTS CMAKE_PREFIX_PATH)
    # torch.utils.cmake_prefix_path, and the torch folder itself.
    foreach(config "${prefix}/Torch" "${prefix}/share/cmake/Torch")
      if(NOT root AND EXISTS "${config}/TorchConfig.cmake")
        get_filename_component(root "${config}/../../.." ABSOLUTE)
      endif()
    endforeach()
  endforeach()
  if(NOT root)
    if(NOT Python3_EXECUTABLE)
      find_program(Python3_EXECUTABLE NAMES python3 NO_CACHE)
    endif()
    # Found, not imported: importing takes seconds. In the isolated environment of a plain `pip install .`, which hides
    # what is installed, it still lies where the interpreter keeps its packages.
    execute_process(
      COMMAND "${Python3_EXECUTABLE}" -c
              "import importlib.util as u, os, sysconfig as s; found = u.find_spec('torch'); print(\
found.submodule_search_locations[0] if found else os.path.join(s.get_path('purelib'), 'torch'))"
      OUTPUT_VARIABLE root OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE status)
    if(NOT status EQUAL 0 OR NOT EXISTS "${root}/version.py")
      message(FATAL_ERROR "vcas: expected PyTorch 2.11 to 2.14, but '${Python3_EXECUTABLE}' has no torch. In vcas's own "
                          "tree scripts/test and scripts/demo install it; elsewhere set Python3_EXECUTABLE to a "
                          "Python that has it, or VCAS_TORCH_ROOT to its torch folder.")
    endif()
  endif()
  set(${result} "${root}" PARENT_SCOPE)
endfunction()

# Sets VCAS_TORCH_VERSION ("2.13"). A program must load the minor version that vcas was compiled against: the C++
# interfaces of others differ.
function(vcas_check_torch_version root)
  file(STRINGS "${root}/version.py" line REGEX "^__version__")
  string(REGEX MATCH "2\\.1[1-4]" version "${line}")
  if(NOT version)
    message(FATAL_ERROR "vcas: expected PyTorch 2.11 to 2.14, got ${line} in ${root}")
  endif()
  if(VCAS_BUILT_WITH_TORCH AND NOT version STREQUAL VCAS_BUILT_WITH_TORCH)
    message(FATAL_ERROR "vcas: expected PyTorch ${VCAS_BUILT_WITH_TORCH}, which this vcas was built with, got "
                        "${version} in ${root}")
  endif()
  message(STATUS "vcas: PyTorch ${version} in ${root}")
  set(VCAS_TORCH_VERSION "${version}" PARENT_SCOPE)
endfunction()

vcas_find_torch_root(VCAS_TORCH_ROOT)
set(VCAS_TORCH_LIB_DIR "${VCAS_TORCH_ROOT}/lib")
if(NOT EXISTS "${VCAS_TORCH_LIB_DIR}/libtorch_cpu.so")
  message(FATAL_ERROR "vcas: expected libtorch_cpu.so in ${VCAS_TORCH_LIB_DIR}")
endif()
vcas_check_torch_version("${VCAS_TORCH_ROOT}")

add_library(vcas::torch INTERFACE IMPORTED)
# System headers, so that warnings of PyTorch's are not ours. libstdc++ comes before the libtorch.so of some wheels (CUDA,
# 2.11), which exports an old std::filesystem of its own whose remove_all crashes.
set_target_properties(vcas::torch PROPERTIES
  INTERFACE_SYSTEM_INCLUDE_DIRECTORIES
    "${VCAS_TORCH_ROOT}/include;${VCAS_TORCH_ROOT}/include/torch/csrc/api/include"
  INTERFACE_INCLUDE_DIRECTORIES
    "${VCAS_TORCH_ROOT}/include;${VCAS_TORCH_ROOT}/include/torch/csrc/api/include"
  INTERFACE_LINK_LIBRARIES
    "stdc++;${VCAS_TORCH_LIB_DIR}/libtorch.so;${VCAS_TORCH_LIB_DIR}/libtorch_cpu.so;${VCAS_TORCH_LIB_DIR}/libc10.so"
  INTERFACE_COMPILE_FEATURES cxx_std_20)
