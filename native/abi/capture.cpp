// SPDX-License-Identifier: MIT
// Captures with options: what Lua sets on a subrequest before script/capture.cpp runs it.
#include "script/capture.h"

#include "abi/abi.h"

using namespace mw;

static Request *of(mw_req_t *r) { return reinterpret_cast<Request *>(r); }

extern "C" MW_EXPORT
mw_capture_t *mw_capture_new(mw_req_t *r) { return capture_new(of(r)); }

extern "C" MW_EXPORT
void mw_capture_select(mw_capture_t *c) { capture_select(c); }

extern "C" MW_EXPORT
int32_t mw_capture_add(mw_capture_t *c, const char *uri, size_t len, const char *args, size_t args_len, uint32_t method,
                       mw_req_t **out) {
  Request *sub = nullptr;
  switch (capture_add(c, {uri, len}, {args, args_len}, method, sub)) {
    case CaptureError::unsafe_uri: return MW_NOT_FOUND;
    case CaptureError::bad_method: return MW_BAD_ARG;
    case CaptureError::nested_too_deep: return MW_ERROR;
    case CaptureError::none: break;
  }
  *out = &sub->abi;
  return MW_OK;
}

extern "C" MW_EXPORT
void mw_capture_set_body(mw_req_t *sub, const char *data, size_t len, int32_t forward) {
  if (data)
    subrequest_set_body_data(of(sub), {data, len});
  else
    subrequest_set_body(of(sub), forward ? SubBody::forward : SubBody::none);
}

extern "C" MW_EXPORT
void mw_capture_set_vars(mw_req_t *sub, int32_t is_shared) {
  if (is_shared)
    subrequest_share_vars(of(sub));
  else
    subrequest_copy_vars(of(sub));
}
