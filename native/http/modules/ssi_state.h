// SPDX-License-Identifier: MIT
// Between the files of the SSI module: what a request's filter keeps, and what all of a main request share. Both are on the heap
// and end with their requests; worker's thread.
#pragma once
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "http/modules/ssi_parser.h"
#include "http/request.h"

namespace mw {

/// Of a main request and its subrequests: variables that `set`, `include set` and named groups have made, the captures of the
/// last regex, the blocks.
struct SsiShared {
  std::unordered_map<std::string, std::string> variables;
  size_t variable_bytes = 0;
  std::string subject;
  std::vector<size_t> captures;
  std::map<std::string, std::string> blocks;
  size_t block_bytes = 0;
};

/// An `if` whose endif has not come.
struct SsiIf {
  bool is_parent_shown = true;
  bool is_shown = false;
  bool is_decided = false;  ///< a branch has been taken
  bool is_in_else = false;
};

enum class SsiEncoding : uint8_t { entity, url, none };

/// Of one request.
struct SsiState {
  Request *r = nullptr;
  SsiShared *shared = nullptr;
  bool owns_shared = false;
  SsiParser parser{0};
  Chain input;  ///< not read yet
  std::vector<SsiIf> ifs;
  SsiEncoding encoding = SsiEncoding::entity;
  bool is_in_block = false;
  std::string *block = nullptr;  ///< the text of the one being read; null: it has been defined before
  std::string error_text, time_format;
  const Request *waits_for = nullptr;  ///< nothing is read until this subrequest has ended
  uint32_t includes = 0;               ///< subrequests that have not ended
  uint64_t held = 0;                   ///< bytes put out behind others, which wait for their turn
  Task task;
  OutWaiter waiter;
};

inline SsiState *ssi_state(const Request *r) { return static_cast<SsiState *>(r->out.ssi); }

/// Texts that a value may grow to, and all variables and all blocks of a main request together.
constexpr size_t kSsiTextMost = 1 << 20;

/// Carries out the parser's command; its output goes to r->out.body.
void ssi_command(SsiState &s);
/// The command that the parser is at was none.
void ssi_bad_command(SsiState &s);
/// Is text outside of commands put out here?
bool ssi_is_shown(const SsiState &s);
/// Logs `why` and puts out the error message.
void ssi_error(SsiState &s, const std::string &why);

/// The value of an SSI variable or one of nginx's. False when there is none.
bool ssi_variable(SsiState &s, Str name, std::string &out);
/// Sets an SSI variable. False (and logged) when there is no room.
bool ssi_set_variable(SsiState &s, Str name, Str value);
/// A text with $variables. False: an error, which has been put out.
bool ssi_evaluate(SsiState &s, Str text, bool is_regex, std::string &out);
/// The expression of an `if`. False: an error, which has been put out.
bool ssi_condition(SsiState &s, Str text, bool &result);
/// `include`. Defined in ssi_include.cpp.
void ssi_include(SsiState &s);
/// The value of the command's parameter, or null data.
Str ssi_param(const SsiState &s, Str name);

/// The subrequest state of a request, made where there is none. `r` may be a main request without the filter.
SsiState *ssi_state_of(Request *r);

}  // namespace mw
