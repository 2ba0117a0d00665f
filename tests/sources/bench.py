"""What the tests of sources share: a Dorado that is connected to a tool, and what it says of what it was told."""

import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

PATIENCE = 60


def until(what, found):
    """Waits until `found` gives something, and gives that."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        something = found()
        if something:
            return something
        time.sleep(0.2)
    raise SystemExit(f"NOT OK: waited {PATIENCE} seconds for {what}")


def check(what, ours, expected):
    if ours != expected:
        raise SystemExit(f"NOT OK: {what}: {ours}, expected {expected}")
    print(f"ok: {what}: {ours}")


class Dorado:
    """A server with this configuration and these variables in its environment."""

    def __init__(self, binary, configuration, variables):
        self.folder = Path(tempfile.mkdtemp())
        (self.folder / "lake").mkdir()
        (self.folder / "lake" / "dorado.toml").write_text(configuration)
        with open(self.folder / "out", "w") as out, open(self.folder / "log", "w") as log:
            self.process = subprocess.Popen(
                [binary, "serve", "--data", str(self.folder / "lake"), "--listen", "127.0.0.1:0"],
                stdout=out, stderr=log, env={**os.environ, **variables}, cwd=self.folder,
            )

    def __enter__(self):
        self.address = until("the server to listen", self.listening)
        return self

    def __exit__(self, kind, *_):
        self.process.terminate()
        self.process.wait()
        if kind is not None:
            print((self.folder / "log").read_text()[-4000:])
        shutil.rmtree(self.folder)

    def listening(self):
        if self.process.poll() is not None:
            raise SystemExit((self.folder / "log").read_text())
        for line in (self.folder / "out").read_text().splitlines():
            if line.startswith("listening on "):
                return line.removeprefix("listening on ")
        return None

    def ask(self, path):
        with urllib.request.urlopen(f"{self.address}{path}") as answer:
            return json.load(answer)

    def rows(self, path):
        return self.ask(path)["data"]

    def settled_rows(self, path):
        """The rows once all that was taken counts."""

        def settled():
            ready = self.ask("/readyz")
            return ready["n_waiting"] == 0 and ready["gold_lag_arrivals"] == 0

        until("all to count", settled)
        return self.rows(path)

    def post(self, path, body, headers):
        """Status and answer."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.address}{path}", data=data, headers={"Content-Type": "application/json", **headers}, method="POST"
        )
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


def installed(*packages):
    """A Python environment with these packages, kept between runs where CI keeps its caches."""
    name = "sources-" + "-".join(packages).replace("=", "")
    cache = Path(os.environ.get("DORADO_CACHE", Path.home() / ".cache" / "dorado"))
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError:
        cache = Path(tempfile.mkdtemp())
    folder = cache / name
    if not (folder / "whole").exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run(["python3", "-m", "venv", str(folder)], check=True)
        pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", *packages]
        subprocess.run(pip, check=True)
        (folder / "whole").touch()
    return folder / "bin"
