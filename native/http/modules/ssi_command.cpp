// SPDX-License-Identifier: MIT
// The commands of SSI, but for include: echo, set, config, if, elif, else, endif, block, endblock. In a branch that is not taken
// only the words of `if` count; in a block all are kept for when it is put out.
#include "base/urlencode.h"
#include "http/modules/ssi_state.h"

namespace mw {

static constexpr size_t kIfsMost = 64;

// --- errors ----------------------------------------------------------------------------------------------------------

/// What the log may show of text that came from elsewhere.
static std::string printable(const std::string &text) {
  std::string out = text.substr(0, 512);
  for (char &c : out)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return out;
}

static void log_error(SsiState &s, const std::string &why) {
  std::string text = printable(why);
  log_write(s.r->log(), kLogError, 0, &s.r->log_ctx, "%s", text.c_str());
}

void ssi_error(SsiState &s, const std::string &why) {
  if (!why.empty()) log_error(s, why);
  if (!s.r->conf->ssi_silent_errors) s.r->out.body.append(s.r->core->net.blocks, s.error_text);
}

void ssi_bad_command(SsiState &s) { ssi_error(s, std::string(s.parser.error())); }

static std::string named(Str name) { return '"' + std::string(name) + '"'; }

static void context_error(SsiState &s) { ssi_error(s, "invalid context of SSI command: " + named(s.parser.name())); }

// --- echo ------------------------------------------------------------------------------------------------------------

static void put_entities(SsiState &s, Str text) {
  Chain &to = s.r->out.body;
  BlockPool &pool = s.r->core->net.blocks;
  while (!text.empty()) {
    size_t at = text.find_first_of("<>&\"");
    to.append(pool, text.substr(0, at));
    if (at == Str::npos) return;
    char c = text[at];
    to.append(pool, c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : "&quot;");
    text.remove_prefix(at + 1);
  }
}

static void put_url(SsiState &s, Str text) {
  std::string out(url_escaped_size(text, ESCAPE_NGINX_HTML), '\0');
  url_escape(text, ESCAPE_NGINX_HTML, out.data());
  s.r->out.body.append(s.r->core->net.blocks, out);
}

/// As in nginx an encoding holds until another is named.
static void take_encoding(SsiState &s, Str name) {
  if (name == "none")
    s.encoding = SsiEncoding::none;
  else if (name == "url")
    s.encoding = SsiEncoding::url;
  else if (name == "entity")
    s.encoding = SsiEncoding::entity;
  else if (name.data())
    log_error(s, "unknown encoding " + named(name) + " in the \"echo\" command");
}

static void echo(SsiState &s) {
  std::string value;
  if (!ssi_variable(s, ssi_param(s, "var"), value)) {
    Str other = ssi_param(s, "default");
    value = other.data() ? other : Str("(none)");
  }
  take_encoding(s, ssi_param(s, "encoding"));
  if (s.encoding == SsiEncoding::none) return s.r->out.body.append(s.r->core->net.blocks, value);
  if (s.encoding == SsiEncoding::url) return put_url(s, value);
  put_entities(s, value);
}

// --- set, config -----------------------------------------------------------------------------------------------------

static void set(SsiState &s) {
  std::string value;
  if (ssi_evaluate(s, ssi_param(s, "value"), false, value)) ssi_set_variable(s, ssi_param(s, "var"), value);
}

static void config(SsiState &s) {
  if (Str format = ssi_param(s, "timefmt"); format.data()) s.time_format = format;
  if (Str text = ssi_param(s, "errmsg"); text.data()) s.error_text = text;
}

// --- if --------------------------------------------------------------------------------------------------------------

static void begin_if(SsiState &s) {
  if (s.ifs.size() == kIfsMost) return ssi_error(s, "the \"if\" command inside too many \"if\" commands");
  SsiIf next;
  next.is_parent_shown = ssi_is_shown(s);
  if (next.is_parent_shown) {
    if (!ssi_condition(s, ssi_param(s, "expr"), next.is_shown)) return;
    next.is_decided = next.is_shown;
  }
  s.ifs.push_back(next);
}

static void next_branch(SsiState &s) {
  bool is_else = s.parser.name() == "else";
  if (s.ifs.empty() || s.ifs.back().is_in_else) return context_error(s);
  SsiIf &at = s.ifs.back();
  at.is_in_else = is_else;
  at.is_shown = false;
  if (at.is_decided || !at.is_parent_shown) return;
  bool holds = is_else;
  if (!is_else && !ssi_condition(s, ssi_param(s, "expr"), holds)) return;
  at.is_shown = at.is_decided = holds;
}

static void end_if(SsiState &s) {
  if (s.ifs.empty()) return context_error(s);
  s.ifs.pop_back();
}

// --- blocks ----------------------------------------------------------------------------------------------------------

static void begin_block(SsiState &s) {
  s.is_in_block = true;
  s.block = nullptr;
  if (s.shared->block_bytes > kSsiTextMost) return;
  auto [place, is_new] = s.shared->blocks.try_emplace(std::string(ssi_param(s, "name")));
  if (!is_new) return;
  s.block = &place->second;
  s.shared->block_bytes += place->first.size() + 64;
}

static void end_block(SsiState &s) {
  s.is_in_block = false;
  s.block = nullptr;
}

// --- which ------------------------------------------------------------------------------------------------------------

struct CommandRow {
  Str name;
  void (*run)(SsiState &);
  bool is_branch;      ///< counts in a branch that is not taken, too
  Str params[5];       ///< their names
  uint32_t mandatory;  ///< of them: the first ones
};

static constexpr CommandRow kCommands[] = {
    {"include", ssi_include, false, {"virtual", "file", "wait", "set", "stub"}, 0},
    {"echo", echo, false, {"var", "default", "encoding"}, 1},
    {"set", set, false, {"var", "value"}, 2},
    {"config", config, false, {"errmsg", "timefmt"}, 0},
    {"if", begin_if, true, {"expr"}, 1},
    {"elif", next_branch, true, {"expr"}, 1},
    {"else", next_branch, true, {}, 0},
    {"endif", end_if, true, {}, 0},
    {"block", begin_block, false, {"name"}, 1},
    {"endblock", end_block, false, {}, 0},
};

static const CommandRow *find_command(Str name) {
  for (const CommandRow &c : kCommands)
    if (c.name == name) return &c;
  return nullptr;
}

static bool takes_param(const CommandRow &c, Str name) {
  for (Str known : c.params)
    if (!known.empty() && known == name) return true;
  return false;
}

/// What is wrong with the parameters, or nothing.
static std::string wrong_params(const SsiState &s, const CommandRow &c) {
  std::string in = " in " + named(c.name) + " SSI command";
  std::span<const SsiParam> params = s.parser.params();
  for (size_t i = 0; i < params.size(); ++i) {
    if (!takes_param(c, params[i].name)) return "invalid parameter name: " + named(params[i].name) + in;
    for (size_t j = 0; j < i; ++j)
      if (params[j].name == params[i].name) return "duplicate " + named(params[i].name) + " parameter" + in;
  }
  for (uint32_t i = 0; i < c.mandatory; ++i)
    if (!ssi_param(s, c.params[i]).data()) return "mandatory " + named(c.params[i]) + " parameter is absent" + in;
  return {};
}

Str ssi_param(const SsiState &s, Str name) {
  for (const SsiParam &p : s.parser.params())
    if (p.name == name) return p.value;
  return {};
}

/// A command between block and endblock.
static void keep(SsiState &s, const CommandRow &c) {
  if (c.name == "endblock") return end_block(s);
  if (!s.block) return;
  std::string text = s.parser.command_text();
  if (s.shared->block_bytes + text.size() > kSsiTextMost) return;
  s.block->append(text);
  s.shared->block_bytes += text.size();
}

void ssi_command(SsiState &s) {
  const CommandRow *c = find_command(s.parser.name());
  if (s.is_in_block) return c ? keep(s, *c) : void();
  bool is_shown = ssi_is_shown(s);
  if (!is_shown && (!c || !c->is_branch)) return;
  if (!c) return ssi_error(s, "invalid SSI command: " + named(s.parser.name()));
  bool needs_if = c->run == next_branch || c->run == end_if;
  if (needs_if && s.ifs.empty()) return context_error(s);
  if (is_shown || needs_if) {
    std::string wrong = wrong_params(s, *c);
    if (!wrong.empty()) return ssi_error(s, wrong);
  }
  c->run(s);
}

}  // namespace mw
