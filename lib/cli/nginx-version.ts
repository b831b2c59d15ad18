// SPDX-License-Identifier: MIT
// The texts of -v and -V. Tools read, by a slash and digits, which nginx's behaviour this is, the OpenSSL it is linked to, and the modules it has.
import { nginxVersion } from "../conf/compile.js";
import { complain } from "./report.js";
import { version } from "./version.js";

/** nginx's modules that are mirrored, by the names of its configure script. */
const present = ["http_realip_module", "http_gzip_static_module", "threads", "pcre-jit"];
const absent = ["http_fastcgi_module", "http_uwsgi_module", "http_scgi_module", "http_grpc_module"];

/** Prints them to standard error, as nginx does. */
export function printVersion(withConfigure: boolean): void {
  complain(`nginx version: nginx/${nginxVersion} (moonwire ${version()})`);
  if (!withConfigure) return;
  const openssl = /^[\d.]+[a-z]?/.exec(process.versions.openssl)?.[0] ?? "";
  complain(`built with OpenSSL ${openssl} (node ${process.versions.node})`);
  complain("TLS SNI support enabled");
  const options = [...present.map((m) => `--with-${m}`), ...absent.map((m) => `--without-${m}`)];
  complain(`configure arguments: ${options.join(" ")}`);
}
