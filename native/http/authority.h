// SPDX-License-Identifier: MIT
// The "host[:port]" of a Host field or an absolute target: registered names, IPv4 addresses, IP literals. Pure.
#pragma once
#include "base/str.h"

namespace mw {

/// Checks "host[:port]"; sets the size of the host part. An http URI without a host is invalid (RFC 9110 section 4.2.1).
bool authority_check(Str a, uint16_t &name_size);

}  // namespace mw
