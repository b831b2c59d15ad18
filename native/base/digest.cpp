// SPDX-License-Identifier: MIT
// See digest.h.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/digest.h"

#include <openssl/md5.h>
#include <openssl/sha.h>
#include <string.h>

namespace mw {

static_assert(kMd5Size == MD5_DIGEST_LENGTH && kSha1Size == SHA_DIGEST_LENGTH);
static_assert(kSha256Size == SHA256_DIGEST_LENGTH);

void digest_md5(Str text, unsigned char (&to)[kMd5Size]) {
  MD5_CTX ctx;
  MD5_Init(&ctx);
  MD5_Update(&ctx, text.data(), text.size());
  MD5_Final(to, &ctx);
}

void digest_sha1(Str text, unsigned char (&to)[kSha1Size]) {
  SHA_CTX ctx;
  SHA1_Init(&ctx);
  SHA1_Update(&ctx, text.data(), text.size());
  SHA1_Final(to, &ctx);
}

namespace {

struct Sha1 {
  SHA_CTX ctx;
  Sha1() { SHA1_Init(&ctx); }
  void add(const void *p, size_t n) { SHA1_Update(&ctx, p, n); }
  void end(unsigned char *to) { SHA1_Final(to, &ctx); }
};

struct Sha256 {
  SHA256_CTX ctx;
  Sha256() { SHA256_Init(&ctx); }
  void add(const void *p, size_t n) { SHA256_Update(&ctx, p, n); }
  void end(unsigned char *to) { SHA256_Final(to, &ctx); }
};

}  // namespace

template <class Hash, size_t Size>
static void hmac(Str key, Str text, unsigned char (&to)[Size]) {
  unsigned char pad[SHA_CBLOCK] = {}, sum[Size];  // both hashes have blocks of 64 bytes
  if (key.size() > sizeof pad) {
    Hash h;
    h.add(key.data(), key.size());
    h.end(pad);
  } else if (!key.empty()) {
    memcpy(pad, key.data(), key.size());
  }
  for (unsigned char &b : pad) b ^= 0x36;
  Hash inner;
  inner.add(pad, sizeof pad);
  inner.add(text.data(), text.size());
  inner.end(sum);
  for (unsigned char &b : pad) b ^= 0x36 ^ 0x5c;
  Hash outer;
  outer.add(pad, sizeof pad);
  outer.add(sum, sizeof sum);
  outer.end(to);
}

void digest_hmac_sha1(Str key, Str text, unsigned char (&to)[kSha1Size]) { hmac<Sha1>(key, text, to); }
void digest_hmac_sha256(Str key, Str text, unsigned char (&to)[kSha256Size]) { hmac<Sha256>(key, text, to); }

char *hex_put(char *to, const unsigned char *bytes, size_t size) {
  static constexpr char kDigits[] = "0123456789abcdef";
  for (size_t i = 0; i < size; ++i) {
    *to++ = kDigits[bytes[i] >> 4];
    *to++ = kDigits[bytes[i] & 15];
  }
  return to;
}

}  // namespace mw
