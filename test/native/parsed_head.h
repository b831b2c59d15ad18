// SPDX-License-Identifier: MIT
// What the tests of request heads share: a head parsed, and what was understood or refused of it.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "check.h"
#include "http/parser.h"

namespace mw {

/// A head parsed from an exact-size copy, so that a sanitizer sees a read past its end.
struct Parsed {
  std::unique_ptr<char[]> bytes;
  std::vector<HttpHeader> room{kMaxHeaders};
  RequestHead head;
  ParseResult result;
  explicit Parsed(Str text, const ParseLimits &limits = {}) : bytes(new char[text.size()]) {
    text.copy(bytes.get(), text.size());
    head.headers.use(room.data(), static_cast<uint32_t>(room.size()));
    result = parser_parse_head(head, bytes.get(), text.size(), limits);
  }
};

/// Everything that was understood, as one line of text.
inline std::string describe(const Parsed &p) {
  const RequestHead &h = p.head;
  if (p.result.kind == ParseResult::incomplete) return "incomplete";
  if (p.result.kind == ParseResult::error) return "error " + std::to_string(p.result.status) + " " + p.result.reason;
  std::string out = std::to_string(p.result.consumed) + " [" + std::string(h.request_line) + "] " +
                    std::string(h.method) + "(" + std::to_string(h.method_id) + ") " + std::string(h.target) + " -> " +
                    std::string(h.authority) + "/" + std::to_string(h.authority_name_size) + " " +
                    std::string(h.origin) + " 1." + std::to_string(h.http_minor);
  if (h.has_content_length) out += " length=" + std::to_string(h.content_length);
  if (h.chunked) out += " chunked";
  if (h.keep_alive) out += " keep-alive";
  if (h.expect_continue) out += " expect";
  if (h.is_connect) out += " connect";
  if (h.is_upgrade) out += " upgrade";
  for (const HttpHeader &f : h.headers) out += " {" + std::string(f.name) + "}={" + std::string(f.value) + "}";
  return out;
}

inline std::string get(Str fields, Str line = "GET / HTTP/1.1") {
  return std::string(line) + "\r\n" + std::string(fields) + "\r\n";
}
inline std::string with_host(Str fields, Str line = "GET / HTTP/1.1") {
  return get("Host: a\r\n" + std::string(fields), line);
}

inline int32_t status_of(Str text, const ParseLimits &limits = {}) {
  Parsed p(text, limits);
  return p.result.kind == ParseResult::error ? p.result.status : p.result.kind == ParseResult::complete ? 0 : -1;
}

inline void expect_status(const char *file, int line, const std::string &text, int32_t status) {
  int32_t got = status_of(text);
  if (got != status)
    check::fail(file, line, "\"" + text + "\": " + std::to_string(got) + ", expected " + std::to_string(status));
}
#define REFUSED(status, text) expect_status(__FILE__, __LINE__, (text), (status))
#define TAKEN(text) expect_status(__FILE__, __LINE__, (text), 0)

}  // namespace mw
