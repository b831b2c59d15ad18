// SPDX-License-Identifier: MIT
// nginx's SSI module: a body filter that carries out the commands in a response. What it includes are subrequests, which run at
// once and whose output stands where their command stood; where one is to be waited for, the filter keeps its input.
#pragma once
#include "http/request.h"

namespace mw {

void ssi_filter_header(Request *r);
void ssi_filter_body(Request *r, Chain &body, bool last);

/// The format of $date_local and $date_gmt in this request: what `config timefmt` has set, or nginx's own.
Str ssi_time_format(const Request *r);
/// An included subrequest with a stub (Request::has_stub) has ended with `rc`. Where it has put out nothing, its stub is its
/// output. True when that was so: it has ended well.
bool ssi_put_stub(Request *sub, Rc rc);

}  // namespace mw
