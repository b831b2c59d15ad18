// SPDX-License-Identifier: MIT
// nginx's random_index module: a folder's URI leads to one of its files, by chance.
#pragma once
#include "http/request.h"

namespace mw {

/// For a URI that ends with '/': an internal redirect; kDeclined where the folder holds no file.
Rc random_index_run(Request *r);

}  // namespace mw
