#!/bin/sh
# Fails where ../dist is not what these sources build: installs what the lock file names, checks types and
# tests, builds, and compares byte for byte with what is committed.
set -eu
cd "$(dirname "$0")"
before=$(mktemp -d)
trap 'rm -rf "$before"' EXIT
cp -R ../dist "$before/dist"
npm ci --no-audit --no-fund
npm run types
npm test
npm run build
diff -rq "$before/dist" ../dist || {
  echo "dashboards/dist is not what dashboards/web builds: commit the new build" >&2
  exit 1
}
gzip -9 -c ../dist/assets/app.js | wc -c | {
  read -r n_bytes
  [ "$n_bytes" -le 60000 ] || { echo "app.js is $n_bytes bytes gzipped: 60000 are allowed" >&2; exit 1; }
}
