-- SPDX-License-Identifier: MIT
-- resty.core.exit for code that requires it: the functions it would install are already there.
return { version = require("resty.core.base").version }
