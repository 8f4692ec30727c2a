# Compiler settings shared by every target of the project.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

find_program(VCAS_CCACHE ccache)
if(VCAS_CCACHE)
  # The precompiled header is hashed by content, so that a fresh build folder still hits the cache.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      "${CMAKE_COMMAND};-E;env;CCACHE_BASEDIR=${PROJECT_SOURCE_DIR};CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime;${VCAS_CCACHE}")
endif()

add_library(vcas_options INTERFACE)
set(VCAS_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wno-unknown-pragmas)
target_compile_options(vcas_options INTERFACE ${VCAS_WARNINGS} $<$<BOOL:${VCAS_WARNINGS_AS_ERRORS}>:-Werror>)
if(VCAS_CCACHE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(vcas_options INTERFACE -fpch-preprocess)
endif()
if(VCAS_SANITIZE)
  target_compile_options(vcas_options INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=undefined
                                                -fno-omit-frame-pointer)
  target_link_options(vcas_options INTERFACE -fsanitize=address,undefined)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC takes values that only its instrumentation moves about, such as a default at::Generator, for uninitialised.
    target_compile_options(vcas_options INTERFACE -Wno-maybe-uninitialized)
  endif()
endif()
target_include_directories(vcas_options INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                                  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src>)
