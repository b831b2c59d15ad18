// SPDX-License-Identifier: MIT
// Responses taken off a stream of bytes, as latin1 text, one after the other.

/** Takes a chunked body off `text`: { body, trailers, size }, or undefined while it is not whole. */
function takeChunked(text) {
  let at = 0;
  let body = "";
  for (;;) {
    const eol = text.indexOf("\r\n", at);
    if (eol < 0) return undefined;
    const size = text.slice(at, eol);
    if (!/^[0-9a-f]+$/.test(size)) throw new Error(`bad chunk size ${JSON.stringify(size)}`);
    at = eol + 2;
    const n = parseInt(size, 16);
    if (n === 0) break;
    if (text.length < at + n + 2) return undefined;
    if (text.slice(at + n, at + n + 2) !== "\r\n") throw new Error("a chunk without its CRLF");
    body += text.slice(at, at + n);
    at += n + 2;
  }
  const end = text.startsWith("\r\n", at) ? at : text.indexOf("\r\n\r\n", at) + 2;
  return end < 2 ? undefined : { body, size: end + 2 };
}

/** Takes one response off `text`, or undefined while it is not whole; `ended`: nothing more will come. */
export function takeResponse(text, { head = false, ended = false } = {}) {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const [line, ...fields] = text.slice(0, end).split("\r\n");
  const m = /^HTTP\/1\.1 (\d{3}) ?(.*)$/.exec(line);
  if (!m) throw new Error(`no status line: ${JSON.stringify(line)}`);
  const headers = {};
  for (const f of fields) {
    const [, name, value] = /^([^:\s]+): ?(.*)$/.exec(f) ?? [];
    if (!name) throw new Error(`bad header line ${JSON.stringify(f)}`);
    (headers[name.toLowerCase()] ??= []).push(value);
  }
  const status = Number(m[1]);
  const answer = { status, reason: m[2], headers, fields, body: "", size: end + 4 };
  if (head || status < 200 || status === 204 || status === 304) return answer;
  const rest = text.slice(end + 4);
  if (headers["transfer-encoding"]) {
    const chunked = takeChunked(rest);
    return chunked && { ...answer, body: chunked.body, size: answer.size + chunked.size };
  }
  const length = headers["content-length"] ? Number(headers["content-length"][0]) : ended ? rest.length : Infinity;
  return rest.length < length ? undefined : { ...answer, body: rest.slice(0, length), size: answer.size + length };
}
