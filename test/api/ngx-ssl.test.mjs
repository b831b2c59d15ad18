// SPDX-License-Identifier: MIT
// ngx.ssl without TLS: certificates and keys against node's own crypto; what wants a connection's TLS refuses.
import { X509Certificate, createPrivateKey, generateKeyPairSync } from "node:crypto";
import test from "ava";
import { startMoonwire } from "../helpers/index.js";

// Two self-signed certificates of keys that nobody has.
const first = `-----BEGIN CERTIFICATE-----
MIIBhzCCAS2gAwIBAgIUVRagl+a0ixB3NW6W/hJh4f3b3sEwCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNbW9vbndpcmUudGVzdDAgFw0yNjExMjkxMjM1MDZaGA8yMTI2
MTEwNTEyMzUwNlowGDEWMBQGA1UEAwwNbW9vbndpcmUudGVzdDBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABI6PiMnaK+0zuWGCoggudoEuxTQOK3/Xeaq1zQSuls5v
7633Jad311iFUTt2eCETsC4Fdrs0taZXB+A56/hh5sGjUzBRMB0GA1UdDgQWBBQt
nWE9e6mkB/P7mGCTvBi7w/ruIDAfBgNVHSMEGDAWgBQtnWE9e6mkB/P7mGCTvBi7
w/ruIDAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIQC1JV+Ihy/l
RBhNYiLa98z9uhAaAF1BQvmTsz5MsHp5ewIgJ2Fqp1oCIIve+0uNqk5mFnCeZmhr
6U0xYjgI79NJBEg=
-----END CERTIFICATE-----
`;
const second = `-----BEGIN CERTIFICATE-----
MIIBgDCCASegAwIBAgIURl0+dpj5zZYVRthm+LkJfoHMMeIwCgYIKoZIzj0EAwIw
FTETMBEGA1UEAwwKb3RoZXIudGVzdDAgFw0yNjExMjkxMjM1MDZaGA8yMTI2MTEw
NTEyMzUwNlowFTETMBEGA1UEAwwKb3RoZXIudGVzdDBZMBMGByqGSM49AgEGCCqG
SM49AwEHA0IABNdXigsGgJ/hyKw86CT8gVM8uDWZZQHAsw/JDwvpNgH0TzYhsVHp
Nd6p1xumu83V/7lFAZEMkwb3nDTrUcwceOqjUzBRMB0GA1UdDgQWBBQQmdJkublf
0XZe/i6v52zrzDYFnjAfBgNVHSMEGDAWgBQQmdJkublf0XZe/i6v52zrzDYFnjAP
BgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0cAMEQCIHCMbgzB8B5dRJ0NYMig
x6rb56B2PWfhOZDMOpmaEzpJAiAUFk2u/t64EnjvkOOCsXnqjLLq0k7fUCxPUuAP
I3ZFCw==
-----END CERTIFICATE-----
`;

/** What `code` says, with files of PEM texts that `read(name)` returns. */
async function run(t, code, pem = {}) {
  const s = await startMoonwire(t, {
    files: pem,
    server: `location /t { content_by_lua_block {
      local ssl = require "ngx.ssl"
      local function read(name) return assert(io.open(ngx.config.prefix() .. name)):read("*a") end
      ${code} } }`,
  });
  return (await s.get("/t")).body.trimEnd().split("\n");
}

test("cert_pem_to_der: one certificate, and a chain", async (t) => {
  const lines = await run(
    t,
    `ngx.say(ngx.encode_base64(assert(ssl.cert_pem_to_der(read "one.pem"))))
    ngx.say(ngx.encode_base64(assert(ssl.cert_pem_to_der(read "chain.pem"))))
    ngx.say(ssl.cert_pem_to_der("nothing")) ngx.say(ssl.cert_pem_to_der(""))
    ngx.say(ssl.cert_pem_to_der(read("one.pem") .. read("one.pem"):sub(1, 200)))
    ngx.say(pcall(ssl.cert_pem_to_der))`,
    { "one.pem": first, "chain.pem": first + second },
  );
  const der = [first, second].map((pem) => new X509Certificate(pem).raw);
  t.deepEqual(lines, [
    der[0].toString("base64"),
    Buffer.concat(der).toString("base64"),
    "nilPEM_read_bio_X509_AUX() failed",
    "nilPEM_read_bio_X509_AUX() failed",
    "nilPEM_read_bio_X509() failed",
    "falsebad argument #1 (string expected, got nil)",
  ]);
});

