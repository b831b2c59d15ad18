// SPDX-License-Identifier: MIT
// The regex family of mw_abi.h: a Regex with its own 32-bit capture offsets for Lua to read, replacement templates, and
// substitution in one call. Handles are owned by Lua (ffi.gc) and stay on its worker's thread.
#include "base/regex.h"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "abi/abi.h"
#include "script/vm_inner.h"

using mw::Str;

constexpr bool is_same(int ours, int bases) { return ours == bases; }
static_assert(is_same(MW_REGEX_CASELESS, mw::REGEX_CASELESS) && is_same(MW_REGEX_MULTILINE, mw::REGEX_MULTILINE) &&
              is_same(MW_REGEX_DOTALL, mw::REGEX_DOTALL) && is_same(MW_REGEX_EXTENDED, mw::REGEX_EXTENDED) &&
              is_same(MW_REGEX_ANCHORED, mw::REGEX_ANCHORED) && is_same(MW_REGEX_UTF, mw::REGEX_UTF) &&
              is_same(MW_REGEX_NO_UTF_CHECK, mw::REGEX_NO_UTF_CHECK) &&
              is_same(MW_REGEX_DUPNAMES, mw::REGEX_DUPNAMES) && is_same(MW_REGEX_JAVASCRIPT, mw::REGEX_JAVASCRIPT) &&
              is_same(MW_REGEX_DFA, mw::REGEX_DFA) && is_same(MW_REGEX_JIT, mw::REGEX_JIT) &&
              is_same(MW_REGEX_NOMATCH, mw::REGEX_NOMATCH));

// A replacement as literal runs, each followed by the text of a group (-1: by nothing).
struct mw_regex_template {
  struct Part {
    std::string literal;
    int group;
  };
  std::vector<Part> parts;
};

namespace {

constexpr size_t kMaxLuaString = 0x7fffff00;
constexpr size_t kKeepOutput = 1 << 20;  // a larger result buffer is given back at the next call

// Where mw_regex_sub builds its result; one per thread.
struct Output {
  char *data = nullptr;
  size_t size = 0, capacity = 0;
  ~Output() { std::free(data); }

  void reset() {
    size = 0;
    if (capacity <= kKeepOutput) return;
    std::free(data);
    data = nullptr;
    capacity = 0;
  }
  bool append(const char *p, size_t n) {
    if (n > capacity - size && !grow(n)) return false;
    if (n) std::memcpy(data + size, p, n);
    size += n;
    return true;
  }

 private:
  bool grow(size_t n) {
    if (n > kMaxLuaString - size) return false;
    size_t want = capacity * 2;
    if (want < 4096) want = 4096;
    if (want < size + n) want = size + n;
    char *p = static_cast<char *>(std::realloc(data, want));
    if (!p) return false;
    data = p;
    capacity = want;
    return true;
  }
};

thread_local Output t_output;

const mw::Regex &impl_of(const mw_regex_t *re) { return *static_cast<const mw::Regex *>(re->impl); }

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

bool template_name_error(Str s, char *err, size_t err_size) {
  std::snprintf(err, err_size, "lua script: invalid capturing variable name found in \"%.*s\"",
                static_cast<int>(s.size()), s.data());
  return false;
}

// Reads what follows a `$` at s[i] and adds the group (or a `$`) to `t`. False, with a message, when it is neither.
bool template_read_variable(Str s, size_t &i, mw_regex_template &t, char *err, size_t err_size) {
  if (i == s.size()) return template_name_error(s, err, err_size);
  if (s[i] == '$') {
    t.parts.push_back({"$", -1});
    ++i;
    return true;
  }
  const bool braced = s[i] == '{';
  if (braced && ++i == s.size()) return template_name_error(s, err, err_size);
  const size_t from = i;
  const bool numeric = is_digit(s[i]);
  int group = 0;
  for (; i < s.size() && (numeric ? is_digit(s[i]) : is_word(s[i])); ++i)
    if (numeric && group < 100000) group = group * 10 + (s[i] - '0');
  const Str name = s.substr(from, i - from);
  const int size = static_cast<int>(name.size());
  if (braced && (i == s.size() || s[i] != '}')) {
    std::snprintf(err, err_size, "the closing bracket in \"%.*s\" variable is missing", size, name.data());
    return false;
  }
  if (braced) ++i;
  if (name.empty()) return template_name_error(s, err, err_size);
  if (!numeric) {
    std::snprintf(err, err_size, "attempt to use named capturing variable \"%.*s\" (named captures not supported yet)",
                  size, name.data());
    return false;
  }
  t.parts.push_back({"", group});
  return true;
}

bool template_expand(const mw_regex_template &t, const char *subject, const size_t *ov, int groups, Output &out) {
  for (const auto &part : t.parts) {
    if (!part.literal.empty() && !out.append(part.literal.data(), part.literal.size())) return false;
    if (part.group < 0 || part.group >= groups) continue;
    const size_t from = ov[2 * part.group], to = ov[2 * part.group + 1];
    if (from != SIZE_MAX && from < to && !out.append(subject + from, to - from)) return false;
  }
  return true;
}

// Length of the character at `pos`; in UTF mode the continuation bytes belong to it.
size_t step_of(const mw::Regex &re, const char *subject, size_t len, size_t pos) {
  size_t next = pos + 1;
  if (re.flags & mw::REGEX_UTF)
    while (next < len && (static_cast<unsigned char>(subject[next]) & 0xc0) == 0x80) ++next;
  return next - pos;
}

}  // namespace

