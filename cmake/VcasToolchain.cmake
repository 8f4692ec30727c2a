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
  # Relative paths and headers by content, so that a fresh build folder still hits the cache.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      "${CMAKE_COMMAND};-E;env;CCACHE_BASEDIR=${PROJECT_SOURCE_DIR};CCACHE_SLOPPINESS=time_macros,include_file_mtime,include_file_ctime;${VCAS_CCACHE}")
endif()

add_library(vcas_options INTERFACE)
set(VCAS_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wno-unknown-pragmas)
target_compile_options(vcas_options INTERFACE ${VCAS_WARNINGS} $<$<BOOL:${VCAS_WARNINGS_AS_ERRORS}>:-Werror>)
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

# vcas_unity_build(TARGET): compiles sources of TARGET several at a time, unless VCAS_UNITY_BUILD is off.
# A source that Highway compiles once for each instruction set stays alone.
function(vcas_unity_build target)
  if(NOT VCAS_UNITY_BUILD)
    return()
  endif()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 6
                        # CMake 4: relative paths, so that ccache knows them in every build folder.
                        UNITY_BUILD_RELOCATABLE ON)
  get_target_property(sources ${target} SOURCES)
  foreach(source IN LISTS sources)
    file(STRINGS "${source}" per_target REGEX "^#define HWY_TARGET_INCLUDE" LIMIT_COUNT 1)
    if(per_target)
      set_source_files_properties("${source}" PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
    endif()
  endforeach()
endfunction()
