// SPDX-License-Identifier: MIT
// resty.shell and resty.signal.
import { apiCase } from "../helpers/api.js";

const ours = "Debian has no lua-resty-shell, nor lua-resty-signal";
const run = (title, code, body, more = {}) =>
  apiCase(`resty.shell: ${title}`, {
    ours,
    content: `
      local function show(ok, out, err, reason, status)
        ngx.say(tostring(ok), " [", tostring(out), "] [", tostring(err), "] ", reason, " ", tostring(status))
      end
      local run = require("resty.shell").run
      ${code}`,
    body,
    ...more,
  });

run(
  "a command's outputs and how it ended",
  `show(run("echo out; echo err >&2; exit 3"))
   show(run({ "printf", "%s|", "a b", "$HOME" }))
   show(run("cat", "hello"))
   show(run("kill -9 $$"))
   show(run({ "/nope" }))`,
  "false [out\n] [err\n] exit 3\ntrue [a b|$HOME|] [] exit 0\ntrue [hello] [] exit 0\nfalse [] [] signal 9\n" +
    "nil [nil] [nil] failed to spawn: No such file or directory nil\n",
);

run(
  "input and both outputs larger than a pipe holds, in any order",
  `local big = string.rep("x", 300000)
   local ok, out, err = run("tee /dev/stderr", big, 20000, 300000)
   ngx.say(ok, " ", out == big, " ", err == big)`,
  "true true true\n",
);

run(
  "what is too much, or takes too long, ends the command",
  `show(run("echo $$; while :; do echo y; done", nil, 20000, 4))
   show(run("while :; do echo y >&2; done", nil, 20000, 6))
   show(run("echo out; trap '' TERM; while :; do sleep 0.01; done", nil, 50))
   show(run("exec 1>&- 2>&-; sleep 9", nil, 50))`,
  /^nil \[\d.*\n?.*\] \[\] failed to read stdout: too much data nil\nnil \[\] \[y\ny\ny\n\] failed to read stderr: too much data nil\nnil \[out\n\] \[\] failed to read (stdout|stderr): timeout nil\nnil \[\] \[\] failed to wait for process: timeout nil\n$/s,
);

apiCase("resty.signal: names, numbers, a process that is there and one that is not", {
  ours,
  content: `
    local signal = require "resty.signal"
    ngx.say(signal.signum("HUP"), " ", signal.signum("KILL"), " ", signal.signum("USR2"), " ", signal.signum("CHLD"), " ",
      signal.signum("SYS"), " ", signal.signum("NONE"), " ", tostring(signal.signum("NOPE")))
    local child = assert(require("ngx.pipe").spawn({ "sleep", "30" }))
    ngx.say(signal.kill(child:pid(), "NONE"), " ", signal.kill(child:pid(), 15), " ", select(3, child:wait()))
    ngx.say(tostring(signal.kill(child:pid(), "HUP")), " ", select(2, signal.kill(child:pid(), 0)))
    ngx.say(select(2, signal.kill(1, "NOPE")))`,
  body: "1 9 12 17 31 0 nil\ntrue true 15\nnil No such process\nunknown signal name\n",
});
