-- SPDX-License-Identifier: MIT
-- resty.moonwire.websocket.peer: what resty.websocket.client and resty.websocket.server have in common. An object holds a
-- socket; after an error that leaves nobody knowing where the next frame begins it is of no use (`fatal`).
local protocol = require "resty.websocket.protocol"
local char, floor, type = string.char, math.floor, type

local DEFAULT_PAYLOAD = 65535

--- Gives a class the methods that both sides have. A client sends masked frames, a server takes none but masked ones.
local function add_methods(class, is_server)
  --- Timeout in milliseconds of each operation to come.
  function class.set_timeout(self, time)
    if not self.sock then
      return nil, nil, "not initialized yet"
    end
    return self.sock:settimeout(time)
  end

  --- The next frame: payload, type and "again" for a part of a message that is not the last; of a close frame message,
  -- "close" and status code; or nil, nil and the reason. After a timeout one may read again, unless it cut a frame.
  function class.recv_frame(self)
    if self.fatal then
      return nil, nil, "fatal error already happened"
    elseif not self.sock then
      return nil, nil, "not initialized yet"
    end
    local data, kind, err, may_go_on = protocol.recv_frame(self.sock, self.max_recv_len, is_server)
    if not data and not may_go_on then
      self.fatal = true
    end
    return data, kind, err
  end

  --- Sends a frame as it is told. Returns the number of bytes, or nil and the reason.
  function class.send_frame(self, fin, opcode, payload)
    if self.fatal then
      return nil, "fatal error already happened"
    elseif self.closed then
      return nil, "already closed"
    elseif not self.sock then
      return nil, "not initialized yet"
    end
    local bytes, err, is_unsent = protocol.send_frame(self.sock, fin, opcode, payload, self.max_send_len, self.masks)
    if not bytes and not is_unsent then
      self.fatal = true
    end
    return bytes, err
  end

  --- The last part of a message whose first one send_frame sent.
  function class.send_continue(self, data)
    return self:send_frame(true, 0x0, data)
  end

  function class.send_text(self, data)
    return self:send_frame(true, 0x1, data)
  end

  function class.send_binary(self, data)
    return self:send_frame(true, 0x2, data)
  end

  --- Sends a close frame with a status code and a message, where given.
  function class.send_close(self, code, message)
    local payload
    if code then
      if type(code) ~= "number" or code < 0 or code > 0x7fff then
        return nil, "bad status code"
      end
      payload = char(floor(code / 256), code % 256) .. (message or "")
    end
    local bytes, err = self:send_frame(true, 0x8, payload)
    if bytes and not is_server then
      self.closed = true
    end
    return bytes, err
  end

  function class.send_ping(self, data)
    return self:send_frame(true, 0x9, data)
  end

  function class.send_pong(self, data)
    return self:send_frame(true, 0xa, data)
  end
end

--- The fields of an object: opts as of `new` on both sides.
local function new_fields(sock, opts, masks)
  local most = opts and opts.max_payload_len or DEFAULT_PAYLOAD
  if opts and opts.timeout then
    sock:settimeout(opts.timeout)
  end
  return {
    sock = sock,
    max_recv_len = opts and opts.max_recv_len or most,
    max_send_len = opts and opts.max_send_len or most,
    masks = masks,
  }
end

return { add_methods = add_methods, new_fields = new_fields }
