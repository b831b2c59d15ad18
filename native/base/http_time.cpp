// SPDX-License-Identifier: MIT
// Calendar arithmetic on days since 1970 in eras of 400 years (146097 days) that begin on 1 March, so that the leap day
// ends the year and a month's first day is a linear formula.
#include "base/http_time.h"

#include <ctime>

namespace mw {
namespace {

constexpr char kWeekDays[] = "SunMonTueWedThuFriSat";
constexpr char kMonths[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

struct Civil {
  int year, month, day, hour, minute, second, week_day;  // month 1..12, week_day 0 = Sunday
};

Civil civil_of(int64_t sec) {
  if (sec < 0) sec = 0;
  const int64_t days = sec / 86400, rest = sec % 86400;
  const int64_t z = days + 719468;  // days since 1 March of year 0
  const int64_t era = z / 146097;
  const int64_t doe = z - era * 146097;
  const int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  const int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const int64_t m = (5 * doy + 2) / 153;  // 0 = March
  Civil c;
  c.day = static_cast<int>(doy - (153 * m + 2) / 5 + 1);
  c.month = static_cast<int>(m < 10 ? m + 3 : m - 9);
  c.year = static_cast<int>(yoe + era * 400 + (m >= 10 ? 1 : 0));
  c.hour = static_cast<int>(rest / 3600);
  c.minute = static_cast<int>(rest / 60 % 60);
  c.second = static_cast<int>(rest % 60);
  c.week_day = static_cast<int>((days + 4) % 7);
  return c;
}

int64_t days_of(int year, int month, int day) {
  const int64_t y = month <= 2 ? year - 1 : year;
  const int64_t era = y / 400, yoe = y - era * 400;
  const int64_t m = month > 2 ? month - 3 : month + 9;
  return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + (153 * m + 2) / 5 + day - 1 - 719468;
}

char *put2(char *p, int v) {
  p[0] = static_cast<char>('0' + v / 10 % 10);
  p[1] = static_cast<char>('0' + v % 10);
  return p + 2;
}

char *put4(char *p, int v) { return put2(put2(p, v / 100), v % 100); }

char *put_text(char *p, const char *s, size_t n) {
  std::memcpy(p, s, n);
  return p + n;
}

char *put_clock(char *p, const Civil &c) {
  p = put2(p, c.hour);
  *p++ = ':';
  p = put2(p, c.minute);
  *p++ = ':';
  return put2(p, c.second);
}

char *put_http(char *p, const Civil &c, char separator, bool short_year) {
  p = put_text(p, kWeekDays + 3 * c.week_day, 3);
  p = put_text(p, ", ", 2);
  p = put2(p, c.day);
  *p++ = separator;
  p = put_text(p, kMonths + 3 * (c.month - 1), 3);
  *p++ = separator;
  p = short_year ? put2(p, c.year % 100) : put4(p, c.year);
  *p++ = ' ';
  return put_text(put_clock(p, c), " GMT", 4);
}

// A cursor over the text; every reader returns false, and stays false, once something does not fit.
struct Reader {
  const char *p, *end;

  bool literal(char c) { return p < end && *p == c && (++p, true); }
  bool digits(int count, int &out) {
    out = 0;
    for (; count > 0; --count, ++p) {
      if (p == end || *p < '0' || *p > '9') return false;
      out = out * 10 + (*p - '0');
    }
    return true;
  }
  bool month(int &out) {
    if (end - p < 3) return false;
    for (out = 1; out <= 12; ++out)
      if (std::memcmp(p, kMonths + 3 * (out - 1), 3) == 0) return p += 3, true;
    return false;
  }
  bool clock(Civil &c) {
    return digits(2, c.hour) && literal(':') && digits(2, c.minute) && literal(':') && digits(2, c.second);
  }
  bool day_of_asctime(int &day) {
    literal(' ');
    if (!digits(1, day)) return false;
    int second;
    if (p < end && *p != ' ') {
      if (!digits(1, second)) return false;
      day = day * 10 + second;
    }
    return true;
  }
};

bool is_real(const Civil &c) {
  static constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (c.year % 4 == 0 && c.year % 100 != 0) || c.year % 400 == 0;
  const int last = kDays[c.month - 1] + (c.month == 2 && leap ? 1 : 0);
  return c.day >= 1 && c.day <= last && c.hour < 24 && c.minute < 60 && c.second < 60;
}

}  // namespace

void http_time_format(int64_t sec, char *dst) { put_http(dst, civil_of(sec), ' ', false); }

size_t http_time_format_cookie(int64_t sec, char *dst) {
  const Civil c = civil_of(sec);
  return static_cast<size_t>(put_http(dst, c, '-', c.year <= 2037) - dst);
}

void http_time_format_date(int64_t sec, bool local, char *dst) {
  Civil c;
  if (local) {
    const time_t t = static_cast<time_t>(sec);
    struct tm tm;
    localtime_r(&t, &tm);
    c = Civil{tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, tm.tm_wday};
  } else {
    c = civil_of(sec);
  }
  char *p = put4(dst, c.year);
  *p++ = '-';
  p = put2(p, c.month);
  *p++ = '-';
  p = put2(p, c.day);
  *p++ = ' ';
  put_clock(p, c);
}

bool http_time_parse(Str s, int64_t &sec) {
  // The week day's name is not read: only what ends it tells the formats apart.
  size_t mark = s.find_first_of(", ");
  if (mark == Str::npos) return false;
  size_t start = s.find_first_not_of(' ', mark + 1);
  if (start == Str::npos) return false;
  Reader r{s.data() + start, s.data() + s.size()};
  Civil c{};
  if (s[mark] == ' ') {
    if (!r.month(c.month) || !r.literal(' ') || !r.day_of_asctime(c.day) || !r.literal(' ') || !r.clock(c) ||
        !r.literal(' ') || !r.digits(4, c.year))
      return false;
  } else {
    if (!r.digits(2, c.day)) return false;
    if (r.literal('-')) {
      if (!r.month(c.month) || !r.literal('-') || !r.digits(2, c.year)) return false;
      c.year += c.year < 70 ? 2000 : 1900;
    } else if (!r.literal(' ') || !r.month(c.month) || !r.literal(' ') || !r.digits(4, c.year)) {
      return false;
    }
    if (!r.literal(' ') || !r.clock(c)) return false;
  }
  if (!is_real(c)) return false;
  sec = days_of(c.year, c.month, c.day) * 86400 + c.hour * 3600 + c.minute * 60 + c.second;
  return true;
}

}  // namespace mw
