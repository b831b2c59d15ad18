// SPDX-License-Identifier: MIT
// What modules-nginx.mjs sends to nginx and to Moonwire: settings, files, and requests by [method and target, fields, body].
import { ssiFiles, ssiGroup } from "./ssi.mjs";

const text = "A line of text, and another one.\n".repeat(60);

/** Files of the folder that is served, the same on both sides. */
export const files = {
  ...ssiFiles,
  "plain.txt": text,
  "page.html": "<p>Hello World, hello world. HELLO!</p>\n",
  "list/a.txt": "a",
  "list/b & <c>.txt": "bb",
  "list/sub/x": "x",
  [`list/${"long".repeat(15)}.txt`]: "l",
  "list/big.bin": "x".repeat(12_345),
  "list/ä.txt": "u",
  "list/.hidden": "h",
  "empty/.keep": "",
  "one/only.txt": "the only one\n",
  "one/.hidden": "",
  "dav/f.txt": "file f\n",
  "dav/g.txt": "file g\n",
  "dav/tree/a/b.txt": "b\n",
  "dav/tree/c.txt": "c\n",
  "dav/other/d.txt": "d\n",
  "packed.txt": "not packed\n",
};

const get = (...targets) => targets.map((target) => [`GET ${target}`]);

// Addresses where nobody listens, which are never given up: $upstream_addr tells them in the order of the choice.
const peers = (params = [], from = 2) =>
  [0, 1, 2, 3, 4].map((i) => `server 127.0.0.${from + i}:1 max_fails=0 ${params[i] ?? ""};`).join(" ");
const methods = {
  turn: `${peers(["weight=5", "", "down"])}`,
  hash: `hash $arg_k; ${peers(["weight=3", "", "down", "weight=2"])}`,
  ring: `hash $arg_k consistent; ${peers(["weight=3", "", "down"])} server unix:/nobody/there max_fails=0; server 127.0.0.9 max_fails=0 weight=2;`,
  many: `hash $arg_k consistent; ${Array.from({ length: 14 }, (_, i) => peers([], 2 + 5 * i)).join(" ")}`,
  ip: `ip_hash; ${peers(["weight=3", "", "down", "weight=2"])}`,
  least: `least_conn; ${peers(["weight=3", "", "", "backup", "backup weight=2"])}`,
  late: `${peers(["", "backup", "", "backup"])} hash $arg_k;`,
};

