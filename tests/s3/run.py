"""A lake on a real S3 server (SeaweedFS): imported into, served, told events, killed, opened again, read by delta-rs; and what
happens while the server is gone.

usage: run.py DORADO WEED [--keep-logs]
"""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from deltalake import DeltaTable

dorado, weed = sys.argv[1:3]
work = tempfile.TemporaryDirectory(prefix="dorado-s3-")
root = pathlib.Path(work.name)
KEY, SECRET = "dorado", "dorado-secret"
LAKE = "s3://lake/one"
TABLES = ["changes", "deliveries", "deployments", "incidents", "outcomes", "overrides", "pull_requests", "shipments"]
N_IMPORTED, PATIENCE = 300, 60
running = []


def free_ports(n):
    """Ports below 20,000: SeaweedFS takes each, and the one 10,000 above it."""
    found, port = [], 10_000 + os.getpid() % 5_000
    while len(found) < n:
        port += 1
        try:
            for p in (port, port + 10_000):
                with socket.socket() as s:
                    s.bind(("127.0.0.1", p))
            found.append(port)
        except OSError:
            pass
    return found


MASTER, VOLUME, FILER, S3 = free_ports(4)
STORAGE = {
    "AWS_ACCESS_KEY_ID": KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_ENDPOINT": f"http://127.0.0.1:{S3}",
    "AWS_REGION": "us-east-1",
    "AWS_ALLOW_HTTP": "true",
}


def until(what, holds, patience=PATIENCE):
    begun = time.monotonic()
    while not (found := holds()):
        if time.monotonic() - begun > patience:
            sys.exit(f"NOT OK: {what}: not within {patience} s")
        time.sleep(0.2)
    print(f"ok: {what} ({time.monotonic() - begun:.1f} s)", flush=True)
    return found


def check(what, found, expected):
    if found != expected:
        sys.exit(f"NOT OK: {what}: {found}, not {expected}")
    print(f"ok: {what}: {found}", flush=True)


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()
    running.remove(process)


def start(args, log, **more):
    process = subprocess.Popen(args, stderr=open(root / log, "ab"), **more)
    running.append(process)
    return process


