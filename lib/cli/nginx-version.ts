// SPDX-License-Identifier: MIT
// The texts of -v and -V. Tools read, by a slash and digits, which nginx's behaviour this is, the OpenSSL it is linked to, and the modules it has.
import { nginxVersion } from "../conf/compile.js";
import { specOf } from "../conf/directives/index.js";
import { complain } from "./report.js";
import { version } from "./version.js";

/** Modules of nginx that its build must ask for, by the names of its configure script, each with a directive of its own. */
const optional: Record<string, string> = {
  http_addition_module: "add_after_body",
  http_auth_request_module: "auth_request",
  http_dav_module: "dav_methods",
  http_gunzip_module: "gunzip",
  http_gzip_static_module: "gzip_static",
  http_random_index_module: "random_index",
  http_realip_module: "real_ip_header",
  http_secure_link_module: "secure_link",
  http_slice_module: "slice",
  http_stub_status_module: "stub_status",
  http_sub_module: "sub_filter",
};
/** Those that every build has unless told otherwise. */
const usual: Record<string, string> = {
  http_browser_module: "ancient_browser",
  http_charset_module: "charset_map",
  http_fastcgi_module: "fastcgi_pass",
  http_grpc_module: "grpc_pass",
  http_memcached_module: "memcached_pass",
  http_scgi_module: "scgi_pass",
  http_ssi_module: "ssi",
  http_userid_module: "userid",
  http_uwsgi_module: "uwsgi_pass",
};

/** Prints them to standard error, as nginx does. */
export function printVersion(withConfigure: boolean): void {
  complain(`nginx version: nginx/${nginxVersion} (moonwire ${version()})`);
  if (!withConfigure) return;
  const openssl = /^[\d.]+[a-z]?/.exec(process.versions.openssl)?.[0] ?? "";
  complain(`built with OpenSSL ${openssl} (node ${process.versions.node})`);
  complain("TLS SNI support enabled");
  const options = [
    ...Object.keys(optional).flatMap((m) => (specOf(optional[m]!) ? [`--with-${m}`] : [])),
    "--with-pcre-jit --with-threads",
    ...Object.keys(usual).flatMap((m) => (specOf(usual[m]!) ? [] : [`--without-${m}`])),
  ];
  complain(`configure arguments: ${options.join(" ")}`);
}
