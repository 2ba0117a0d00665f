"""A real Prometheus scrapes our /metrics and answers with what the API says. usage: run.py ADDRESS"""

import json
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

address = sys.argv[1].removeprefix("http://")


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]

with tempfile.TemporaryDirectory() as folder:
    config = pathlib.Path(folder) / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
        f"scrape_configs: [{{job_name: dorado, static_configs: [{{targets: ['{address}']}}]}}]\n"
    )
    log = open(pathlib.Path(folder) / "log", "w+")
    prometheus = subprocess.Popen(
        ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"],
        stdout=log,
        stderr=log,
    )
    try:
        query = lambda text: get(f"http://127.0.0.1:{port}/api/v1/query?query={urllib.parse.quote(text)}")["data"]["result"]
        deadline = time.monotonic() + 60
        found = []
        while not found and time.monotonic() < deadline:
            assert prometheus.poll() is None, log.seek(0) or log.read()
            try:
                found = query("dorado_team_change_lead_time_seconds")
            except OSError:
                pass
            time.sleep(0.5)
        assert found, "nothing was scraped in a minute"
        assert query("up")[0]["value"][1] == "1"
        scraped = {sample["metric"]["team"]: float(sample["value"][1]) for sample in found}
        at = int(time.time()) // 3600 * 3600
        told = get(f"http://{address}/api/v1/metrics/change-lead-time?bucket=all&group_by=team&from={at - 30 * 86400}&to={at}")["data"]
        ours = {row["team"]: row["value"] for row in told if row["team"] is not None and row["value"] is not None}
        assert scraped == ours, (scraped, ours)
        assert len(query("dorado_service_change_fail_ratio")) > 1
        print(f"  Prometheus has the lead time of {len(scraped)} teams, as the API gives it")
    finally:
        prometheus.terminate()
        prometheus.wait(timeout=30)
        log.close()
