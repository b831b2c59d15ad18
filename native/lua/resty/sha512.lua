-- SPDX-License-Identifier: MIT
-- resty.sha512: new(), then update(s) as often as needed, final() for the bytes, reset() to begin anew.
return require "resty.moonwire.digest" "sha512"
