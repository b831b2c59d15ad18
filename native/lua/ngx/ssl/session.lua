-- SPDX-License-Identifier: MIT
-- ngx.ssl.session for code that requires it: there are no TLS sessions yet.
return require("moonwire.no_tls").add(
  { version = require("resty.core.base").version },
  "get_serialized_session get_session_id set_serialized_session"
)
