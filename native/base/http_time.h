// SPDX-License-Identifier: MIT
// Dates as HTTP, cookies and ngx.localtime write them, and the three date formats HTTP reads.
// Pure functions, any thread (local time asks the C library for the zone); the caller owns the buffers.
#pragma once
#include "base/str.h"

namespace mw {

constexpr size_t HTTP_TIME_SIZE = 29;    ///< "Mon, 28 Sep 1970 06:00:00 GMT"
constexpr size_t COOKIE_TIME_SIZE = 31;  ///< at most: "Mon, 28-Sep-2038 06:00:00 GMT", 27 before 2038
constexpr size_t DATE_TIME_SIZE = 19;    ///< "2010-11-19 20:56:31"

/// Writes an HTTP date of exactly HTTP_TIME_SIZE bytes. Times before 1970 count as 1970.
void http_time_format(int64_t sec, char *dst);

/// Writes a cookie's Expires date (two-digit year up to 2037) and returns its length.
size_t http_time_format_cookie(int64_t sec, char *dst);

/// Writes DATE_TIME_SIZE bytes in UTC, or in the local zone when `local`; the first 10 are the date.
void http_time_format_date(int64_t sec, bool local, char *dst);

/// Reads "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT" or "Sun Nov  6 08:49:37 1994".
/// False when `s` is none of them or not a real date.
bool http_time_parse(Str s, int64_t &sec);

}  // namespace mw
