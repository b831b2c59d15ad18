// SPDX-License-Identifier: MIT
// See user_variable.h.
#include "http/user_variable.h"

namespace mw {

static VarSlot *slots(Request *r) {
  if (!r->vars) r->vars = r->arena.make_array<VarSlot>(r->plan->variables.size());
  return r->vars;
}

VarSlot &variable_slot(Request *r, const VarDef &def) { return slots(r->vars_owner)[def.slot]; }

/// Said once per request and variable: from then on it is set, to nothing.
static void warn_uninitialized(Request *r, const VarDef &def) {
  slots(r->vars_owner)[def.slot] = {Str(""), true};
  if (r->conf->uninitialized_variable_warn)
    log_write(r->log(), kLogWarn, 0, &r->log_ctx, "using uninitialized \"%s\" variable", def.name.c_str());
}

bool user_variable_get(Request *r, const VarDef &def, Str &out) {
  const VarSlot *vars = r->vars_owner->vars;
  if (!vars || !vars[def.slot].is_set) return out = "", warn_uninitialized(r, def), true;
  out = vars[def.slot].value;
  return out.data() != nullptr;  // ngx.var.NAME = nil
}

bool user_variable_get_unset(Request *r, const VarDef &def, Str &out) {
  const VarSlot *vars = r->vars_owner->vars;
  if (!vars || !vars[def.slot].is_set) return false;
  return out = vars[def.slot].value, out.data() != nullptr;
}

bool user_variable_get_weak(Request *r, const VarDef &def, Str &out) {
  const VarSlot *vars = r->vars_owner->vars;
  if (!vars || !vars[def.slot].is_set) return def.unset(r, def, out);
  return out = vars[def.slot].value, out.data() != nullptr;
}

bool user_variable_set(Request *r, const VarDef &def, Str value) {
  Request *owner = r->vars_owner;
  Str copy = value.data() && value.empty() ? Str("") : owner->arena.dup(value);
  slots(owner)[def.slot] = {copy, true};
  return true;
}

}  // namespace mw
