// SPDX-License-Identifier: MIT
// See split_clients.h.
#include "http/modules/split_clients.h"

namespace mw {

uint32_t murmur2(Str text) {
  constexpr uint32_t kMul = 0x5bd1e995;
  const unsigned char *p = reinterpret_cast<const unsigned char *>(text.data());
  size_t n = text.size();
  uint32_t h = static_cast<uint32_t>(n);
  for (; n >= 4; n -= 4, p += 4) {
    uint32_t k =
        p[0] | static_cast<uint32_t>(p[1]) << 8 | static_cast<uint32_t>(p[2]) << 16 | static_cast<uint32_t>(p[3]) << 24;
    k *= kMul;
    k ^= k >> 24;
    h = h * kMul ^ k * kMul;
  }
  for (size_t i = n; i-- > 0;) h ^= static_cast<uint32_t>(p[i]) << (8 * i);
  if (n) h *= kMul;
  h = (h ^ h >> 13) * kMul;
  return h ^ h >> 15;
}

int32_t split_of_variable(const Plan &plan, Str name) {
  for (size_t i = plan.splits.size(); i-- > 0;)
    if (plan.variables[static_cast<size_t>(plan.splits[i].var)] == name) return static_cast<int32_t>(i);
  return -1;
}

bool split_get(Request *r, const VarDef &def, Str &out) {
  VarSlot &slot = variable_slot(r, def);
  if (!slot.is_set) {
    const SplitConf &split = r->plan->splits[static_cast<size_t>(def.table)];
    uint32_t hash = murmur2(complex_value(r, split.source));
    Str value = "";
    for (const SplitConf::Part &part : split.parts)
      if (part.end == 0 || hash < part.end) {
        value = complex_value(r, part.value);
        break;
      }
    variable_slot(r, def) = {value.empty() ? Str("") : value, true};
  }
  return out = variable_slot(r, def).value, out.data() != nullptr;
}

}  // namespace mw
