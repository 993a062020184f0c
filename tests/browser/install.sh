#!/bin/sh
# Installs Debian's Chromium when there is none and this is root on a machine with apt. Without it the tests in a
# browser are skipped and say so.
set -u
for name in "${CHROMIUM:-chromium}" chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null 2>&1 && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y --no-install-recommends chromium >/dev/null 2>&1 ||
        { apt-get update >/dev/null 2>&1 && apt-get install -y --no-install-recommends chromium >/dev/null 2>&1; }
fi
command -v chromium >/dev/null 2>&1 || echo "no Chromium: the tests in a browser will be skipped" >&2
exit 0
