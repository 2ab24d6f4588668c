// SPDX-License-Identifier: Apache-2.0
#include "spec/vocabulary/digest.h"

#include <openssl/evp.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

namespace attest {
namespace {

// OpenSSL's digest calls fail only when memory is out or SHA-256 itself is disabled in the library;
// neither leaves anything to go on with, so the class asks for no error handling.
class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr);
  }

  void Add(std::string_view bytes) { EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()); }

  std::string Hex() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest = {};
    unsigned int size = 0;
    EVP_DigestFinal_ex(context_.get(), digest.data(), &size);
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string hex;
    for (unsigned int i = 0; i < size; ++i) {
      hex += kDigits[digest.at(i) >> 4];
      hex += kDigits[digest.at(i) & 15];
    }
    return hex;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace

std::string Sha256Hex(std::string_view bytes) {
  Sha256 sha;
  sha.Add(bytes);
  return sha.Hex();
}

Result<std::string> Sha256HexOfFile(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             std::fclose);
  if (!file) return BadInput(path + ": " + std::strerror(errno));
  Sha256 sha;
  std::vector<char> piece(1U << 16);
  while (const std::size_t size = std::fread(piece.data(), 1, piece.size(), file.get())) {
    sha.Add({piece.data(), size});
  }
  if (std::ferror(file.get()) != 0) return BadInput(path + ": " + std::strerror(errno));
  return sha.Hex();
}

}  // namespace attest
