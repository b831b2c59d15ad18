-- SPDX-License-Identifier: MIT
-- resty.lrucache.pureffi: the same cache; its arrays need no FFI. The load factor that new() may get has no meaning here.
return require "resty.lrucache"
