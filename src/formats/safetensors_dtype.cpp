#include <algorithm>
#include <array>

#include "formats/safetensors.h"

namespace vcas::formats {

namespace {

struct DtypeEntry {
  Dtype dtype;
  std::string_view name;
  std::size_t size;
};

// In the order of the enumeration.
constexpr std::array<DtypeEntry, 15> kDtypes = {{{Dtype::boolean, "BOOL", 1},
                                                 {Dtype::u8, "U8", 1},
                                                 {Dtype::i8, "I8", 1},
                                                 {Dtype::f8_e5m2, "F8_E5M2", 1},
                                                 {Dtype::f8_e4m3, "F8_E4M3", 1},
                                                 {Dtype::i16, "I16", 2},
                                                 {Dtype::u16, "U16", 2},
                                                 {Dtype::f16, "F16", 2},
                                                 {Dtype::bf16, "BF16", 2},
                                                 {Dtype::i32, "I32", 4},
                                                 {Dtype::u32, "U32", 4},
                                                 {Dtype::f32, "F32", 4},
                                                 {Dtype::f64, "F64", 8},
                                                 {Dtype::i64, "I64", 8},
                                                 {Dtype::u64, "U64", 8}}};

const DtypeEntry& entry(Dtype dtype) { return kDtypes.at(static_cast<std::size_t>(dtype)); }

}  // namespace

std::string_view dtype_name(Dtype dtype) { return entry(dtype).name; }

std::size_t dtype_size(Dtype dtype) { return entry(dtype).size; }

std::optional<Dtype> dtype_from_name(std::string_view name) {
  const auto found = std::ranges::find(kDtypes, name, &DtypeEntry::name);
  if (found == kDtypes.end()) return std::nullopt;
  return found->dtype;
}

}  // namespace vcas::formats
