// SPDX-License-Identifier: MIT
// SSI's values: variables, texts with variables, the expressions of `if`. What a page makes of them is bounded, since it may name
// a variable twice in its own value again and again.
#include "http/modules/ssi_state.h"
#include "http/variable.h"

namespace mw {

static constexpr size_t kVariablesMost = 4 << 20;  ///< bytes of all; one more may be set until then

static std::string lower(Str text) {
  std::string out(text);
  for (char &c : out) c = static_cast<char>(str_lower(static_cast<unsigned char>(c)));
  return out;
}

// --- variables -------------------------------------------------------------------------------------------------------

/// $0 to $9 of the last regex that has matched.
static bool get_capture(const SsiShared &shared, Str name, std::string &out) {
  if (name.size() != 1 || name[0] < '0' || name[0] > '9') return false;
  size_t at = 2 * static_cast<size_t>(name[0] - '0');
  if (at + 1 >= shared.captures.size()) return false;
  size_t start = shared.captures[at], end = shared.captures[at + 1];
  out = start == SIZE_MAX ? Str{} : Str(shared.subject).substr(start, end - start);
  return true;
}

bool ssi_variable(SsiState &s, Str name, std::string &out) {
  std::string key = lower(name);
  if (get_capture(*s.shared, key, out)) return true;
  if (auto own = s.shared->variables.find(key); own != s.shared->variables.end()) return out = own->second, true;
  VarDef def;
  Str value;
  if (!variable_resolve(*s.r->plan, key, def) || !def.get(s.r, def, value)) return false;
  out = value;
  return true;
}

bool ssi_set_variable(SsiState &s, Str name, Str value) {
  SsiShared &shared = *s.shared;
  if (shared.variable_bytes > kVariablesMost) return ssi_error(s, "too many SSI variables"), false;
  auto [place, is_new] = shared.variables.try_emplace(lower(name));
  shared.variable_bytes += is_new ? name.size() + 64 : 0;
  shared.variable_bytes += value.size();
  shared.variable_bytes -= place->second.size();
  place->second = value;
  return true;
}

// --- texts -----------------------------------------------------------------------------------------------------------

static bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/// What the variable at the front of `text`, behind its '$', is called; `text` shrinks by that. False: it has no name.
static bool take_name(Str &text, Str &name, bool &is_open) {
  bool has_bracket = !text.empty() && text[0] == '{';
  Str rest = text.substr(has_bracket);
  size_t n = 0;
  while (n < rest.size() && is_word(rest[n])) ++n;
  name = rest.substr(0, n);
  rest.remove_prefix(n);
  is_open = has_bracket && (rest.empty() || rest[0] != '}');
  if (n == 0) return false;
  text = rest.substr(has_bracket && !is_open);
  return true;
}

bool ssi_evaluate(SsiState &s, Str text, bool is_regex, std::string &out) {
  Str whole = text;
  out.clear();
  while (!text.empty()) {
    if (text.starts_with("\\$")) {
      out += '$';
      text.remove_prefix(2);
      continue;
    }
    char c = text[0];
    text.remove_prefix(1);
    if (c != '$') {
      out += c;
      continue;
    }
    Str name;
    bool is_open;
    if (!take_name(text, name, is_open)) {
      if (!is_regex) return ssi_error(s, "invalid variable name in \"" + std::string(whole) + '"'), false;
      out += '$';  // the end of the subject
      continue;
    }
    if (is_open) return ssi_error(s, "the closing bracket in \"" + std::string(name) + "\" variable is missing"), false;
    std::string value;
    if (ssi_variable(s, name, value)) out += value;
    if (out.size() > kSsiTextMost) return ssi_error(s, "too long text of an SSI command"), false;
  }
  return true;
}

// --- expressions -----------------------------------------------------------------------------------------------------

/// A regex's named groups become variables.
static void keep_groups(SsiState &s, const Regex &re) {
  const SsiShared &shared = *s.shared;
  for (uint32_t i = 0; i < re.name_count; ++i) {
    uint32_t group = 0;
    Str name = regex_name(re, i, &group);
    size_t at = 2 * static_cast<size_t>(group);
    bool is_there = at + 1 < shared.captures.size() && shared.captures[at] != SIZE_MAX;
    Str value = is_there
                    ? Str(shared.subject).substr(shared.captures[at], shared.captures[at + 1] - shared.captures[at])
                    : Str{};
    ssi_set_variable(s, name, value);
  }
}

/// A pattern of a page: its match takes no longer than others can wait. Null: an error, which has been put out.
static Regex *compile(SsiState &s, const std::string &pattern) {
  char error[512];
  Regex *re = regex_compile("(*LIMIT_MATCH=300000)" + pattern, 0, error, sizeof error);
  if (re) return re;
  regex_free(regex_compile(pattern, 0, error, sizeof error));  // for the message
  ssi_error(s, error);
  return nullptr;
}

static bool match(SsiState &s, const std::string &pattern, const std::string &subject, bool &result) {
  Regex *re = compile(s, pattern);
  if (!re) return false;
  const size_t *ovector = nullptr;
  int groups = regex_exec(*re, subject, 0, &ovector);
  result = groups > 0;
  if (result) {
    s.shared->captures.assign(ovector, ovector + 2 * static_cast<size_t>(groups));
    s.shared->subject = subject;
    keep_groups(s, *re);
  }
  regex_free(re);
  if (groups > 0 || groups == REGEX_NOMATCH) return true;
  ssi_error(s, "pcre2_match() failed: " + std::to_string(groups) + " using \"" + pattern + '"');
  return false;
}

static bool is_left(char c) { return is_word(c) || c == '$' || c == '{' || c == '}' || c == '"' || c == '\''; }

static Str skip_spaces(Str text) {
  while (!text.empty() && text[0] == ' ') text.remove_prefix(1);
  return text;
}

/// `text` is what stands behind = or !=.
static bool compare(SsiState &s, Str text, const std::string &left, Str whole, bool &is_equal) {
  bool is_regex = text.size() > 1 && text[0] == '/';
  if (is_regex && text.back() != '/') return ssi_error(s, "invalid expression in \"" + std::string(whole) + '"'), false;
  if (is_regex)
    text = text.substr(1, text.size() - 2);
  else if (text.starts_with("\\/"))
    text.remove_prefix(1);
  std::string right;
  if (!ssi_evaluate(s, text, is_regex, right)) return false;
  if (is_regex) return match(s, right, left, is_equal);
  is_equal = left == right;
  return true;
}

bool ssi_condition(SsiState &s, Str whole, bool &result) {
  size_t n = 0;
  while (n < whole.size() && is_left(whole[n])) ++n;
  std::string left;
  Str rest = skip_spaces(whole.substr(n));
  bool is_negated = rest.starts_with("!=");
  if (!rest.empty() && !is_negated && rest[0] != '=')
    return ssi_error(s, "invalid expression in \"" + std::string(whole) + '"'), false;
  if (!ssi_evaluate(s, lower(whole.substr(0, n)), false, left)) return false;
  if (rest.empty()) return result = !left.empty(), true;
  bool is_equal = false;
  if (!compare(s, skip_spaces(rest.substr(is_negated ? 2 : 1)), left, whole, is_equal)) return false;
  result = is_equal != is_negated;
  return true;
}

}  // namespace mw
