"""Dorado and DuckDB, the same rows, the same questions, in turn, over HTTP on loopback.

usage: run.py DORADO [--size S] [--rounds 15] [--threads 2] [--keep DIRECTORY]

Every question has parameters of its own, from a seeded list, so that nobody answers from memory. Deployments and lead times of
every answer are checked to be equal before the times count. Prints a table in Markdown: medians, the median of the pairs'
ratios, CPU seconds a question; then memory, the load, and the bytes on disk.
"""

import argparse
import http.client
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from datetime import datetime, timedelta

import duckdb

parser = argparse.ArgumentParser()
parser.add_argument("dorado")
parser.add_argument("--size", default="S")
parser.add_argument("--rounds", type=int, default=15)
parser.add_argument("--threads", type=int, default=os.cpu_count())
parser.add_argument("--keep", help="where rows and lake are made, or were made before")
args = parser.parse_args()
UNTIL = datetime(2026, 11, 1)
HERE = pathlib.Path(__file__).parent
temporary = tempfile.TemporaryDirectory(prefix="dorado-compare-")
place = pathlib.Path(args.keep or temporary.name) / args.size
rows, lake = place / "rows", place / "lake"
TICKS = os.sysconf("SC_CLK_TCK")


def make(what, *more):
    begun = time.monotonic()
    common = ["demo", "--size", args.size, "--until", UNTIL.isoformat() + "Z"]
    subprocess.run([args.dorado, *common, *more], check=True, stdout=sys.stderr)
    print(f"{what}: {time.monotonic() - begun:.1f} s", flush=True)


class Engine:
    def __init__(self, name, command):
        self.name, begun = name, time.monotonic()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("listening on "):
            sys.exit(f"{name} did not start")
        self.load = time.monotonic() - begun
        self.connection = http.client.HTTPConnection(line.split()[-1].removeprefix("http://"))

    def cpu(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self, key="VmRSS"):
        lines = pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(key)) / 1024

    def send(self, method, path, body=None, headers={}):
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def timed(self, asked):
        begun, before = time.perf_counter(), self.cpu()
        said = self.ask(asked)
        return time.perf_counter() - begun, self.cpu() - before, said


class Dorado(Engine):
    def get(self, path, **parameters):
        query = urllib.parse.urlencode(parameters, doseq=True)
        status, _, body = self.send("GET", f"/api/v1/{path}?{query}")
        if status != 200:
            sys.exit(f"dorado: {status} {body[:500]}")
        return json.loads(body)

    def ask(self, asked):
        window = {"from": asked["from"] + "Z", "to": asked["to"] + "Z", "tz": "UTC"}
        if asked["question"] == "lead":
            return {"lead": self.get("metrics/change-lead-time", bucket="month", **window)["data"]}
        if "teams" in asked:
            by = {"bucket": "week", "group_by": "team", "team": asked["teams"], **window}
            return {"frequency": self.get("metrics/deployment-frequency", **by)["data"], "lead": self.get("metrics/change-lead-time", **by)["data"]}
        named = {key: asked[key] for key in ("team", "service") if key in asked}
        series = self.get("summary", bucket="week", **named, **window)["series"]
        of = lambda metric: [row for row in series if row["metric"] == metric]
        return {"frequency": of("deployment-frequency"), "lead": of("change-lead-time")}


class DuckDB(Engine):
    def ask(self, asked):
        return json.loads(self.send("POST", "/", json.dumps(asked))[2])


def same(asked, ours, theirs):
    """Deployments and lead times of each bucket and team that has any."""
    group = (lambda row: (row["time"][:10], row["team"])) if "teams" in asked else (lambda row: (row["time"][:10],))
    place = (lambda row: (row[0][:10], row[1])) if "teams" in asked else (lambda row: (row[0][:10],))
    # A first bucket that is cut begins with the period, not with the week or month.
    first = lambda counted: {key if i else key[1:]: value for i, (key, value) in enumerate(sorted(counted.items()))} if "teams" not in asked else {
        (key if key[0] != min(k[0] for k in counted) else key[1:]): value for key, value in counted.items()}
    for name in theirs.keys() & {"frequency", "lead"}:
        here = {group(r): (r["n"], r["value"], r["p90"]) if name == "lead" else (r["n"],) for r in ours[name] if r["n"]}
        there = {place(r): (r[-3], r[-2] / 1000, r[-1] / 1000) if name == "lead" else (r[-1],) for r in theirs[name]}
        here, there = first(here), first(there)
        near = lambda a, b: a is not None and b is not None and all(abs(x - y) < 2e-3 + 1e-9 * abs(y) for x, y in zip(a, b))
        odd = [(key, here.get(key), there.get(key)) for key in sorted(here.keys() | there.keys()) if not near(here.get(key), there.get(key))]
        if odd:
            sys.exit(f"NOT EQUAL: {name} of {asked}: bucket, dorado, duckdb: {odd[:5]}")


