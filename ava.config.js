// SPDX-License-Identifier: MIT
// Tests are found by folder; a sanitizer build is slower, so it gets more time.
export default {
  files: ["test/**/*.test.{js,mjs}", "!test/conformance/**"],
  concurrency: 2,
  timeout: process.env.MW_TEST_SANITIZER ? "120s" : "30s",
  workerThreads: false,
};
