// SPDX-License-Identifier: MIT
// The crypto family of mw_abi.h on the OpenSSL of the process. Stateless; any thread.
// MD5 and SHA-1 use OpenSSL's low-level contexts: EVP costs more per call than a short digest itself, and ngx.md5 must
// work whatever providers are configured, as nginx's own code does.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/md5.h>
#include <openssl/sha.h>

#include <cstring>

#include "abi/abi.h"
#include "base/crc32.h"

namespace {

auto *bytes(char *p) { return reinterpret_cast<unsigned char *>(p); }

void md5(const char *src, size_t len, unsigned char *dst) {
  MD5_CTX ctx;
  MD5_Init(&ctx);
  MD5_Update(&ctx, src, len);
  MD5_Final(dst, &ctx);
}

void sha1(const void *src, size_t len, unsigned char *dst) {
  SHA_CTX ctx;
  SHA1_Init(&ctx);
  SHA1_Update(&ctx, src, len);
  SHA1_Final(dst, &ctx);
}

}  // namespace

extern "C" {

MW_EXPORT
void mw_crypto_md5(const char *src, size_t len, char *dst) { md5(src, len, bytes(dst)); }

MW_EXPORT
void mw_crypto_md5_hex(const char *src, size_t len, char *dst) {
  static constexpr char kHex[] = "0123456789abcdef";
  unsigned char digest[MD5_DIGEST_LENGTH];
  md5(src, len, digest);
  for (unsigned char b : digest) {
    *dst++ = kHex[b >> 4];
    *dst++ = kHex[b & 15];
  }
}

MW_EXPORT
void mw_crypto_sha1(const char *src, size_t len, char *dst) { sha1(src, len, bytes(dst)); }

// RFC 2104: H(key ^ opad, H(key ^ ipad, text)).
MW_EXPORT
void mw_crypto_hmac_sha1(const char *key, size_t key_len, const char *src, size_t len, char *dst) {
  unsigned char pad[SHA_CBLOCK] = {};
  unsigned char inner[SHA_DIGEST_LENGTH];
  if (key_len > sizeof pad) {
    sha1(key, key_len, pad);
  } else if (key_len) {
    std::memcpy(pad, key, key_len);
  }
  SHA_CTX ctx;
  for (unsigned char &b : pad) b ^= 0x36;
  SHA1_Init(&ctx);
  SHA1_Update(&ctx, pad, sizeof pad);
  SHA1_Update(&ctx, src, len);
  SHA1_Final(inner, &ctx);
  for (unsigned char &b : pad) b ^= 0x36 ^ 0x5c;
  SHA1_Init(&ctx);
  SHA1_Update(&ctx, pad, sizeof pad);
  SHA1_Update(&ctx, inner, sizeof inner);
  SHA1_Final(bytes(dst), &ctx);
}

MW_EXPORT
uint32_t mw_crypto_crc32(const char *src, size_t len) { return mw::crc32_of(mw::Str(src, len)); }

}  // extern "C"
