"""Records that were written after the vendors' documentation, by nobody who had seen the tables.

Owns what they must say: `tests/samples/documented.jsonl` has a line for each, with the members that
the documentation gives (`says`). The samples of each format beside it are written for the tables.
"""

from typing import Any

import orjson
import pytest

from evidence.formats import recognise
from evidence.formats.record import ActorName, Record
from evidence.vocabulary import ACTIVITIES, OUTCOMES
from tests.evidence.formats import abuse
from tests.evidence.formats.conftest import SAMPLES

DOCUMENTED: list[dict[str, Any]] = [
    orjson.loads(line) for line in (SAMPLES / "documented.jsonl").read_bytes().splitlines()
]


def named(who: ActorName | None) -> str | None:
    return None if who is None else f"{who.kind} {who.value}"


def told(record: Record) -> dict[str, Any]:
    principal, credential, issued = record.principal, record.credential, record.issued
    return {
        "principal": named(principal),
        "parent": named(principal.parent) if principal else None,
        "credential": named(credential),
        "cparent": named(credential.parent) if credential else None,
        "agent": named(record.agent),
        "behalf": named(record.on_behalf),
        "session": record.conversation,
        "action": record.action,
        "resource": record.resource,
        "outcome": OUTCOMES[record.outcome],
        "activity": ACTIVITIES[record.activity],
        "issued": named(issued.credential) if issued else None,
        "to": named(issued.issued_to) if issued else None,
        "address": record.address,
        "request": record.request_id,
        "realm": record.realm,
        "error": record.error,
    }


@pytest.mark.parametrize(
    "one", DOCUMENTED, ids=[f"{one['format']}: {one['name']}" for one in DOCUMENTED]
)
def test_documented_record_says_what_its_vendor_means(one: dict[str, Any]) -> None:
    body = one["text"].encode() if "text" in one else orjson.dumps(one["record"])
    assert recognise(body) == one["format"]
    parsed = abuse.parse(one["format"], body)
    assert (len(parsed.records), parsed.rejects) == (1, [])
    found = told(parsed.records[0])
    assert {name: found[name] for name in one["says"]} == one["says"]
    assert parsed.records[0].at is not None
