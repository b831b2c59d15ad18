-- SPDX-License-Identifier: MIT
-- resty.core for code that requires it: the API is always the FFI one here, so there is nothing to install.
return { version = require("resty.core.base").version }
