"""The real kubectl deploys, scales, breaks and undoes at a small API server, which the real dorado watches: its deployments
must be what kubectl did, also where the API server forgets the past or Dorado is killed meanwhile. Both connect by the
kubeconfig that kubectl wrote.

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
kubeconfig = work / "kubeconfig"
TOKEN = "a-token-of-the-tests"


def certificate(name, *extensions):
    """A certificate and its key, by openssl."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    command += ["-keyout", f"{name}.key", "-out", f"{name}.crt", "-subj", f"/CN={name}"]
    subprocess.run(command + [word for given in extensions for word in ("-addext", given)], cwd=work, check=True, capture_output=True)
    return work / f"{name}.crt", work / f"{name}.key"


def run(*words, stdin=None):
    command = [kubectl, "--kubeconfig", kubeconfig, *words]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, env={"HOME": str(work)})
    if done.returncode:
        sys.exit(f"{' '.join(words)}: {done.stderr}")
    return done.stdout


def configure(url, authority, client_certificate, client_key):
    """Has kubectl write a kubeconfig with a user for each way to sign in, and a context of its name for each."""
    credential = {"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1", "status": {"token": TOKEN}}
    plugin = work / "bin" / "plugin"
    plugin.parent.mkdir()
    plugin.write_text(f"#!/bin/sh\necho '{json.dumps(credential)}'\n")
    plugin.chmod(0o755)
    run("config", "set-cluster", "eu", f"--server={url}", f"--certificate-authority={authority}", "--embed-certs")
    users = {
        "certificate": [f"--client-certificate={client_certificate}", f"--client-key={client_key}"],
        "embedded": [f"--client-certificate={client_certificate}", f"--client-key={client_key}", "--embed-certs"],
        "token": [f"--token={TOKEN}"],
        "plugin": [f"--exec-command={plugin}", "--exec-api-version=client.authentication.k8s.io/v1", "--exec-interactive-mode=IfAvailable"],
        "nobody": ["--token=another"],
    }
    for name, words in users.items():
        run("config", "set-credentials", name, *words)
        run("config", "set-context", name, "--cluster=eu", f"--user={name}", "--namespace=harbour-prod")
    run("config", "use-context", "certificate")
    return list(users)


def connection(name, *lines):
    return "\n".join(["[[connection]]", 'source = "kubernetes"', f'name = "{name}"', f'kubeconfig = "{kubeconfig}"', *lines, ""])


def test_each(names):
    """Signs in to the cluster in every way."""
    config = work / "contexts.toml"
    config.write_text("".join(connection(name, f'context = "{name}"') for name in names))
    words = [dorado, "--config", config, "sources", "test"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    said = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    for name in names:
        expected = "the token is missing, wrong" if name == "nobody" else "fine; Kubernetes v1.37.1"
        if expected not in said.get(f"kubernetes/{name}", ""):
            sys.exit(f"NOT OK: the context `{name}`: {done.stdout}{done.stderr}")
    assert TOKEN not in done.stdout + done.stderr
    print("ok: each context of the kubeconfig says how to sign in")


def ask(path):
    with urllib.request.urlopen(f"{address}/api/v1/{path}") as answer:
        return json.load(answer)["data"]


def deployments(service):
    rows = [row for row in ask("deployments?from=2026-01-01&to=2099-01-01") if row["service"] == service]
    return sorted(((row["deployment"].rsplit("@")[-1], row["status"], row["version"], row["revision"]) for row in rows))


def expect(what, expected, service="quay"):
    """Waits until the deployments are these: number, status, version, revision."""
    until = time.time() + 60
    while (found := deployments(service)) != expected and time.time() < until:
        time.sleep(0.2)
    if found != expected:
        sys.exit(f"NOT OK: {what}: expected {expected}, found {found}")
    print(f"ok: {what}")


def roll_out(*words, workload="deployment/quay"):
    run(*words)
    run("rollout", "status", workload, "--timeout=30s")


def manifest_of(kind, name):
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": name, "image": f"{name}:1.0.0"}]}}
    spec = {"selector": {"matchLabels": {"app": name}}, "updateStrategy": {"type": "RollingUpdate"}, "template": template}
    return json.dumps({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": spec})


def serve():
    """Starts dorado; gives the process and its address."""
    (work / "dorado.toml").write_text(connection("eu"))
    server = subprocess.Popen(
        [dorado, "serve", "--config", work / "dorado.toml", "--data", work / "data", "--listen", "127.0.0.1:0"],
        stdout=subprocess.PIPE,
        stderr=(work / "log").open("a"),
        text=True,
    )
    return server, next(line.split()[-1] for line in server.stdout if line.startswith("listening on "))


authority, key = certificate("server", "subjectAltName=IP:127.0.0.1", "basicConstraints=critical,CA:FALSE")
client_certificate, client_key = certificate("client")
cluster, url = api_server.start(authority, key, client_certificate, TOKEN)
test_each(configure(url, authority, client_certificate, client_key))
server, address = serve()
try:
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
    cluster.forget()
    run("set", "image", "deployment/quay", "quay=quay:broken")
    failed = ("3", "failed", "broken", None)
    expect("scaling is none, and a rollout past its deadline failed, also where the past was forgotten", [first, second, failed])

    roll_out("rollout", "undo", "deployment/quay", "--to-revision=1")
    fourth = ("4", "success", "1.0.0", None)
    expect("going back is a deployment of the old version", [first, second, failed, fourth])

    for kind, name in [("StatefulSet", "ledger"), ("DaemonSet", "agent")]:
        workload = f"{kind}/{name}".lower()
        run("create", "--validate=false", "-f", "-", stdin=manifest_of(kind, name))
        run("rollout", "status", workload, "--timeout=30s")
        roll_out("set", "image", workload, f"{name}={name}:2.0.0", workload=workload)
        roll_out("rollout", "undo", workload, workload=workload)
        told = [(number, "success", version, None) for number, version in [("1", "1.0.0"), ("2", "2.0.0"), ("3", "1.0.0")]]
        expect(f"a {kind} is deployed, changed and taken back", told, name)

    server.kill()
    server.wait()
    roll_out("set", "image", "deployment/quay", "quay=quay:1.1.0")
    roll_out("set", "image", "deployment/quay", "quay=quay:1.2.0")
    server, address = serve()
    missed = [("5", "success", "1.1.0", None), ("6", "success", "1.2.0", None)]
    expect("what came and went while Dorado was killed is told", [first, second, failed, fourth, *missed])
    assert "quay" in run("get", "deployments"), "kubectl lists them"
finally:
    server.terminate()
    server.wait()
