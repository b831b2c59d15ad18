// SPDX-License-Identifier: MIT
// See sub_filter.h. What may be the beginning of a match stays with the request until more comes.
#include "http/modules/sub_filter.h"

#include <string.h>

#include <algorithm>
#include <string>
#include <vector>

#include "http/filter.h"
#include "http/modules/gzip.h"
#include "http/variable.h"

namespace mw {

/// One text to look for, of one response.
struct Pattern {
  std::string from;  ///< lower case
  Str to;            ///< worked out at its first match
  bool has_to = false;
  bool is_done = false;  ///< sub_filter_once, and it was there
  size_t place = 0;      ///< where it is next in SubState::low
};

struct SubState {
  std::vector<Pattern> patterns;
  size_t longest = 0;
  std::string text;  ///< not passed on yet
  std::string low;   ///< the same in lower case
};

static void free_state(void *arg) { delete static_cast<SubState *>(arg); }

static void lower(std::string &text) {
  for (char &c : text) c = static_cast<char>(str_lower(static_cast<unsigned char>(c)));
}

static bool is_fit(const Request *r) {
  static const std::vector<std::string> html{"text/html"};
  const std::vector<std::string> &types = r->conf->sub_filter_types;
  return filter_type_matches(r, types.empty() ? html : types);
}

void sub_filter_header(Request *r) {
  if (r->resp.content_length == 0 || !is_fit(r)) return;
  auto *state = new SubState;
  request_on_free(r, free_state, state);
  for (const SubFilter &f : r->conf->sub_filters) {
    Pattern p;
    p.from = std::string(complex_value(r, f.from));
    p.is_done = p.from.empty();
    lower(p.from);
    state->longest = std::max(state->longest, p.from.size());
    state->patterns.push_back(std::move(p));
  }
  if (state->longest == 0) return;
  r->out.sub = state;
  r->resp.content_length = -1;
  r->resp.allow_ranges = false;
  response_clear_header(r, "Accept-Ranges");
  if (r->conf->sub_filter_last_modified) {
    gzip_weaken_etag(r);
  } else {
    response_clear_header(r, "Last-Modified");
    response_clear_header(r, "ETag");
  }
  if (!r->out.is_bodiless) r->out.filters |= kFilterSub;
}

static void find_first_places(SubState &s) {
  for (Pattern &p : s.patterns)
    if (!p.is_done) p.place = s.low.find(p.from);
}

/// The first match from `at`: of several at one place the one named first. A place that lies ahead is not looked for again.
static Pattern *find_next(SubState &s, size_t at) {
  Pattern *best = nullptr;
  for (Pattern &p : s.patterns) {
    if (p.is_done) continue;
    if (p.place < at) p.place = s.low.find(p.from, at);
    if (p.place != std::string::npos && (!best || p.place < best->place)) best = &p;
  }
  return best;
}

/// How much of the end of the text may become a match when more comes.
static size_t open_end(const SubState &s, size_t from) {
  size_t rest = s.low.size() - from;
  for (size_t n = std::min(rest, s.longest - 1); n > 0; --n) {
    Str tail = Str(s.low).substr(s.low.size() - n);
    for (const Pattern &p : s.patterns)
      if (!p.is_done && Str(p.from).starts_with(tail)) return n;
  }
  return 0;
}

void sub_filter_body(Request *r, Chain &body, bool last) {
  SubState &s = *static_cast<SubState *>(r->out.sub);
  BlockPool &pool = r->core->net.blocks;
  if (body.is_empty() && !last) return;
  for (Block *b = body.first(); b; b = b->next) s.text += b->view();
  body.clear(pool);
  s.low = s.text;
  lower(s.low);
  find_first_places(s);
  size_t at = 0;
  while (Pattern *p = find_next(s, at)) {
    body.append(pool, Str(s.text).substr(at, p->place - at));
    size_t index = static_cast<size_t>(p - s.patterns.data());
    if (!p->has_to) p->to = complex_value(r, r->conf->sub_filters[index].to);
    p->has_to = true;
    body.append(pool, p->to);
    at = p->place + p->from.size();
    p->is_done = r->conf->sub_filter_once;
  }
  size_t kept = last ? 0 : open_end(s, at);
  body.append(pool, Str(s.text).substr(at, s.text.size() - at - kept));
  s.text.erase(0, s.text.size() - kept);
}

}  // namespace mw
