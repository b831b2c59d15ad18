// SPDX-License-Identifier: MIT
// A request target's path in nginx's normal form: percent-decoded, dot segments resolved, slashes merged; the query apart.
// Pure functions.
#pragma once
#include "base/str.h"

namespace mw {

struct TargetParts {
  Str path;  ///< begins with '/'; a view of the input when nothing had to change
  Str args;  ///< after '?', without a fragment; as sent
};

/// Splits and normalises `origin` (path and query as sent; a missing leading '/' is supplied). `room` holds at least
/// origin.size() + 1 bytes. False: "%00", a bad %XX, or ".." above the root.
bool target_normalize(Str origin, bool merge_slashes, char *room, TargetParts &parts);

/// Splits "path?args" that a script or an upstream server names, and undoes the path's %XX; what is not of that form stays.
/// `room` holds at least uri.size() bytes. False where the path is unsafe, as nginx calls it: empty, with a NUL, or with "..".
bool target_parse_unsafe(Str uri, char *room, TargetParts &parts);

}  // namespace mw
