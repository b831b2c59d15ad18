// SPDX-License-Identifier: MIT
// The PCRE2 calls behind base/regex.h. One match context and one growing match_data per thread serve every pattern:
// the offsets are read before the next match, so nothing is allocated per match.
#include "base/regex.h"

#include <cstdio>
#include <cstdlib>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace mw {
namespace {

constexpr size_t kMinJitStack = 32 * 1024;
constexpr size_t kDfaWorkspace = 100;

// What a thread keeps for matching; freed when the thread ends.
struct RegexThread {
  pcre2_match_context *context = nullptr;
  pcre2_match_data *data = nullptr;
  pcre2_jit_stack *stack = nullptr;
  size_t *ovector = nullptr;  // of data
  uint32_t pairs = 0;

  ~RegexThread() {
    if (data) pcre2_match_data_free(data);
    if (context) pcre2_match_context_free(context);
    if (stack) pcre2_jit_stack_free(stack);
  }

  pcre2_match_context *get_context() {
    if (!context) context = pcre2_match_context_create(nullptr);
    return context;
  }

  bool reserve(uint32_t want) {
    if (want <= pairs) return true;
    if (data) pcre2_match_data_free(data);
    if (want < 16) want = 16;
    data = pcre2_match_data_create(want, nullptr);
    pairs = data ? want : 0;
    ovector = data ? pcre2_get_ovector_pointer(data) : nullptr;
    return data != nullptr;
  }
};

// The hot path reads a plain pointer; the object with the destructor is reached once per thread.
constinit thread_local RegexThread *t_regex = nullptr;

[[gnu::noinline]] RegexThread &regex_thread_create() {
  static thread_local RegexThread owner;
  t_regex = &owner;
  return owner;
}

inline RegexThread &regex_thread() { return t_regex ? *t_regex : regex_thread_create(); }

uint32_t regex_options(uint32_t flags) {
  uint32_t o = 0;
  if (flags & REGEX_CASELESS) o |= PCRE2_CASELESS;
  if (flags & REGEX_MULTILINE) o |= PCRE2_MULTILINE;
  if (flags & REGEX_DOTALL) o |= PCRE2_DOTALL;
  if (flags & REGEX_EXTENDED) o |= PCRE2_EXTENDED;
  if (flags & REGEX_ANCHORED) o |= PCRE2_ANCHORED;
  if (flags & REGEX_UTF) o |= PCRE2_UTF;
  if (flags & REGEX_DUPNAMES) o |= PCRE2_DUPNAMES;
  if (flags & REGEX_JAVASCRIPT) o |= PCRE2_ALT_BSUX | PCRE2_ALLOW_EMPTY_CLASS | PCRE2_MATCH_UNSET_BACKREF;
  return o;
}

void regex_format_error(Str pattern, int code, size_t offset, char *error, size_t error_size) {
  char text[128] = "";
  pcre2_get_error_message(code, reinterpret_cast<PCRE2_UCHAR *>(text), sizeof text);
  int size = static_cast<int>(pattern.size());
  if (offset >= pattern.size()) {
    std::snprintf(error, error_size, "pcre2_compile() failed: %s in \"%.*s\"", text, size, pattern.data());
  } else {
    std::snprintf(error, error_size, "pcre2_compile() failed: %s in \"%.*s\" at \"%.*s\"", text, size, pattern.data(),
                  size - static_cast<int>(offset), pattern.data() + offset);
  }
}

}  // namespace

