// SPDX-License-Identifier: MIT
// What the parser and the chunked decoder make of bytes, for http-node.mjs. Reads "LENGTH\nBYTES" again and again and answers
// each with one line of JSON: { messages: [...], end: "end" | "incomplete" | "close" | status }. Text is latin1.
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "http/chunked.h"
#include "http/parser.h"

using namespace mw;

namespace {

std::string quote(Str s) {
  std::string out = "\"";
  for (char c : s) {
    unsigned char u = static_cast<unsigned char>(c);
    if (u < 0x20 || u >= 0x7f || u == '"' || u == '\\') {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04x", u);
      out += code;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

/// Takes a body off `in`. 0 at its end, -1 when it is not whole, or a status.
int32_t read_body(const RequestHead &head, Str &in, std::string &body) {
  if (!head.chunked) {
    body = in.substr(0, head.content_length);
    in.remove_prefix(body.size());
    return body.size() == head.content_length ? 0 : -1;
  }
  ChunkedDecoder decoder;
  while (!in.empty()) {
    ChunkedResult r = decoder.feed(in);
    in.remove_prefix(r.consumed);
    body += r.data;
    if (r.kind == ChunkedResult::done) return 0;
    if (r.kind == ChunkedResult::error) return r.status;
  }
  return -1;
}

std::string message(RequestHead &head, Str body) {
  std::string out = "{\"method\":" + quote(head.method) + ",\"url\":" + quote(head.target) +
                    ",\"minor\":" + std::to_string(head.http_minor) + ",\"body\":" + quote(body) + ",\"headers\":[";
  for (uint32_t i = 0; i < head.headers.size(); ++i)
    out += (i ? "," : "") + quote(head.headers[i].name) + "," + quote(head.headers[i].value);
  return out + "]}";
}

std::string dump(Str in) {
  std::string messages, end = "\"end\"";
  std::vector<HttpHeader> room(kMaxHeaders);
  ParseLimits limits;
  limits.underscores = true;
  while (!in.empty()) {
    RequestHead head;
    head.headers.use(room.data(), kMaxHeaders);
    ParseResult r = parser_parse_head(head, in.data(), in.size(), limits);
    in.remove_prefix(r.consumed);
    std::string body;
    int32_t status = r.kind == ParseResult::error        ? r.status
                     : r.kind == ParseResult::incomplete ? -1
                                                         : read_body(head, in, body);
    if (status) {
      end = status < 0 ? "\"incomplete\"" : std::to_string(status);
      break;
    }
    messages += (messages.empty() ? "" : ",") + message(head, body);
    if (!head.keep_alive) {
      end = "\"close\"";
      break;
    }
  }
  return "{\"messages\":[" + messages + "],\"end\":" + end + "}";
}

}  // namespace

int main() {
  size_t size;
  while (std::cin >> size) {
    std::cin.get();
    std::string bytes(size, '\0');
    std::cin.read(bytes.data(), static_cast<std::streamsize>(size));
    std::cout << dump(bytes) << "\n";
  }
}
