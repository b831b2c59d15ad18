// SPDX-License-Identifier: MIT
// OpenSSL through ffi.C, with nothing installed: node exports it.
import { createHash } from "node:crypto";
import test from "ava";
import { ffi } from "moonwire";

ffi.cdef(`
  unsigned char *SHA256(const unsigned char *data, size_t size, unsigned char *md);
  typedef struct evp_md_ctx_st EVP_MD_CTX;
  typedef struct evp_md_st EVP_MD;
  EVP_MD_CTX *EVP_MD_CTX_new(void);
  void EVP_MD_CTX_free(EVP_MD_CTX *ctx);
  const EVP_MD *EVP_sha256(void);
  int EVP_DigestInit_ex(EVP_MD_CTX *ctx, const EVP_MD *type, void *engine);
  int EVP_DigestUpdate(EVP_MD_CTX *ctx, const void *data, size_t size);
  int EVP_DigestFinal_ex(EVP_MD_CTX *ctx, unsigned char *md, unsigned int *size);
`);

const sha256 = (data) => createHash("sha256").update(data).digest("hex");

test("SHA256 of a Buffer agrees with node:crypto", (t) => {
  for (const size of [0, 1, 63, 64, 65, 100_000]) {
    const data = Buffer.alloc(size, "moonwire");
    const digest = Buffer.alloc(32);
    ffi.C.SHA256(data, size, digest);
    t.is(digest.toString("hex"), sha256(data), `${size} bytes`);
  }
});

test("EVP digests in parts, with handles and an out parameter", (t) => {
  const ctx = ffi.C.EVP_MD_CTX_new();
  t.is(ctx.type, "struct evp_md_ctx_st *");
  t.is(ffi.C.EVP_DigestInit_ex(ctx, ffi.C.EVP_sha256(), null), 1);
  for (const part of ["hello, ", "world"]) ffi.C.EVP_DigestUpdate(ctx, part, part.length);
  const digest = ffi.new("unsigned char[64]");
  const size = ffi.new("unsigned int[1]");
  ffi.C.EVP_DigestFinal_ex(ctx, digest, size);
  ffi.C.EVP_MD_CTX_free(ctx);
  t.is(digest.bytes(size.get(0)).toString("hex"), sha256("hello, world"));
});

test("a view into the middle of a Buffer is passed from its own first byte", (t) => {
  const whole = new Uint8Array([9, 9, 1, 2, 3, 9]);
  const digest = new Uint8Array(32);
  ffi.C.SHA256(whole.subarray(2, 5), 3, digest);
  t.is(Buffer.from(digest).toString("hex"), sha256(Buffer.from([1, 2, 3])));
});
