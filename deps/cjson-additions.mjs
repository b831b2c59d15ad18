// SPDX-License-Identifier: MIT
// What OpenResty programs expect of `cjson` beyond lua-cjson 2.1.0: arrays that are tagged or empty, and a few options.
// Applied to the text of lua_cjson.c when it is built (deps/recipes.mjs); raise `version` with each change here, since it
// is part of the cache key.

export const version = 1;

// The registry keys of the metatables, and the value test for encode_skip_unsupported_value_types.
const declarations = `
static const char mw_array_key, mw_empty_array_key;

static int mw_has_metatable(lua_State *l, const char *key)
{
    int same;

    if (!lua_getmetatable(l, -1))
        return 0;
    lua_pushlightuserdata(l, (void *) key);
    lua_rawget(l, LUA_REGISTRYINDEX);
    same = lua_rawequal(l, -1, -2);
    lua_pop(l, 2);
    return same;
}

static void mw_push_metatable(lua_State *l, const char *key)
{
    lua_pushlightuserdata(l, (void *) key);
    lua_rawget(l, LUA_REGISTRYINDEX);
    if (lua_isnil(l, -1)) {
        lua_pop(l, 1);
        lua_newtable(l);
        lua_pushlightuserdata(l, (void *) key);
        lua_pushvalue(l, -2);
        lua_rawset(l, LUA_REGISTRYINDEX);
    }
}

static int mw_is_skipped(lua_State *l, json_config_t *cfg)
{
    void *p;

    if (!cfg->encode_skip_unsupported)
        return 0;
    switch (lua_type(l, -1)) {
    case LUA_TFUNCTION:
    case LUA_TUSERDATA:
    case LUA_TTHREAD:
    case 10: /* LuaJIT's cdata */
        return 1;
    case LUA_TLIGHTUSERDATA:
        p = lua_touserdata(l, -1);
        return p != NULL && p != (void *) &mw_array_key;
    default:
        return 0;
    }
}
`;

// One setter per option: json_cfg_NAME.
const option = (name, field) => `
static int json_cfg_${name}(lua_State *l)
{
    json_config_t *cfg = json_arg_init(l, 1);

    json_enum_option(l, 1, &cfg->${field}, NULL, 1);
    return 1;
}
`;

const options = [
  ["encode_empty_table_as_object", "encode_empty_as_object", 1],
  ["encode_escape_forward_slash", "encode_escape_slash", 1],
  ["encode_skip_unsupported_value_types", "encode_skip_unsupported", 0],
  ["decode_array_with_array_mt", "decode_array_mt", 0],
];

// [text in lua_cjson.c, what replaces it]; each must be there.
const edits = [
  [
    "    int encode_keep_buffer;\n",
    `    int encode_keep_buffer;\n${options.map(([, f]) => `    int ${f};\n`).join("")}`,
  ],
  [
    "    cfg->encode_number_precision = DEFAULT_ENCODE_NUMBER_PRECISION;\n",
    `    cfg->encode_number_precision = DEFAULT_ENCODE_NUMBER_PRECISION;\n${options.map(([, f, v]) => `    cfg->${f} = ${v};\n`).join("")}`,
  ],
  ["&cfg->encode_number_precision, 1, 14)", "&cfg->encode_number_precision, 1, 16)"],
  [
    '        { "new", lua_cjson_new },\n',
    `${options.map(([n]) => `        { "${n}", json_cfg_${n} },\n`).join("")}        { "new", lua_cjson_new },\n`,
  ],
  // "/" is escaped unless the option says otherwise
  [
    "static void json_append_string(lua_State *l, strbuf_t *json, int lindex)",
    "static void json_append_string(lua_State *l, json_config_t *cfg, strbuf_t *json, int lindex)",
  ],
  ["        if (escstr)\n", "        if (escstr && (str[i] != '/' || cfg->encode_escape_slash))\n"],
  ["            json_append_string(l, json, -2);\n", "            json_append_string(l, cfg, json, -2);\n"],
  ["        json_append_string(l, json, -1);\n", "        json_append_string(l, cfg, json, -1);\n"],
  // values that cannot be encoded are left out, with their key, when the option is on
  [
    "    for (i = 1; i <= array_length; i++) {\n        if (comma)\n            strbuf_append_char(json, ',');\n        else\n            comma = 1;\n\n        lua_rawgeti(l, -1, i);\n",
    "    for (i = 1; i <= array_length; i++) {\n        lua_rawgeti(l, -1, i);\n        if (mw_is_skipped(l, cfg)) {\n            lua_pop(l, 1);\n            continue;\n        }\n        if (comma)\n            strbuf_append_char(json, ',');\n        else\n            comma = 1;\n\n",
  ],
  [
    "    while (lua_next(l, -2) != 0) {\n        if (comma)\n",
    "    while (lua_next(l, -2) != 0) {\n        if (mw_is_skipped(l, cfg)) {\n            lua_pop(l, 1);\n            continue;\n        }\n        if (comma)\n",
  ],
  // arrays by metatable, and empty tables
  [
    "        len = lua_array_length(l, cfg, json);\n        if (len > 0)\n",
    "        if (mw_has_metatable(l, &mw_array_key))\n            json_append_array(l, cfg, current_depth, json, lua_objlen(l, -1));\n" +
      "        else if ((len = lua_array_length(l, cfg, json)) > 0 ||\n" +
      "                 (len == 0 && (!cfg->encode_empty_as_object || mw_has_metatable(l, &mw_empty_array_key))))\n",
  ],
  [
    "    case LUA_TLIGHTUSERDATA:\n",
    '    case LUA_TLIGHTUSERDATA:\n        if (lua_touserdata(l, -1) == (void *) &mw_array_key) {\n            strbuf_append_mem(json, "[]", 2);\n            break;\n        }\n',
  ],
  [
    "    json_decode_descend(l, json, 2);\n\n    lua_newtable(l);\n",
    "    json_decode_descend(l, json, 3);\n\n    lua_newtable(l);\n    if (json->cfg->decode_array_mt) {\n        mw_push_metatable(l, &mw_array_key);\n        lua_setmetatable(l, -2);\n    }\n",
  ],
  [
    '    lua_setfield(l, -2, "null");\n',
    '    lua_setfield(l, -2, "null");\n' +
      '    lua_pushlightuserdata(l, (void *) &mw_array_key);\n    lua_setfield(l, -2, "empty_array");\n' +
      '    mw_push_metatable(l, &mw_array_key);\n    lua_setfield(l, -2, "array_mt");\n' +
      '    mw_push_metatable(l, &mw_empty_array_key);\n    lua_setfield(l, -2, "empty_array_mt");\n',
  ],
  // last: this text would match some of the above
  [
    "static int json_destroy_config(",
    `${options.map(([n, f]) => option(n, f)).join("")}${declarations}\nstatic int json_destroy_config(`,
  ],
];

/// lua_cjson.c with the additions; throws when the source is not the one they were written for.
export function addToCjson(text) {
  let out = text;
  for (const [from, to] of edits) {
    const at = out.indexOf(from);
    if (at < 0) throw new Error(`lua_cjson.c has no ${JSON.stringify(from)}`);
    out = out.slice(0, at) + to + out.slice(at + from.length);
  }
  return out;
}
