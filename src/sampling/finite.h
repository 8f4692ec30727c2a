#pragma once

#include <ATen/core/Tensor.h>

namespace vcas::sampling {

/// 0-dim bool: no NaN and no Inf among the values. (at::isfinite has no Meta kernel in C++.)
inline at::Tensor all_finite(const at::Tensor& values) { return values.sub(values).eq(0).all(); }

}  // namespace vcas::sampling
