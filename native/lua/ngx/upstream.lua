-- SPDX-License-Identifier: MIT
-- ngx.upstream: the upstream blocks, their servers, and which of them are down.
local ffi = require "ffi"
local abi = require "moonwire.abi"

local C = abi.C
local type, error = type, error

local M = {}
local peer = ffi.new "mw_peer_t"
local name_out, len_out = ffi.new "const char *[1]", ffi.new "size_t[1]"

local function name_of(group)
  if C.mw_upstream_name(group, name_out, len_out) == C.MW_OK then
    return ffi.string(name_out[0], len_out[0])
  end
end

-- The index of a block; nil and why.
local function find(name)
  if type(name) ~= "string" then
    error("bad argument #1 (string expected, got " .. type(name) .. ")", 3)
  end
  local group = C.mw_upstream_find(name, #name)
  if group < 0 then
    return nil, "upstream not found"
  end
  return group
end

--- The names of all upstream blocks.
function M.get_upstreams()
  local names = {}
  for i = 0, C.mw_upstream_count() - 1 do
    names[#names + 1] = name_of(i)
  end
  return names
end

--- The servers of a block as they are written; `addr` is a list where a name has several addresses.
function M.get_servers(name)
  local group, err = find(name)
  if not group then
    return nil, err
  end
  local by_index, most = {}, -1
  local i = 0
  while C.mw_upstream_peer(group, i, peer) == C.MW_OK do
    local index, addr = peer.server_index, ffi.string(peer.name, peer.name_len)
    local server = by_index[index]
    if not server then
      by_index[index] = {
        addr = addr,
        name = ffi.string(peer.server, peer.server_len),
        weight = peer.weight,
        max_fails = peer.max_fails,
        fail_timeout = tonumber(peer.fail_timeout),
        backup = peer.is_backup ~= 0 or nil,
        down = peer.is_down_as_written ~= 0 or nil,
      }
      most = index > most and index or most
    elseif type(server.addr) == "table" then
      server.addr[#server.addr + 1] = addr
    else
      server.addr = { server.addr, addr }
    end
    i = i + 1
  end
  local servers = {}
  for index = 0, most do
    servers[#servers + 1] = by_index[index]
  end
  return servers
end

local function seconds(time)
  return time > 0 and tonumber(time) or nil
end

local function peers_of(name, is_backup)
  local group, err = find(name)
  if not group then
    return nil, err
  end
  local peers, i = {}, 0
  while C.mw_upstream_peer(group, i, peer) == C.MW_OK do
    if (peer.is_backup ~= 0) == is_backup then
      peers[#peers + 1] = {
        id = #peers,
        name = ffi.string(peer.name, peer.name_len),
        weight = peer.weight,
        current_weight = tonumber(peer.current_weight),
        effective_weight = tonumber(peer.effective_weight),
        conns = peer.conns,
        fails = peer.fails,
        max_fails = peer.max_fails,
        fail_timeout = tonumber(peer.fail_timeout),
        accessed = seconds(peer.accessed),
        checked = seconds(peer.checked),
        down = peer.is_down ~= 0 or nil,
      }
    end
    i = i + 1
  end
  return peers
end

--- The addresses of the servers in turn, and what this worker (with `zone` all of them) remembers of each.
function M.get_primary_peers(name)
  return peers_of(name, false)
end

--- The same of the backups.
function M.get_backup_peers(name)
  return peers_of(name, true)
end

--- Takes a server out of the choice, or in again, by its `id`: in this worker, with `zone` in all of them.
function M.set_peer_down(name, is_backup, id, is_down)
  local group, err = find(name)
  if not group then
    return nil, err
  end
  local i, n = 0, 0
  while C.mw_upstream_peer(group, i, peer) == C.MW_OK do
    if (peer.is_backup ~= 0) == (is_backup and true or false) then
      if n == id then
        C.mw_upstream_set_down(group, i, is_down and 1 or 0)
        return true
      end
      n = n + 1
    end
    i = i + 1
  end
  return nil, "bad peer id"
end

--- The upstream block that the request goes to, or went to; nil where there is none.
function M.current_upstream_name()
  local group = C.mw_upstream_of(abi.request())
  return group >= 0 and name_of(group) or nil
end

return M
