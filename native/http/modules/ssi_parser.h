// SPDX-License-Identifier: MIT
// SSI's text, read as it comes: `<!--#name param="value" ... -->` between text that stays. Bytes may be split anywhere; what is
// kept of them is bounded by the limits below. Knows no command by name, touches no request.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "base/str.h"

namespace mw {

/// A parameter of a command; both texts lie in the parser until its next call.
struct SsiParam {
  Str name, value;
};

/// What the parser has come upon.
struct SsiPiece {
  enum Kind : uint8_t {
    need_more,  ///< all was taken; the next piece is not whole
    plain,      ///< `text` goes out as it is
    command,    ///< name() and params()
    error       ///< a command that is none: error() says why; it has been read to its end
  } kind = need_more;
  Str text;  ///< a view of the input, or of a constant
};

class SsiParser {
 public:
  static constexpr size_t kNameMost = 32;  ///< bytes of a command's or parameter's name
  static constexpr size_t kParamsMost = 16;

  /// Values are shorter than `value_limit` bytes.
  explicit SsiParser(size_t value_limit) : value_limit_(value_limit) {}

  /// Takes a piece off the front of `in`, which shrinks by what was read. Call again until need_more.
  SsiPiece next(Str &in);
  /// The input has ended: what looked like the beginning of a command and is none. A command that has begun is dropped.
  Str rest();

  Str name() const { return name_; }
  std::span<const SsiParam> params() const { return params_; }
  Str error() const { return error_; }
  /// The command anew, so that it reads the same.
  std::string command_text() const;

 private:
  enum State : uint8_t {
    kText,
    kOpen,  ///< opened_ bytes of "<!--#" were there
    kBeforeName,
    kName,
    kBeforeParam,
    kParam,
    kAfterParam,
    kBeforeValue,
    kValue,
    kEscape,  ///< behind a backslash in a value
    kAfterValue,
    kEnd1,  ///< "-"
    kEnd2,  ///< "--"
    kBad,   ///< in a command that is none
    kBad1,
    kBad2,
  };
  struct Own {
    std::string name, value;
  };

  SsiPiece text_piece(Str &in);
  SsiPiece open_piece(Str &in);
  void begin_command();
  void fail(char c, const std::string &why);
  void take(char c);
  void take_name(char c);
  void take_param(char c);
  void begin_param(char c);
  void take_value(char c);
  void put_value(char c);
  void take_end(char c);
  bool ends_bad(char c);
  void show_params();

  size_t value_limit_;
  State state_ = kText;
  uint8_t opened_ = 0;
  char quote_ = 0;
  bool is_whole_ = false;
  std::string name_, error_;
  std::vector<Own> own_;
  std::vector<SsiParam> params_;
};

}  // namespace mw
