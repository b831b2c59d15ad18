// SPDX-License-Identifier: MIT
// A self-describing value tree in bytes: how plans and LuaVm values cross from TypeScript to C++ and back.
// Pure data, any thread. Encoding (little endian): one tag byte, then
//   0 nil | 1 false | 2 true | 3 double (8 bytes) | 4 string (u32 length, bytes) | 5 array (u32 count, values)
//   6 table (u32 count, key value pairs; keys are strings or doubles) | 7 null (ngx.null / JSON null) | 8 int (i64) | 9 (u64)
// lib/conf/value.ts is the other side.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/str.h"

namespace mw {

struct ValuePair;

struct Value {
  enum Tag : uint8_t { nil, false_, true_, number, string, array, table, null, integer, unsigned_ } tag = nil;
  double num = 0;
  int64_t inum = 0;  ///< integer; the bits of unsigned_
  std::string str;
  std::vector<Value> items;      ///< array
  std::vector<ValuePair> pairs;  ///< table, in order
  /// The member of a table with that string key, or null.
  const Value *get(Str key) const;

  Value();
  ~Value();
  Value(const Value &);
  Value(Value &&) noexcept;
  Value &operator=(const Value &);
  Value &operator=(Value &&) noexcept;
};

/// A member of a table: key and value.
struct ValuePair {
  Value first, second;
};

// Only now is the vector of pairs whole.
inline Value::Value() = default;
inline Value::~Value() = default;
inline Value::Value(const Value &) = default;
inline Value::Value(Value &&) noexcept = default;
inline Value &Value::operator=(const Value &) = default;
inline Value &Value::operator=(Value &&) noexcept = default;

/// Decodes one value that fills `data` wholly. False when it does not, or nests deeper than 64.
bool value_decode(Value &out, Str data);
/// Appends the encoding of `v` to `out`.
void value_encode(std::string &out, const Value &v);

}  // namespace mw
