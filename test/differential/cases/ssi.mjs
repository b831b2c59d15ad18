// SPDX-License-Identifier: MIT
// Pages with SSI commands for modules-nginx.mjs: [page, arguments of the request]. What Moonwire does beyond nginx is not among
// them: `if` inside `if`, and a regex that ends in "$".
const cases = [
  ['<!--# if expr="$arg_v = /ABC/" -->Y<!--# endif -->', "v=xabcx"],
  ['<!--# if expr="EQUAL = $arg_v" -->Y<!--# else -->N<!--# endif -->', "v=EQUAL"],
  ['<!--# if expr="$arg_v = EQUAL" -->Y<!--# else -->N<!--# endif -->', "v=EQUAL"],
  ['<!--# if expr="" -->Y<!--# else -->N<!--# endif -->'],
  ['<!--# if expr="= x" -->Y<!--# else -->N<!--# endif -->'],
  ['<!--# if expr="$arg_v == x" -->Y<!--# else -->N<!--# endif -->', "v=x"],
  ['<!--# if expr="$arg_v < x" -->Y<!--# else -->N<!--# endif -->', "v=x"],
  ['<!--# if expr="$arg_v = /x" -->Y<!--# else -->N<!--# endif -->', "v=/x"],
  ['<!--# if expr="$arg_v = \\/x/" -->Y<!--# else -->N<!--# endif -->', "v=/x/"],
  ['<!--# if expr="$arg_v = /(/" -->Y<!--# else -->N<!--# endif -->', "v=x"],
  ['<!--# if expr="$arg_v = /x\\$/" -->Y<!--# endif -->', "v=x"],
  ['<!--# if expr="$arg_v = " -->1<!--# else -->2<!--# endif -->'],
  ['<!--# if expr="$arg_v=abcd " -->1<!--# else -->2<!--# endif -->', "v=abcd"],
  ['<!--# if expr="a.b = a.b" -->1<!--# else -->2<!--# endif -->'],
  ['<!--# if expr="a" foo="b" -->1<!--# else x="1" -->2<!--# endif a="1" -->'],
  ['<!--# if expr="${arg_w}b = $arg_v" -->Y<!--# endif -->', "v=ab&w=a"],
  ["<!--# endif -->z<!--# else -->y<!--# elif expr='a' -->x"],
  ['<!--# if expr="a" -->1<!--# else -->2<!--# else -->3<!--# endif -->z'],
  ['<!--# if expr="a" -->1<!--# else -->2<!--# elif expr="b" -->3<!--# endif -->z'],
  ['<!--# if expr="$arg_v" -->1', "v=1"],
  ['<!--# if expr="$arg_w" -->1', "v=1"],
  [
    '<!--# if expr="$arg_v = /(?<n>b)(c)/" --><!--# echo var="n" -->,<!--# echo var="1" -->,<!--# echo var="2" -->,' +
      '<!--# echo var="3" -->,<!--# echo var="0" -->,<!--# set var="q" value="$2-$n-$0-$9" --><!--# echo var="q" --><!--# endif -->',
    "v=abcd",
  ],
  [
    '<!--# if expr="$arg_v = /(b)/" --><!--# endif --><!--# if expr="$arg_v = /z/" --><!--# endif --><!--# echo var="1" -->',
    "v=b",
  ],
  ['<!--# foo -->z<!--#echo -->y<!--#echo var="uri" foo="x" -->x<!--#echo var="uri" var="x" -->w'],
  ['<!--#echo var="nope" -->|<!--#echo var="nope" default="d<$uri>" -->|<!--#echo var="arg_e" default="d" -->', "e="],
  ['<!--#echo var="uri" encoding="bad" -->|<!--#echo var=\'uri\' -->|<!--#echo var = "uri" -->'],
  ['<!--#echo var=uri -->1<!--#echo var "uri" -->2<!--#echo var="uri"encoding="none" -->3<!--#echo var="uri"--x>y-->4'],
  ['<!--#ECHO VAR="URI" -->1<!--#echo VAR="URI" -->2<!--#echo var="URI" -->'],
  [
    '<!--#echo var="arg_v" encoding="url" -->|<!--#echo var="arg_v" -->|<!--#echo var="arg_v" encoding="none" -->',
    "v=a<b>\"c'd%20f$+/?:;@",
  ],
  ['<!--#set var="x" value="1\\"2\\$3\\\\4\\n" --><!--#echo var="x" encoding="none" -->'],
  ['<!--#set var="x" value="$uri ${uri}x $nope y$" -->|<!--#echo var="x" -->'],
  ['<!--#set var="x" value="${uri" -->|<!--#set var="y" value="$-" -->|<!--#echo var="x" --><!--#echo var="y" -->'],
  [
    '<!--#set var="URI" value="mine" -->|<!--#echo var="uri" -->|<!--#set var="x" value="" -->[<!--#echo var="x" default="d" -->]',
  ],
  ['<!--#set var="1" value="mine" --><!--#echo var="1" default="D" -->'],
  [`<!--#set var='x' value='${"v".repeat(256)}' -->1<!--#set var='x' value='${"v".repeat(255)}' -->2`],
  ['<!--#this_is_a_very_long_command_name_x y="1" -->1<!--#echo this_is_a_very_long_parameter_name_x="1" -->2'],
  ['<!--#config errmsg="ERR" --><!--#foo --><!--#config errmsg="$uri" --><!--#foo -->'],
  [
    '<!--#config timefmt="%Y" --><!--#echo var="date_gmt" --><!--#config timefmt="%d" --><!--#echo var="date_gmt" default="x" -->',
  ],
  ['<!--#include -->1<!--#include virtual="/r?x=1" file="b" -->2<!--#include virtual="/r?x=1" wait="maybe" -->3'],
  [
    '<!--#include virtual="/r?x=1" stub="a" set="b" -->1<!--#include file="r" wait="yes" -->2<!--#include virtual="/../r" -->3',
  ],
  [
    '<!--#include virtual="$nope" -->1<!--#include virtual="" -->2<!--#include virtual="r?x=3" -->4<!--#include file="page.html" -->',
  ],
  ['a<!--#include virtual="/nope" -->z'],
  ['a<!--#include virtual="/nope" stub="none" -->z'],
  [
    '<!--#block name="one" -->STUB <!--#echo var="uri" --><!--#endblock -->b<!--#include virtual="/nope" stub="one" -->z',
  ],
  [
    '<!--#block name="o" -->STUB<!--#endblock -->b<!--#include virtual="/r" stub="o" -->c<!--#include virtual="/r?x=4" stub="o" -->z',
  ],
  ['<!--#block name="one" --><!--#endblock -->b<!--#include virtual="/nope" stub="one" -->z'],
  ["<!--#endblock -->b<!--#block -->c<!--#endblock -->z"],
  [
    '<!--#block name="o" -->1<!--#block name="t" -->2<!--#endblock -->b<!--#endblock -->z<!--#include virtual="/nope" stub="o" -->|<!--#include virtual="/nope" stub="t" -->',
  ],
  [
    '<!--#block name="o" -->1<!--#foo --><!--#if expr="a" -->2<!--#else -->3<!--#endif --><!--#endblock -->z<!--#include virtual="/nope" stub="o" -->',
  ],
  [
    '<!--#block name="o" -->1<!--#endblock --><!--#block name="o" -->2<!--#endblock -->z<!--#include virtual="/nope" stub="o" -->',
  ],
  ['<!--#block name="one" --><!--#echo bad --><!--#endblock -->b<!--#include virtual="/nope" stub="one" -->z'],
  ['<!--#if expr="$nope" --><!--#foo --><!--#echo --><!--#echo bad --><!--#endif -->z'],
  ['<!--#include virtual="/nope" set="s" -->[<!--#echo var="s" default="D" -->]z<!--#echo var="t" default="D" -->'],
  ['<!--#include virtual="/r?x=$arg_v" wait="no" -->|<!--#include virtual="/r?x=2" wait="yes" -->z', "v=q"],
  ['a<!--#echo var="uri" '],
  [
    'a<!-<!--#echo var="uri" --><<<!--#echo var="uri" --><!<!--#echo var="uri" --><!--<!--#echo var="uri" --><!---#echo-->',
  ],
];

