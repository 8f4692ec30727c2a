# The page of `vcas report` is composed at build time and lies in the library. Its plots are Plotly.js's, from the
# Python package plotly (requirements-report.txt) or from VCAS_PLOTLY_JS, a plotly.min.js.
set(VCAS_PLOTLY_JS "" CACHE FILEPATH "plotly.min.js for the pages of vcas report; empty: that of the Python package plotly")

if(NOT Python3_EXECUTABLE)
  find_program(Python3_EXECUTABLE NAMES python3 NO_CACHE REQUIRED)
endif()

function(vcas_find_plotly result)
  set(script "${VCAS_PLOTLY_JS}")
  if(NOT script)
    # Found, not imported: importing takes seconds, and needs what the package depends on.
    execute_process(
      COMMAND "${Python3_EXECUTABLE}" -c
              "import importlib.util as u; print(u.find_spec('plotly').submodule_search_locations[0])"
      OUTPUT_VARIABLE root OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    set(script "${root}/package_data/plotly.min.js")
  endif()
  if(NOT EXISTS "${script}")
    message(FATAL_ERROR "vcas: expected the Python package plotly in '${Python3_EXECUTABLE}'; install it with "
                        "'pip install --no-deps -r requirements-report.txt', or set VCAS_PLOTLY_JS to a plotly.min.js")
  endif()
  set(${result} "${script}" PARENT_SCOPE)
endfunction()

# vcas_report_page(TARGET): adds the page to the library that has src/report.
function(vcas_report_page target)
  vcas_find_plotly(plotly)
  set(folder "${PROJECT_SOURCE_DIR}/src/report/page")
  set(composer "${PROJECT_SOURCE_DIR}/cmake/compose_report_page.py")
  set(page "${PROJECT_BINARY_DIR}/report_page.html")
  file(GLOB parts CONFIGURE_DEPENDS "${folder}/*")
  add_custom_command(OUTPUT "${page}" COMMAND "${Python3_EXECUTABLE}" "${composer}" "${folder}" "${plotly}" "${page}"
                     DEPENDS ${parts} "${composer}" "${plotly}" VERBATIM)
  add_custom_target(${target}_page DEPENDS "${page}")
  add_dependencies(${target} ${target}_page)
  set_source_files_properties("${PROJECT_SOURCE_DIR}/src/report/page_template.cpp" PROPERTIES
    COMPILE_DEFINITIONS "VCAS_REPORT_PAGE=\"${page}\"" OBJECT_DEPENDS "${page}")
endfunction()
