// SPDX-License-Identifier: MIT
// See filter.h.
#include "http/filter.h"

#include "http/modules/charset.h"
#include "http/modules/echo_filter.h"
#include "http/modules/gunzip.h"
#include "http/modules/gzip.h"
#include "http/modules/ssi.h"
#include "http/modules/sub_filter.h"
#include "http/modules/userid.h"

namespace mw {

struct FilterRow {
  FilterBit bit;
  void (*header)(Request *);
  void (*body)(Request *, Chain &, bool last);  ///< null: headers only
  bool is_late = false;                         ///< behind the subrequests' output
};

/// In the order in which they run.
static constexpr FilterRow kFilters[] = {
    {kFilterEcho, echo_filter_header, echo_filter_body},       {kFilterUserid, userid_filter, nullptr},
    {kFilterGunzip, gunzip_filter_header, gunzip_filter_body}, {kFilterSub, sub_filter_header, sub_filter_body},
    {kFilterCharset, charset_filter, charset_filter_body},     {kFilterSsi, ssi_filter_header, ssi_filter_body},
    {kFilterGzip, gzip_filter_header, gzip_filter_body, true},
};

void filter_header(Request *r) {
  for (const FilterRow &f : kFilters)
    if ((r->conf->filters | r->out.filters) & f.bit) f.header(r);
}

static void run(Request *r, const FilterRow &f, bool last) {
  f.body(r, r->out.body, last);
  if (last && !r->out.is_held) r->out.filters &= ~static_cast<uint32_t>(f.bit);
}

void filter_body(Request *r, bool last) {
  r->out.is_held = false;
  for (const FilterRow &f : kFilters)
    if ((r->out.filters & f.bit) && !f.is_late) run(r, f, last && !r->out.is_held);
}

void filter_body_late(Request *r, bool last) {
  for (const FilterRow &f : kFilters)
    if ((r->out.filters & f.bit) && f.is_late) run(r, f, last);
}

}  // namespace mw
