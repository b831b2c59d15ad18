#!/bin/sh
# SPDX-License-Identifier: MIT
# The command `moonwire-nginx`: runs nginx.js beside it. Node cannot fork, so a server that is to be a daemon starts in the
# background here; this command ends when it says its exit code on descriptor 3, which is when the server is up or has
# failed. A server that must not be one (`daemon off`) says so and is started again in the foreground.
self=$(readlink -f -- "$0") || exit 1
main=${self%/*}/nginx.js

if [ -z "$MOONWIRE_NGINX_BACKGROUND" ]; then
  for word; do
    case $word in
    -[hvVtTs?]* | -q[tT]* | *daemon*off*) exec node "$main" "$@" ;;
    esac
  done
fi

exec 4>&1
code=$(MOONWIRE_NGINX_BACKGROUND=3 node "$main" "$@" 3>&1 >&4 4>&- &)
case $code in
foreground) MOONWIRE_NGINX_BACKGROUND='' exec node "$main" "$@" ;;
[0-9] | [0-9][0-9] | [0-9][0-9][0-9]) exit "$code" ;;
*) exit 1 ;;
esac
