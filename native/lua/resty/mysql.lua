-- SPDX-License-Identifier: MIT
-- resty.mysql: the client. It has a file of its own, which drizzle_pass uses too, whatever file of this name the user may have.
return require "resty.mysql.client"
