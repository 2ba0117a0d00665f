"""What a schema cannot say of a valid question: that its start lies before its end and both in our centuries, which words
are time zones and packs, that a cursor comes from the page before, and which deployments there are. Questions that are
meant to be valid get such values; those that are meant to be wrong are left as they are."""

import os

import schemathesis
from schemathesis import GenerationMode

VALID = {
    "from": "2026-05-01",
    "to": "2026-11-01T00:00:00Z",
    "start_date": "2026-05-01",
    "end_date": "2026-11-01",
    "tz": "Europe/Berlin",
    "cursor": "",
    "pack": "devlake",
    "definition": "devlake",
    "packs": ["dora-2025", "gitlab"],
}
PERIOD = {"from": "2026-08-01T00:00:00.000Z", "to": "2026-11-01T00:00:00.000Z"}
IN_BODIES = {
    "/api/v1/session": {"token": os.environ["TOKEN"]},
    "/api/v1/overrides": {"deployment": "deploy-910", "incident": "inc-46"},
    "/grafana/annotations": {"range": PERIOD},
    "/grafana/query": {"range": PERIOD, "timezone": "Europe/Berlin"},
}
IN_PATHS = {
    "/webhooks/{source}/{connection}": {"connection": "main"},
    "/api/v4/groups/{id}/dora/metrics": {"id": "team-000"},
    "/api/v4/projects/{id}/dora/metrics": {"id": "svc-0002"},
}
IN_FORMS = {"field": "n", "pack": "devlake", "tz": "Europe/Berlin"}


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.meta and case.meta.generation.mode != GenerationMode.POSITIVE:
        return
    query = case.query or {}
    for name in VALID.keys() & query.keys():
        query[name] = VALID[name]
    path = case.operation.path
    if path == "/api/v1/flow/ladder":
        case.query = {**query, "team": ["team-000"]}
    if path == "/api/v1/export/{name}":
        # Not every table has every column to filter by.
        case.query = {name: value for name, value in query.items() if name not in ("repository", "environment")}
    case.path_parameters.update(IN_PATHS.get(path, {}))
    if isinstance(case.body, dict):
        for name, value in IN_BODIES.get(path, {}).items():
            if case.body.get(name) is not None:
                case.body[name] = value
        if path == "/grafana/query":
            for target in case.body.get("targets") or []:
                form = target.get("payload") or {}
                form.update({name: value for name, value in IN_FORMS.items() if form.get(name) is not None})
