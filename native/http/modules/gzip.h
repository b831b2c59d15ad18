// SPDX-License-Identifier: MIT
// The gzip filter: compresses the bodies of suitable responses with the zlib of the process. The stream belongs to the request.
#pragma once
#include "http/request.h"

namespace mw {

/// Decides whether the response is compressed, and says so in its headers.
void gzip_filter_header(Request *r);
/// Compresses what is in `body`; `last`: ends the stream.
void gzip_filter_body(Request *r, Chain &body, bool last);
/// Does the client take gzip, by its headers and the gzip_ directives?
bool gzip_is_client_fit(const Request *r);
/// A strong ETag names other bytes than those that a filter has changed.
void gzip_weaken_etag(Request *r);
/// Appends `in` to `out` as one whole gzip member. False when zlib refuses.
bool gzip_pack(Str in, int level, std::string &out);
/// Is the Content-Type (without parameters) among `types`, or "*"?
bool filter_type_matches(const Request *r, const std::vector<std::string> &types);

}  // namespace mw
