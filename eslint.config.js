// SPDX-License-Identifier: MIT
// ESLint: the recommended rules, and the typed ones where types are (lib/).
import js from "@eslint/js";
import tseslint from "typescript-eslint";

const nodeGlobals = Object.fromEntries(
  [
    "process",
    "console",
    "Buffer",
    "URL",
    "setTimeout",
    "clearTimeout",
    "setInterval",
    "clearInterval",
    "setImmediate",
    "fetch",
    "performance",
    "structuredClone",
    "AbortController",
    "AbortSignal",
    "TextEncoder",
    "TextDecoder",
    "queueMicrotask",
    "globalThis",
    "require",
    "module",
    "__dirname",
  ].map((name) => [name, "readonly"]),
);

export default tseslint.config(
  { ignores: ["dist/", "build/", "build-*/", "deps/.src/", "deps/.out/", "node_modules/", "test/types/"] },
  js.configs.recommended,
  { languageOptions: { globals: nodeGlobals } },
  {
    files: ["examples/*/public/**"],
    languageOptions: { globals: { document: "readonly", location: "readonly", WebSocket: "readonly" } },
  },
  {
    files: ["**/*.{js,mjs,cjs}"],
    rules: {
      "no-unused-vars": ["error", { argsIgnorePattern: "^_", caughtErrors: "none" }],
      "preserve-caught-error": "off",
    },
  },
  {
    files: ["lib/**/*.ts"],
    extends: [...tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { project: "./tsconfig.json", tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", caughtErrors: "none" }],
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/require-await": "off",
      "@typescript-eslint/no-explicit-any": "off",
      "no-unused-private-class-members": "off", // a private field may only keep an object alive
    },
  },
);
