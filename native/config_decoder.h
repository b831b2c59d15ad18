// SPDX-License-Identifier: MIT
// How plan_decode reads: a struct is a table whose keys are its members' names, a list an array, an enum a number, a map a
// table. Every member must be there: the directive table in lib/conf has the defaults, here are none. A ComplexValue is a
// string (a constant), or an array of strings and {var, capture} in order. For config*.cpp alone. Control thread.
#pragma once
#include <cmath>
#include <limits>

#include "base/value.h"
#include "config.h"

namespace mw {

/// Reads members out of tables and remembers the path of the first one that is missing or does not fit.
class Decoder {
 public:
  /// What is wrong, or empty.
  std::string problem() const {
    return what_ == nullptr ? "" : "the plan " + std::string(what_) + " \"" + path_ + "\"";
  }

  /// The member `name` of the table `in`.
  template <class T>
  void member(const Value &in, const char *name, T &out) {
    if (what_ != nullptr) return;
    const Value *v = in.get(name);
    if (v == nullptr)
      what_ = "lacks";
    else if (!read(*v, out) && what_ == nullptr)
      what_ = "has an unfit";
    if (what_ != nullptr) path_ = path_.empty() || path_[0] == '[' ? name + path_ : name + ("." + path_);
  }

 private:
  static bool read(const Value &v, bool &out) {
    out = v.tag == Value::true_;
    return v.tag == Value::true_ || v.tag == Value::false_;
  }

  template <class T>
  requires(std::is_integral_v<T> && !std::is_same_v<T, bool>) static bool read(const Value &v, T &out) {
    if (v.tag != Value::number || v.num != std::trunc(v.num)) return false;
    if (v.num < static_cast<double>(std::numeric_limits<T>::min())) return false;
    // The largest 64-bit numbers round up as doubles, past what fits.
    if (v.num >= static_cast<double>(std::numeric_limits<T>::max()) + (sizeof(T) < 8 ? 1 : 0)) return false;
    out = static_cast<T>(v.num);
    return true;
  }

  template <class T>
  requires std::is_enum_v<T>
  static bool read(const Value &v, T &out) {
    uint8_t number = 0;
    if (!read(v, number)) return false;
    out = static_cast<T>(number);
    return true;
  }

  static bool read(const Value &v, std::string &out) {
    out = v.str;
    return v.tag == Value::string;
  }

  template <class T>
  bool read(const Value &v, std::vector<T> &out) {
    if (v.tag != Value::array) return false;
    out.resize(v.items.size());
    for (size_t i = 0; i < out.size(); ++i)
      if (!item(v.items[i], out[i], i)) return false;
    return true;
  }

  template <class T, size_t N>
  bool read(const Value &v, std::array<T, N> &out) {
    if (v.tag != Value::array || v.items.size() != N) return false;
    for (size_t i = 0; i < N; ++i)
      if (!item(v.items[i], out[i], i)) return false;
    return true;
  }

  template <class T>
  bool item(const Value &v, T &out, size_t i) {
    bool is_good = read(v, out) && what_ == nullptr;
    if (!is_good) path_ = "[" + std::to_string(i) + "]" + (path_.empty() || path_[0] == '[' ? "" : ".") + path_;
    return is_good;
  }

  static bool read(const Value &v, std::map<std::string, std::string> &out) {
    if (v.tag != Value::table) return false;
    for (const auto &[key, text] : v.pairs) {
      if (key.tag != Value::string || text.tag != Value::string) return false;
      out[key.str] = text.str;
    }
    return true;
  }

  bool read(const Value &v, ComplexValue &out);
  bool read(const Value &v, ComplexValue::Part &out);
  bool read(const Value &v, SourcePos &out);
  bool read(const Value &v, Script &out);
  bool read(const Value &v, RewriteOp &out);
  bool read(const Value &v, MapEntry &out);
  bool read(const Value &v, MapConf &out);
  bool read(const Value &v, GeoRange &out);
  bool read(const Value &v, GeoConf &out);
  bool read(const Value &v, SplitConf &out);
  bool read(const Value &v, SplitConf::Part &out);
  bool read(const Value &v, SubFilter &out);
  bool read(const Value &v, UpstreamList &out);
  bool read(const Value &v, CharsetMap &out);
  bool read(const Value &v, RegexSource &out);
  bool read(const Value &v, AddHeader &out);
  bool read(const Value &v, EchoCommand &out);
  bool read(const Value &v, MoreHeaders &out);
  bool read(const Value &v, MoreHeaders::Field &out);
  bool read(const Value &v, AddressRule &out);
  bool read(const Value &v, Referer &out);
  bool read(const Value &v, LimitReq &out);
  bool read(const Value &v, LimitConn &out);
  bool read(const Value &v, LimitZone &out);
  bool read(const Value &v, VariableSetting &out);
  bool read(const Value &v, ErrorPage &out);
  bool read(const Value &v, ResolverConf &out);
  bool read(const Value &v, TryFiles &out);
  bool read(const Value &v, AccessLog &out);
  bool read(const Value &v, ErrorLog &out);
  bool read(const Value &v, LocationConf &out);
  bool read(const Value &v, UpstreamServer &out);
  bool read(const Value &v, UpstreamGroup &out);
  bool read(const Value &v, NamedValue &out);
  bool read(const Value &v, Replacement &out);
  bool read(const Value &v, CookieFlags &out);
  bool read(const Value &v, CachePath &out);
  bool read(const Value &v, LogCacheConf &out);
  bool read(const Value &v, CacheValid &out);
  bool read(const Value &v, UpstreamConf &out);
  bool read(const Value &v, Location &out);
  bool read(const Value &v, ServerName &out);
  bool read(const Value &v, ServerConf &out);
  bool read(const Value &v, Listen &out);
  bool read(const Value &v, SharedDict &out);
  bool read(const Value &v, LogFormat &out);

  const char *what_ = nullptr;
  std::string path_;

 public:
  void plan(const Value &v, Plan &out);
};

}  // namespace mw

/// In a read(): the member of `v` into that of `out`.
#define MEMBER(name) member(v, #name, out.name)
