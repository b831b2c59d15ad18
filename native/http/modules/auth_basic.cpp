// SPDX-License-Identifier: MIT
// auth_basic: user names and passwords from a file of "name:password" lines, read for each request as nginx does. Passwords
// are crypt(3)'s, Apache's $apr1$, {SHA}, {SSHA} or {PLAIN}. libcrypt is loaded when the first of crypt's own is met.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/md5.h>
#include <openssl/sha.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "base/base64.h"
#include "http/modules/access.h"
#include "http/variable.h"

namespace mw {

bool auth_basic_credentials(Request *r, Str &user, Str &password) {
  Str value = request_header(r, "authorization");
  if (value.size() < 7 || !str_iequal(value.substr(0, 6), "basic ")) return false;
  value.remove_prefix(6);
  while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  while (!value.empty() && value.back() == '=') value.remove_suffix(1);
  char *to = static_cast<char *>(r->arena.alloc(base64_decoded_size(value.size()) + 1));
  ssize_t n = base64_decode(value, to, Base64::STANDARD);
  if (value.empty() || n < 0) return false;
  Str text{to, static_cast<size_t>(n)};
  size_t colon = text.find(':');
  if (colon == Str::npos || colon == 0) return false;
  user = text.substr(0, colon);
  password = text.substr(colon + 1);
  return true;
}

// --- passwords -------------------------------------------------------------------------------------------------------

/// Apache's variant of MD5 crypt: `setting` is "$apr1$SALT$...".
static std::string apr1(Str password, Str setting) {
  Str salt = setting.substr(6);
  salt = salt.substr(0, std::min<size_t>(8, salt.find('$')));
  unsigned char sum[16];
  MD5_CTX ctx;
  auto add = [&ctx](Str s) { MD5_Update(&ctx, s.data(), s.size()); };
  auto add_sum = [&ctx, &sum](size_t n) { MD5_Update(&ctx, sum, n); };
  MD5_Init(&ctx);
  add(password), add(salt), add(password);
  MD5_Final(sum, &ctx);
  MD5_Init(&ctx);
  add(password), add("$apr1$"), add(salt);
  for (size_t left = password.size(); left > 0; left -= std::min<size_t>(left, 16)) add_sum(std::min<size_t>(left, 16));
  for (size_t i = password.size(); i; i >>= 1) add(i & 1 ? Str("\0", 1) : password.substr(0, 1));
  MD5_Final(sum, &ctx);
  for (int i = 0; i < 1000; ++i) {
    MD5_Init(&ctx);
    if (i & 1)
      add(password);
    else
      add_sum(16);
    if (i % 3) add(salt);
    if (i % 7) add(password);
    if (i & 1)
      add_sum(16);
    else
      add(password);
    MD5_Final(sum, &ctx);
  }
  static const char digits[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  std::string out = "$apr1$" + std::string(salt) + "$";
  auto put = [&out](uint32_t v, int n) {
    for (; n > 0; --n, v >>= 6) out += digits[v & 63];
  };
  static constexpr uint8_t order[5][3] = {{0, 6, 12}, {1, 7, 13}, {2, 8, 14}, {3, 9, 15}, {4, 10, 5}};
  for (const auto &o : order) put(static_cast<uint32_t>(sum[o[0]] << 16 | sum[o[1]] << 8 | sum[o[2]]), 4);
  put(sum[11], 2);
  return out;
}

/// {SHA} and {SSHA}: base64 of a SHA-1, with the salt behind it.
static bool sha_matches(Str password, Str encoded, bool is_salted) {
  char raw[128];
  while (!encoded.empty() && encoded.back() == '=') encoded.remove_suffix(1);
  if (base64_decoded_size(encoded.size()) > sizeof raw) return false;
  ssize_t n = base64_decode(encoded, raw, Base64::STANDARD);
  if (n < 20 || (!is_salted && n != 20)) return false;
  unsigned char sum[20];
  SHA_CTX ctx;
  SHA1_Init(&ctx);
  SHA1_Update(&ctx, password.data(), password.size());
  SHA1_Update(&ctx, raw + 20, static_cast<size_t>(n) - 20);
  SHA1_Final(sum, &ctx);
  return memcmp(sum, raw, 20) == 0;
}

using Crypt = char *(*)(const char *key, const char *salt, void *data);

/// crypt_r of the system's libcrypt; null when there is none.
static Crypt crypt_function() {
  static const Crypt found = [] {
    for (const char *name : {"libcrypt.so.1", "libcrypt.so.2"})
      if (void *lib = dlopen(name, RTLD_NOW | RTLD_LOCAL))
        if (void *f = dlsym(lib, "crypt_r")) return reinterpret_cast<Crypt>(f);
    return Crypt{};
  }();
  return found;
}

static bool password_matches(Request *r, Str password, Str stored) {
  if (stored.starts_with("{PLAIN}")) return password == stored.substr(7);
  if (stored.starts_with("{SHA}")) return sha_matches(password, stored.substr(5), false);
  if (stored.starts_with("{SSHA}")) return sha_matches(password, stored.substr(6), true);
  if (stored.starts_with("$apr1$")) return apr1(password, stored) == stored;
  Crypt crypt = crypt_function();
  if (!crypt) {
    log_write(r->log(), kLogCrit, 0, &r->log_ctx, "crypt() is not available");
    return false;
  }
  constexpr size_t kCryptData = 256 << 10;  // more than any libcrypt's struct crypt_data
  std::string key(password), setting(stored), room(kCryptData, '\0');
  char *out = crypt(key.c_str(), setting.c_str(), room.data());
  return out && stored == out;
}

// --- the check -------------------------------------------------------------------------------------------------------

static Rc ask(Request *r, Str realm) {
  std::string value = "Basic realm=\"" + std::string(realm) + "\"";
  response_set_header(r, "WWW-Authenticate", value);
  return 401;
}

static bool read_file(const char *path, std::string &out) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  char buf[4096];
  ssize_t n;
  while ((n = read(fd, buf, sizeof buf)) > 0) out.append(buf, static_cast<size_t>(n));
  int err = errno;
  close(fd);
  errno = err;
  return n == 0;
}

/// The password of `user` in the text of a user file; null data when there is none.
static Str find_user(Str text, Str user) {
  while (!text.empty()) {
    size_t end = text.find('\n');
    Str line = text.substr(0, end);
    text = end == Str::npos ? Str{} : text.substr(end + 1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.size() <= user.size() || line[0] == '#' || !line.starts_with(user) || line[user.size()] != ':') continue;
    line.remove_prefix(user.size() + 1);
    return line.substr(0, line.find(':'));
  }
  return {};
}

/// As in nginx the file's name is relative to the configuration's folder.
static std::string conf_folder(const Request *r) {
  const std::string &file = r->plan->conf_file;
  return file.starts_with('/') ? file.substr(0, file.rfind('/') + 1) : r->plan->prefix;
}

Rc auth_basic_check(Request *r) {
  Str realm = complex_value(r, r->conf->auth_basic);
  if (realm.empty() || realm == "off") return kDeclined;
  Str user, password;
  if (!auth_basic_credentials(r, user, password)) {
    log_write(r->log(), kLogInfo, 0, &r->log_ctx, "no user/password was provided for basic authentication");
    return ask(r, realm);
  }
  std::string path(complex_value(r, r->conf->auth_basic_user_file)), text;
  if (path.empty()) return 403;
  if (path[0] != '/') path = conf_folder(r) + path;
  if (!read_file(path.c_str(), text)) {
    bool is_missing = errno == ENOENT;
    log_write(r->log(), is_missing ? kLogError : kLogCrit, errno, &r->log_ctx, "open() \"%s\" failed", path.c_str());
    return is_missing ? 403 : 500;
  }
  int n = static_cast<int>(user.size());
  Str stored = find_user(text, user);
  if (!stored.data()) {
    log_write(r->log(), kLogError, 0, &r->log_ctx, "user \"%.*s\" was not found in \"%s\"", n, user.data(),
              path.c_str());
    return ask(r, realm);
  }
  if (password_matches(r, password, stored)) return kOk;
  log_write(r->log(), kLogError, 0, &r->log_ctx, "user \"%.*s\": password mismatch", n, user.data());
  return ask(r, realm);
}

}  // namespace mw
