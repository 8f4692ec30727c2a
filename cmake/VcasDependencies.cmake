# Third-party libraries. CONTRIBUTING.md says why each is here.
find_package(Threads REQUIRED)

# LibTorch comes from the pip wheel of the interpreter that configures the build.
include(VcasTorch)

find_package(nlohmann_json REQUIRED)
if(NOT VCAS_PYTHON_PACKAGE)
  find_package(fmt REQUIRED)
  find_package(CLI11 REQUIRED)
  find_package(tomlplusplus REQUIRED)
  find_package(OpenSSL REQUIRED COMPONENTS Crypto)
  find_package(ICU REQUIRED COMPONENTS uc data)

  # Header-only: PyTorch's include folder has an fmt of its own, which comes first where both are used, and no library
  # for it.
  add_library(vcas_fmt INTERFACE)
  target_link_libraries(vcas_fmt INTERFACE fmt::fmt-header-only)
endif()
find_package(PkgConfig REQUIRED)
pkg_check_modules(HWY REQUIRED IMPORTED_TARGET libhwy)

# One OpenMP runtime only: the one that the wheel's libtorch_cpu loads.
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

add_library(vcas_torch INTERFACE)
target_link_libraries(vcas_torch INTERFACE vcas::torch vcas_openmp)
