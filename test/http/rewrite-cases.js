// SPDX-License-Identifier: MIT
// Configurations of the rewrite module with their requests. test/http/rewrite-table.test.mjs says what each answers, also
// of Debian's nginx, with MOONWIRE_TEST_AGAINST=nginx.

/** [title, server block, [[path, answer]...], http block]. An answer: a body (status 200), or `STATUS BODY`, `STATUS -> LOCATION`. */
export const rewriteCases = [
  [
    "set: order, captures, concatenation, redefinition",
    `set $s server; location ~ ^/set/(\\w+)/(\\w+)$ { set $a $1; set $b "$2-$a-$s"; set $a x$a; return 200 "$a|$b|$1"; }
     location /args { set $args q=9; return 200 "$args|$arg_q|$query_string|$is_args"; }
     location /un { return 200 "[$late]"; } location /late { set $late 1; return 200 $late; }`,
    [
      ["/set/ab/cd", "xab|cd-ab-server|ab"],
      ["/args?q=1", "q=9|9|q=9|?"],
      ["/un", "[]"],
      ["/late", "1"],
    ],
  ],
  [
    "set: captures of an escaped path are escaped",
    `location ~ ^/e/(.*)$ { set $a $1; return 200 "$a|$1"; }
     location ~ ^/f/(.*)$ { rewrite ^/f/(x)$ /f/$1 break; set $a $1; return 200 "$a|$1"; }`,
    [
      ["/e/a%20b", "a%20b|a b"],
      ["/e/a+b", "a%2Bb|a+b"],
      ["/e/ab", "ab|ab"],
    ],
  ],
  [
    "if: every operator",
    `location / { set $r ""; set $e ""; set $zero 0; set $v Abc;
       if ($arg_a) { set $r "\${r}t"; } if ($e) { set $r "\${r}!"; } if ($zero) { set $r "\${r}!"; }
       if ($v = Abc) { set $r "\${r}="; } if ($v != Abc) { set $r "\${r}!"; } if ( $v != abc ) { set $r "\${r}n"; }
       if ($v ~ b) { set $r "\${r}~"; } if ($v ~ B) { set $r "\${r}!"; } if ($v ~* B) { set $r "\${r}*"; }
       if ($v !~ B) { set $r "\${r}N"; } if ($v !~* B) { set $r "\${r}!"; } if ($v = "$v") { set $r "\${r}v"; }
       if ($v ~ "^(A)(?<rest>.*)$") { set $r "\${r}[$1$rest]"; }
       return 200 $r; }`,
    [
      ["/", "=n~*Nv[Abc]"],
      ["/?a=1", "t=n~*Nv[Abc]"],
      ["/?a=0", "=n~*Nv[Abc]"],
    ],
  ],
  [
    "if: files",
    `root __PREFIX__/html; location / { set $r "";
       if (-f $request_filename) { set $r "\${r}f"; } if (!-f $request_filename) { set $r "\${r}F"; }
       if (-d $request_filename) { set $r "\${r}d"; } if (!-d $request_filename) { set $r "\${r}D"; }
       if (-e $request_filename) { set $r "\${r}e"; } if (!-e $request_filename) { set $r "\${r}E"; }
       if (-x $request_filename) { set $r "\${r}x"; } if (!-x $request_filename) { set $r "\${r}X"; } return 200 $r; }`,
    [
      ["/a.txt", "fDeX"],
      ["/dir", "Fdex"],
      ["/none", "FDEX"],
      ["/a.txt/x", "FDEX"],
    ],
  ],
  [
    "if: configuration of a location, the last one counts",
    `location / { add_header X outer; set $r "";
       if ($arg_a) { add_header X a; set $r "\${r}a"; } if ($arg_b) { add_header Y b; set $r "\${r}b"; }
       if ($arg_c) { set $r "\${r}c"; }
       return 200 "$r"; }
     location /r { root __PREFIX__/html; if ($arg_d) { root __PREFIX__/html/dir; } rewrite ^/r/(.*) /$1 break; }
     location /h { if ($arg_s) { return 403; } return 200 "plain $uri"; }`,
    [
      ["/", "200  {X: outer}"],
      ["/?a=1", "200 a {X: a}"],
      ["/?a=1&b=1", "200 ab {Y: b}"],
      ["/?a=1&c=1", "200 ac {X: outer}"],
      ["/r/a.txt", "a"],
      ["/r/two.html?d=1", "two"],
      ["/r/a.txt?d=1", "404"],
      ["/h?s=1", "403"],
      ["/h", "plain /h"],
    ],
  ],
  [
    "rewrite: last, break, no flag, arguments",
    `location /a { rewrite ^/a/(.*)$ /b/$1 last; return 200 never; } location /b { return 200 "b $uri $args"; }
     location /c { rewrite ^/c/(.*)$ /x/$1 break; return 200 never; } 
     location /d { rewrite ^/d/(.*)$ /b/$1; rewrite ^/b/(.*)$ /b/twice/$1; set $x $1; }
     location /e { rewrite ^/e/(.*)$ /b/$1?new=$1 last; } location /f { rewrite ^/f/(.*)$ /b/$1? last; }
     location /g { rewrite ^/g/(.*)$ /b/$1?only=1? last; } location /h { rewrite ^/h/x(.*)$ /b/$arg_q/$1 last; return 200 "no $1"; }
     location /i { rewrite ^ /b/i last; } location /none { rewrite ^/other /b; return 200 "stays $uri"; }
     location /j { rewrite (?<n>j+)$ /b/$n last; } location /k { if ($uri ~ ^/k/(.+)$) { rewrite ^ /b/$1 last; } return 200 k; }`,
    [
      ["/a/one?q=1", "b /b/one q=1"],
      ["/d/one?q=1", "b /b/twice/one q=1"],
      ["/e/one?q=1", "b /b/one new=one&q=1"],
      ["/e/one", "b /b/one new=one"],
      ["/f/one?q=1", "b /b/one "],
      ["/g/one?q=1", "b /b/one only=1"],
      ["/h/xy?q=val", "b /b/val/y q=val"],
      ["/h/z", "no "],
      ["/i?z", "b /b/i z"],
      ["/none", "stays /none"],
      ["/jjj", "b /b/jjj "],
      ["/k/deep", "b /b/ "],
      ["/k", "k"],
      ["/e/a%20b", "b /b/a b new=a%20b"],
      ["/c/one", "404"],
    ],
  ],
  [
    "rewrite: redirects",
    `location /a { rewrite ^/a/(.*)$ /b/$1 redirect; } location /b { rewrite ^/b/(.*)$ http://x.y/$1 permanent; }
     location /c { rewrite ^/c/(.*)$ https://x.y/$1?a=b; } location /d { rewrite ^/d/(.*)$ http://x.y/$1? last; }
     location /e { rewrite ^/e/(.*)$ $scheme://x.y/$1 break; } location /f { rewrite ^ /g? permanent; }`,
    [
      ["/a/one?q=1", "302 -> http://h:__PORT__/b/one?q=1"],
      ["/b/one?q=1", "301 -> http://x.y/one?q=1"],
      ["/c/one?q=1", "302 -> https://x.y/one?a=b&q=1"],
      ["/d/one?q=1", "302 -> http://x.y/one"],
      ["/e/one?q=1", "302 -> http://x.y/one?q=1"],
      ["/f?x", "301 -> http://h:__PORT__/g"],
      ["/a/a%20b", "302 -> http://h:__PORT__/b/a%20b"],
      ["/a/a%2fb%3f", "302 -> http://h:__PORT__/b/a/b?"],
    ],
  ],
  [
    "rewrite: cycles and empty URIs",
    `location /loop { rewrite ^ /loop last; } location /two { rewrite ^ /three last; } location /three { rewrite ^ /two last; }
     location /empty { rewrite ^ "$arg_none" last; }`,
    [
      ["/loop", "500"],
      ["/two", "500"],
      ["/empty", "500"],
    ],
  ],
  [
    "server level: rewrite, if, return, break",
    `set $top 1; rewrite ^/old/(.*)$ /new/$1 last; rewrite ^/r$ http://x.y/ redirect;
     if ($arg_stop) { return 403; } if ($arg_b) { set $top 2; break; } set $late yes;
     location /new { return 200 "new $uri $top $late"; } location /gone { return 410 "gone $top"; } location / { return 200 "root $top $late"; }`,
    [
      ["/old/x", "new /new/x 1 "],
      ["/new/y", "new /new/y 1 yes"],
      ["/new/y?b=1", "new /new/y 2 "],
      ["/r", "302 -> http://x.y/"],
      ["/?stop=1", "403"],
      ["/gone", "410 gone 1"],
    ],
  ],
  [
    "break and return",
    `location /b { set $x 1; break; set $x 2; root __PREFIX__/html; } location /c { set $x 1; if ($x) { set $x 2; break; } return 200 never; }
     location /n { return 204; } location /t { return 404 "text $uri"; } location /u { return http://x.y$uri; } location /m { return 301 /n; }
     location /e { return 200; } location /p { return 307 "https://$host/"; } location /i { error_page 403 = /t; return 403; }`,
    [
      ["/b/x", "404"],
      ["/c", "404"],
      ["/n", "204"],
      ["/t", "404 text /t"],
      ["/u/v", "302 -> http://x.y/u/v"],
      ["/m", "301 -> http://h:__PORT__/n"],
      ["/e", ""],
      ["/p", "307 -> https://h/"],
      ["/i", "404 text /t"],
    ],
  ],
];

/** Files below the prefix. */
export const rewriteFiles = { "html/a.txt": "a", "html/dir/two.html": "two" };

/** An answer in the words of the table; headers X and Y and Location where the expectation names them. */
export function shown(answer, expected) {
  const { status, headers, body } = answer;
  if (expected.includes("->")) return `${status} -> ${headers["location"]?.[0]}`;
  const seen = ["x", "y"].filter((n) => headers[n]).map((n) => `${n.toUpperCase()}: ${headers[n].join(", ")}`);
  if (expected.includes("{")) return `${status} ${body} {${seen.join("; ")}}`;
  if (/^\d{3}$/.test(expected)) return String(status);
  return status === 200 ? body : `${status} ${body}`;
}
