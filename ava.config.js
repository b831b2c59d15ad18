// SPDX-License-Identifier: MIT
// Tests are found by folder; a sanitizer build is slower, so it gets more time. Those of the package need its tarball and run
// alone: npm run pack && npm test -- test/pack
const files = process.env.MW_TEST_PACK ? ["test/pack/**/*.test.mjs"] : ["test/**/*.test.{js,mjs}", "!test/pack/**"];

export default {
  files: [...files, "!test/conformance/**"],
  concurrency: 2,
  timeout: process.env.MW_TEST_SANITIZER ? "120s" : "30s",
  workerThreads: false,
};
