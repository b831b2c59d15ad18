// SPDX-License-Identifier: MIT
// See autoindex.h. The forms are nginx's, byte for byte.
#include "http/modules/autoindex.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/http_time.h"
#include "base/urlencode.h"
#include "http/body.h"
#include "http/modules/static.h"
#include "http/output.h"
#include "http/phase.h"

namespace mw {

enum Format : uint8_t { kHtml, kJson, kJsonp, kXml };

struct Entry {
  std::string name;
  bool is_dir = false, is_file = false;
  time_t mtime = 0;
  int64_t size = 0;
};

static bool is_before(const Entry &a, const Entry &b) {
  if (a.is_dir != b.is_dir) return a.is_dir;
  return a.name < b.name;
}

/// What is in the folder and not hidden; a link that leads nowhere is itself.
static std::vector<Entry> read_entries(Request *r, DIR *dir, const std::string &path) {
  std::vector<Entry> entries;
  for (;;) {
    errno = 0;
    const dirent *found = readdir(dir);
    if (!found) break;
    if (found->d_name[0] == '.') continue;
    std::string file = path + found->d_name;
    struct stat st;
    if (stat(file.c_str(), &st) < 0) {
      int err = errno;
      if (err != ENOENT && err != ELOOP)
        log_write(r->log(), kLogCrit, err, &r->log_ctx, "stat() \"%s\" failed", file.c_str());
      if (err == EACCES || lstat(file.c_str(), &st) < 0) continue;
    }
    entries.push_back({found->d_name, S_ISDIR(st.st_mode), S_ISREG(st.st_mode), st.st_mtime, st.st_size});
  }
  if (errno) log_write(r->log(), kLogCrit, errno, &r->log_ctx, "readdir() \"%s\" failed", path.c_str());
  std::sort(entries.begin(), entries.end(), is_before);
  return entries;
}

// --- texts -----------------------------------------------------------------------------------------------------------

static std::string html_escaped(Str text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '&': out += "&amp;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

static std::string json_escaped(Str text) {
  std::string out;
  for (char c : text) {
    unsigned char u = static_cast<unsigned char>(c);
    if (c == '\\' || c == '"') {
      out += '\\';
      out += c;
    } else if (u < 0x20) {
      char code[8];
      switch (c) {
        case '\n': out += "\\n"; break;
        case '\r': out += "\\r"; break;
        case '\t': out += "\\t"; break;
        case '\b': out += "\\b"; break;
        case '\f': out += "\\f"; break;
        default: snprintf(code, sizeof code, "\\u%04X", u); out += code;
      }
    } else {
      out += c;
    }
  }
  return out;
}

static std::string url_escaped(Str text) {
  std::string out(url_escaped_size(text, ESCAPE_URI_COMPONENT), 0);
  url_escape(text, ESCAPE_URI_COMPONENT, out.data());
  return out;
}

/// Bytes that the first `chars` characters take.
static size_t prefix_size(const LocationConf &c, Str text, size_t chars) {
  if (!str_iequal(c.charset.constant(), "utf-8")) return std::min(chars, text.size());
  size_t at = 0;
  while (at < text.size() && chars-- > 0) {
    ++at;
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) ++at;
  }
  return at;
}

/// Characters of UTF-8 are counted where the answer is in it, else bytes.
static size_t width_of(const LocationConf &c, Str text) {
  if (!str_iequal(c.charset.constant(), "utf-8")) return text.size();
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

static std::string number(const char *format, long long n, char unit = 0) {
  char text[40];
  int size = unit ? snprintf(text, sizeof text, format, n, unit) : snprintf(text, sizeof text, format, n);
  return {text, static_cast<size_t>(size)};
}

/// "  12K": rounded, in the unit that keeps it short.
static std::string short_size(int64_t n) {
  constexpr int64_t kUnits[] = {1 << 30, 1 << 20, 1 << 10};
  for (size_t i = 0; i < 3; ++i) {
    int64_t unit = kUnits[i];
    if (n <= (unit == 1 << 10 ? 9999 : unit - 1)) continue;
    int64_t whole = n / unit + (n % unit > unit / 2 - 1 ? 1 : 0);
    return number("%6lld%c", whole, "GMK"[i]);
  }
  return number(" %6lld", n);
}

// --- forms -----------------------------------------------------------------------------------------------------------

static void put_html_entry(const LocationConf &c, const Entry &e, std::string &out) {
  constexpr size_t kNameWidth = 50;
  static const char *const kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  size_t length = width_of(c, e.name);
  out += "<a href=\"" + url_escaped(e.name) + (e.is_dir ? "/\">" : "\">");
  if (length > kNameWidth) {
    out += html_escaped(Str(e.name).substr(0, prefix_size(c, e.name, kNameWidth - 3))) + "..&gt;</a>";
    length = kNameWidth;
  } else {
    out += html_escaped(e.name);
    if (e.is_dir && length < kNameWidth) {
      out += '/';
      ++length;
    }
    out += "</a>";
  }
  out.append(kNameWidth - length, ' ');
  tm t{};
  if (c.autoindex_localtime)
    localtime_r(&e.mtime, &t);
  else
    gmtime_r(&e.mtime, &t);
  char date[40];
  snprintf(date, sizeof date, " %02d-%s-%d %02d:%02d ", t.tm_mday, kMonths[t.tm_mon], t.tm_year + 1900, t.tm_hour,
           t.tm_min);
  out += date;
  if (c.autoindex_exact_size)
    out += e.is_dir ? "                  -" : number("%19lld", e.size);
  else
    out += e.is_dir ? "      -" : short_size(e.size);
  out += "\r\n";
}

static std::string html(Request *r, const std::vector<Entry> &entries) {
  std::string uri = html_escaped(r->uri);
  std::string out = "<html>\r\n<head><title>Index of " + uri + "</title></head>\r\n<body>\r\n<h1>Index of " + uri +
                    "</h1><hr><pre><a href=\"../\">../</a>\r\n";
  for (const Entry &e : entries) put_html_entry(*r->conf, e, out);
  return out + "</pre><hr></body>\r\n</html>\r\n";
}

static const char *kind_of(const Entry &e) { return e.is_dir ? "directory" : e.is_file ? "file" : "other"; }

static std::string json(const std::vector<Entry> &entries, Str callback) {
  std::string out = callback.empty() ? "" : "/* callback */\r\n" + std::string(callback) + "(";
  out += "[\r\n";
  for (size_t i = 0; i < entries.size(); ++i) {
    const Entry &e = entries[i];
    char time[HTTP_TIME_SIZE];
    http_time_format(e.mtime, time);
    out += "{ \"name\":\"" + json_escaped(e.name) + "\", \"type\":\"" + kind_of(e) + "\", \"mtime\":\"";
    out.append(time, sizeof time) += '"';
    if (e.is_file) out += ", \"size\":" + number("%lld", e.size);
    out += i + 1 < entries.size() ? " },\r\n" : " }\r\n";
  }
  return out + (callback.empty() ? "]" : "]);");
}

static std::string xml(const std::vector<Entry> &entries) {
  std::string out = "<?xml version=\"1.0\"?>\r\n<list>\r\n";
  for (const Entry &e : entries) {
    tm t{};
    gmtime_r(&e.mtime, &t);
    char date[64];
    snprintf(date, sizeof date, "%4d-%02d-%02dT%02d:%02d:%02dZ", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour,
             t.tm_min, t.tm_sec);
    out += std::string("<") + kind_of(e) + " mtime=\"" + date + "\"";
    if (e.is_file) out += number(" size=\"%lld\"", e.size);
    out += ">" + html_escaped(e.name) + "</" + kind_of(e) + ">\r\n";
  }
  return out + "</list>\r\n";
}

/// The argument `callback` of a JSONP request, unescaped; as in nginx only letters, digits, '.', '_' and '$' may stand in it.
static bool callback_of(const Request *r, std::string &out) {
  Str rest = r->args;
  while (!rest.empty()) {
    size_t end = rest.find('&');
    Str pair = rest.substr(0, end);
    rest = end == Str::npos ? Str{} : rest.substr(end + 1);
    if (!str_istarts(pair, "callback=")) continue;
    out.resize(pair.size());
    out.resize(url_unescape(pair.substr(9), out.data()));
    break;
  }
  return out.size() <= 128 && std::all_of(out.begin(), out.end(), [](char c) {
           return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '.' || c == '_' ||
                  c == '$';
         });
}

static Rc answer(Request *r, Str type, const std::string &text) {
  r->resp.content_type = type;
  r->resp.has_content_type = true;
  r->abi.status = 200;
  output_queue(r, text, false, true);
  output_finish(r);
  return kDone;
}

Rc autoindex_run(Request *r) {
  if (Rc rc = body_discard_first(r); rc != kOk) return rc;
  std::string path(static_path(r, r->uri)), callback;
  uint8_t format = r->conf->autoindex_format;
  if (format == kJsonp && !callback_of(r, callback)) {
    log_write(r->log(), kLogError, 0, &r->log_ctx, "client sent invalid callback name: \"%s\"", callback.c_str());
    return 400;
  }
  DIR *dir = path.find('\0') == std::string::npos ? opendir(path.c_str()) : nullptr;
  if (!dir) {
    int err = errno;
    bool is_missing = err == ENOENT || err == ENOTDIR || err == ENAMETOOLONG;
    log_write(r->log(), is_missing || err == EACCES ? kLogError : kLogCrit, err, &r->log_ctx, "opendir() \"%s\" failed",
              path.c_str());
    return is_missing ? 404 : err == EACCES ? 403 : 500;
  }
  std::vector<Entry> entries = read_entries(r, dir, path);
  closedir(dir);
  switch (format) {
    case kJson: return answer(r, "application/json", json(entries, {}));
    case kJsonp:
      return callback.empty() ? answer(r, "application/json", json(entries, {}))
                              : answer(r, "application/javascript", json(entries, callback));
    case kXml: return answer(r, "text/xml; charset=utf-8", xml(entries));
    default: return answer(r, "text/html", html(r, entries));
  }
}

}  // namespace mw
