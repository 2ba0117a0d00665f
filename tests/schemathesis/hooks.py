"""What a schema cannot say of a valid question: that its start lies before its end and both in our centuries, which words
are time zones and packs, that a cursor comes from the page before, and which deployments there are. Questions that are
meant to be valid get such values; those that are meant to be wrong are left as they are."""

import os

import schemathesis
from schemathesis import GenerationMode

VALID = {
    "start_date": "2026-10-01",
    "end_date": "2026-11-01",
    "since": "2026-10-01",
    "tz": "Europe/Berlin",
    "cursor": "",
    "pack": "devlake",
    "definition": "devlake",
}
# In every question that takes them: one about all that there is takes long.
ALWAYS = {"from": "2026-10-01", "to": "2026-11-01T00:00:00Z"}
PERIOD = {"from": "2026-10-01T00:00:00.000Z", "to": "2026-11-01T00:00:00.000Z"}
SEARCH = {"from": "2026-10-01", "to": "2026-11-01", "limit": 100, "query": "service:svc-0002 env:production"}
IN_BODIES = {
    "/api/v1/session": {"token": os.environ["TOKEN"]},
    "/api/v1/overrides": {"deployment": "deploy-910", "incident": "inc-46"},
    "/grafana/annotations": {"range": PERIOD},
    "/grafana/query": {"range": PERIOD, "timezone": "Europe/Berlin"},
}
IN_PATHS = {
    "/webhooks/{source}/{connection}": {"connection": "main"},
    "/api/plugins/webhook/connections/{connection}/deployments": {"connection": "main"},
    "/api/plugins/webhook/connections/{connection}/issue/{key}/close": {"connection": "main"},
    "/api/plugins/webhook/connections/{connection}/issues": {"connection": "main"},
    "/api/plugins/webhook/connections/{connection}/pull_requests": {"connection": "main"},
    "/api/v4/groups/{id}/dora/metrics": {"id": "team-000"},
    "/api/v4/projects/{id}/dora/metrics": {"id": "svc-0002"},
}
WITHOUT = {
    # None of the connections there can be asked.
    "/api/v1/collect": ("source",),
    # Only of who is connected.
    "/api/v1/replay": ("source",),
    # Not every table has every column to filter by.
    "/api/v1/export/{name}": ("service", "team", "repository", "environment"),
}
# One after the other, and in our century.
BEGINS = ("authored", "committed", "created", "first", "opened", "started")
BEGAN, ENDED = "2026-10-05T10:00:00Z", "2026-10-06T10:00:00Z"
BEGAN_NS, ENDED_NS = 1_791_194_400_000_000_000, 1_791_280_800_000_000_000
IN_FORMS = {"field": "n", "pack": "devlake", "tz": "Europe/Berlin"}


def settle(body):
    """Gives every instant in a body one that makes sense beside the others."""
    for name, value in body.items() if isinstance(body, dict) else ():
        if isinstance(value, (dict, list)):
            settle(value)
        elif name.endswith(("_at", "_date", "_time", "Date")) and value is not None:
            is_begin = name.startswith(BEGINS)
            body[name] = (BEGAN if is_begin else ENDED) if isinstance(value, str) else (BEGAN_NS if is_begin else ENDED_NS)
    for item in body if isinstance(body, list) else ():
        settle(item)


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.meta and case.meta.generation.mode != GenerationMode.POSITIVE:
        return
    query = dict(case.query or {})
    query |= {name: VALID[name] for name in VALID.keys() & query.keys()}
    query |= {name: ALWAYS[name] for name in ALWAYS.keys() & {parameter.name for parameter in case.operation.query}}
    path = case.operation.path
    if path == "/api/v1/flow/ladder":
        query["team"] = ["team-000"]
    for name in WITHOUT.get(path, ()):
        query.pop(name, None)
    if path == "/api/v1/export/{name}" and case.path_parameters["name"] == "ladder":
        query["team"] = ["team-000"]
    case.query = query
    if path in IN_PATHS:
        case.path_parameters = {**case.path_parameters, **IN_PATHS[path]}
    settle(case.body)
    if isinstance(case.body, dict):
        for name, value in IN_BODIES.get(path, {}).items():
            if case.body.get(name) is not None:
                case.body[name] = value
        if path in ("/api/v2/dora/deployments", "/api/v2/dora/failures"):
            attributes = (case.body.get("data") or {}).get("attributes") or {}
            attributes.update({name: value for name, value in SEARCH.items() if attributes.get(name) is not None})
        if path == "/grafana/query":
            for target in case.body.get("targets") or []:
                form = target.get("payload") or {}
                form.update({name: value for name, value in IN_FORMS.items() if form.get(name) is not None})


@schemathesis.check
def problems_say_what_would_have_been_right(context, response, case):
    """Who gets a parameter wrong is told which, what it was, and what would have been right."""
    kind = response.headers.get("content-type", [""])[0]
    if response.status_code == 422 and kind == "application/problem+json":
        problem = response.json()
        if problem["type"] == "urn:dorado:problem:invalid-parameter":
            needed = {"parameter", "expected"}
            if problem.get("parameter") in (case.query or {}):
                needed.add("value")
            silent = sorted(needed - problem.keys())
            assert not silent, f"the problem does not say {', '.join(silent)}: {problem}"
