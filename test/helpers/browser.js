// SPDX-License-Identifier: MIT
// A headless Chromium, Debian's, for tests of pages.
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";
import { foreignEnv } from "./foreign.js";

const executablePath = "/usr/bin/chromium";
const quiet = ["quic", "background-networking", "component-update", "sync"].map((what) => `--disable-${what}`);

/** A browser with a profile of its own that ends with the test; null, and a message, where there is none. */
export async function startBrowser(t) {
  if (!existsSync(executablePath)) {
    t.log("no chromium here");
    return null;
  }
  const args = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", ...quiet];
  const env = foreignEnv();
  const browser = await chromium.launch({ executablePath, args, env, timeout: 120_000 });
  t.teardown(() => browser.close());
  return browser;
}

/** A page in a context of its own: another visitor. What goes wrong in it is in `problems`. */
export async function newPage(browser) {
  const context = await browser.newContext({ viewport: { width: 900, height: 620 } });
  context.setDefaultTimeout(60_000);
  const page = await context.newPage();
  const problems = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  return { page, problems };
}
