// SPDX-License-Identifier: MIT
// ngx.location.capture's half in C++: captured subrequests of the running request that one light thread waits for. Lies in the
// parent's arena. Where nothing else of the worker's is about to run before them, the subrequests run on the stack of the light
// thread, which does not yield unless one of them waits; else they start when it has yielded.
#pragma once
#include "http/subrequest.h"
#include "script/scheduler.h"

struct mw_capture {
  mw::Waiter waiter;  ///< first
  mw::Request *parent = nullptr;
  mw::ArenaVec<mw::Request *> subs;
  uint32_t pending = 0;
  bool is_cancelled = false;
};

namespace mw {

/// A new one, which the running light thread's next capture_run() takes.
mw_capture *capture_new(Request *parent);
/// Makes `c` the one that is taken next.
void capture_select(mw_capture *c);
enum class CaptureError : uint8_t { none, unsafe_uri, bad_method, nested_too_deep };
/// Adds a subrequest to `uri` ("path?args", escaped as Lua wrote it), `args` appended to its arguments.
CaptureError capture_add(mw_capture *c, Str uri, Str args, uint32_t method_id, Request *&sub);
/// Has the subrequests run. False where the running light thread is parked until all have ended.
bool capture_run(mw_capture *c);

}  // namespace mw
