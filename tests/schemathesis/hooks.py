"""What a schema cannot say of a valid question: that its start lies before its end and both in our centuries, which
words are time zones and services, and that a cursor comes from the page before. Questions that are meant to be valid get such values; those
that are meant to be wrong are left as they are."""

import schemathesis
from schemathesis import GenerationMode

VALID = {"from": "2026-05-01", "to": "2026-11-01T00:00:00Z", "tz": "Europe/Berlin", "cursor": ""}


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.meta and case.meta.generation.mode != GenerationMode.POSITIVE:
        return
    for name in VALID.keys() & (case.query or {}).keys():
        case.query[name] = VALID[name]
