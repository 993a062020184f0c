#!/bin/sh
# Gets the web SDK that the demo page uses, as package-lock.json pins it. Does nothing when it is there already, and
# says so and ends well when npm is not or its registry does not answer: only the demo page is without it then.
set -u
cd "$(dirname "$0")/sdk" || exit 1
[ node_modules/.package-lock.json -nt package-lock.json ] && exit 0
if ! command -v npm >/dev/null 2>&1; then
    echo "no npm: the demo page has no SDK; everything else works" >&2
    exit 0
fi
npm ci --ignore-scripts --no-audit --no-fund --fetch-retries=1 --fetch-timeout=20000 >/dev/null 2>&1 ||
    { rm -rf node_modules && echo "npm cannot get the web SDK: the demo page is without; everything else works" >&2; }
exit 0
