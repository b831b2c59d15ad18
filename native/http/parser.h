// SPDX-License-Identifier: MIT
// The head of an HTTP/1 request: request line and field lines, strictly by RFC 9112 where a lenient reading could be read two
// ways. Pure: no allocation, no I/O; the results are views into the caller's bytes, which rebase() moves elsewhere.
#pragma once
#include "base/str.h"

namespace mw {

/// lua-nginx-module's method numbers (ngx.HTTP_GET ...); 0 = another method.
enum MethodId : uint32_t {
  kMethodGet = 0x2,
  kMethodHead = 0x4,
  kMethodPost = 0x8,
  kMethodPut = 0x10,
  kMethodDelete = 0x20,
  kMethodMkcol = 0x40,
  kMethodCopy = 0x80,
  kMethodMove = 0x100,
  kMethodOptions = 0x200,
  kMethodPropfind = 0x400,
  kMethodProppatch = 0x800,
  kMethodLock = 0x1000,
  kMethodUnlock = 0x2000,
  kMethodPatch = 0x4000,
  kMethodTrace = 0x8000
};
/// The number of a method name (case matters), 0 when it has none.
uint32_t method_id(Str name);
/// The name of a method number, empty when there is none.
Str method_name(uint32_t id);

struct HttpHeader {
  Str name;
  Str value;  ///< without surrounding blanks
};

constexpr uint32_t kMaxHeaders = 1000;  ///< more field lines than this are refused, as by nginx

/// Headers in caller-supplied room.
class HeaderList {
 public:
  void use(HttpHeader *room, uint32_t capacity) { data_ = room, size_ = 0, capacity_ = capacity; }
  bool push(Str name, Str value) {
    if (size_ == capacity_) return false;
    data_[size_++] = {name, value};
    return true;
  }
  uint32_t size() const { return size_; }
  uint32_t capacity() const { return capacity_; }
  HttpHeader &operator[](uint32_t i) { return data_[i]; }
  HttpHeader *begin() { return data_; }
  HttpHeader *end() { return data_ + size_; }
  const HttpHeader *begin() const { return data_; }
  const HttpHeader *end() const { return data_ + size_; }
  void erase(uint32_t i) {
    for (--size_; i < size_; ++i) data_[i] = data_[i + 1];
  }
  /// Moves to other room (>= size()).
  void move_to(HttpHeader *room, uint32_t capacity) {
    for (uint32_t i = 0; i < size_; ++i) room[i] = data_[i];
    data_ = room;
    capacity_ = capacity;
  }

 private:
  HttpHeader *data_ = nullptr;
  uint32_t size_ = 0, capacity_ = 0;
};

struct RequestHead {
  Str method;
  Str target;  ///< as sent
  Str request_line;
  Str authority;  ///< Host's value, or the absolute target's; validated "host[:port]"
  Str origin;     ///< path and query of the target; may lack its leading '/' after an absolute form's authority
  HeaderList headers;
  uint64_t content_length = 0;
  uint32_t method_id = 0;
  uint16_t authority_name_size = 0;  ///< of authority, without the port
  uint8_t http_minor = 0;
  bool has_content_length = false;
  bool chunked = false;
  bool keep_alive = false;
  bool expect_continue = false;
  bool is_connect = false;
  bool is_upgrade = false;
  bool is_simple = false;  ///< HTTP/0.9: a request line without a version, nothing else

  /// The host's name without port; empty when the client named none.
  Str host_name() const { return authority.substr(0, authority_name_size); }
  /// Lets every view point to a copy of the bytes, `from` before and `to` now, and keeps the headers in `room`.
  void rebase(const char *from, const char *to, HttpHeader *room, uint32_t capacity);
};

/// nginx's limits on a head.
struct ParseLimits {
  uint64_t line = 8192;      ///< large_client_header_buffers size: of the request line, of one field line
  uint64_t total = 32768;    ///< number times size
  bool underscores = false;  ///< underscores_in_headers: off drops such fields
};

struct ParseResult {
  enum Kind : uint8_t { incomplete, complete, error } kind = incomplete;
  int32_t status = 0;            ///< error: what to answer; 494 stands for nginx's "Request Header Or Cookie Too Large"
  const char *reason = nullptr;  ///< error: for the log, nginx's wording where it has one
  size_t consumed = 0;           ///< complete: bytes of the head, empty lines before it included
};

/// Parses all bytes of a head received so far, from its first. `head.headers` has room; the rest is fresh.
ParseResult parser_parse_head(RequestHead &head, const char *data, size_t size, const ParseLimits &limits);

/// True for a byte of an RFC 9110 token.
bool parser_is_token(unsigned char c);

}  // namespace mw
