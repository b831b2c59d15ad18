-- SPDX-License-Identifier: MIT
-- ngx.ssl.clienthello for code that requires it: there are no TLS handshakes yet.
return require("moonwire.no_tls").add(
  { version = require("resty.core.base").version },
  "get_client_hello_server_name get_client_hello_ext get_client_hello_ext_present get_client_hello_ciphers "
    .. "get_supported_versions set_protocols"
)
