// SPDX-License-Identifier: MIT
// The function `checkPlan`, for `moonwire check` and `moonwire-nginx -t`, and the form that problems of a plan have in
// JavaScript. JavaScript thread, which waits while hosts are looked up.
#include "addon/addon.h"

namespace mw {

Napi::Array problems_array(Napi::Env env, const Problems &problems) {
  auto text = [env](const std::string &bytes) { return Napi::String::New(env, bytes.data(), bytes.size()); };
  Napi::Array out = Napi::Array::New(env, problems.list.size());
  uint32_t i = 0;
  for (const Problem &p : problems.list) {
    Napi::Object o = Napi::Object::New(env);
    o.Set("message", text(p.message));
    o.Set("file", text(p.pos.file));
    o.Set("line", p.pos.line);
    o.Set("column", p.pos.column);
    o.Set("path", text(p.pos.path));
    out.Set(i++, o);
  }
  return out;
}

/// checkPlan(plan: Buffer, mayCreate: boolean): the problems.
static Napi::Value check_plan(const Napi::CallbackInfo &info) {
  auto bytes = info[0].As<Napi::Buffer<char>>();
  std::string error;
  Problems problems;
  if (PlanRef plan = plan_decode(bytes.Data(), bytes.Length(), error))
    server_check(*plan, info[1].As<Napi::Boolean>(), problems);
  else
    problems.add(error);
  return problems_array(info.Env(), problems);
}

Napi::Function check_plan_define(Napi::Env env) { return Napi::Function::New(env, check_plan, "checkPlan"); }

}  // namespace mw
