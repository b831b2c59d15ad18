// SPDX-License-Identifier: MIT
// The tagged encoding of value.h, both ways. Bytes are checked as they are read: a count that the input cannot hold is
// refused before anything is set aside for it.
#include "base/value.h"

namespace mw {

namespace {

constexpr int kMaxDepth = 64;

class Reader {
 public:
  explicit Reader(Str data) : data_(data) {}
  bool is_done() const { return data_.empty(); }

  bool value(Value &out, int depth) {
    uint8_t tag = 0;
    if (depth > kMaxDepth || !scalar(tag) || tag > Value::unsigned_) return false;
    out.tag = static_cast<Value::Tag>(tag);
    switch (out.tag) {
      case Value::number: return scalar(out.num);
      case Value::integer:
      case Value::unsigned_: return scalar(out.inum);
      case Value::string: return string(out.str);
      case Value::array: return array(out, depth);
      case Value::table: return table(out, depth);
      default: return true;
    }
  }

 private:
  template <class T>
  bool scalar(T &out) {
    if (data_.size() < sizeof(T)) return false;
    memcpy(&out, data_.data(), sizeof(T));
    data_.remove_prefix(sizeof(T));
    return true;
  }

  bool string(std::string &out) {
    uint32_t size = 0;
    if (!scalar(size) || size > data_.size()) return false;
    out.assign(data_.data(), size);
    data_.remove_prefix(size);
    return true;
  }

  // Every item takes a byte at least, a pair two.
  bool array(Value &out, int depth) {
    uint32_t count = 0;
    if (!scalar(count) || count > data_.size()) return false;
    out.items.resize(count);
    for (Value &item : out.items)
      if (!value(item, depth + 1)) return false;
    return true;
  }

  bool table(Value &out, int depth) {
    uint32_t count = 0;
    if (!scalar(count) || count > data_.size() / 2) return false;
    out.pairs.resize(count);
    for (auto &[key, item] : out.pairs) {
      if (!value(key, depth + 1) || (key.tag != Value::string && key.tag != Value::number)) return false;
      if (!value(item, depth + 1)) return false;
    }
    return true;
  }

  Str data_;
};

template <class T>
void append(std::string &out, T v) {
  out.append(reinterpret_cast<const char *>(&v), sizeof(v));
}

}  // namespace

const Value *Value::get(Str key) const {
  for (const auto &[k, v] : pairs)
    if (k.tag == string && k.str == key) return &v;
  return nullptr;
}

bool value_decode(Value &out, Str data) {
  out = Value();
  Reader reader(data);
  return reader.value(out, 0) && reader.is_done();
}

void value_encode(std::string &out, const Value &v) {
  out.push_back(static_cast<char>(v.tag));
  switch (v.tag) {
    case Value::number: append(out, v.num); break;
    case Value::integer:
    case Value::unsigned_: append(out, v.inum); break;
    case Value::string:
      append(out, static_cast<uint32_t>(v.str.size()));
      out += v.str;
      break;
    case Value::array:
      append(out, static_cast<uint32_t>(v.items.size()));
      for (const Value &item : v.items) value_encode(out, item);
      break;
    case Value::table:
      append(out, static_cast<uint32_t>(v.pairs.size()));
      for (const auto &[key, item] : v.pairs) {
        value_encode(out, key);
        value_encode(out, item);
      }
      break;
    default: break;
  }
}

}  // namespace mw
