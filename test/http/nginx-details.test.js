// SPDX-License-Identifier: MIT
// Error pages, headers and log lines in their small print. What is expected was read off nginx 1.22.
import test from "ava";
import { startServer } from "../helpers/api.js";
import { waitFor } from "../helpers/index.js";

test("recursive_error_pages counts in the location whose error is answered by a page", async (t) => {
  const s = await startServer(t, {
    server: `location = /page { return 200 "page"; }
      location = /on { recursive_error_pages on; error_page 404 /off; return 404; }
      location = /off { error_page 403 /page; return 403; }
      location = /off-on { error_page 404 /on-page; return 404; }
      location = /on-page { recursive_error_pages on; error_page 403 /page; return 403; }
      location = /circle { recursive_error_pages on; error_page 404 500 /circle; return 404; }`,
  });
  t.is((await s.get("/on")).body, "page");
  t.regex((await s.get("/off-on")).body, /403 Forbidden/);
  t.is((await s.get("/circle")).status, 500);
});
