// SPDX-License-Identifier: MIT
// Values across the border between JavaScript and C, both ways.
import test from "ava";
import { CData, ffi } from "moonwire";

ffi.cdef(`
  unsigned long crc32(unsigned long crc, const unsigned char *data, unsigned int size);
  size_t strlen(const char *text);
  int64_t llabs(int64_t n);
  char *getenv(const char *name);
  char *strchr(const char *text, int c);
  double ldexp(double x, int exp);
  void *memset(void *to, int c, size_t size);
  int setenv(const char *name, const char *value, int overwrite);
  int close(int fd);
  int snprintf(char *to, size_t size, const char *format, ...);
  typedef struct test_point { int x; double y; struct { uint8_t tag; } in; } test_point;
  typedef int (*test_abs)(int);
  int abs(int);
  enum test_colour { TEST_RED = 3, TEST_BLUE };
`);

test("zlib's crc32 of a known text", (t) => {
  t.is(ffi.C.crc32(0, Buffer.from("123456789"), 9), 0xcbf43926n);
});

test("64-bit integers are bigint, smaller ones number, void undefined, NULL null", (t) => {
  t.is(ffi.C.strlen("moon"), 4n);
  t.is(ffi.C.llabs(-9007199254740993n), 9007199254740993n);
  t.is(ffi.C.ldexp(1.5, 4), 24);
  t.is(ffi.C.getenv("MOONWIRE_NO_SUCH_VARIABLE"), null);
  t.is(ffi.C.TEST_BLUE, 4);
  t.is(ffi.new("uint64_t", 18446744073709551615n).value, 18446744073709551615n);
});

test("a char pointer is read as text or bytes", (t) => {
  ffi.C.setenv("MOONWIRE_FFI_TEST", "grüße", 1);
  const value = ffi.C.getenv("MOONWIRE_FFI_TEST");
  t.true(value instanceof CData);
  t.is(value.type, "char *");
  t.is(value.string(), "grüße");
  t.deepEqual(value.bytes(2), Buffer.from("gr"));
});

test("structs are initialized from objects, read and written by field", (t) => {
  const point = ffi.new("test_point", { x: 1, y: 2.5 });
  t.is(point.get("x"), 1);
  t.is(point.set("y", -0.5).get("y"), -0.5);
  t.is(point.get("in").set("tag", 300).get("tag"), 44); // as a C assignment truncates
  t.is(ffi.sizeof(point), 24);
  t.is(ffi.offsetof("test_point", "y"), 8);
});

test("arrays, also of a length given at run time", (t) => {
  const numbers = ffi.new("int[?]", 3, [7, 8, 9]);
  t.deepEqual(
    [0, 1, 2].map((i) => numbers.get(i)),
    [7, 8, 9],
  );
  const copy = Buffer.alloc(3, 1);
  ffi.C.memset(copy, 0xff, 2);
  t.deepEqual(copy, Buffer.from([0xff, 0xff, 1]));
});

test("a cast gives a variadic function the C type it needs", (t) => {
  const out = Buffer.alloc(32);
  const size = ffi.C.snprintf(out, out.length, "%d %s %.1f", ffi.cast("int", 42), "ok", 2.5);
  t.is(out.toString("utf8", 0, size), "42 ok 2.5");
});

test("function pointers are called, addresses are bigint, errno is the last call's", (t) => {
  const abs = ffi.cast("test_abs", ffi.C.abs);
  t.is(abs.call(-5), 5);
  t.is(typeof abs.address, "bigint");
  t.is(ffi.C.close(-1), -1);
  t.is(ffi.errno(), 9); // EBADF
});

test("memory that a cast points into lives as long as the cast", (t) => {
  const words = ffi.cast("uint16_t *", Buffer.from([1, 2, 3, 4]));
  globalThis.gc?.();
  t.is(words.get(1), 0x0403);
});
