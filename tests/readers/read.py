"""Other engines read our tables and count what the API counts: DuckDB with its Delta extension, and delta-rs.

usage: read.py DATA-DIRECTORY ADDRESS
"""

import json
import sys
import urllib.request
from pathlib import Path

import duckdb
import duckdb_extension_delta
from deltalake import DeltaTable

data, address = Path(sys.argv[1]), sys.argv[2]
FROM, TO = "2026-01-01", "2026-11-01"
failed = 0


def ask(path):
    with urllib.request.urlopen(f"{address}/api/v1/{path}") as answer:
        return json.load(answer)


def check(what, ours, theirs):
    global failed
    same = ours == theirs
    failed += not same
    print(f"{'ok' if same else 'NOT OK'}: {what}: dorado {ours}, {theirs} elsewhere")


def folders():
    return sorted(log.parent for log in data.glob("**/_delta_log"))


# The package carries the extension, so that nothing is downloaded.
(extension,) = Path(duckdb_extension_delta.__file__).parent.glob("**/delta.duckdb_extension")
engine = duckdb.connect()
engine.execute(f"load '{extension}'; set timezone = 'UTC'")

tables = {folder.name: folder for folder in folders()}
for name in ["changes", "deployments", "incidents", "shipments", "outcomes", "causes"]:
    (by_duckdb,) = engine.sql(f"select count(*) from delta_scan('{tables[name]}')").fetchone()
    by_deltars = DeltaTable(str(tables[name])).to_pyarrow_dataset().count_rows()
    check(f"rows of {name}, by DuckDB and by delta-rs", by_duckdb, by_deltars)

# The columns whose encodings are chosen one by one: every value, by both.
for name, columns in {"changes": ["id", "pull_request"], "shipments": ["change", "known_at"], "deployments": ["id", "revision"]}.items():
    for column in columns:
        read = f"epoch_us({column})" if column.endswith("_at") else column
        ours = DeltaTable(str(tables[name])).to_pyarrow_table(columns=[column])[column]
        ours = (ours.cast("int64") if column.endswith("_at") else ours).to_pylist()
        theirs = [value for (value,) in engine.sql(f"select {read} from delta_scan('{tables[name]}')").fetchall()]
        check(f"every {column} of {name} is the same, by delta-rs and by DuckDB", sorted(map(str, ours)) == sorted(map(str, theirs)), True)

row = ask(f"metrics/change-lead-time?from={FROM}&to={TO}&bucket=all")["data"][0]
n, p50, p90 = engine.sql(
    f"""select count(*), quantile_cont(lead_ms, 0.5) / 1000, quantile_cont(lead_ms, 0.9) / 1000
        from delta_scan('{tables["shipments"]}')
        where excluded is null and shipped_at >= '{FROM}T00:00:00Z' and shipped_at < '{TO}T00:00:00Z'"""
).fetchone()
check("lead time: n", row["n"], n)
check("lead time: median", round(row["value"], 3), round(p50, 3))
check("lead time: 90th percentile", round(row["p90"], 3), round(p90, 3))

row = ask(f"metrics/change-fail-rate?from={FROM}&to={TO}&bucket=all")["data"][0]
n, k = engine.sql(
    f"""select count(*), count(*) filter (where failed) from delta_scan('{tables["outcomes"]}')
        where reached and finished_at >= '{FROM}T00:00:00Z' and finished_at < '{TO}T00:00:00Z'"""
).fetchone()
check("fail rate: deployments", row["denominator"], n)
check("fail rate: failed", row["numerator"], k)

sys.exit(1 if failed else 0)
