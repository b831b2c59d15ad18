// SPDX-License-Identifier: MIT
// MD5, SHA-1 and HMAC of SHA-1 and SHA-256 on the OpenSSL of the process, and hex digits. By OpenSSL's low-level contexts: EVP costs more
// per call than a short digest itself, and they work whatever providers are configured. Stateless; any thread.
#pragma once
#include "base/str.h"

namespace mw {

constexpr size_t kMd5Size = 16, kSha1Size = 20, kSha256Size = 32;

void digest_md5(Str text, unsigned char (&to)[kMd5Size]);
void digest_sha1(Str text, unsigned char (&to)[kSha1Size]);
/// RFC 2104.
void digest_hmac_sha1(Str key, Str text, unsigned char (&to)[kSha1Size]);
void digest_hmac_sha256(Str key, Str text, unsigned char (&to)[kSha256Size]);

/// Two lower-case digits for each byte; returns the end.
char *hex_put(char *to, const unsigned char *bytes, size_t size);

}  // namespace mw
