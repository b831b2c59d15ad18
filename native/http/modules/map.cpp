// SPDX-License-Identifier: MIT
// See map.h.
#include "http/modules/map.h"

namespace mw {

std::vector<std::shared_ptr<const MapTable>> map_build(const Plan &plan) {
  std::vector<std::shared_ptr<const MapTable>> tables;
  for (const MapConf &conf : plan.maps) {
    auto table = std::make_shared<MapTable>();
    table->conf = &conf;
    for (size_t i = 0; i < conf.entries.size(); ++i) {
      const MapEntry &entry = conf.entries[i];
      switch (entry.kind) {
        case MapEntry::exact: table->exact[entry.key] = i; break;
        case MapEntry::wildcard_start: table->wildcard_start[entry.key] = i; break;
        case MapEntry::wildcard_end: table->wildcard_end[entry.key] = i; break;
        case MapEntry::regex: table->regexes.push_back(i); break;
      }
    }
    tables.push_back(std::move(table));
  }
  return tables;
}

int32_t map_of_variable(const Plan &plan, Str name) {
  for (size_t i = plan.maps.size(); i-- > 0;)
    if (plan.variables[static_cast<size_t>(plan.maps[i].var)] == name) return static_cast<int32_t>(i);
  return -1;
}

static Str lower_copy(Request *r, Str text) {
  char *to = static_cast<char *>(r->arena.alloc(text.size() + 1));
  for (size_t i = 0; i < text.size(); ++i) to[i] = static_cast<char>(str_lower(static_cast<unsigned char>(text[i])));
  return {to, text.size()};
}

/// The longest name wins: labels are dropped one by one, from the left or from the right.
static const size_t *find_wildcard(const MapTable &table, Str name) {
  if (!table.wildcard_start.empty())
    for (size_t dot = name.find('.'); dot != Str::npos; dot = name.find('.', dot + 1)) {
      auto found = table.wildcard_start.find(name.substr(dot + 1));
      if (found != table.wildcard_start.end()) return &found->second;
    }
  if (!table.wildcard_end.empty())
    for (size_t dot = name.rfind('.'); dot != Str::npos && dot > 0; dot = name.rfind('.', dot - 1)) {
      auto found = table.wildcard_end.find(name.substr(0, dot));
      if (found != table.wildcard_end.end()) return &found->second;
    }
  return nullptr;
}

/// Strings first, then wildcards, then regexes in their order; a regex sets the request's captures.
static const ComplexValue &find(Request *r, const MapTable &table, Str text) {
  const MapConf &conf = *table.conf;
  Str key = conf.hostnames && text.ends_with('.') ? text.substr(0, text.size() - 1) : text;
  Str low = lower_copy(r, key);
  auto exact = table.exact.find(low);
  if (exact != table.exact.end()) return conf.entries[exact->second].value;
  if (const size_t *entry = find_wildcard(table, low)) return conf.entries[*entry].value;
  for (size_t i : table.regexes) {
    const MapEntry &entry = conf.entries[i];
    if (conf_regex_match(r, r->core->vars->regexes[static_cast<size_t>(entry.regex_index)], key)) return entry.value;
  }
  return conf.fallback;
}

// Where a slot's value lies while it is being worked out: whoever asks for it then asks in a circle.
static const char kInProgress = 0;

bool map_get(Request *r, const VarDef &def, Str &out) {
  const MapTable &table = *r->core->vars->maps[static_cast<size_t>(def.table)];
  VarSlot &slot = variable_slot(r, def);
  if (slot.is_set && slot.value.data() == &kInProgress) {
    log_write(r->log(), kLogError, 0, &r->log_ctx, "cycle while evaluating variable \"%s\"", def.name.c_str());
    return false;
  }
  if (slot.is_set) return out = slot.value, out.data() != nullptr;
  slot = {Str(&kInProgress, 1), true};
  out = complex_value(r, find(r, table, complex_value(r, table.conf->source)));
  if (!out.data()) out = "";
  slot = {out, !table.conf->is_volatile};
  return true;
}

}  // namespace mw