Regex *regex_compile(Str pattern, uint32_t flags, char *error, size_t error_size) {
  int code = 0;
  PCRE2_SIZE offset = 0;
  const char *bytes = pattern.data() ? pattern.data() : "";
  pcre2_code *re =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(bytes), pattern.size(), regex_options(flags), &code, &offset, nullptr);
  if (!re) {
    regex_format_error(pattern, code, offset, error, error_size);
    return nullptr;
  }
  auto *out = static_cast<Regex *>(std::calloc(1, sizeof(Regex)));
  if (!out) {
    pcre2_code_free(re);
    std::snprintf(error, error_size, "no memory");
    return nullptr;
  }
  out->code = re;
  out->flags = flags;
  // The DFA matcher has no machine code; elsewhere a pattern that the JIT refuses runs interpreted.
  if ((flags & REGEX_JIT) && !(flags & REGEX_DFA)) out->is_jit = pcre2_jit_compile(re, PCRE2_JIT_COMPLETE) == 0;
  pcre2_pattern_info(re, PCRE2_INFO_CAPTURECOUNT, &out->capture_count);
  if (flags & REGEX_DFA) out->capture_count = 0;
  pcre2_pattern_info(re, PCRE2_INFO_NAMECOUNT, &out->name_count);
  if (out->name_count) {
    pcre2_pattern_info(re, PCRE2_INFO_NAMEENTRYSIZE, &out->name_size);
    pcre2_pattern_info(re, PCRE2_INFO_NAMETABLE, &out->name_table);
  }
  return out;
}

void regex_free(Regex *re) {
  if (!re) return;
  pcre2_code_free(static_cast<pcre2_code *>(re->code));
  std::free(re);
}

int regex_exec(const Regex &re, Str subject, size_t start, const size_t **ovector) {
  RegexThread &t = regex_thread();
  if (start > subject.size()) return PCRE2_ERROR_BADOFFSET;
  if (!t.reserve(re.capture_count + 1) || !t.get_context()) return PCRE2_ERROR_NOMEMORY;
  auto *code = static_cast<pcre2_code *>(re.code);
  auto *bytes = reinterpret_cast<PCRE2_SPTR>(subject.data() ? subject.data() : "");
  uint32_t options = re.flags & REGEX_NO_UTF_CHECK ? PCRE2_NO_UTF_CHECK : 0;
  int rc;
  if (re.flags & REGEX_DFA) {
    int workspace[kDfaWorkspace];
    rc = pcre2_dfa_match(code, bytes, subject.size(), start, options, t.data, t.context, workspace, kDfaWorkspace);
    if (rc >= 0) rc = 1;
  } else if (re.is_jit && (!(re.flags & REGEX_UTF) || options)) {
    // The direct entry skips PCRE2's argument and UTF checks, which nothing here needs.
    rc = pcre2_jit_match(code, bytes, subject.size(), start, 0, t.data, t.context);
  } else {
    rc = pcre2_match(code, bytes, subject.size(), start, options, t.data, t.context);
  }
  *ovector = t.ovector;
  return rc;
}

Str regex_name(const Regex &re, uint32_t i, uint32_t *group) {
  const unsigned char *entry = re.name_table + static_cast<size_t>(i) * re.name_size;
  *group = static_cast<uint32_t>(entry[0] << 8 | entry[1]);
  return Str(reinterpret_cast<const char *>(entry + 2));
}

void regex_set_match_limit(uint32_t limit) {
  RegexThread &t = regex_thread();
  pcre2_match_context *context = t.get_context();
  if (!context) return;
  if (limit == 0) pcre2_config(PCRE2_CONFIG_MATCHLIMIT, &limit);
  pcre2_set_match_limit(context, limit);
}

bool regex_set_jit_stack(size_t size) {
  RegexThread &t = regex_thread();
  pcre2_match_context *context = t.get_context();
  pcre2_jit_stack *stack = pcre2_jit_stack_create(kMinJitStack, size < kMinJitStack ? kMinJitStack : size, nullptr);
  if (!context || !stack) {
    if (stack) pcre2_jit_stack_free(stack);
    return false;
  }
  pcre2_jit_stack_assign(context, nullptr, stack);
  if (t.stack) pcre2_jit_stack_free(t.stack);
  t.stack = stack;
  return true;
}

}  // namespace mw
