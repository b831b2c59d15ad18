// SPDX-License-Identifier: MIT
// ndk.set_var: the set_misc module's functions for Lua. The request's worker.
#include "http/modules/set_misc.h"

#include "abi/abi.h"

extern "C" {

MW_EXPORT
int32_t mw_set_misc_find(const char *name, size_t len) { return mw::set_misc_find({name, len}); }

MW_EXPORT
size_t mw_set_misc_bound(int32_t call, size_t len) { return mw::set_misc_bound(call, len); }

MW_EXPORT
int64_t mw_set_misc_run(mw_req_t *r, int32_t call, const char *src, size_t len, char *dst) {
  return mw::set_misc_run(reinterpret_cast<mw::Request *>(r), call, {src, len}, dst);
}

}  // extern "C"
