-- SPDX-License-Identifier: MIT
-- ngx.ocsp for code that requires it: there is nothing yet that would staple a response.
return require("moonwire.no_tls").add(
  { version = require("resty.core.base").version },
  "get_ocsp_responder_from_der_chain create_ocsp_request validate_ocsp_response set_ocsp_status_resp"
)
