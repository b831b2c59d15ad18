// SPDX-License-Identifier: MIT
// base/http_time.h: formats against gmtime over many days, and the three formats read back.
#include "base/http_time.h"

#include <ctime>

#include "check.h"

using namespace mw;

TEST(http_time_agrees_with_gmtime) {
  for (int64_t sec = 0; sec < 4200000000; sec += 86400 * 13 + 4321) {
    const time_t t = static_cast<time_t>(sec);
    struct tm tm;
    gmtime_r(&t, &tm);
    char want[64], got[64];
    strftime(want, sizeof want, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    http_time_format(sec, got);
    CHECK_EQ(Str(got, HTTP_TIME_SIZE), Str(want));
    int64_t back = -1;
    CHECK(http_time_parse(Str(got, HTTP_TIME_SIZE), back));
    CHECK_EQ(back, sec);
    strftime(want, sizeof want, "%Y-%m-%d %H:%M:%S", &tm);
    http_time_format_date(sec, false, got);
    CHECK_EQ(Str(got, DATE_TIME_SIZE), Str(want));
  }
}

TEST(http_time_cookie_year_has_two_digits_up_to_2037) {
  char got[64];
  CHECK_EQ(Str(got, http_time_format_cookie(2145916799, got)), Str("Thu, 31-Dec-37 23:59:59 GMT"));
  CHECK_EQ(Str(got, http_time_format_cookie(2145916800, got)), Str("Fri, 01-Jan-2038 00:00:00 GMT"));
}

TEST(http_time_reads_three_formats_and_refuses_others) {
  int64_t sec = 0;
  for (Str s :
       {Str("Sun, 06 Nov 1994 08:49:37 GMT"), Str("Sunday, 06-Nov-94 08:49:37 GMT"), Str("Sun Nov  6 08:49:37 1994")}) {
    CHECK(http_time_parse(s, sec));
    CHECK_EQ(sec, 784111777);
  }
  for (Str s : {Str(""), Str(","), Str("Sun,"), Str("Sun, 30 Feb 2000 00:00:00 GMT"), Str("Sun, 06 Nov 1994 24:00:00"),
                Str("Sun, 06 Nox 1994 08:49:37"), Str("Sun, 06 Nov 1994 08:49:3"), Str("Sun Nov")})
    CHECK(!http_time_parse(s, sec));
}
