"""Grafana's own model of dashboards reads ours, and writes it again without losing a panel or a query."""

import json
import pathlib
import sys

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard

folder = pathlib.Path(sys.argv[1])
files = sorted(folder.glob("*.json"))
assert len(files) == 3, files
for file in files:
    ours = json.loads(file.read_text())
    theirs = json.loads(JSONEncoder(sort_keys=True).encode(dashboard.Dashboard.from_json(ours)))
    assert theirs["schemaVersion"] == 42
    for panel, read in zip(ours["panels"], theirs["panels"], strict=True):
        assert (read["type"], read["title"], read["gridPos"]) == (panel["type"], panel["title"], panel["gridPos"]), panel["title"]
        assert len(read["targets"]) == len(panel["targets"]), panel["title"]
    assert len(theirs["templating"]["list"]) == len(ours["templating"]["list"])
    assert len(theirs["annotations"]["list"]) == len(ours["annotations"]["list"])
    print(f"  {file.name}: {len(ours['panels'])} panels")
