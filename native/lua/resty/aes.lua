-- SPDX-License-Identifier: MIT
-- resty.aes: AES of the process's OpenSSL. Key and initial vector come from a passphrase by EVP_BytesToKey, or as they are.
-- A context is made for each message, so an object may be used by many requests.
local ffi = require "ffi"
require "resty.moonwire.digest" -- declares EVP_MD
local C, ffi_gc, ffi_new, ffi_string = ffi.C, ffi.gc, ffi.new, ffi.string
local setmetatable, type, pcall = setmetatable, type, pcall

ffi.cdef [[
typedef struct evp_cipher_st EVP_CIPHER;
typedef struct evp_cipher_ctx_st EVP_CIPHER_CTX;
EVP_CIPHER_CTX *EVP_CIPHER_CTX_new(void);
void EVP_CIPHER_CTX_free(EVP_CIPHER_CTX *ctx);
int EVP_CIPHER_CTX_set_padding(EVP_CIPHER_CTX *ctx, int pad);
int EVP_CIPHER_CTX_ctrl(EVP_CIPHER_CTX *ctx, int type, int arg, void *ptr);
int EVP_CipherInit_ex(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher, ENGINE *impl, const unsigned char *key,
                      const unsigned char *iv, int enc);
int EVP_CipherUpdate(EVP_CIPHER_CTX *ctx, unsigned char *out, int *outl, const unsigned char *in, int inl);
int EVP_CipherFinal_ex(EVP_CIPHER_CTX *ctx, unsigned char *outm, int *outl);
int EVP_BytesToKey(const EVP_CIPHER *type, const EVP_MD *md, const unsigned char *salt, const unsigned char *data,
                   int datal, int count, unsigned char *key, unsigned char *iv);
const EVP_CIPHER *EVP_get_cipherbyname(const char *name);
]]

local SET_IV_LENGTH, GET_TAG, SET_TAG, TAG_LENGTH, BLOCK = 0x9, 0x10, 0x11, 16, 16

local _M = { _VERSION = "0.16" }
local metatable = { __index = _M }

--- Digests for new(): md5, sha1, sha224, sha256, sha384, sha512.
_M.hash = {
  md5 = C.EVP_md5(),
  sha1 = C.EVP_sha1(),
  sha224 = C.EVP_sha224(),
  sha256 = C.EVP_sha256(),
  sha384 = C.EVP_sha384(),
  sha512 = C.EVP_sha512(),
}

--- A cipher for new(): 128, 192 or 256 bits; "cbc", "ecb", "cfb1", "cfb8", "cfb128", "ofb", "ctr", "gcm". Nil when unknown.
function _M.cipher(size, mode)
  size, mode = size or 128, mode or "cbc"
  local name = "aes-" .. size .. "-" .. (mode == "cfb128" and "cfb" or mode)
  local method = C.EVP_get_cipherbyname(name)
  if method == nil then
    return nil
  end
  return { size = size, cipher = mode, method = method }
end

-- Key and initial vector as they are given: { iv = ..., method = function of the key or nil }.
local function given(key, hash, key_length, iv_length)
  local iv = hash.iv
  if hash.method then
    local ok, made = pcall(hash.method, key)
    if not ok or not made then
      return nil, "bad key"
    end
    key = made
  end
  if #key ~= key_length then
    return nil, "bad key length"
  end
  if type(iv) ~= "string" or #iv ~= iv_length then
    return nil, "bad iv"
  end
  return key, iv
end

