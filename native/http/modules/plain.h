// SPDX-License-Identifier: MIT
// Content handlers without settings: empty_gif and stub_status.
#pragma once
#include "http/request.h"

namespace mw {

/// Answers as r->conf->handler says.
Rc plain_run(Request *r);

}  // namespace mw
