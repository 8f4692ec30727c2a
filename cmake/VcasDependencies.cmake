# Third-party libraries. CONTRIBUTING.md says why each is here.
find_package(Threads REQUIRED)

# LibTorch comes from the pip wheel of the interpreter that configures the build.
if(NOT Torch_DIR)
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  execute_process(
    COMMAND "${Python3_EXECUTABLE}" -c "import torch; print(torch.utils.cmake_prefix_path)"
    OUTPUT_VARIABLE VCAS_TORCH_PREFIX
    OUTPUT_STRIP_TRAILING_WHITESPACE
    RESULT_VARIABLE VCAS_TORCH_STATUS)
  if(NOT VCAS_TORCH_STATUS EQUAL 0)
    message(FATAL_ERROR "vcas: ${Python3_EXECUTABLE} cannot import torch; run scripts/test or scripts/demo, which install it")
  endif()
  list(APPEND CMAKE_PREFIX_PATH "${VCAS_TORCH_PREFIX}")
endif()
find_package(Torch REQUIRED)

find_package(nlohmann_json REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(ICU REQUIRED COMPONENTS uc data)
find_package(PkgConfig REQUIRED)
pkg_check_modules(HWY REQUIRED IMPORTED_TARGET libhwy)

# One OpenMP runtime only: the one that the wheel's libtorch_cpu loads.
get_filename_component(VCAS_TORCH_LIB_DIR "${TORCH_LIBRARY}" DIRECTORY)
file(GLOB VCAS_GOMP "${VCAS_TORCH_LIB_DIR}/libgomp*.so*")
add_library(vcas_openmp INTERFACE)
target_compile_options(vcas_openmp INTERFACE -fopenmp)
if(VCAS_GOMP)
  list(GET VCAS_GOMP 0 VCAS_GOMP)
  target_link_libraries(vcas_openmp INTERFACE "${VCAS_GOMP}")
else()
  find_package(OpenMP REQUIRED COMPONENTS CXX)
  target_link_libraries(vcas_openmp INTERFACE OpenMP::OpenMP_CXX)
endif()

# System headers, so that warnings of LibTorch are not ours.
add_library(vcas_torch INTERFACE)
target_include_directories(vcas_torch SYSTEM INTERFACE ${TORCH_INCLUDE_DIRS})
target_link_libraries(vcas_torch INTERFACE torch vcas_openmp)
