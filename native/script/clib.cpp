// SPDX-License-Identifier: MIT
// How ffi.load opens a library; LuaJIT is built to call this in dlopen's place (deps/recipes.mjs).
#include <dlfcn.h>

#include <algorithm>
#include <iterator>

#include "base/str.h"

namespace mw {

#if defined(RTLD_DEEPBIND) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static constexpr int kOwnFirst = RTLD_DEEPBIND;
#else
static constexpr int kOwnFirst = 0;  // sanitizers refuse it
#endif

/// Libraries that Node holds itself, and exports the symbols of.
static constexpr Str kHeldByNode[] = {"z", "ssl", "crypto", "uv", "nghttp2", "nghttp3", "cares", "zstd", "sqlite3"};

/// "libNAME.so..." or a path to it.
static bool is_held_by_node(Str path) {
  Str file = path.substr(path.rfind('/') + 1);
  size_t end = file.find(".so");
  if (!file.starts_with("lib") || end == Str::npos) return false;
  Str name = file.substr(3, end - 3);
  if (name.starts_with("icu") || name.starts_with("brotli")) return true;
  return std::find(std::begin(kHeldByNode), std::end(kHeldByNode), name) != std::end(kHeldByNode);
}

}  // namespace mw

/// What a library calls within itself must not be found in Node's copy of it, which has other structures: its own symbols come
/// first. Not for all: a library that uses C++'s streams or `environ` has to see the ones that Node's executable holds.
extern "C" void *mw_clib_dlopen(const char *name, int flags) {
  if (name && !(flags & RTLD_GLOBAL) && mw::is_held_by_node(name)) flags |= mw::kOwnFirst;
  return dlopen(name, flags);
}
