# cmake -DBUILD_DIR=... -DEXAMPLE_DIR=... -DTORCH_ROOT=... -DVERSION=... -DWARNINGS=... -P install_test.cmake
execute_process(COMMAND mktemp -d OUTPUT_VARIABLE work OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    file(REMOVE_RECURSE "${work}")
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}\nended with ${status}:\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

run("${CMAKE_COMMAND}" --install "${BUILD_DIR}" --prefix "${work}/first")
# What still points into the first prefix fails from here on.
file(RENAME "${work}/first" "${work}/moved")
file(COPY "${EXAMPLE_DIR}/" DESTINATION "${work}/example")

run("${CMAKE_COMMAND}" -S "${work}/example" -B "${work}/build" -G Ninja "-DCMAKE_PREFIX_PATH=${work}/moved"
    "-DVCAS_TORCH_ROOT=${TORCH_ROOT}" "-DCMAKE_CXX_FLAGS=${WARNINGS}")
run("${CMAKE_COMMAND}" --build "${work}/build")
run("${work}/build/train_encoder")
message(STATUS "${output}")
if(EXISTS "${work}/moved/bin/vcas")
  run("${work}/moved/bin/vcas" info)
  if(NOT output MATCHES "${VERSION}")
    message(SEND_ERROR "vcas info: expected version ${VERSION} in its output, got:\n${output}")
  endif()
endif()

# The version file must refuse another minor version.
file(WRITE "${work}/other/CMakeLists.txt" "cmake_minimum_required(VERSION 3.25)\nproject(other LANGUAGES CXX)\n"
     "find_package(vcas 99.0 QUIET)\nif(vcas_FOUND)\n  message(FATAL_ERROR \"found 99.0\")\nendif()\n")
run("${CMAKE_COMMAND}" -S "${work}/other" -B "${work}/other-build" -G Ninja "-DCMAKE_PREFIX_PATH=${work}/moved")
file(REMOVE_RECURSE "${work}")
