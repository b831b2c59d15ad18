-- SPDX-License-Identifier: MIT
-- resty.moonwire.pem: certificate chains and private keys in PEM, read by the process's OpenSSL. What is made belongs to Lua
-- and is freed with its last reference.
local ffi = require "ffi"
local band = require("bit").band

local C, ffi_gc, ffi_new, ffi_string = ffi.C, ffi.gc, ffi.new, ffi.string
local type, error, tonumber, tostring, concat = type, error, tonumber, tostring, table.concat

ffi.cdef [[
typedef struct bio_st BIO;
typedef struct x509_st X509;
typedef struct evp_pkey_st EVP_PKEY;
typedef struct stack_st OPENSSL_STACK;
typedef int (*pem_password_cb)(char *buf, int size, int rwflag, void *userdata);
typedef void (*OPENSSL_sk_freefunc)(void *);
BIO *BIO_new_mem_buf(const void *buf, int len);
int BIO_free(BIO *a);
X509 *PEM_read_bio_X509(BIO *bp, X509 **x, pem_password_cb cb, void *u);
X509 *PEM_read_bio_X509_AUX(BIO *bp, X509 **x, pem_password_cb cb, void *u);
EVP_PKEY *PEM_read_bio_PrivateKey(BIO *bp, EVP_PKEY **x, pem_password_cb cb, void *u);
int i2d_X509(X509 *a, unsigned char **out);
int i2d_PrivateKey(EVP_PKEY *a, unsigned char **out);
void X509_free(X509 *a);
void EVP_PKEY_free(EVP_PKEY *pkey);
OPENSSL_STACK *OPENSSL_sk_new_null(void);
int OPENSSL_sk_push(OPENSSL_STACK *st, const void *data);
void OPENSSL_sk_pop_free(OPENSSL_STACK *st, OPENSSL_sk_freefunc free);
unsigned long ERR_peek_last_error(void);
void ERR_clear_error(void);
]]

local NO_START_LINE = 108 -- PEM_R_NO_START_LINE: nothing more is there

-- The functions that a library has declared otherwise and used first keep its types, so pointers go through void *.
local function char_pointer(text)
  return ffi.cast("void *", ffi.cast("const char *", text))
end

local free_x509 = ffi.cast("OPENSSL_sk_freefunc", C.X509_free)

local function free_stack(stack)
  C.OPENSSL_sk_pop_free(stack, free_x509)
end

local function has_reached_end()
  return band(tonumber(C.ERR_peek_last_error()), 0xfff) == NO_START_LINE
end

--- Calls `read(bio)` with the text; returns its result, or nil and its error. OpenSSL's errors are forgotten. For tail
--- calls: misuse is told at the caller's caller.
local function with_bio(text, read)
  if type(text) ~= "string" then
    error("bad argument #1 (string expected, got " .. type(text) .. ")", 2)
  end
  C.ERR_clear_error()
  local bio = C.BIO_new_mem_buf(char_pointer(text), #text)
  if bio == nil then
    return nil, "BIO_new_mem_buf() failed"
  end
  local result, err = read(bio)
  C.BIO_free(bio)
  C.ERR_clear_error()
  if not result then
    return nil, err
  end
  return result
end

--- Calls `each(x509)` with the certificates of a chain, of which it must have one. True, or nil and the reason.
local function each_certificate(bio, each)
  local name = "PEM_read_bio_X509_AUX"
  local x509 = C.PEM_read_bio_X509_AUX(bio, nil, nil, char_pointer "")
  while x509 ~= nil do
    local ok, err = each(x509)
    if not ok then
      return nil, err
    end
    name = "PEM_read_bio_X509"
    x509 = C.PEM_read_bio_X509(bio, nil, nil, char_pointer "")
  end
  if name == "PEM_read_bio_X509" and has_reached_end() then
    return true
  end
  return nil, name .. "() failed"
end

-- What i2d_X509 or another function of its kind writes for `object`, or nil.
local function der_of(i2d, object)
  local size = i2d(object, nil)
  if size <= 0 then
    return nil
  end
  local buffer = ffi_new("unsigned char[?]", size)
  if i2d(object, ffi_new("unsigned char *[1]", buffer)) ~= size then
    return nil
  end
  return ffi_string(buffer, size)
end

-- An encrypted key needs its passphrase; an empty one keeps OpenSSL from asking for it at the terminal.
local function read_key(bio, passphrase)
  local key = C.PEM_read_bio_PrivateKey(bio, nil, nil, char_pointer(passphrase))
  if key == nil then
    return nil, "PEM_read_bio_PrivateKey() failed"
  end
  return ffi_gc(key, C.EVP_PKEY_free)
end

local pem = {}

--- The certificates of a chain in DER, one behind the other; or nil and the reason.
function pem.cert_to_der(text)
  return with_bio(text, function(bio)
    local parts = {}
    local ok, err = each_certificate(bio, function(x509)
      local der = der_of(C.i2d_X509, x509)
      C.X509_free(x509)
      parts[#parts + 1] = der
      return der, "i2d_X509() failed"
    end)
    if not ok then
      return nil, err
    end
    return concat(parts)
  end)
end

--- A private key in DER, or nil and the reason. `passphrase`: of an encrypted one.
function pem.key_to_der(text, passphrase)
  passphrase = passphrase == nil and "" or tostring(passphrase)
  return with_bio(text, function(bio)
    local key, err = read_key(bio, passphrase)
    if not key then
      return nil, err
    end
    local der = der_of(C.i2d_PrivateKey, key)
    if not der then
      return nil, "i2d_PrivateKey() failed"
    end
    return der
  end)
end

--- A chain as OpenSSL's STACK_OF(X509) *, or nil and the reason.
function pem.parse_cert(text)
  return with_bio(text, function(bio)
    local stack = C.OPENSSL_sk_new_null()
    if stack == nil then
      return nil, "sk_X509_new_null() failed"
    end
    ffi_gc(stack, free_stack)
    local ok, err = each_certificate(bio, function(x509)
      if C.OPENSSL_sk_push(stack, x509) == 0 then
        C.X509_free(x509)
        return nil, "sk_X509_push() failed"
      end
      return true
    end)
    if not ok then
      return nil, err
    end
    return stack
  end)
end

--- A private key as EVP_PKEY *, or nil and the reason.
function pem.parse_key(text)
  return with_bio(text, function(bio)
    return read_key(bio, "")
  end)
end

return pem
