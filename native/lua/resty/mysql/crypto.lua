-- SPDX-License-Identifier: MIT
-- resty.mysql.crypto: what logging in needs of the process's OpenSSL: digests of a text, and RSA with a server's public key.
local ffi = require "ffi"
require "resty.moonwire.digest" -- declares EVP_MD
local C, ffi_gc, ffi_new, ffi_string = ffi.C, ffi.gc, ffi.new, ffi.string
local byte, char, concat, bxor = string.byte, string.char, table.concat, bit.bxor

ffi.cdef [[
typedef struct bio_st BIO;
typedef struct evp_pkey_st EVP_PKEY;
typedef struct evp_pkey_ctx_st EVP_PKEY_CTX;
int EVP_Digest(const void *data, size_t count, unsigned char *md, unsigned int *size, const EVP_MD *type, ENGINE *impl);
BIO *BIO_new_mem_buf(const void *buf, int len);
int BIO_free(BIO *a);
EVP_PKEY *PEM_read_bio_PUBKEY(BIO *bp, EVP_PKEY **x, void *cb, void *u);
void EVP_PKEY_free(EVP_PKEY *key);
EVP_PKEY_CTX *EVP_PKEY_CTX_new(EVP_PKEY *pkey, ENGINE *e);
void EVP_PKEY_CTX_free(EVP_PKEY_CTX *ctx);
int EVP_PKEY_encrypt_init(EVP_PKEY_CTX *ctx);
int EVP_PKEY_CTX_set_rsa_padding(EVP_PKEY_CTX *ctx, int pad_mode);
int EVP_PKEY_encrypt(EVP_PKEY_CTX *ctx, unsigned char *out, size_t *outlen, const unsigned char *in, size_t inlen);
void ERR_clear_error(void);
]]

local OAEP = 4 -- RSA_PKCS1_OAEP_PADDING, with SHA-1 unless told otherwise

local _M = {}

local digest = ffi_new "unsigned char[64]"
local digest_size = ffi_new "unsigned int[1]"

local function new_digest(md)
  return function(text)
    if C.EVP_Digest(text, #text, digest, digest_size, md, nil) ~= 1 then
      error("no digest", 2)
    end
    return ffi_string(digest, digest_size[0])
  end
end
_M.sha1 = new_digest(C.EVP_sha1())
_M.sha256 = new_digest(C.EVP_sha256())
_M.sha512 = new_digest(C.EVP_sha512())

--- Exclusive or of a text with a mask, repeated where it is shorter.
function _M.xor(text, mask)
  local out, n = {}, #mask
  for i = 1, #text do
    out[i] = char(bxor(byte(text, i), byte(mask, (i - 1) % n + 1)))
  end
  return concat(out)
end

local function encrypt(pem, text)
  local bio = C.BIO_new_mem_buf(pem, #pem)
  if bio == nil then
    return nil, "no memory"
  end
  local key = C.PEM_read_bio_PUBKEY(bio, nil, nil, nil)
  C.BIO_free(bio)
  if key == nil then
    return nil, "bad public key"
  end
  ffi_gc(key, C.EVP_PKEY_free)
  local ctx = C.EVP_PKEY_CTX_new(key, nil)
  if ctx == nil then
    return nil, "no memory"
  end
  ffi_gc(ctx, C.EVP_PKEY_CTX_free)
  local size = ffi_new "size_t[1]"
  if
    C.EVP_PKEY_encrypt_init(ctx) ~= 1
    or C.EVP_PKEY_CTX_set_rsa_padding(ctx, OAEP) ~= 1
    or C.EVP_PKEY_encrypt(ctx, nil, size, text, #text) ~= 1
  then
    return nil, "no RSA key"
  end
  local out = ffi_new("unsigned char[?]", size[0])
  if C.EVP_PKEY_encrypt(ctx, out, size, text, #text) ~= 1 then
    return nil, "text too long for the key"
  end
  return ffi_string(out, size[0])
end

--- A text encrypted by RSA-OAEP for the owner of the public key `pem`, or nil and the reason.
function _M.rsa_encrypt(pem, text)
  local out, err = encrypt(pem, text)
  if not out then
    C.ERR_clear_error() -- the thread's queue of errors is TLS's as well
  end
  return out, err
end

return _M
