"""OCSF out: what the schema requires of each class is there, whatever our row holds."""

from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.formats import FORMATS, ocsf_out, recognise
from evidence.formats.record import ActorName, Record
from evidence.vocabulary import ACTIVITIES, AUTHENTICATION, EXACT, INFERRED, OUTCOMES, USE
from tests.evidence.formats.abuse import ASKED, read
from tests.evidence.formats.conftest import SAMPLES

# From ocsf/ocsf-schema: attributes that a class or object requires, and of which one must be.
BASE = {
    "activity_id": int,
    "category_uid": int,
    "class_uid": int,
    "metadata": dict,
    "severity_id": int,
    "time": int,
    "type_uid": int,
}
REQUIRED: dict[int, dict[str, type]] = {
    6003: {**BASE, "actor": dict, "api": dict, "src_endpoint": dict},
    3002: {**BASE, "user": dict},
    2008: {**BASE, "finding_info": dict},
    2004: {**BASE, "finding_info": dict},
    2005: {**BASE, "finding_info_list": list, "status_id": int},
}
ONE_OF: dict[int, tuple[str, ...]] = {
    3002: ("service", "dst_endpoint"),
    2008: ("access_analysis_result", "identity_activity_metrics", "permission_analysis_results"),
}
INSIDE: dict[str, dict[str, type]] = {
    "metadata": {"product": dict, "version": str},
    "api": {"operation": str},
    "finding_info": {"uid": str, "title": str},
    "ai_agent": {"uid": str},
    "trace": {"uid": str},
}
ONE_INSIDE: dict[str, tuple[str, ...]] = {
    "actor": ("process", "user", "session", "app_name", "app_uid"),
    "user": ("account", "name", "uid"),
    "src_endpoint": ("ip", "uid", "name", "hostname", "svc_name"),
}


def validated(made: dict[str, Any]) -> dict[str, Any]:
    """The object; fails where the schema would refuse it."""
    number = made["class_uid"]
    holds(made, REQUIRED[number])
    assert made["type_uid"] == number * 100 + made["activity_id"]
    assert made["category_uid"] == number // 1000
    if number in ONE_OF:
        assert any(made.get(name) for name in ONE_OF[number])
    for name, required in INSIDE.items():
        if name in made:
            holds(made[name], required)
    for name, one_of in ONE_INSIDE.items():
        if name in made:
            assert any(made[name].get(one) for one in one_of), name
    if made["activity_id"] == 99:
        assert made["activity_name"]
    assert orjson.loads(orjson.dumps(made)) == made
    return made


def holds(here: Mapping[str, Any], required: dict[str, type]) -> None:
    for name, kind in required.items():
        assert type(here.get(name)) is kind, name


def samples() -> list[Record]:
    found: list[Record] = []
    for path in [*sorted(SAMPLES.glob("*.jsonl")), SAMPLES / "cloudtrail.json"]:
        body = path.read_bytes()
        name = recognise(body)
        if name is not None:
            found += FORMATS[name].parse(body, ASKED).records
    return found


def test_every_sample_becomes_a_valid_event() -> None:
    records = [one for one in samples() if one.at is not None]
    classes = {validated(ocsf_out.event(one._asdict()))["class_uid"] for one in records}
    assert classes == {3002, 6003}


def test_call_says_what_the_event_says() -> None:
    row = orjson.loads((SAMPLES / "ocsf.jsonl").read_bytes().splitlines()[4])
    record = read("ocsf", row)
    made = validated(ocsf_out.event(record._asdict() | {"uid": "E-1"}))
    assert made == {
        "class_uid": 6003,
        "category_uid": 6,
        "activity_id": 99,
        "activity_name": "use",
        "type_uid": 600399,
        "severity_id": 1,
        "time": 1_930_367_040_000,
        "status_id": 1,
        "status": "Success",
        "metadata": {
            "version": "1.6.0",
            "product": {"name": "Countersign", "vendor_name": "Countersign"},
            "uid": "E-1",
            "profiles": ["ai_operation", "trace"],
        },
        "actor": {
            "user": {
                "name": "clerk",
                "uid": "clerk",
                "type": "service_account",
                "type_id": 4,
                "domain": "sample-corp:t-1",
                "credential_uid": "key-7",
            },
            "session": {"uid": "run-7", "credential_uid": "key-7"},
        },
        "src_endpoint": {"ip": "198.51.100.7"},
        "api": {"operation": "ledgers.read", "request": {"uid": "req-7"}},
        "resources": [{"name": "ledgers/2031/03"}],
        "ai_agent": {
            "uid": "sample-corp:t-1/agent-7",
            "name": "agent-7",
            "instance_uid": "run-7",
        },
        "trace": {
            "uid": "4bf92f3577b34da6a3ce929d0e0e4736",
            "span": {"uid": "00f067aa0ba902b7"},
        },
        "unmapped": {
            "action": "ledgers.read",
            "activity": "use",
            "outcome": "ok",
            "plane": "identity",
        },
    }


def test_what_goes_out_can_be_read_in_again() -> None:
    for record in samples():
        if record.at is None or record.activity == AUTHENTICATION:
            continue
        back = read("ocsf", ocsf_out.event(record._asdict()))
        assert back.at == record.at // 1000 * 1000
        assert back.request_id == record.request_id
        assert (back.principal is None) == (record.principal is None)


