#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <iterator>
#include <memory>
#include <stdexcept>

#include "formats/atomic_directory.h"
#include "formats/descriptor.h"

namespace vcas::formats {

namespace {

void require(int openssl_status) {
  if (openssl_status != 1) throw std::runtime_error("OpenSSL cannot compute SHA-256");
}

}  // namespace

std::string sha256_of_file(const std::filesystem::path& path) {
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  if (!context) throw std::bad_alloc();
  require(EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr));
  read_pieces(path, [&](std::string_view piece) {
    require(EVP_DigestUpdate(context.get(), piece.data(), piece.size()));
  });
  std::array<unsigned char, 32> digest{};
  require(EVP_DigestFinal_ex(context.get(), digest.data(), nullptr));
  std::string text;
  for (const auto byte : digest) fmt::format_to(std::back_inserter(text), "{:02x}", byte);
  return text;
}

}  // namespace vcas::formats
