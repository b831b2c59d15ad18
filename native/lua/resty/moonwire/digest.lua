-- SPDX-License-Identifier: MIT
-- resty.moonwire.digest: what resty.md5, resty.sha1 and the others are made of: EVP digests of the process's OpenSSL.
local ffi = require "ffi"
local C, ffi_gc, ffi_string = ffi.C, ffi.gc, ffi.string
local setmetatable = setmetatable

ffi.cdef [[
typedef struct engine_st ENGINE;
typedef struct evp_md_st EVP_MD;
typedef struct evp_md_ctx_st EVP_MD_CTX;
const EVP_MD *EVP_md5(void);
const EVP_MD *EVP_sha1(void);
const EVP_MD *EVP_sha224(void);
const EVP_MD *EVP_sha256(void);
const EVP_MD *EVP_sha384(void);
const EVP_MD *EVP_sha512(void);
EVP_MD_CTX *EVP_MD_CTX_new(void);
void EVP_MD_CTX_free(EVP_MD_CTX *ctx);
int EVP_DigestInit_ex(EVP_MD_CTX *ctx, const EVP_MD *type, ENGINE *impl);
int EVP_DigestUpdate(EVP_MD_CTX *ctx, const void *d, size_t cnt);
int EVP_DigestFinal_ex(EVP_MD_CTX *ctx, unsigned char *md, unsigned int *s);
]]

local out = ffi.new "unsigned char[64]"
local size = ffi.new "unsigned int[1]"

--- The class of a digest, "sha256" for example: new, update, final, reset.
return function(name)
  local class = { _VERSION = "0.16" }
  local metatable = { __index = class }
  local md = C["EVP_" .. name]()

  --- A digest of nothing yet, or nil.
  function class.new(_)
    local ctx = C.EVP_MD_CTX_new()
    if ctx == nil then
      return nil
    end
    ffi_gc(ctx, C.EVP_MD_CTX_free)
    if C.EVP_DigestInit_ex(ctx, md, nil) ~= 1 then
      return nil
    end
    return setmetatable({ _ctx = ctx }, metatable)
  end

  --- Adds a text, or the first `len` bytes of it. Returns whether it could.
  function class.update(self, s, len)
    return C.EVP_DigestUpdate(self._ctx, s, len or #s) == 1
  end

  --- The digest as bytes, or nil. After it only reset.
  function class.final(self)
    if C.EVP_DigestFinal_ex(self._ctx, out, size) ~= 1 then
      return nil
    end
    return ffi_string(out, size[0])
  end

  --- Begins anew. Returns whether it could.
  function class.reset(self)
    return C.EVP_DigestInit_ex(self._ctx, md, nil) == 1
  end

  return class
end
