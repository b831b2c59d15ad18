-- SPDX-License-Identifier: MIT
-- resty.mysql.ed25519: the signature that MariaDB's client_ed25519 asks for. It is Ed25519 with the SHA-512 of a password of any
-- length where the standard has that of a 32-byte seed, so that OpenSSL's own Ed25519 cannot make it. Points are multiplied by
-- OpenSSL on the same curve in Weierstrass form, and carried over: with u = x - SHIFT and v = y of a point there, the Edwards
-- point is (ROOT * u / v, (u - 1) / (u + 1)).
local ffi = require "ffi"
local crypto = require "resty.mysql.crypto"
local C, ffi_gc, ffi_new, ffi_string = ffi.C, ffi.gc, ffi.new, ffi.string
local byte, char, sub = string.byte, string.char, string.sub
local band, bor = bit.band, bit.bor
local sha512 = crypto.sha512

ffi.cdef [[
typedef struct bignum_st BIGNUM;
typedef struct bignum_ctx BN_CTX;
typedef struct ec_group_st EC_GROUP;
typedef struct ec_point_st EC_POINT;
BN_CTX *BN_CTX_new(void);
void BN_CTX_free(BN_CTX *ctx);
BIGNUM *BN_new(void);
void BN_clear_free(BIGNUM *a);
int BN_hex2bn(BIGNUM **a, const char *str);
int BN_is_bit_set(const BIGNUM *a, int n);
BIGNUM *BN_lebin2bn(const unsigned char *s, int len, BIGNUM *ret);
int BN_bn2lebinpad(const BIGNUM *a, unsigned char *to, int tolen);
int BN_div(BIGNUM *dv, BIGNUM *rem, const BIGNUM *m, const BIGNUM *d, BN_CTX *ctx);
int BN_mod_add(BIGNUM *r, const BIGNUM *a, const BIGNUM *b, const BIGNUM *m, BN_CTX *ctx);
int BN_mod_sub(BIGNUM *r, const BIGNUM *a, const BIGNUM *b, const BIGNUM *m, BN_CTX *ctx);
int BN_mod_mul(BIGNUM *r, const BIGNUM *a, const BIGNUM *b, const BIGNUM *m, BN_CTX *ctx);
BIGNUM *BN_mod_inverse(BIGNUM *ret, const BIGNUM *a, const BIGNUM *n, BN_CTX *ctx);
EC_GROUP *EC_GROUP_new_curve_GFp(const BIGNUM *p, const BIGNUM *a, const BIGNUM *b, BN_CTX *ctx);
void EC_GROUP_free(EC_GROUP *group);
int EC_GROUP_set_generator(EC_GROUP *group, const EC_POINT *generator, const BIGNUM *order, const BIGNUM *cofactor);
EC_POINT *EC_POINT_new(const EC_GROUP *group);
void EC_POINT_free(EC_POINT *point);
int EC_POINT_set_affine_coordinates(const EC_GROUP *group, EC_POINT *p, const BIGNUM *x, const BIGNUM *y, BN_CTX *ctx);
int EC_POINT_get_affine_coordinates(const EC_GROUP *group, const EC_POINT *p, BIGNUM *x, BIGNUM *y, BN_CTX *ctx);
int EC_POINT_mul(const EC_GROUP *group, EC_POINT *r, const BIGNUM *n, const EC_POINT *q, const BIGNUM *m, BN_CTX *ctx);
]]

-- Throws when OpenSSL could not, which takes lack of memory.
local function ok(result)
  if result == nil or result == 0 then
    error("OpenSSL failed", 2)
  end
  return result
end

local function new_number(hex)
  local number = ffi_gc(ok(C.BN_new()), C.BN_clear_free)
  if hex then
    ok(C.BN_hex2bn(ffi_new("BIGNUM *[1]", number), hex))
  end
  return number
end

local function from_bytes(bytes)
  return ffi_gc(ok(C.BN_lebin2bn(bytes, #bytes, nil)), C.BN_clear_free)
end

local buffer = ffi_new "unsigned char[32]"

local function to_bytes(number)
  if C.BN_bn2lebinpad(number, buffer, 32) ~= 32 then
    error("OpenSSL failed", 2)
  end
  return ffi_string(buffer, 32)
end

-- The curve and its constants: they live as long as the VM.
local ctx, P, L, SHIFT, ROOT, group, point

local function prepare()
  ctx = ffi_gc(ok(C.BN_CTX_new()), C.BN_CTX_free)
  P = new_number "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed"
  L = new_number "1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed"
  SHIFT = new_number "2aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaad2451"
  ROOT = new_number "70d9120b9f5ff9442d84f723fc03b0813a5e2c2eb482e57d3391fb5500ba81e7"
  local a = new_number "2aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa984914a144"
  local b = new_number "7b425ed097b425ed097b425ed097b425ed097b425ed097b4260b5e9c7710c864"
  local x = new_number "2aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaad245a"
  local y = new_number "20ae19a1b8a086b4e01edd2c7748d14c923d4d7e6d7c61b229e9c5a27eced3d9"
  local curve = ffi_gc(ok(C.EC_GROUP_new_curve_GFp(P, a, b, ctx)), C.EC_GROUP_free)
  local base = ffi_gc(ok(C.EC_POINT_new(curve)), C.EC_POINT_free)
  ok(C.EC_POINT_set_affine_coordinates(curve, base, x, y, ctx))
  ok(C.EC_GROUP_set_generator(curve, base, L, new_number "8"))
  point, group = base, curve
end

-- The Edwards point that `scalar` times the base point is, as 32 bytes: its y, and the lowest bit of x.
local function multiply(scalar)
  local u, v, one, x, y = new_number(), new_number(), new_number "1", new_number(), new_number()
  ok(C.EC_POINT_mul(group, point, scalar, nil, nil, ctx))
  ok(C.EC_POINT_get_affine_coordinates(group, point, u, v, ctx))
  ok(C.BN_mod_sub(u, u, SHIFT, P, ctx))
  ok(C.BN_mod_inverse(v, v, P, ctx))
  ok(C.BN_mod_mul(x, ROOT, u, P, ctx))
  ok(C.BN_mod_mul(x, x, v, P, ctx))
  ok(C.BN_mod_add(y, u, one, P, ctx))
  ok(C.BN_mod_inverse(y, y, P, ctx))
  ok(C.BN_mod_sub(u, u, one, P, ctx))
  ok(C.BN_mod_mul(y, y, u, P, ctx))
  local bytes = to_bytes(y)
  return sub(bytes, 1, 31) .. char(bor(byte(bytes, 32), C.BN_is_bit_set(x, 0) * 0x80))
end

local function reduced(bytes)
  local number = from_bytes(bytes)
  ok(C.BN_div(nil, number, number, L, ctx))
  return number
end

--- The signature of a message by the key that a password makes: 64 bytes.
return function(password, message)
  if not group then
    prepare()
  end
  local hash = sha512(password)
  local secret =
    reduced(char(band(byte(hash, 1), 0xf8)) .. sub(hash, 2, 31) .. char(bor(band(byte(hash, 32), 0x3f), 0x40)))
  local nonce = reduced(sha512(sub(hash, 33) .. message))
  local commitment = multiply(nonce)
  local challenge = reduced(sha512(commitment .. multiply(secret) .. message))
  ok(C.BN_mod_mul(challenge, challenge, secret, L, ctx))
  ok(C.BN_mod_add(challenge, challenge, nonce, L, ctx))
  return commitment .. to_bytes(challenge)
end
