// SPDX-License-Identifier: MIT
// Text that is not UTF-8 and must come out as it went in: a byte that fits nowhere becomes the lone surrogate U+DC00 + byte,
// which no valid text holds, and is turned back when the plan is encoded.

/** Decodes UTF-8 and keeps the bytes that are none. */
export function decodeRaw(bytes: Buffer): string {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let out = "";
  for (let at = 0; at < bytes.length;) {
    const lead = bytes[at]!;
    const size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    try {
      out += decoder.decode(bytes.subarray(at, at + size));
      at += size;
    } catch {
      out += String.fromCharCode(0xdc00 + lead);
      at++;
    }
  }
  return out;
}

/** The bytes of a text, kept ones included. */
export function encodeRaw(text: string): Buffer {
  if (!/\p{Surrogate}/u.test(text)) return Buffer.from(text);
  const parts = text.split(/([\udc80-\udcff])/u);
  return Buffer.concat(parts.map((p, i) => (i % 2 === 1 ? Buffer.from([p.charCodeAt(0) - 0xdc00]) : Buffer.from(p))));
}
