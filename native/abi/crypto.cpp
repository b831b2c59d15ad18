// SPDX-License-Identifier: MIT
// The crypto family of mw_abi.h. Stateless; any thread.
#include <cstring>

#include "abi/abi.h"
#include "base/crc32.h"
#include "base/digest.h"

using mw::kMd5Size, mw::kSha1Size;

extern "C" {

MW_EXPORT
void mw_crypto_md5(const char *src, size_t len, char *dst) {
  unsigned char sum[kMd5Size];
  mw::digest_md5({src, len}, sum);
  std::memcpy(dst, sum, sizeof sum);
}

MW_EXPORT
void mw_crypto_md5_hex(const char *src, size_t len, char *dst) {
  unsigned char sum[kMd5Size];
  mw::digest_md5({src, len}, sum);
  mw::hex_put(dst, sum, sizeof sum);
}

MW_EXPORT
void mw_crypto_sha1(const char *src, size_t len, char *dst) {
  unsigned char sum[kSha1Size];
  mw::digest_sha1({src, len}, sum);
  std::memcpy(dst, sum, sizeof sum);
}

MW_EXPORT
void mw_crypto_hmac_sha1(const char *key, size_t key_len, const char *src, size_t len, char *dst) {
  unsigned char sum[kSha1Size];
  mw::digest_hmac_sha1({key, key_len}, {src, len}, sum);
  std::memcpy(dst, sum, sizeof sum);
}

MW_EXPORT
uint32_t mw_crypto_crc32(const char *src, size_t len) { return mw::crc32_of(mw::Str(src, len)); }

}  // extern "C"
