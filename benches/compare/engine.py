"""DuckDB behind HTTP: the yardstick's questions as SQL over the yardstick's rows.

usage: engine.py native|parquet ROWS THREADS

POST / with {"question": …, "from": …, "to": …, "team": …, "service": …, "teams": […]} answers {name: rows}. Definitions are those of
the yardstick; lead time leaves out what a service's first deployment shipped, as Dorado does.
"""

import json
import os
import sys
import tempfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import duckdb

kind, rows, threads = sys.argv[1:4]
TABLES = ["teams", "services", "deployments", "changes", "incidents"]
home = tempfile.TemporaryDirectory(prefix="dorado-duckdb-")
db = duckdb.connect(os.path.join(home.name, "rows.duckdb"))
db.execute(f"set threads = {threads}; set timezone = 'UTC'")
for table in TABLES:
    what = "table" if kind == "native" else "view"
    files = f"{rows}/{table}.parquet" if table in ("teams", "services") else f"{rows}/{table}/*.parquet"
    db.execute(f"create {what} {table} as select * from read_parquet('{files}')")
# Small, and asked for with every lead time; the same for both.
db.execute(
    """create table first_of as select min_by(deployment_id, deployed_at) as deployment_id from deployments
       where environment = 'production' and status = 'success' group by service_id"""
)
db.execute("checkpoint")

OK = "d.environment = 'production' and d.status = 'success'"
ATTEMPT = "d.environment = 'production' and d.status in ('success', 'failure')"
MS = "epoch_ms(d.deployed_at) - epoch_ms(c.first_commit_at)"


def scope(asked):
    if "service" in asked:
        return "", f" and d.service_id = (select service_id from services where service = '{asked['service']}')"
    named = asked.get("teams") or ([asked["team"]] if "team" in asked else [])
    if not named:
        return "", ""
    join = " join services s on s.service_id = d.service_id join teams t on t.team_id = s.team_id"
    return join, f" and t.team in ({', '.join(repr(name) for name in named)})"


def queries(asked):
    unit = "month" if asked["question"] == "lead" else "week"
    join, where = scope(asked)
    by = ", team" if "teams" in asked else ""
    window = f"d.deployed_at >= timestamp '{asked['from']}' and d.deployed_at < timestamp '{asked['to']}'"
    at = f"date_trunc('{unit}', d.deployed_at) as at{by}"
    tail = f"{where} group by all order by all"
    lead = f"""select {at}, count(*) as n, quantile_cont({MS}, 0.5) as p50, quantile_cont({MS}, 0.9) as p90
        from changes c join deployments d using (deployment_id){join}
        where {OK} and {window} and d.deployment_id not in (select deployment_id from first_of){tail}"""
    frequency = f"select {at}, count(*) as n from deployments d{join} where {OK} and {window}{tail}"
    if asked["question"] == "lead":
        return {"lead": lead}
    if "teams" in asked:
        return {"frequency": frequency, "lead": lead}
    failed = "(select distinct caused_by_deployment_id as id from incidents where caused_by_deployment_id is not null)"
    return {
        "frequency": frequency,
        "lead": lead,
        "fail_rate": f"""select {at}, count(*) as n, count(*) filter (where d.status = 'failure' or f.id is not null) as failed
            from deployments d left join {failed} f on f.id = d.deployment_id{join} where {ATTEMPT} and {window}{tail}""",
        "recovery": f"""select {at}, count(*) as n, quantile_cont(epoch_ms(i.resolved_at) - epoch_ms(d.deployed_at), 0.5) as p50
            from incidents i join deployments d on d.deployment_id = i.caused_by_deployment_id{join}
            where {ATTEMPT} and {window} and i.resolved_at is not null{tail}""",
        "rework": f"""select {at}, count(*) as n, count(*) filter (where d.kind <> 'planned') as rework
            from deployments d{join} where {ATTEMPT} and {window}{tail}""",
    }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        cursor = db.cursor()
        answer = {name: cursor.execute(sql).fetchall() for name, sql in queries(asked).items()}
        body = json.dumps(answer, default=str).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(f"listening on 127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
