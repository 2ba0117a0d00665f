"""Real Prometheus and Alertmanager: an alert that fires and is resolved is an incident of the right service.

usage: alertmanager.py DORADO
"""

import os
import socket
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

from bench import Dorado, check, until

TOKEN = "what Alertmanager and Dorado know"
CONFIGURATION = """
[[connection]]
source = "alertmanager"
secrets = [{ env = "ALERTMANAGER_TOKEN" }]
"""
RULES = """
groups:
  - name: shop
    interval: 1s
    rules:
      - alert: CheckoutErrorRateHigh
        expr: {expression}
        labels: {{severity: critical, service: checkout, environment: production}}
        annotations: {{summary: "Checkout fails"}}
      - alert: Watchdog
        expr: vector(1)
        labels: {{severity: none}}
"""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def running(folder, name, *arguments):
    log = open(folder / f"{name}.log", "w")
    return subprocess.Popen([name, *arguments], stdout=log, stderr=subprocess.STDOUT, cwd=folder)


def main(binary):
    folder = Path(tempfile.mkdtemp())
    prometheus, alertmanager = free_port(), free_port()
    (folder / "token").write_text(TOKEN)
    rules = folder / "rules.yml"
    rules.write_text(RULES.format(expression="vector(1) > 0"))
    processes = []
    with Dorado(binary, CONFIGURATION, {"ALERTMANAGER_TOKEN": TOKEN}) as dorado:
        (folder / "alertmanager.yml").write_text(f"""
route: {{receiver: dorado, group_by: [alertname], group_wait: 0s, group_interval: 1s}}
receivers:
  - name: dorado
    webhook_configs:
      - url: {dorado.address}/webhooks/alertmanager
        http_config: {{authorization: {{credentials_file: {folder}/token}}}}
""")
        (folder / "prometheus.yml").write_text(f"""
global: {{evaluation_interval: 1s}}
rule_files: [{rules}]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ["127.0.0.1:{alertmanager}"]}}]}}]}}
""")
        try:
            # What it fails is a deployment of the same service.
            deployed_at = datetime.now(timezone.utc) - timedelta(minutes=5)
            deployment = {
                "type": "deployment", "id": "d1", "service": "checkout", "environment": "production",
                "status": "success", "finished_at": deployed_at.isoformat(),
            }
            check("a deployment is taken", dorado.post("/api/v1/events", deployment, {})[0], 202)
            processes.append(running(
                folder, "prometheus-alertmanager", f"--config.file={folder}/alertmanager.yml",
                f"--storage.path={folder}/alerts", f"--web.listen-address=127.0.0.1:{alertmanager}",
                "--cluster.listen-address=",
            ))
            processes.append(running(
                folder, "prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/series",
                f"--web.listen-address=127.0.0.1:{prometheus}", "--web.enable-lifecycle",
                "--rules.alert.resend-delay=1s",
            ))

            def counted(is_over):
                rows = dorado.rows("/api/v1/incidents")
                return [row for row in rows if row["rule"] and bool(row["resolved_at"]) == is_over]

            (opened,) = until("the alert to fire", lambda: counted(False))
            told = {key: opened[key] for key in ("service", "title", "severity", "resolved_at", "deployment")}
            check("an incident", told, {
                "service": "checkout", "title": "Checkout fails", "severity": "critical", "resolved_at": None,
                "deployment": "d1",
            })
            rules.write_text(RULES.format(expression="vector(1) > 2"))
            reload = f"http://127.0.0.1:{prometheus}/-/reload"
            subprocess.run(["curl", "-fsS", "-X", "POST", reload], check=True)

            (closed,) = until("the alert to be resolved", lambda: counted(True))
            check("the same incident", (closed["incident"], closed["opened_at"]), (opened["incident"], opened["opened_at"]))
            (row,) = dorado.rows("/api/v1/metrics/change-fail-rate?bucket=all&service=checkout")
            check("change fail rate", row["value"], 1.0)
        except SystemExit:
            for name in ("prometheus", "prometheus-alertmanager"):
                if (folder / f"{name}.log").exists():
                    print((folder / f"{name}.log").read_text()[-3000:])
            raise
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait()


main(os.path.abspath(sys.argv[1]))