def start_s3():
    identity = {"name": "dorado", "credentials": [{"accessKey": KEY, "secretKey": SECRET}]}
    identity["actions"] = ["Admin", "Read", "Write", "List", "Tagging"]
    (root / "s3.json").write_text(json.dumps({"identities": [identity]}))
    (root / "objects").mkdir(exist_ok=True)
    ports = [f"-master.port={MASTER}", f"-volume.port={VOLUME}", f"-filer.port={FILER}", f"-s3.port={S3}"]
    args = [weed, "server", f"-dir={root / 'objects'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", *ports]
    args += ["-s3", f"-s3.config={root / 's3.json'}", "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]
    args += ["-master.volumeSizeLimitMB=64", "-volume.max=100"]
    process = start(args, "weed.log", stdout=subprocess.DEVNULL)
    until("the S3 server answers", lambda: status(f"http://127.0.0.1:{S3}/") is not None)
    return process


def restart_s3():
    """It answers before its volumes are there; until then, what it keeps is an internal error."""

    def serves():
        try:
            return [DeltaTable(f"{LAKE}/{table}", storage_options=STORAGE).version() for table in TABLES]
        except Exception:  # Whatever a store that is not up says.
            return None

    process = start_s3()
    until("the S3 server serves what it keeps", serves)
    return process


def status(url):
    try:
        return urllib.request.urlopen(url, timeout=5).status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def make_bucket():
    def made():
        shell = [weed, "shell", f"-master=127.0.0.1:{MASTER}"]
        said = subprocess.run(shell, input="s3.bucket.create -name lake\n", capture_output=True, text=True, timeout=30)
        return "lake" in said.stdout

    until("there is a bucket", made)


(root / "dorado.toml").write_text(f'inbox = "{root / "inbox"}"\n')
environment = {**os.environ, **STORAGE, "DORADO_CONFIG": str(root / "dorado.toml"), "DORADO_DATA": LAKE}


def run(*args):
    return subprocess.run([dorado, *args], env=environment, capture_output=True, text=True)


class Server:
    def __init__(self):
        args = [dorado, "serve", "--listen", "127.0.0.1:0"]
        self.process = start(args, "dorado.log", stdout=subprocess.PIPE, text=True, env=environment)
        line = self.process.stdout.readline()
        if not line.startswith("listening on "):
            sys.exit((root / "dorado.log").read_text() + "NOT OK: dorado did not listen")
        self.address = line.split()[-1]

    def ask(self, path, body=None):
        """Status, headers and JSON."""
        request = urllib.request.Request(f"{self.address}/api/v1/{path}", body and json.dumps(body).encode())
        request.add_header("content-type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.headers, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, error.headers, json.load(error)

    def n_deployments(self, bucket="all"):
        code, _, said = self.ask(f"metrics/deployment-frequency?from=2026-01-01&to=2026-11-01&bucket={bucket}")
        return sum(row["value"] for row in said["data"]) if code == 200 else code


def deployment(n):
    day, minute = n % 28 + 1, n % 60
    at = f"2026-{n % 9 + 1:02}-{day:02}T08:{minute:02}:00Z"
    return {"type": "deployment", "id": f"d-{n}", "service": f"svc-{n % 7}", "finished_at": at, "environment": "production"}


try:
    s3 = start_s3()
    make_bucket()

    file = root / "events.ndjson"
    file.write_text("".join(json.dumps(deployment(n)) + "\n" for n in range(N_IMPORTED)))
    imported = run("import", str(file))
    check("an import into the bucket succeeds", (imported.returncode, imported.stderr[-500:] * imported.returncode), (0, ""))

    server = Server()
    check("what was imported counts", server.n_deployments(), N_IMPORTED)
    code, _, _ = server.ask("events", [deployment(n) for n in range(N_IMPORTED, N_IMPORTED + 10)])
    check("events are taken", code, 202)
    until("they count", lambda: server.n_deployments() == N_IMPORTED + 10)

    kill(server.process)
    server = Server()
    check("after a kill everything is there", server.n_deployments(), N_IMPORTED + 10)

    kill(s3)
    code, _, _ = server.ask("events", [deployment(N_IMPORTED + 10)])
    check("without the S3 server events are taken into the inbox", code, 202)
    code, _, _ = server.ask("metrics/deployment-frequency?from=2026-01-01&to=2026-11-01&bucket=month")
    check("a question over columns that are kept is answered", code, 200)
    code, headers, said = server.ask("deployments")
    check("a question that needs the store is answered with 503", (code, said["type"]), (503, "urn:dorado:problem:unavailable"))
    check("and says when to try again", headers["retry-after"] is not None, True)
    check("an import fails", run("import", str(file)).returncode != 0, True)
    kill(server.process)

    s3 = restart_s3()
    server = Server()
    until("what was acknowledged meanwhile counts after a kill", lambda: server.n_deployments() == N_IMPORTED + 11)

    kill(s3)
    code, _, _ = server.ask("events", [deployment(N_IMPORTED + 11)])
    check("without the S3 server events are taken once more", code, 202)
    s3 = restart_s3()
    until("a server that stayed up heals", lambda: server.n_deployments() == N_IMPORTED + 12)

    server.process.send_signal(signal.SIGTERM)
    check("it stops when told to", server.process.wait(timeout=PATIENCE), 0)
    running.remove(server.process)

    table = DeltaTable(f"{LAKE}/deployments", storage_options=STORAGE).to_pyarrow_table(columns=["id"])
    check("delta-rs reads each deployment once", (len(table), len(set(table["id"].to_pylist()))), (N_IMPORTED + 12,) * 2)
finally:
    for process in list(running):
        kill(process)
    if "--keep-logs" in sys.argv:
        print((root / "dorado.log").read_text(), (root / "weed.log").read_text()[-4000:])
    work.cleanup()
