// SPDX-License-Identifier: MIT
// Heads of upstream replies: no byte outside the input is read, every view lies inside it, and a prefix of a head is never
// refused where the whole is taken.
#include "http/reply.h"

#include <stdlib.h>

using namespace mw;

static bool is_inside(Str s, const char *data, size_t size) {
  return s.empty() || (s.data() >= data && s.data() + s.size() <= data + size);
}

static ReplyResult parse(ReplyHead &head, HttpHeader *room, const char *data, size_t size) {
  head.headers.use(room, kMaxHeaders);
  return reply_parse_head(head, data, size);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  static HttpHeader room[kMaxHeaders];
  const char *data = reinterpret_cast<const char *>(bytes);
  ReplyHead head;
  ReplyResult whole = parse(head, room, data, size);
  if (whole.kind != ReplyResult::complete) return 0;
  if (whole.consumed > size || head.status < 100 || head.status > 999 || !is_inside(head.status_line, data, size))
    abort();
  for (const HttpHeader &h : head.headers)
    if (h.name.empty() || !is_inside(h.name, data, size) || !is_inside(h.value, data, size)) abort();
  ReplyHead part;
  if (parse(part, room, data, whole.consumed / 2).kind != ReplyResult::incomplete) abort();
  return 0;
}