def name_what_ships():
    """Dorado finds what ships a change that names no deployment: the first that starts after its merge. DuckDB is told beforehand."""
    db = duckdb.connect()
    ok = f"from '{rows}/deployments/*.parquet' where environment = 'production' and status = 'success'"
    for file in sorted((rows / "changes").glob("*.parquet")):
        db.execute(
            f"""copy (select c.* replace (coalesce(c.deployment_id, d.deployment_id) as deployment_id)
                from '{file}' c asof left join (select service_id, started_at, deployment_id {ok}) d
                on c.service_id = d.service_id and c.merged_at <= d.started_at order by merged_at)
                to '{file}.named' (format parquet, compression zstd, row_group_size 131072)"""
        )
        pathlib.Path(f"{file}.named").rename(file)


def questions(random, teams, services):
    def window(days):
        to = UNTIL - timedelta(minutes=random.randrange(30 * 24 * 60))
        return {"from": max(to - timedelta(days=days), datetime(2021, 11, 1)).isoformat(), "to": to.isoformat()}

    return {
        "organisation, 12 months by week, five metrics": lambda: {"question": "summary", **window(365)},
        "one team, 90 days, five metrics": lambda: {"question": "summary", "team": random.choice(teams), **window(90)},
        "one service, 12 months, five metrics": lambda: {"question": "summary", "service": random.choice(services), **window(365)},
        "lead time by month, 5 years": lambda: {"question": "lead", **window(5 * 365)},
        "ten teams by week, 12 months": lambda: {"question": "summary", "teams": random.sample(teams, 10), **window(365)},
    }


def main():
    if not lake.exists():
        place.mkdir(parents=True, exist_ok=True)
        make("rows for DuckDB", "--parquet", str(rows))
        name_what_ships()
        make("dorado's import, attribution included", "--no-serve", "--data", str(lake))
    names = duckdb.connect()
    teams = [name for (name,) in names.sql(f"select distinct team from '{rows}/teams.parquet' join '{rows}/services.parquet' using (team_id) order by 1").fetchall()]
    services = [name for (name,) in names.sql(f"select service from '{rows}/services.parquet' order by 1").fetchall()]
    engine = [sys.executable, str(HERE / "engine.py")]
    dorado = Dorado("dorado", [args.dorado, "serve", "--data", str(lake), "--listen", "127.0.0.1:0"])
    others = [DuckDB(f"duckdb {kind}", [*engine, kind, str(rows), str(args.threads)]) for kind in ("native", "parquet")]
    engines = [dorado, *others]
    try:
        compare(engines, teams, services)
    finally:
        for e in engines:
            e.process.kill()
            e.process.wait()
    n_bytes = lambda folder: sum(f.stat().st_size for f in folder.rglob("*.parquet") if "_delta_log" not in f.parts)
    n_events = sum(names.sql(f"select count(*) from '{rows}/{t}/*.parquet'").fetchone()[0] for t in ("deployments", "changes", "incidents"))
    gold = sum(n_bytes(lake / table) for table in ("shipments", "outcomes", "causes"))
    print(f"\nbytes an event: {n_bytes(lake) / n_events:.1f}, of which gold {gold / n_events:.1f}")


def compare(engines, teams, services):
    dorado, *others = engines
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; size {args.size}; {args.rounds} rounds\n")
    print("| question | " + " | ".join(f"{e.name} ms (CPU ms)" for e in engines) + " | " + " | ".join(f"{o.name} ÷ dorado, time (CPU)" for o in others) + " |")
    print("|---" * (1 + len(engines) + len(others)) + "|")
    seeded = random.Random(20261101)
    for title, asked_of in questions(seeded, teams, services).items():
        taken = {e.name: [] for e in engines}
        for turn in range(args.rounds + 2):
            asked = asked_of()
            said = {}
            for e in engines if turn % 2 else reversed(engines):
                wall, cpu, said[e.name] = e.timed(asked)
                if turn > 1:
                    taken[e.name].append((wall, cpu))
            for other in others:
                same(asked, said["dorado"], said[other.name])
        median = lambda name, n: statistics.median(pair[n] for pair in taken[name]) * 1e3
        mean_cpu = lambda name: statistics.mean(pair[1] for pair in taken[name]) * 1e3
        ratio = lambda name: statistics.median(o[0] / d[0] for o, d in zip(taken[name], taken["dorado"]))
        cells = [f"{median(e.name, 0):.1f} ({mean_cpu(e.name):.0f})" for e in engines]
        cells += [f"{ratio(o.name):.1f} ({mean_cpu(o.name) / max(mean_cpu('dorado'), 0.1):.1f})" for o in others]
        print(f"| {title} | " + " | ".join(cells) + " |", flush=True)
    again(dorado)
    for e in engines:
        print(f"\n{e.name}: start and load {e.load:.1f} s, resident {e.memory():.0f} MiB, at most {e.memory('VmHWM'):.0f} MiB", end="")
    print()


def again(dorado):
    path = "/api/v1/summary?from=2025-11-01&to=2026-11-01&bucket=week"
    _, headers, _ = dorado.send("GET", path)
    for what, more in (("the same answer again", {}), ("the same, by entity tag", {"if-none-match": headers["etag"]})):
        times = []
        for _ in range(50):
            begun = time.perf_counter()
            status, _, _ = dorado.send("GET", path, headers=more)
            times.append(time.perf_counter() - begun)
        print(f"| {what} ({status}) | {statistics.median(times) * 1e3:.2f} |", flush=True)


main()
