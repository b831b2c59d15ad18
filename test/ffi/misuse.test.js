// SPDX-License-Identifier: MIT
// Every mistake that LuaJIT can notice is an error with a code and a message, never a crash.
import test from "ava";
import { CData, ffi, MoonwireError } from "moonwire";

ffi.cdef(`
  int isdigit(int c);
  int atoi(const char *text);
  int moonwire_no_such_function(void);
  typedef struct test_misuse { int x; } test_misuse;
`);

const cases = [
  ["a declaration with a mistake", () => ffi.cdef("int oops("), "FFI_DECLARATION", /expected near/],
  [
    "a type declared twice differently",
    () => ffi.cdef("typedef struct test_misuse { int y; } test_misuse;"),
    "FFI_DECLARATION",
    /attempt to redefine 'test_misuse'/,
  ],
  ["an undeclared symbol", () => ffi.C.undeclared(), "FFI_SYMBOL", /missing declaration for symbol 'undeclared'/],
  [
    "a declared symbol that no library has",
    () => ffi.C.moonwire_no_such_function(),
    "FFI_SYMBOL",
    /undefined symbol: moonwire_no_such_function/,
  ],
  [
    "a library that is not there",
    () => ffi.load("moonwire_no_such_library"),
    "FFI_LIBRARY",
    /cannot open shared object file/,
  ],
  ["too few arguments", () => ffi.C.isdigit(), "FFI_CALL", /wrong number of arguments for 'isdigit'/],
  [
    "an argument of the wrong type",
    () => ffi.C.atoi(5),
    "FFI_CALL",
    /bad argument #1 to 'atoi' \(cannot convert 'number' to 'const char \*'\)/,
  ],
  [
    "memory for a number",
    () => ffi.C.isdigit(Buffer.alloc(1)),
    "FFI_CALL",
    /bad argument #1 to 'isdigit' \(cannot convert/,
  ],
  ["a function for a number", () => ffi.C.isdigit(() => 1), "FFI_CALL", /cannot pass a function or symbol to C/],
  ["a bigint of more than 64 bits", () => ffi.C.isdigit(1n << 80n), "FFI_CALL", /bigint does not fit in 64 bits/],
  ["an unknown type", () => ffi.new("no_such_type"), "FFI_TYPE", /declaration specifier expected/],
  ["a type without a size", () => ffi.new("void"), "FFI_TYPE", /size of C type is unknown/],
  ["an unknown field", () => ffi.new("test_misuse").get("nope"), "FFI_TYPE", /has no member named 'nope'/],
  ["a call of what is no function", () => ffi.new("int[1]").call(), "FFI_CALL", /not a C function/],
  [
    "a NULL pointer followed",
    () => ffi.cast("int *", null).get(0),
    "FFI_TYPE",
    /attempt to follow a NULL pointer of type 'int \*'/,
  ],
  [
    "a NULL function called",
    () => ffi.cast("int (*)(int)", null).call(1),
    "FFI_CALL",
    /attempt to call a NULL function pointer/,
  ],
  ["a struct taken for a scalar", () => ffi.new("test_misuse").value, "FFI_TYPE", /cannot convert/],
];

for (const [name, run, code, message] of cases)
  test(name, (t) => {
    const error = t.throws(run, { instanceOf: MoonwireError, message });
    t.is(error.code, code);
    t.notRegex(error.message, /^ffi:/);
  });

test("what is not even a string is a TypeError", (t) => {
  t.throws(() => ffi.cdef(5), { instanceOf: TypeError });
  t.throws(() => ffi.load(), { instanceOf: TypeError });
  t.throws(() => new CData(), { instanceOf: TypeError });
  t.throws(() => (ffi.C.x = 1), { instanceOf: TypeError });
});

test("the namespace survives being awaited and inspected", async (t) => {
  const lib = await ffi.C;
  t.is(lib.isdigit(0x41), 0);
});
