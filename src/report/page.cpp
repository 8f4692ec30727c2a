#include "report/page.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "report/page_template.h"
#include "report/shown_run.h"
#include "report/tables.h"

namespace vcas::report {

std::vector<ShownRun> shown_runs(const std::vector<RunSet>& sets) {
  std::vector<ShownRun> shown;
  std::vector<std::string> groups;
  for (const auto& set : sets) {
    const std::string prefix = sets.size() > 1 && !set.name.empty() ? set.name + ": " : "";
    for (const auto& run : set.runs) {
      const std::string group = prefix + run.group;
      const auto found = std::find(groups.begin(), groups.end(), group);
      const auto color = static_cast<size_t>(found - groups.begin());
      if (found == groups.end()) groups.push_back(group);
      shown.push_back({prefix + run.name, group, color, &run.files});
    }
  }
  return shown;
}

nlohmann::json report_content(const std::vector<RunSet>& sets) {
  const auto runs = shown_runs(sets);
  auto tables = nlohmann::json::array();
  for (const auto& set : sets) {
    for (auto& table : comparison_tables(set)) tables.push_back(std::move(table));
  }
  for (size_t i = 0; i < tables.size(); ++i)
    tables[i]["id"] = tables[i]["id"].get<std::string>() + "-" + std::to_string(i);
  auto sections = nlohmann::json::array();
  for (auto section : {training_section(runs), sampling_section(runs), gradient_section(runs)}) {
    if (!section.is_null()) sections.push_back(std::move(section));
  }
  return {{"tables", std::move(tables)}, {"sections", std::move(sections)}, {"runs", runs_table(sets)}};
}

std::string script_safe(const nlohmann::json& content) {
  // Names of folders need not be UTF-8.
  const auto text = content.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  std::string safe;
  safe.reserve(text.size());
  for (const char c : text) {
    if (c == '<')
      safe += "\\u003c";  // outside of texts JSON has none
    else
      safe += c;
  }
  return safe;
}

std::string report_page(const nlohmann::json& content) {
  const auto page = page_template();
  const auto place = page.find(kContentPlace);
  if (place == page.npos) throw std::logic_error("the report's page has no place for its content");
  std::string text(page.substr(0, place));
  text += script_safe(content);
  text += page.substr(place + kContentPlace.size());
  return text;
}

}  // namespace vcas::report
