#include "report/page_template.h"

// VCAS_REPORT_PAGE is the file's path.
asm(R"(
  .pushsection .rodata
  .hidden kVcasReportPage
  .hidden kVcasReportPageEnd
  .global kVcasReportPage
  .global kVcasReportPageEnd
kVcasReportPage:
  .incbin ")" VCAS_REPORT_PAGE R"("
kVcasReportPageEnd:
  .popsection
)");

extern "C" {
__attribute__((visibility("hidden"))) extern const char kVcasReportPage[];
__attribute__((visibility("hidden"))) extern const char kVcasReportPageEnd[];
}

namespace vcas::report {

std::string_view page_template() {
  return {kVcasReportPage, static_cast<size_t>(kVcasReportPageEnd - kVcasReportPage)};
}

}  // namespace vcas::report
