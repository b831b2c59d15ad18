// SPDX-License-Identifier: MIT
// The encoding of values: what crosses comes back the same, and what cannot cross is named.
import test from "ava";
import { decodeValue, encodeValue } from "../../dist/conf/value.js";

const same = [
  undefined,
  null,
  true,
  false,
  0,
  -0.5,
  1e300,
  "",
  "grüße",
  7n,
  -(1n << 63n),
  1n << 63n,
  (1n << 64n) - 1n,
  [],
  [1, [2, ["x"]]],
  { a: { b: [null] } },
];

for (const v of same)
  test(`${typeof v === "bigint" ? `${v}n` : JSON.stringify(v)} comes back the same`, (t) => {
    t.deepEqual(decodeValue(encodeValue(v)), v);
  });

test("bytes become a string where they are UTF-8, else a Buffer; always a Buffer on request", (t) => {
  t.is(decodeValue(encodeValue(Buffer.from("text"))), "text");
  t.deepEqual(decodeValue(encodeValue(Buffer.from([0xff, 0]))), Buffer.from([0xff, 0]));
  t.deepEqual(decodeValue(encodeValue(["text"]), { strings: "buffer" }), [Buffer.from("text")]);
});

test("undefined members are left out, undefined elements are nil, Maps are tables", (t) => {
  t.deepEqual(decodeValue(encodeValue({ a: undefined, b: 1 })), { b: 1 });
  t.deepEqual(decodeValue(encodeValue([1, undefined, 3])), [1, undefined, 3]);
  t.deepEqual(
    decodeValue(
      encodeValue(
        new Map([
          [5, "five"],
          ["k", 1],
        ]),
      ),
    ),
    { 5: "five", k: 1 },
  );
});

test("a key named __proto__ is a key", (t) => {
  const v = decodeValue(encodeValue(new Map([["__proto__", 1]])));
  t.deepEqual(Object.keys(v), ["__proto__"]);
  t.is(Object.getPrototypeOf(v), Object.prototype);
});

test("what Lua has no value for is refused by name", (t) => {
  t.throws(() => encodeValue(() => 1), { code: "VALUE_UNSUPPORTED", message: "cannot pass a function to Lua" });
  t.throws(() => encodeValue([Symbol("x")]), { message: "cannot pass a symbol to Lua" });
  for (const v of [1n << 64n, -(1n << 63n) - 1n])
    t.throws(() => encodeValue(v), { code: "VALUE_UNSUPPORTED", message: /more than 64 bits/ });
  const loop = [];
  loop.push(loop);
  t.throws(() => encodeValue(loop), { message: /nests deeper/ });
});

test("bytes that are no value are a RangeError", (t) => {
  for (const bytes of [[], [99], [3, 0], [0, 0], [5, 255, 255, 255, 255]])
    t.throws(() => decodeValue(Buffer.from(bytes)), { instanceOf: RangeError }, bytes.join());
});