test("priv_key_pem_to_der: plain and encrypted", async (t) => {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const encrypted = { type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "open sesame" };
  const lines = await run(
    t,
    `ngx.say(ngx.encode_base64(assert(ssl.priv_key_pem_to_der(read "plain.pem"))))
    ngx.say(ngx.encode_base64(assert(ssl.priv_key_pem_to_der(read "hidden.pem", "open sesame"))))
    ngx.say(ssl.priv_key_pem_to_der(read "hidden.pem", "wrong")) ngx.say(ssl.priv_key_pem_to_der(read "hidden.pem"))
    ngx.say(ssl.priv_key_pem_to_der("nothing"))`,
    {
      "plain.pem": privateKey.export({ type: "pkcs8", format: "pem" }),
      "hidden.pem": privateKey.export(encrypted),
    },
  );
  const der = createPrivateKey(privateKey.export({ type: "pkcs8", format: "pem" }))
    .export({ type: "pkcs1", format: "der" })
    .toString("base64");
  const failed = "nilPEM_read_bio_PrivateKey() failed";
  t.deepEqual(lines, [der, der, failed, failed, failed]);
});

test("parse_pem_cert and parse_pem_priv_key: cdata that are freed", async (t) => {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const lines = await run(
    t,
    `local ffi = require "ffi"
    ffi.cdef [[
      int OPENSSL_sk_num(const OPENSSL_STACK *st);
      int EVP_PKEY_get_bits(const EVP_PKEY *pkey);
    ]]
    local chain, key = read "chain.pem", read "key.pem"
    for _ = 1, 2000 do ssl.parse_pem_cert(chain) ssl.parse_pem_priv_key(key) end
    collectgarbage()
    ngx.say(ffi.C.OPENSSL_sk_num(assert(ssl.parse_pem_cert(chain))), " ", ffi.C.EVP_PKEY_get_bits(assert(ssl.parse_pem_priv_key(key))))
    ngx.say(ssl.parse_pem_cert("nothing")) ngx.say(ssl.parse_pem_priv_key("nothing"))`,
    { "chain.pem": first + second, "key.pem": privateKey.export({ type: "pkcs8", format: "pem" }) },
  );
  t.deepEqual(lines, ["2 256", "nilPEM_read_bio_X509_AUX() failed", "nilPEM_read_bio_PrivateKey() failed"]);
});

test("constants, and what wants a connection's TLS", async (t) => {
  const lines = await run(
    t,
    `ngx.say(ssl.SSL3_VERSION, " ", ssl.TLS1_VERSION, " ", ssl.TLS1_1_VERSION, " ", ssl.TLS1_2_VERSION, " ", ssl.TLS1_3_VERSION)
    local version = require("resty.core.base").version
    for _, name in ipairs { "ngx.ssl", "ngx.ssl.session", "ngx.ssl.clienthello", "ngx.ocsp" } do
      ngx.say(name, " ", require(name).version == version)
    end
    ngx.say(ssl.set_der_cert("x")) ngx.say(ssl.server_name()) ngx.say(ssl.raw_client_addr()) ngx.say(ssl.get_tls1_version_str())
    ngx.say(require("ngx.ssl.session").get_session_id())
    ngx.say(require("ngx.ssl.clienthello").get_client_hello_server_name())
    ngx.say(require("ngx.ocsp").create_ocsp_request("x"))`,
  );
  const refused = "nilTLS is not supported yet";
  t.deepEqual(lines, [
    "768 769 770 771 772",
    "ngx.ssl true",
    "ngx.ssl.session true",
    "ngx.ssl.clienthello true",
    "ngx.ocsp true",
    refused,
    refused,
    `nil${refused}`,
    refused,
    refused,
    refused,
    refused,
  ]);
});

test("resty.http with a client certificate says that TLS is missing", async (t) => {
  const lines = await run(
    t,
    `local http = require("resty.http").new()
    ngx.say(http:connect { scheme = "https", host = "127.0.0.1", port = ngx.var.server_port,
      ssl_client_cert = assert(ssl.parse_pem_cert(read "one.pem")), ssl_client_priv_key = "key" })`,
    { "one.pem": first },
  );
  t.deepEqual(lines, ["nilcould not set client certificate: TLS is not supported yet"]);
});