/** [name, directives of http, directives of the server, requests]. */
export const groups = [
  ssiGroup,
  [
    "geo",
    `geo $g { default none; 127.0.0.0/8 local; 127.0.0.1 me; 10.0.0.0/8 ten; 10.1.0.0/16 ten-one; 10.1.2.3 host;
       fe80::/10 link; ::1 six; 2001:db8::/32 doc; }
     geo $arg_a $h { default none; 10.0.0.0/8 ten; 10.1.0.0/16 ten-one; 10.1.2.3/32 host; 0.0.0.0/1 low; 255.255.255.254/31 no;
       fe80::/10 link; ::1 six; 2001:db8::/32 doc; 2001:db8:1::/48 doc-one; delete 172.16.0.0/12; }
     geo $arg_a $r { ranges; default none; 1.0.0.0-1.255.255.255 one; 1.2.0.0-1.2.255.255 inner; 9.9.9.9-9.9.9.9 nine; }
     geo $arg_a $empty { 1.2.3.4 one; }
     geo $p { proxy 127.0.0.1; 5.5.5.5 five; 6.6.6.6 six; 127.0.0.1 me; }
     geo $q { proxy 127.0.0.1; proxy 6.6.6.0/24; proxy_recursive; 5.5.5.5 five; 6.6.6.6 six; 127.0.0.1 me; }`,
    'location /geo { return 200 "$g|$h|$r|$empty|$p|$q\\n"; }',
    [
      ...get(
        ..."/geo /geo?a=10.1.2.3 /geo?a=10.1.2.4 /geo?a=10.2.0.0 /geo?a=127.255.255.255 /geo?a=128.0.0.0 /geo?a=x".split(
          " ",
        ),
        ..."/geo?a=fe80::1 /geo?a=::1 /geo?a=2001:db8::1 /geo?a=2001:db8:1::1 /geo?a=::ffff:10.1.2.3".split(" "),
        ..."/geo?a=1.1.1.1 /geo?a=1.2.3.4 /geo?a=1.3.0.0 /geo?a=9.9.9.9 /geo?a=9.9.9.10".split(" "),
      ),
      ["GET /geo", "X-Forwarded-For: 5.5.5.5"],
      ["GET /geo", "X-Forwarded-For: 5.5.5.5, 6.6.6.6"],
      ["GET /geo", "X-Forwarded-For: 5.5.5.5\r\nX-Forwarded-For: 6.6.6.6"],
      ["GET /geo", "X-Forwarded-For: nonsense"],
    ],
  ],
  [
    "balance",
    `${Object.entries(methods)
      .map(([name, block]) => `upstream ${name} { ${block} }`)
      .join(" ")} set_real_ip_from 127.0.0.1; add_header X-Up "$upstream_addr" always;`,
    Object.keys(methods)
      .map((name) => `location /${name} { proxy_pass http://${name}; }`)
      .join(" "),
    Object.keys(methods).flatMap((name) =>
      Array.from({ length: 24 }, (_, i) => [
        `GET /${name}?k=${i < 3 ? "" : `key${i * 7}`}`,
        i < 3 ? "" : `X-Real-IP: ${i % 4 ? `10.${i}.7.${i * 5}` : `2001:db8::${i}`}`,
      ]),
    ),
  ],
  [
    "split_clients",
    'split_clients "${arg_k}AAA" $v { 0.5% half; 30% thirty; 20.25% $arg_k; * rest; } split_clients $arg_k $w { 50% a; }',
    'location /split { return 200 "$v|$w\\n"; }',
    get(...Array.from({ length: 60 }, (_, i) => `/split?k=${"key".repeat(i % 5)}${i}`)),
  ],
  [
    "limit_except",
    "",
    `location /le { limit_except GET { deny all; } return 200 "ok\\n"; }
     location /le2 { limit_except POST PUT { deny 127.0.0.1; } alias __ROOT__/one/only.txt; }
     location /le3 { deny all; limit_except POST { allow all; } alias __ROOT__/one/only.txt; }
     location /le4 { limit_except GET { proxy_pass http://127.0.0.1:1; } alias __ROOT__/one/only.txt; }`,
    ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"].flatMap((m) =>
      ["/le", "/le2", "/le3", "/le4"].map((p) => [`${m} ${p}`]),
    ),
  ],
  [
    "autoindex",
    "",
    `location /list { root __ROOT__; autoindex on; } location /l/short/ { alias __ROOT__/list/; autoindex on; autoindex_exact_size off; }
     location /l/json/ { alias __ROOT__/list/; autoindex on; autoindex_format json; }
     location /l/jsonp/ { alias __ROOT__/list/; autoindex on; autoindex_format jsonp; }
     location /l/xml/ { alias __ROOT__/list/; autoindex on; autoindex_format xml; }
     location /l/none/ { alias __ROOT__/none/; autoindex on; } location /l/off/ { alias __ROOT__/list/; }
     location /l/empty/ { alias __ROOT__/empty/; autoindex on; autoindex_format json; }
     location /l/emptyx/ { alias __ROOT__/empty/; autoindex on; }`,
    [
      ...get(
        ..."/list/ /list /list/sub/ /l/short/ /l/json/ /l/jsonp/ /l/jsonp/?callback=f.x /l/jsonp/?callback=a(b /l/xml/".split(
          " ",
        ),
      ),
      ...get(..."/l/none/ /l/off/ /l/empty/ /l/emptyx/".split(" ")),
      ["HEAD /list/"],
      ["POST /list/", "Content-Length: 1", "x"],
    ],
  ],
  [
    "random_index",
    "",
    "location /one/ { root __ROOT__; random_index on; } location /empty/ { root __ROOT__; random_index on; }",
    [...get("/one/", "/empty/", "/one/only.txt"), ["HEAD /one/"], ["POST /one/", "Content-Length: 0"]],
  ],
  [
    "add_trailer",
    "",
    `location /t { add_trailer X-T "$uri end"; add_trailer X-E ""; return 200 "body\\n"; }
     location /te { add_trailer X-T t; return 404 "no\\n"; } location /ta { add_trailer X-T t always; return 404 "no\\n"; }
     location = /plain.txt { add_trailer X-T file; root __ROOT__; }`,
    [...get("/t", "/te", "/ta", "/plain.txt"), ["HEAD /t"], ["HTTP/1.0 /t"]],
  ],
  [
    "sub_filter",
    "",
    `location = /page.html { root __ROOT__; sub_filter hello "bye $arg_x"; sub_filter_once off; }
     location /once { alias __ROOT__/page.html; sub_filter hello bye; sub_filter WORLD <$host>; }
     location /two { alias __ROOT__/page.html; sub_filter "Hello World" hw; sub_filter hello h; sub_filter_once off; }
     location /plain.txt { root __ROOT__; sub_filter line row; } location /any { alias __ROOT__/plain.txt; sub_filter_types *;
       sub_filter line row; sub_filter_once off; sub_filter_last_modified on; }
     location /none { alias __ROOT__/page.html; sub_filter nothing x; }`,
    [
      ...get("/page.html?x=y", "/once", "/two", "/plain.txt", "/any", "/none"),
      ["HEAD /page.html"],
      ["GET /any", "Range: bytes=0-4"],
    ],
  ],
  [
    "secure_link",
    "",
    `location /s/ { secure_link $arg_md5,$arg_expires; secure_link_md5 "$arg_expires$uri secret"; return 200 "[$secure_link|$secure_link_expires]\\n"; }
     location /n/ { secure_link $arg_md5; secure_link_md5 "$uri secret"; return 200 "[$secure_link|$secure_link_expires]\\n"; }
     location /p/ { secure_link_secret word; return 200 "[$secure_link]\\n"; }`,
    get(
      "/s/link?md5=EGMtzRaqCPsuA3MzmDiXcw&expires=4000000000",
      "/s/link?md5=__S_OK__&expires=4000000000",
      "/s/link?md5=__S_LATE__&expires=1000000000",
      "/s/link?md5=__S_OK__&expires=x",
      "/s/link?md5=__S_OK__==&expires=4000000000",
      "/s/link",
      "/n/link?md5=__N_OK__",
      "/n/link?md5=x",
      "/p/__P_OK__/link",
      "/p/__P_OK__/other",
      "/p/short/link",
    ),
  ],
  [
    "gunzip",
    "",
    `location /z/ { alias __ROOT__/; gunzip on; add_header Content-Encoding gzip; } location /zs/ { alias __ROOT__/; gunzip on; gzip_static always; gzip_vary on; }
     location /gs/ { alias __ROOT__/; gzip_static on; gzip_vary on; } location /ga/ { alias __ROOT__/; gzip_static always; }`,
    ["", "Accept-Encoding: gzip"].flatMap((field) =>
      ["/zs/packed.txt", "/gs/packed.txt", "/ga/packed.txt", "/gs/plain.txt", "/zs/bad.txt"].flatMap((p) => [
        [`GET ${p}`, field],
        [`HEAD ${p}`, field],
      ]),
    ),
  ],
  [
    "error pages",
    "",
    `recursive_error_pages on; error_page 404 /e404; error_page 403 = /e403; location /e404 { return 403; } location /e403 { return 200 "shown\\n"; }
     location /off { recursive_error_pages off; error_page 404 /o404; return 404; } location /o404 { recursive_error_pages off; error_page 403 /e403; return 403; }`,
    get("/missing", "/off"),
  ],
  [
    "limit_rate",
    "",
    `location /lr { limit_rate 100k; return 200 "$limit_rate\\n"; } location /ls { set $limit_rate 4k; return 200 "$limit_rate\\n"; }
     location /lx { set $limit_rate nonsense; return 200 "$limit_rate\\n"; }`,
    get("/lr", "/ls", "/lx"),
  ],
  [
    "dav",
    "",
    `location /dav/ { root __ROOT__; dav_methods PUT DELETE MKCOL COPY MOVE; }
     location /deep/ { alias __ROOT__/dav/; dav_methods PUT DELETE; create_full_put_path on; dav_access group:rw all:r; min_delete_depth 3; }
     location /no/ { alias __ROOT__/dav/; }`,
    [
      ["PUT /dav/new.txt", "Content-Length: 3", "abc"],
      ["PUT /dav/new.txt", "Content-Length: 4\r\nDate: Thu, 18 Nov 2010 11:27:35 GMT", "abcd"],
      ["PUT /dav/zero.txt", "Content-Length: 0"],
      ["PUT /dav/chunk%20ed.txt", "Transfer-Encoding: chunked", "3\r\nxyz\r\n0\r\n\r\n"],
      ["PUT /dav/", "Content-Length: 3", "abc"],
      ["PUT /dav/tree", "Content-Length: 3", "abc"],
      ["PUT /dav/r.txt", "Content-Length: 3\r\nContent-Range: bytes 0-2/3", "abc"],
      ["PUT /dav/no/dir.txt", "Content-Length: 3", "abc"],
      ["PUT /deep/made/dir/file.txt", "Content-Length: 3", "abc"],
      ["PUT /no/x", "Content-Length: 3", "abc"],
      ["GET /dav/new.txt"],
      ["MKCOL /dav/dir/"],
      ["MKCOL /dav/dir/"],
      ["MKCOL /dav/dir2"],
      ["MKCOL /dav/none/dir/"],
      ["MKCOL /dav/dir3/", "Content-Length: 1", "x"],
      ["COPY /dav/f.txt", "Destination: /dav/dir/f.txt"],
      ["COPY /dav/f.txt", "Destination: http://h.test/dav/dir/f2.txt"],
      ["COPY /dav/f.txt", "Destination: http://other.test/dav/dir/f3.txt"],
      ["COPY /dav/f.txt", "Destination: ftp://h.test/x"],
      ["COPY /dav/f.txt"],
      ["COPY /dav/f.txt", "Destination: /dav/../x"],
      ["COPY /dav/f.txt", "Destination: /dav/%66-escaped.txt?x=y"],
      ["COPY /dav/f.txt", "Destination: /dav/g.txt\r\nOverwrite: F"],
      ["COPY /dav/f.txt", "Destination: /dav/g.txt\r\nOverwrite: x"],
      ["COPY /dav/f.txt", "Destination: /dav/g.txt\r\nOverwrite: T"],
      ["COPY /dav/f.txt", "Destination: /dav/dir/"],
      ["COPY /dav/f.txt", "Destination: /dav/dir"],
      ["COPY /dav/none.txt", "Destination: /dav/x.txt"],
      ["COPY /dav/f.txt", "Destination: /dav/none/x.txt"],
      ["COPY /dav/f.txt", "Destination: /dav/x.txt\r\nDepth: 1"],
      ["COPY /dav/tree/", "Destination: /dav/copy/"],
      ["COPY /dav/tree", "Destination: /dav/copy2"],
      ["COPY /dav/tree/", "Destination: /dav/other/"],
      ["COPY /dav/tree/", "Destination: /dav/none/copy/"],
      ["MOVE /dav/f.txt", "Destination: /dav/made/by/move.txt"],
      ["MOVE /dav/copy/", "Destination: /dav/moved/"],
      ["MOVE /dav/moved/", "Destination: /dav/other/"],
      ["MOVE /dav/g.txt", "Destination: /dav/dir/f.txt\r\nDepth: 0"],
      ["MOVE /dav/g.txt", "Destination: /dav/dir/f.txt\r\nContent-Length: 1", "x"],
      ["DELETE /dav/dir"],
      ["DELETE /dav/dir/", "Depth: 1"],
      ["DELETE /dav/dir/", "Depth: infinity"],
      ["DELETE /dav/dir/"],
      ["DELETE /dav/new.txt", "Depth: 1"],
      ["DELETE /dav/new.txt", "Depth: nonsense"],
      ["DELETE /dav/new.txt", "Depth: 0"],
      ["DELETE /dav/new.txt"],
      ["DELETE /dav/g.txt/"],
      ["DELETE /dav/g.txt", "Content-Length: 1", "x"],
      ["DELETE /deep/zero.txt"],
      ["DELETE /deep/tree/c.txt"],
      ["DELETE /no/g.txt"],
      ["PROPFIND /dav/"],
      ["POST /dav/zero.txt", "Content-Length: 0"],
    ],
  ],
];
