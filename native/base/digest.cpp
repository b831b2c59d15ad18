// SPDX-License-Identifier: MIT
// See digest.h.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/digest.h"

#include <openssl/md5.h>
#include <openssl/sha.h>
#include <string.h>

namespace mw {

static_assert(kMd5Size == MD5_DIGEST_LENGTH && kSha1Size == SHA_DIGEST_LENGTH);

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

/// H(pad | text).
static void sha1_padded(const unsigned char (&pad)[SHA_CBLOCK], const void *text, size_t size,
                        unsigned char (&to)[kSha1Size]) {
  SHA_CTX ctx;
  SHA1_Init(&ctx);
  SHA1_Update(&ctx, pad, sizeof pad);
  SHA1_Update(&ctx, text, size);
  SHA1_Final(to, &ctx);
}

void digest_hmac_sha1(Str key, Str text, unsigned char (&to)[kSha1Size]) {
  unsigned char pad[SHA_CBLOCK] = {}, inner[kSha1Size];
  if (key.size() > sizeof pad) {
    digest_sha1(key, inner);
    memcpy(pad, inner, sizeof inner);
  } else if (!key.empty()) {
    memcpy(pad, key.data(), key.size());
  }
  for (unsigned char &b : pad) b ^= 0x36;
  sha1_padded(pad, text.data(), text.size(), inner);
  for (unsigned char &b : pad) b ^= 0x36 ^ 0x5c;
  sha1_padded(pad, inner, sizeof inner, to);
}

char *hex_put(char *to, const unsigned char *bytes, size_t size) {
  static constexpr char kDigits[] = "0123456789abcdef";
  for (size_t i = 0; i < size; ++i) {
    *to++ = kDigits[bytes[i] >> 4];
    *to++ = kDigits[bytes[i] & 15];
  }
  return to;
}

}  // namespace mw
