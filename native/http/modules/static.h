// SPDX-License-Identifier: MIT
// Files: root, alias, index, try_files, and the static content handler with Last-Modified, ETag and conditional requests.
// File system calls block the worker for their time, as nginx's do without aio.
#pragma once
#include "http/request.h"

namespace mw {

/// The content handler where the location has no other: index for a path that ends with '/', else the file. 404, 403 or the
/// file.
Rc static_run(Request *r);
/// The try_files step. kDeclined to go on.
Rc try_files_run(Request *r);
/// The file name of `uri` by root or alias, NUL-terminated, in the arena.
Str static_path(Request *r, Str uri);

}  // namespace mw
