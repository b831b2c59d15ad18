// SPDX-License-Identifier: MIT
// See ssi_parser.h: a state for each place in a command, one byte at a time; text between commands is found by memchr.
#include "http/modules/ssi_parser.h"

#include <string.h>

namespace mw {

/// Not inlined: gcc 12 sees an overflow in the sum of a text that it knows (a false -Warray-bounds).
[[gnu::noinline]] static std::string unexpected(char c) {
  std::string text = "unexpected \"";
  text += c;
  text += '"';
  return text;
}

static constexpr Str kOpening = "<!--#";

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// --- text ------------------------------------------------------------------------------------------------------------

SsiPiece SsiParser::text_piece(Str &in) {
  size_t at = in.find('<');
  if (at == 0) {
    in.remove_prefix(1);
    state_ = kOpen;
    opened_ = 1;
    return {};
  }
  SsiPiece piece{SsiPiece::plain, in.substr(0, at)};
  in.remove_prefix(piece.text.size());
  return piece;
}

/// A byte behind the beginning of an opening. What turns out to be none is text, from a constant: the input may be gone.
SsiPiece SsiParser::open_piece(Str &in) {
  if (in[0] != kOpening[opened_]) {
    state_ = kText;
    return {SsiPiece::plain, kOpening.substr(0, opened_)};
  }
  in.remove_prefix(1);
  if (++opened_ == kOpening.size()) begin_command();
  return {};
}

Str SsiParser::rest() {
  Str text = state_ == kOpen ? kOpening.substr(0, opened_) : Str{};
  state_ = kText;
  return text;
}

// --- a command -------------------------------------------------------------------------------------------------------

void SsiParser::begin_command() {
  state_ = kBeforeName;
  is_whole_ = false;
  name_.clear();
  error_.clear();
  own_.clear();
  params_.clear();
}

/// The command is none: it is read to its end. `c` is the byte that says so.
void SsiParser::fail(char c, const std::string &why) {
  bool is_second = state_ == kEnd1 || state_ == kEnd2;
  error_ = why;
  state_ = c != '-' ? kBad : is_second ? kBad2 : kBad1;
}

static std::string in_quotes(const std::string &text) { return '"' + text + '"'; }

void SsiParser::take_name(char c) {
  if (state_ == kBeforeName) {
    if (is_space(c)) return;
    state_ = kName;
  }
  if (c == '-' && name_.empty()) return fail(c, "unexpected \"-\" symbol in \"\" SSI command");
  if (c == '-') {
    state_ = kEnd1;
  } else if (is_space(c)) {
    state_ = kBeforeParam;
  } else if (name_.size() < kNameMost) {
    name_ += c;
  } else {
    fail(c, "the \"" + name_ + c + "...\" SSI command is too long");
  }
}

void SsiParser::begin_param(char c) {
  if (own_.size() == kParamsMost) return fail(c, "too many SSI command parameters: " + in_quotes(name_));
  state_ = kParam;
  own_.emplace_back();
  own_.back().name += c;
}

void SsiParser::take_param(char c) {
  if (state_ == kBeforeParam) {
    if (c == '-')
      state_ = kEnd1;
    else if (!is_space(c))
      begin_param(c);
    return;
  }
  std::string &name = own_.back().name;
  if (c == '=') {
    state_ = kBeforeValue;
  } else if (is_space(c)) {
    state_ = kAfterParam;
  } else if (c == '-' || state_ == kAfterParam) {
    fail(c, unexpected(c) + " symbol after " + in_quotes(name) + " parameter in " + in_quotes(name_) + " SSI command");
  } else if (name.size() < kNameMost) {
    name += c;
  } else {
    fail(c, "too long \"" + name + c + "...\" parameter in " + in_quotes(name_) + " SSI command");
  }
}

void SsiParser::put_value(char c) {
  Own &param = own_.back();
  if (param.value.size() + 1 < value_limit_) {
    param.value += c;
    return;
  }
  fail(c, "too long \"" + param.value.substr(0, 64) + c + "...\" value of " + in_quotes(param.name) + " parameter in " +
              in_quotes(name_) + " SSI command");
}

void SsiParser::take_value(char c) {
  if (state_ == kBeforeValue) {
    if (is_space(c)) return;
    quote_ = c;
    state_ = kValue;
    if (c != '"' && c != '\'')
      fail(c, unexpected(c) + " symbol before value of " + in_quotes(own_.back().name) + " parameter in " +
                  in_quotes(name_) + " SSI command");
    return;
  }
  if (state_ == kEscape) {
    state_ = kValue;
    if (c != '\\' && c != quote_) put_value('\\');
    if (state_ == kValue)
      put_value(c);
    else if (c == '-')
      state_ = kBad1;
  } else if (c == quote_) {
    state_ = kAfterValue;
  } else if (c == '\\') {
    state_ = kEscape;
  } else {
    put_value(c);
  }
}

void SsiParser::take_end(char c) {
  if (state_ == kAfterValue) {
    if (c == '-') {
      state_ = kEnd1;
    } else if (is_space(c)) {
      state_ = kBeforeParam;
    } else {
      fail(c, unexpected(c) + " symbol after " + in_quotes(own_.back().value) + " value of " +
                  in_quotes(own_.back().name) + " parameter in " + in_quotes(name_) + " SSI command");
    }
    return;
  }
  if (state_ == kEnd1 && c == '-') {
    state_ = kEnd2;
  } else if (state_ == kEnd2 && c == '>') {
    is_whole_ = true;
  } else {
    fail(c, unexpected(c) + " symbol in " + in_quotes(name_) + " SSI command");
  }
}

bool SsiParser::ends_bad(char c) {
  if (state_ == kBad2 && c == '>') return true;
  state_ = c != '-' ? kBad : state_ == kBad ? kBad1 : kBad2;
  return false;
}

void SsiParser::take(char c) {
  switch (state_) {
    case kBeforeName:
    case kName: return take_name(c);
    case kBeforeParam:
    case kParam:
    case kAfterParam: return take_param(c);
    case kBeforeValue:
    case kValue:
    case kEscape: return take_value(c);
    case kAfterValue:
    case kEnd1:
    case kEnd2: return take_end(c);
    case kBad:
    case kBad1:
    case kBad2: is_whole_ = ends_bad(c); return;
    case kText:
    case kOpen: return;
  }
}

void SsiParser::show_params() {
  params_.clear();
  for (const Own &p : own_) params_.push_back({p.name, p.value});
}

SsiPiece SsiParser::next(Str &in) {
  while (!in.empty()) {
    if (state_ == kText || state_ == kOpen) {
      SsiPiece piece = state_ == kText ? text_piece(in) : open_piece(in);
      if (piece.kind == SsiPiece::plain) return piece;
      continue;
    }
    take(in[0]);
    in.remove_prefix(1);
    if (!is_whole_) continue;
    is_whole_ = false;
    bool is_bad = state_ >= kBad;
    state_ = kText;
    if (is_bad) return {SsiPiece::error, {}};
    show_params();
    return {SsiPiece::command, {}};
  }
  return {};
}

std::string SsiParser::command_text() const {
  std::string text(kOpening);
  text += name_;
  for (const Own &p : own_) {
    text += ' ' + p.name + "=\"";
    for (char c : p.value) {
      if (c == '"' || c == '\\') text += '\\';
      text += c;
    }
    text += '"';
  }
  return text + " -->";
}

}  // namespace mw
