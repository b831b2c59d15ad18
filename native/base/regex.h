// SPDX-License-Identifier: MIT
// PCRE2 behind one page: compile, match, named groups, error texts in nginx's words. Used by ngx.re and by the router.
// A Regex is immutable once compiled and may be shared by threads; the caller frees it. Match data, match limit and JIT
// stack belong to the calling thread and die with it.
#pragma once
#include "base/str.h"

namespace mw {

/// Options of a pattern; the letters are those of ngx.re.
enum RegexFlag : uint32_t {
  REGEX_CASELESS = 1u << 0,      ///< i
  REGEX_MULTILINE = 1u << 1,     ///< m
  REGEX_DOTALL = 1u << 2,        ///< s
  REGEX_EXTENDED = 1u << 3,      ///< x
  REGEX_ANCHORED = 1u << 4,      ///< a
  REGEX_UTF = 1u << 5,           ///< u
  REGEX_NO_UTF_CHECK = 1u << 6,  ///< U (with REGEX_UTF)
  REGEX_DUPNAMES = 1u << 7,      ///< D
  REGEX_JAVASCRIPT = 1u << 8,    ///< J
  REGEX_DFA = 1u << 9,           ///< d: the longest match, no captures
  REGEX_JIT = 1u << 10,          ///< j
};

constexpr int REGEX_NOMATCH = -1;

/// A compiled pattern.
struct Regex {
  void *code;  // pcre2_code
  const unsigned char
      *name_table;  // name_count entries of name_size bytes: group number (2 bytes, big endian), name, NUL
  uint32_t flags;
  uint32_t capture_count;  // groups, the whole match not counted; 0 in DFA mode
  uint32_t name_count;
  uint32_t name_size;
  bool is_jit;  // machine code exists
};

/// Compiles `pattern`. Returns an owned Regex, or null with a NUL-terminated message in `error` (cut to `error_size`):
/// `pcre2_compile() failed: TEXT in "PATTERN" at "REST"`.
Regex *regex_compile(Str pattern, uint32_t flags, char *error, size_t error_size);

/// Frees a Regex; null is allowed.
void regex_free(Regex *re);

/// Matches `subject` from byte `start`. Returns the number of the highest group set plus one (1 in DFA mode),
/// REGEX_NOMATCH, or a negative PCRE2 error. On a match `*ovector` holds pairs of byte offsets (SIZE_MAX = unset),
/// valid until this thread's next match.
int regex_exec(const Regex &re, Str subject, size_t start, const size_t **ovector);

/// Name and number of the i-th named group (0 <= i < name_count).
Str regex_name(const Regex &re, uint32_t i, uint32_t *group);

/// Sets this thread's match limit (lua_regex_match_limit); 0 = PCRE2's own.
void regex_set_match_limit(uint32_t limit);

/// Gives this thread's JIT matcher a stack of up to `size` bytes (at least 32 KB). False when there is no memory.
bool regex_set_jit_stack(size_t size);

}  // namespace mw
