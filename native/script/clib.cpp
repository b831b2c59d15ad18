// SPDX-License-Identifier: MIT
// How ffi.load opens a library; LuaJIT is built to call this in dlopen's place (deps/recipes.mjs).
#include <dlfcn.h>

/// Node exports the symbols of libraries that it holds, zlib's and OpenSSL's among them, of versions of its own. What a library
/// calls within itself must not be found there, so its own symbols come first, unless it is to be global.
extern "C" void *mw_clib_dlopen(const char *name, int flags) {
#if defined(RTLD_DEEPBIND) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // sanitizers refuse it
  if (!(flags & RTLD_GLOBAL)) flags |= RTLD_DEEPBIND;
#endif
  return dlopen(name, flags);
}