-- Key and initial vector made of a passphrase.
local function derived(passphrase, salt, cipher, hash, rounds, key_length, iv_length)
  if salt and #salt ~= 8 then
    return nil, "salt must be 8 characters or nil"
  end
  local key, iv = ffi_new "unsigned char[64]", ffi_new "unsigned char[64]"
  local n = C.EVP_BytesToKey(cipher.method, hash, salt, passphrase, #passphrase, rounds, key, iv)
  if n ~= key_length then
    return nil, "failed to generate key and iv"
  end
  return ffi_string(key, key_length), ffi_string(iv, iv_length)
end

--- An object for a passphrase: `salt` of 8 bytes or nil; `cipher` as of aes.cipher (AES 128 CBC); `hash` as of aes.hash (MD5)
--- and its `rounds` (1). Or for a key as it is: `hash` = { iv = bytes, method = function(key) or nil }. Then the length of
--- the initial vector (16, for GCM 12) and whether to pad (true).
-- @return the object, or nil and why not
function _M.new(_, key, salt, cipher, hash, rounds, iv_length, padding)
  cipher = cipher or _M.cipher()
  hash = hash or _M.hash.md5
  if type(cipher) ~= "table" or not cipher.method then
    return nil, "bad cipher"
  end
  local is_gcm = cipher.cipher == "gcm"
  local key_length = cipher.size / 8
  local iv
  if type(hash) == "table" then
    iv_length = iv_length or is_gcm and 12 or BLOCK
    key, iv = given(key, hash, key_length, iv_length)
  else
    iv_length = is_gcm and (iv_length or 12) or BLOCK
    key, iv = derived(key, salt, cipher, hash, rounds or 1, key_length, iv_length)
  end
  if not key then
    return nil, iv
  end
  return setmetatable({
    _key = key,
    _iv = iv,
    _method = cipher.method,
    _is_gcm = is_gcm,
    _padding = padding == false and 0 or 1,
  }, metatable)
end

-- A context that is ready for data, or nil and the reason.
local function start(self, is_encrypting)
  local ctx = C.EVP_CIPHER_CTX_new()
  if ctx == nil then
    return nil, "no memory"
  end
  ffi_gc(ctx, C.EVP_CIPHER_CTX_free)
  if
    C.EVP_CipherInit_ex(ctx, self._method, nil, nil, nil, is_encrypting) ~= 1
    or self._is_gcm and C.EVP_CIPHER_CTX_ctrl(ctx, SET_IV_LENGTH, #self._iv, nil) ~= 1
    or C.EVP_CipherInit_ex(ctx, nil, nil, self._key, self._iv, is_encrypting) ~= 1
  then
    return nil, "failed to init the cipher"
  end
  C.EVP_CIPHER_CTX_set_padding(ctx, self._padding)
  return ctx
end

-- Everything through the cipher, or nil and the reason.
local function run(ctx, s, aad)
  local n = ffi_new "int[1]"
  if aad and C.EVP_CipherUpdate(ctx, nil, n, aad, #aad) ~= 1 then
    return nil, "failed to add the authenticated data"
  end
  local out = ffi_new("unsigned char[?]", #s + BLOCK)
  if C.EVP_CipherUpdate(ctx, out, n, s, #s) ~= 1 then
    return nil, "failed to update the cipher"
  end
  local total = n[0]
  if C.EVP_CipherFinal_ex(ctx, out + total, n) ~= 1 then
    return nil, "failed to finish the cipher"
  end
  return ffi_string(out, total + n[0])
end

--- Encrypts a text. GCM: returns { text, tag }, and takes data to authenticate with it.
function _M.encrypt(self, s, aad)
  local ctx, err = start(self, 1)
  if not ctx then
    return nil, err
  end
  local text
  text, err = run(ctx, s, self._is_gcm and aad)
  if not text then
    return nil, err
  end
  if not self._is_gcm then
    return text
  end
  local tag = ffi_new("unsigned char[?]", TAG_LENGTH)
  if C.EVP_CIPHER_CTX_ctrl(ctx, GET_TAG, TAG_LENGTH, tag) ~= 1 then
    return nil, "failed to get the tag"
  end
  return { text, ffi_string(tag, TAG_LENGTH) }
end

--- Decrypts a text; of GCM with its tag and the data authenticated with it. Returns nil and the reason when it is not whole.
function _M.decrypt(self, s, tag, aad)
  local ctx, err = start(self, 0)
  if not ctx then
    return nil, err
  end
  if self._is_gcm then
    if type(tag) ~= "string" or #tag ~= TAG_LENGTH then
      return nil, "bad tag"
    end
    local copy = ffi_new("unsigned char[?]", TAG_LENGTH)
    ffi.copy(copy, tag, TAG_LENGTH)
    if C.EVP_CIPHER_CTX_ctrl(ctx, SET_TAG, TAG_LENGTH, copy) ~= 1 then
      return nil, "failed to set the tag"
    end
  end
  return run(ctx, s, self._is_gcm and aad)
end

return _M
