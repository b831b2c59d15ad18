// SPDX-License-Identifier: MIT
// See file_body.h.
#include "http/modules/file_body.h"

#include <errno.h>
#include <unistd.h>

#include "http/modules/range.h"

namespace mw {

static constexpr uint64_t kReadChunk = 65536;

static constexpr uint64_t kCopyBelow = 2048;  ///< a part as short takes less memory than a block of the chain

static void send_text(Request *r, Str text) {
  if (text.empty()) return;
  if (output_is_direct(r))
    output_append(r, text);
  else
    output_queue(r, text, false, false);
}

/// Hands bytes [start, end) of the file out, as a file range or through memory where a Lua filter looks at it. Takes the
/// descriptor where it `owns` it; else a later part does.
static void send_part(Request *r, int fd, uint64_t start, uint64_t end, bool owns) {
  if (output_is_direct(r) && (owns || end - start >= kCopyBelow)) return output_append_file(r, fd, start, end, owns);
  char buf[kReadChunk];
  while (start < end) {
    size_t want = end - start < sizeof buf ? static_cast<size_t>(end - start) : sizeof buf;
    ssize_t n = pread(fd, buf, want, static_cast<off_t>(start));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    send_text(r, {buf, static_cast<size_t>(n)});
    start += static_cast<uint64_t>(n);
  }
  if (owns) close(fd);
}

/// Several ranges, each behind its own head: all of one descriptor, since a request may name thousands. Takes it.
static void send_multipart(Request *r, int fd, uint64_t at, const RangeParts &ranges) {
  for (uint32_t i = 0; i < ranges.parts.size; ++i) {
    const RangePart &part = ranges.parts.data[i];
    send_text(r, part.head);
    send_part(r, fd, at + part.start, at + part.end, i + 1 == ranges.parts.size);
  }
  send_text(r, ranges.tail);
}

void file_body_send(Request *r, int fd, uint64_t at, uint64_t size) {
  const RangeParts *ranges = r->out.ranges;
  if (ranges && ranges->parts.size > 1) return send_multipart(r, fd, at, *ranges);
  if (ranges) return send_part(r, fd, at + ranges->parts.data[0].start, at + ranges->parts.data[0].end, true);
  if (size) return send_part(r, fd, at, at + size, true);
  close(fd);
}

}  // namespace mw
