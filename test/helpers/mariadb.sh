#!/bin/bash
# SPDX-License-Identifier: MIT
# A private MariaDB: FOLDER PORT [ARGUMENT of mariadbd ...]. It keeps its data in the folder, which is made, and listens on FOLDER/sock and,
# unless PORT is 0, on that port of 127.0.0.1. FOLDER/init.sql, where there is one, runs before anybody connects. It is this
# process: it ends with it. Exits 127 when Debian's mariadb-server is not installed.
set -eu
export PATH=$PATH:/usr/sbin
folder=$1 port=$2
shift 2
command -v mariadbd >/dev/null && command -v mariadb-install-db >/dev/null || exit 127
options=(--no-defaults --datadir="$folder/data" --innodb-log-file-size=4M --innodb-buffer-pool-size=16M)
if [ "$(id -u)" = 0 ]; then options+=(--user=root); fi
mariadb-install-db "${options[@]}" --auth-root-authentication-method=normal --skip-test-db >"$folder/install.log" 2>&1
options+=(--socket="$folder/sock" --pid-file="$folder/pid" --innodb-flush-log-at-trx-commit=0 --skip-name-resolve)
if [ "$port" = 0 ]; then options+=(--skip-networking); else options+=(--bind-address=127.0.0.1 --port="$port"); fi
if [ -e "$folder/init.sql" ]; then options+=(--init-file="$folder/init.sql"); fi
exec mariadbd "${options[@]}" "$@" >"$folder/log" 2>&1