actors = st.none() | st.builds(ActorName, st.text(), st.text(), st.text(min_size=1))
texts = st.none() | st.text()


@given(
    st.fixed_dictionaries(
        {
            "at": st.integers(946_684_800_000_000, 4_102_444_800_000_000),
            "activity": st.sampled_from(sorted(ACTIVITIES)),
            "outcome": st.sampled_from(sorted(OUTCOMES)),
            "action": st.text(min_size=1),
        },
        optional={
            "resource": texts,
            "principal": actors,
            "credential": actors,
            "agent": actors,
            "on_behalf": actors,
            "address": texts,
            "user_agent": texts,
            "error": texts,
            "request_id": texts,
            "conversation": texts,
            "trace_id": st.none() | st.binary(min_size=16, max_size=16),
            "span_id": st.none() | st.binary(min_size=8, max_size=8),
        },
    )
)
def test_any_row_becomes_a_valid_event(row: dict[str, Any]) -> None:
    validated(ocsf_out.event(row))


FINDING: dict[str, Any] = {
    "key": "F-7",
    "rule": "outside_resources",
    "words": "clerk read hr/pay, which no delegation covers",
    "state": "open",
    "strength": EXACT,
    "count": 3,
    "first_at": 1_930_366_800_000_000,
    "last_at": 1_930_366_860_000_000,
    "opened_at": 1_930_366_900_000_000,
    "state_at": 1_930_366_900_000_000,
    "controls": ["NHI5:2025"],
    "resources": ["hr/pay"],
    "identity_key": "NHI-3",
    "identity_name": "clerk",
}

STATES = [
    ("open", 1, 1),
    ("confirmed", 2, 2),
    ("expected", 3, 3),
    ("false", 3, 3),
    ("duplicate", 3, 5),
    ("withdrawn", 3, 4),
]


@pytest.mark.parametrize(("state", "activity", "status"), STATES)
@pytest.mark.parametrize(("rule", "number"), [("outside_resources", 2008), ("no_run", 2004)])
def test_finding(state: str, activity: int, status: int, rule: str, number: int) -> None:
    later = 0 if state == "open" else 1_000_000
    row = FINDING | {"rule": rule, "state": state, "state_at": FINDING["state_at"] + later}
    made = validated(ocsf_out.finding(row))
    assert (made["class_uid"], made["activity_id"], made["status_id"]) == (number, activity, status)
    assert made["finding_info"]["uid"] == "F-7"
    assert made["time"] == row["state_at"] // 1000


def test_inferred_finding_is_of_low_confidence() -> None:
    made = ocsf_out.finding(FINDING | {"strength": INFERRED})
    assert (made["confidence_id"], made["unmapped"]) == (1, {"strength": "inferred"})


def test_finding_says_how_many_events_of_each_strength_it_has() -> None:
    made = validated(ocsf_out.finding(FINDING | {"strengths": {"exact": 4, "key": 3}}))
    assert made["unmapped"]["strengths"] == {"exact": 4, "key": 3}


INCIDENT: dict[str, Any] = {
    "key": "CS-9",
    "title": "Incident: key used elsewhere",
    "words": "seen in the morning",
    "state": "open",
    "severity": "high",
    "opened_at": 1_930_366_900_000_000,
    "changed_at": 1_930_366_900_000_000,
    "url": "https://countersign.example/cases/CS-9/room/",
    "outcome": "",
    "findings": [{"key": "F-7", "words": "no run", "rule": "no_run"}],
}


@pytest.mark.parametrize(
    ("more", "activity", "status", "severity"),
    [
        ({}, 1, 1, 4),
        ({"severity": ""}, 1, 1, 0),
        ({"state": "in_review", "changed_at": 1_930_366_960_000_000}, 2, 2, 4),
        ({"state": "closed", "changed_at": 1_930_366_960_000_000, "outcome": "o"}, 3, 5, 4),
        ({"state": "cancelled", "findings": []}, 3, 99, 4),
    ],
)
def test_incident(more: dict[str, Any], activity: int, status: int, severity: int) -> None:
    made = validated(ocsf_out.incident(INCIDENT | more))
    assert (made["activity_id"], made["status_id"], made["severity_id"]) == (
        activity,
        status,
        severity,
    )
    assert made["metadata"]["uid"] == "CS-9"
    assert made["finding_info_list"][0]["uid"] == ("F-7" if "findings" not in more else "CS-9")
    assert ("end_time" in made, made.get("status_detail")) == (activity == 3, more.get("outcome"))


def test_finding_without_identity_names_the_actor() -> None:
    row = FINDING | {"identity_key": None, "actor": ActorName("aws", "access_key", "AKIAX")}
    made = validated(ocsf_out.finding(row))
    assert made["user"]["uid"] == "AKIAX"
    nobody = validated(ocsf_out.finding(row | {"actor": None}))
    assert nobody["user"] == {"name": "not stated", "type_id": 0}


def test_use_is_no_activity_of_the_schema_and_says_so() -> None:
    made = ocsf_out.event({"at": 10**15, "activity": USE, "outcome": 1, "action": "s3:GetObject"})
    assert (made["activity_id"], made["activity_name"]) == (99, "use")
    assert made["api"] == {"operation": "GetObject", "service": {"name": "s3"}}
