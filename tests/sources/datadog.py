"""The real Python client of Datadog, unchanged but for its address: what it posts counts, and is found again.

usage: datadog.py DORADO
"""

import os
import subprocess
import sys
from pathlib import Path

from bench import Dorado, check, installed

KEY = "what the client and Dorado know"
CONFIGURATION = """
[[connection]]
source = "datadog"
secrets = [{ env = "DATADOG_API_KEY" }]
"""
CLIENT = Path(__file__).with_name("datadog_client.py")


def main(binary):
    bin = installed("datadog-api-client==2.62.0")
    with Dorado(binary, CONFIGURATION, {"DATADOG_API_KEY": KEY}) as dorado:
        def client(step):
            ran = subprocess.run(
                [str(bin / "python"), str(CLIENT), dorado.address, KEY, step], capture_output=True, text=True, check=False
            )
            if ran.returncode:
                raise SystemExit(f"NOT OK: {step}: {ran.stdout}{ran.stderr}")
            return ran.stdout.split()

        ids = client("post")
        check("ids", (ids[0], len(ids[1])), ("shopist-2026-03-02-17", 36))
        rows = dorado.settled_rows("/api/v1/deployments")
        first = next(row for row in rows if row["deployment"] == ids[0])
        keys = ("service", "environment", "tier", "status", "repository", "revision", "version", "started_at")
        check("a deployment", [first[key] for key in keys], [
            "shopist", "prod", "production", "success", "organization/example-repository",
            "66adc9350f2cc9b250b69abddab733dd55e1a588", "v1.12.07", "2026-03-02T10:00:00Z",
        ])
        (incident,) = dorado.settled_rows("/api/v1/incidents")
        keys = ("service", "title", "severity", "opened_at", "resolved_at", "deployment", "rule")
        check("an incident", [incident[key] for key in keys], [
            "shopist", "Web server is down", "High", "2026-03-02T10:10:00Z", "2026-03-02T10:40:00Z", ids[0], "explicit",
        ])
        client("post")
        check("posted again", len(dorado.settled_rows("/api/v1/deployments")), 2)
        client("patch")
        rows = dorado.settled_rows("/api/v1/deployments")
        second = next(row for row in rows if row["deployment"] == ids[1])
        check("patched", (second["failed"], second["failure_rule"]), (True, "override"))
        check("found again", client("list"), [ids[1], ids[0], "shopist", ids[2]])
        client("delete")
        gone = [row["deployment"] for row in dorado.settled_rows("/api/v1/deployments")]
        check("deleted", (gone, dorado.settled_rows("/api/v1/incidents")), ([ids[0]], []))
        client("post")
        gone = [row["deployment"] for row in dorado.settled_rows("/api/v1/deployments")]
        check("deleted and sent again", (gone, dorado.settled_rows("/api/v1/incidents")), ([ids[0]], []))


main(os.path.abspath(sys.argv[1]))
