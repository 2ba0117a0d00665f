"""The real kubectl deploys, scales, breaks and undoes at a small API server, which the real dorado watches: its deployments
must be what kubectl did, also where the API server forgets the past meanwhile.

usage: run.py DORADO KUBECTL
"""

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import api_server

dorado, kubectl = sys.argv[1:3]
SHA = "4f2c1d6b8a90e7f3c5d1b2a49687e0f1c2d3b4a5"
work = Path(tempfile.mkdtemp())
cluster, url = api_server.start()


def run(*words, stdin=None):
    command = [kubectl, "--server", url, "--namespace", "harbour-prod", *words]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, env={"HOME": str(work)})
    if done.returncode:
        sys.exit(f"{' '.join(words)}: {done.stderr}")
    return done.stdout


def ask(path):
    with urllib.request.urlopen(f"{address}/api/v1/{path}") as answer:
        return json.load(answer)["data"]


def deployments():
    rows = ask("deployments?from=2026-01-01&to=2099-01-01")
    return sorted(((row["deployment"].rsplit("@")[-1], row["status"], row["version"], row["revision"]) for row in rows))


def expect(what, expected):
    """Waits until the deployments are these: number, status, version, revision."""
    until = time.time() + 60
    while (found := deployments()) != expected and time.time() < until:
        time.sleep(0.2)
    if found != expected:
        sys.exit(f"NOT OK: {what}: expected {expected}, found {found}")
    print(f"ok: {what}")


def roll_out(*words):
    run(*words)
    run("rollout", "status", "deployment/quay", "--timeout=30s")


(work / "dorado.toml").write_text(f'[[connection]]\nsource = "kubernetes"\nurl = "{url}"\n')
server = subprocess.Popen(
    [dorado, "serve", "--config", work / "dorado.toml", "--data", work / "data", "--listen", "127.0.0.1:0"],
    stdout=subprocess.PIPE,
    stderr=(work / "log").open("w"),
    text=True,
)
try:
    address = next(line.split()[-1] for line in server.stdout if line.startswith("listening on "))
    one, two = "quay:1.0.0", f"quay:{SHA}"
    manifest = run("create", "deployment", "quay", f"--image={one}", "--replicas=2", "--dry-run=client", "-o", "json")
    run("create", "--validate=false", "-f", "-", stdin=manifest)
    run("rollout", "status", "deployment/quay", "--timeout=30s")
    first = ("1", "success", "1.0.0", None)
    expect("a new workload is a deployment", [first])

    roll_out("set", "image", "deployment/quay", f"quay={two}")
    second = ("2", "success", SHA, SHA)
    expect("a new image is one, of the commit in its tag", [first, second])

    run("scale", "deployment/quay", "--replicas=5")
    urllib.request.urlopen(f"{url}/test/forget").read()
    run("set", "image", "deployment/quay", "quay=quay:broken")
    failed = ("3", "failed", "broken", None)
    expect("scaling is none, and a rollout past its deadline failed, also where the past was forgotten", [first, second, failed])

    roll_out("rollout", "undo", "deployment/quay", "--to-revision=1")
    expect("going back is a deployment of the old version", [first, second, failed, ("4", "success", "1.0.0", None)])
    assert "quay" in run("get", "deployments"), "kubectl lists them"
finally:
    server.terminate()
    server.wait()
