// SPDX-License-Identifier: MIT
// See output.h: ranges of files as parts of a body.
#include <errno.h>
#include <unistd.h>

#include "http/output.h"

namespace mw {

/// The file's bytes, for a filter or a subrequest: its output may wait, or be wanted in memory.
static void append_file_read(Request *r, int fd, uint64_t start, uint64_t end) {
  while (start < end) {
    size_t want = end - start < BlockPool::kData ? static_cast<size_t>(end - start) : BlockPool::kData;
    ssize_t n = pread(fd, r->out.body.reserve(r->core->net.blocks, want), want, static_cast<off_t>(start));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      log_write(r->log(), kLogAlert, n < 0 ? errno : 0, &r->log_ctx, "read() failed or the file was truncated");
      r->is_truncated = true;
      break;
    }
    r->out.body.advance(static_cast<size_t>(n));
    start += static_cast<uint64_t>(n);
  }
}

void output_append_file(Request *r, int fd, uint64_t start, uint64_t end, bool owns) {
  if (!r->out.is_diverted && !r->out.filters) return r->out.body.append_file(r->core->net.blocks, fd, owns, start, end);
  append_file_read(r, fd, start, end);
  if (owns) close(fd);
}

}  // namespace mw