/** The pages by their names. */
export const ssiFiles = Object.fromEntries(cases.map(([page], i) => [`ssi/${i}.html`, `a${page}z`]));

/** A group of modules.mjs. */
export const ssiGroup = [
  "ssi",
  "",
  `ssi on; location = /r { default_type text/html; return 200 "$arg_x"; } location = /ssi/r { default_type text/html; return 200 "$arg_x"; }
   location /silent/ { ssi_silent_errors on; alias __ROOT__/ssi/; } location /last/ { ssi_last_modified on; alias __ROOT__/ssi/; }
   location /types/ { ssi_types text/plain; types { } default_type text/plain; alias __ROOT__/ssi/; }
   location /off/ { ssi off; alias __ROOT__/ssi/; } location /other/ { types { } default_type text/css; alias __ROOT__/ssi/; }
   location /short/ { ssi_value_length 4; alias __ROOT__/ssi/; } location /empty { default_type text/html; return 200 ""; }`,
  [
    ...cases.map(([, args = ""], i) => [`GET /ssi/${i}.html?${args}`]),
    ...["silent", "last", "types", "off", "other", "short"].map((folder) => [`GET /${folder}/23.html`]),
    ["GET /empty"],
    ["HEAD /ssi/23.html"],
    ["HTTP/1.0 /ssi/23.html"],
    ["GET /ssi/23.html", "Range: bytes=0-3"],
    ["GET /ssi/23.html", "If-Modified-Since: Sun, 13 Mar 2011 07:06:40 GMT"],
  ],
];
