-- SPDX-License-Identifier: MIT
-- ngx.ssl: certificates and keys are read and converted; what concerns a connection's TLS refuses, since there is none yet.
local no_tls = require "moonwire.no_tls"
local pem = require "resty.moonwire.pem"

local ssl = {
  version = require("resty.core.base").version,
  SSL3_VERSION = 0x0300,
  TLS1_VERSION = 0x0301,
  TLS1_1_VERSION = 0x0302,
  TLS1_2_VERSION = 0x0303,
  TLS1_3_VERSION = 0x0304,
  cert_pem_to_der = pem.cert_to_der,
  priv_key_pem_to_der = pem.key_to_der,
  parse_pem_cert = pem.parse_cert,
  parse_pem_priv_key = pem.parse_key,
}

local function no_address()
  return nil, nil, no_tls.message
end

ssl.raw_server_addr = no_address
ssl.raw_client_addr = no_address

return no_tls.add(
  ssl,
  "clear_certs set_cert set_priv_key set_der_cert set_der_priv_key verify_client server_name server_port get_tls1_version "
    .. "get_tls1_version_str get_client_random get_server_random get_session_master_key export_keying_material "
    .. "export_keying_material_early get_req_ssl_pointer get_req_shared_ssl_ciphers"
)