extern "C" {

MW_EXPORT
mw_regex_t *mw_regex_compile(const char *pattern, size_t len, uint32_t flags, char *err, size_t err_size) {
  mw::Regex *impl = mw::regex_compile(Str(pattern, len), flags, err, err_size);
  if (!impl) return nullptr;
  if (impl->is_jit) mw::vm_debug("pcre2 JIT compiled successfully");
  // The captures lie behind the handle in one block.
  const size_t pairs = impl->capture_count + 1;
  auto *re = static_cast<mw_regex_t *>(std::calloc(1, sizeof(mw_regex_t) + pairs * 2 * sizeof(int32_t)));
  if (!re) {
    mw::regex_free(impl);
    std::snprintf(err, err_size, "no memory");
    return nullptr;
  }
  re->captures = reinterpret_cast<int32_t *>(re + 1);
  re->ncaptures = static_cast<int32_t>(impl->capture_count);
  re->name_count = static_cast<int32_t>(impl->name_count);
  re->impl = impl;
  return re;
}

MW_EXPORT
void mw_regex_free(mw_regex_t *re) {
  if (!re) return;
  mw::regex_free(static_cast<mw::Regex *>(re->impl));
  std::free(re);
}

MW_EXPORT
int32_t mw_regex_name(const mw_regex_t *re, int32_t i, mw_str *name) {
  uint32_t group = 0;
  const Str text = mw::regex_name(impl_of(re), static_cast<uint32_t>(i), &group);
  name->data = text.data();
  name->size = text.size();
  return static_cast<int32_t>(group);
}

MW_EXPORT
int32_t mw_regex_exec(mw_regex_t *re, const char *subject, size_t len, int32_t start) {
  const size_t *ov;
  const int rc = mw::regex_exec(impl_of(re), Str(subject, len), start < 0 ? 0 : static_cast<size_t>(start), &ov);
  // Offsets fit: a Lua string is shorter than 2 GB, and an unset pair narrows to -1. Those above rc are not read.
  for (int i = 0; i < rc * 2; ++i) re->captures[i] = static_cast<int32_t>(ov[i]);
  return rc;
}

MW_EXPORT
int32_t mw_regex_step(const mw_regex_t *re, const char *subject, size_t len, int32_t pos) {
  return static_cast<int32_t>(step_of(impl_of(re), subject, len, static_cast<size_t>(pos)));
}

MW_EXPORT
mw_regex_template_t *mw_regex_template_compile(const char *text, size_t len, char *err, size_t err_size) {
  auto *t = new mw_regex_template;
  const Str s(text, len);
  for (size_t i = 0; i < s.size();) {
    if (s[i] == '$') {
      ++i;
      if (template_read_variable(s, i, *t, err, err_size)) continue;
      delete t;
      return nullptr;
    }
    size_t end = s.find('$', i);
    if (end == Str::npos) end = s.size();
    t->parts.push_back({std::string(s.substr(i, end - i)), -1});
    i = end;
  }
  return t;
}

MW_EXPORT
void mw_regex_template_free(mw_regex_template_t *t) { delete t; }

MW_EXPORT
int32_t mw_regex_sub(mw_regex_t *re, const mw_regex_template_t *t, const char *subject, size_t len, int global,
                     mw_str *out) {
  const mw::Regex &impl = impl_of(re);
  Output &o = t_output;
  o.reset();
  size_t pos = 0, copied = 0;
  int32_t count = 0;
  while (pos <= len) {
    const size_t *ov;
    const int rc = mw::regex_exec(impl, Str(subject, len), pos, &ov);
    if (rc == mw::REGEX_NOMATCH) break;
    if (rc < 0) return rc;
    const size_t from = ov[0], to = ov[1];
    ++count;
    // \K in a lookahead can report a start past the end, or before what was copied: then nothing lies between.
    if (from > copied && !o.append(subject + copied, from - copied)) return MW_NO_MEMORY;
    if (!template_expand(*t, subject, ov, rc, o)) return MW_NO_MEMORY;
    copied = to;
    pos = to > from && to > pos ? to : to + step_of(impl, subject, len, to);
    if (!global) break;
  }
  if (count == 0) return 0;
  if (copied < len && !o.append(subject + copied, len - copied)) return MW_NO_MEMORY;
  out->data = o.data ? o.data : "";
  out->size = o.size;
  return count;
}

MW_EXPORT
void mw_regex_set_match_limit(uint32_t limit) { mw::regex_set_match_limit(limit); }

MW_EXPORT
int32_t mw_regex_set_jit_stack(int64_t size) {
  return mw::regex_set_jit_stack(size < 0 ? 0 : static_cast<size_t>(size)) ? MW_OK : MW_NO_MEMORY;
}

}  // extern "C"
