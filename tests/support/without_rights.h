#pragma once

#include <unistd.h>

#include <cstdlib>

namespace vcas {

/// While it lives, root has another user's rights, whom a folder's mode binds.
class WithoutRights {
 public:
  WithoutRights() {
    if (::geteuid() == 0) changed_ = ::seteuid(kNobody) == 0;
  }
  ~WithoutRights() {
    if (changed_ && ::seteuid(0) != 0) std::abort();
  }
  WithoutRights(const WithoutRights&) = delete;
  WithoutRights& operator=(const WithoutRights&) = delete;

 private:
  static constexpr uid_t kNobody = 65534;
  bool changed_ = false;
};

}  // namespace vcas
