#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs one test file: SUITE FILE LIB SECONDS LOG. As root inside namespaces of its own (run.mjs sees to it), so that ports and
# host state are never shared; the services that the suite talks to are started there, those that are installed.
suite=$1 file=$2 lib=$3 seconds=$4 log=$5
here=$(cd "$(dirname "$0")" && pwd)
cd "$suite" || exit 255

# MariaDB with the account and the tables that the suite's blocks expect; it takes seconds, so only for those that talk to it.
start_mariadb() {
  mariadb=$(mktemp -d)
  cat >"$mariadb/init.sql" <<'END'
CREATE DATABASE ngx_test;
CREATE USER ngx_test@'%' IDENTIFIED BY 'ngx_test';
GRANT ALL ON *.* TO ngx_test@'%';
CREATE TABLE ngx_test.conv_uid (id serial primary key, new_uid integer, old_uid integer);
INSERT INTO ngx_test.conv_uid (old_uid, new_uid) VALUES (32, 56), (35, 78);
CREATE TABLE ngx_test.my_url_map (seo_url varchar(60), url varchar(60));
INSERT INTO ngx_test.my_url_map VALUES ('/baz', '/foo/bar');
END
  "$here/../helpers/mariadb.sh" "$mariadb" 3306 &
  for ((i = 0; i < 600; i++)); do
    if [ -S "$mariadb/sock" ] || ! kill -0 $! 2>/dev/null; then break; fi
    sleep 0.1
  done
}

# The public hosts that the suite's blocks talk to, all on loopback, and a web server on their port 80.
public_hosts() {
  local host names=()
  for host in localhost agentzh.org openresty.org www.openresty.org openresty.com sregex.org www.google.com www.taobao.com \
    google-public-dns-a.google.com; do
    names+=("--host-record=$host,127.0.0.1")
  done
  dnsmasq --no-daemon --conf-file=/dev/null --listen-address=127.0.0.1 --bind-interfaces --no-resolv --no-hosts --local=/#/ \
    "${names[@]}" --user=nobody --pid-file= >/dev/null 2>&1 &
  command -v nginx >/dev/null || return
  web=$(mktemp -d)
  cat >"$web/nginx.conf" <<END
worker_processes 1; pid $web/pid; error_log $web/error.log; events { worker_connections 256; }
http {
  access_log off; default_type text/html; client_body_temp_path $web; proxy_temp_path $web; fastcgi_temp_path $web;
  uwsgi_temp_path $web; scgi_temp_path $web;
  server { listen 127.0.0.1:80; location / { return 200 "public\n"; } }
}
END
  nginx -p "$web/" -c "$web/nginx.conf" -e "$web/error.log" 2>/dev/null
}

as=()
if [ "$(id -u)" = 0 ]; then
  as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
  ip link set lo up 2>/dev/null
  # Addresses that never answer, for timeouts of connections.
  { ip link add v0 type veth peer name v1; ip addr add 10.99.0.1/24 dev v0; ip link set v0 up; ip link set v1 up
    ip route add default via 10.99.0.2 dev v0 src 10.99.0.1; ip route add prohibit 0.0.0.1/32
    iptables -I OUTPUT 1 -p udp --dport 10086 -j REJECT
    iptables -I OUTPUT -p tcp --dst 127.0.0.2 --dport 12345 -j DROP
    iptables -I OUTPUT -p udp --dst 127.0.0.2 --dport 12345 -j DROP; } 2>/dev/null
  sysctl -qw net.ipv4.ip_unprivileged_port_start=1024 net.ipv4.tcp_tw_reuse=1 2>/dev/null
  command -v memcached >/dev/null && memcached -u nobody -d -l 127.0.0.1 -p 11211 -U 11211 -m 64
  command -v redis-server >/dev/null &&
    redis-server --bind 127.0.0.1 --port 6379 --save "" --appendonly no --daemonize yes --dir /tmp --logfile /dev/null >/dev/null
  command -v dnsmasq >/dev/null && public_hosts
  sleep 0.1
  grep -qE 'drizzle_server|resty\.mysql' "$file" && start_mariadb
fi
export TEST_NGINX_TIMEOUT=${TEST_NGINX_TIMEOUT:-5} TEST_NGINX_SLEEP=${TEST_NGINX_SLEEP:-0.006}
export TEST_NGINX_RESOLVER=127.0.0.1 TEST_NGINX_NO_SHUFFLE=1 TEST_NGINX_SKIP_COSOCKET_LOG_TEST=1 TEST_NGINX_OPENRESTY_ORG_IP=127.0.0.1
export TEST_NGINX_HTTP3_CRT=$PWD/t/cert/http3/http3.crt TEST_NGINX_HTTP3_KEY=$PWD/t/cert/http3/http3.key HOME=/tmp
mock=()
if [ -n "$MOONWIRE_MOCK" ]; then mock=("LD_PRELOAD=$MOONWIRE_MOCK" "LD_LIBRARY_PATH=$(dirname "$MOONWIRE_MOCK")"); fi
ulimit -c 0
timeout -k 3 "$seconds" "${as[@]}" env "${mock[@]}" perl -I. -I"$lib" "$file" >"$log.tap" 2>"$log.err" </dev/null
code=$?
rm -rf t/servroot* ${mariadb:+"$mariadb"} ${web:+"$web"}
exit $code
