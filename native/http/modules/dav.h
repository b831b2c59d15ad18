// SPDX-License-Identifier: MIT
// nginx's WebDAV module: PUT, DELETE, MKCOL, COPY, MOVE on the files below `root`, where dav_methods names them.
#pragma once
#include "http/request.h"

namespace mw {

/// The content handler: kDeclined for a method that the location does not give to it.
Rc dav_run(Request *r);

}  // namespace mw
