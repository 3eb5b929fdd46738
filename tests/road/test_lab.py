"""The joined recording: every join, every issuance, the shared key, the run that left its task,
the stolen use; and the same for any order and split of the files."""

import json
import random
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from config import pipeline
from evidence import intake
from evidence.models import Source
from evidence.names import memory
from tests import once
from tests.bench import lab, variants
from tests.house.test_data import DATA
from tests.road.conftest import AFTER, exported, ingest_lab, run

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("recording"),
    pytest.mark.begins_at(AFTER),
]


def truth_of(recording: Path) -> dict[str, Any]:
    truth: dict[str, Any] = json.loads((recording / "lab" / "truth.json").read_text("utf-8"))
    return truth


@pytest.fixture
@once.told
def ingested(db: None) -> dict[str, Any]:
    """What is true of the recording, which is there."""
    ingest_lab()
    return truth_of(DATA)


def test_links_are_all_joins_and_no_other(ingested: dict[str, Any]) -> None:
    found: dict[str, set[str]] = {}
    strengths: dict[str, set[str]] = {"exact": set(), "claimed": set()}
    for row in exported("links"):
        strengths[row["strength"]].add(row["trace_id"])
        found.setdefault(row["request_id"], set()).add(row["trace_id"])
    # Which of the agents with the shared key are to be linked to its account is a question.
    claimed = {
        trace
        for agent in ingested["agents"].values()
        if set(agent["keys"]) & set(ingested["shared_credentials"])
        for trace in agent["traces"]
    }
    joined = set(ingested["request_to_trace"].values())
    assert strengths == {"exact": joined - claimed, "claimed": joined & claimed}
    assert found == {request: {trace} for request, trace in ingested["request_to_trace"].items()}


def test_before_agents_are_linked_all_joins_are_claimed(recording: Path) -> None:
    lab = recording / "lab"
    run("register", lab / "truth.json", imported=True)
    run("ingest", lab / "cloudtrail.json", source="lab-aws", json=True)
    run("ingest", lab / "traces.pb.jsonl", source="lab-otel", json=True, complete=True)
    assert {row["strength"] for row in exported("links")} == {"claimed"}
    stolen = [row for row in exported("findings") if row["rule"] == "no_run"]
    assert sorted(request for row in stolen for request in row["request_ids"]) == sorted(
        truth_of(recording)["unattributed_request_ids"]
    )
    # What a run did is not said of it before somebody says whose it is.
    assert not [row for row in exported("findings") if row["rule"] == "left_task"]


def test_credentials_are_every_issuance(ingested: dict[str, Any]) -> None:
    issued = {
        row["credential"]: row["issued_to"] for row in exported("credentials") if row["issued_at"]
    }
    for key, to in ingested["issuance"].items():
        assert to in (issued[key], issued[key].rsplit("/", 1)[-1])


def test_findings_name_the_departure_with_exactly_its_requests(ingested: dict[str, Any]) -> None:
    left = [row for row in exported("findings") if row["rule"] == "left_task"]
    assert [(row["trace_id"], sorted(row["request_ids"])) for row in left] == [
        (one["trace"], sorted(one["request_ids"])) for one in ingested["departures"]
    ]


def test_findings_name_the_stolen_use_and_nothing_else(ingested: dict[str, Any]) -> None:
    alone = [row for row in exported("findings") if row["rule"] == "no_run"]
    assert sorted(request for row in alone for request in row["request_ids"]) == sorted(
        ingested["unattributed_request_ids"]
    )
    assert {row["strength"] for row in alone} == {"inferred"}


def test_findings_name_the_shared_key_and_its_agents(ingested: dict[str, Any]) -> None:
    shared = [row for row in exported("findings") if row["rule"] == "shared_credential"]
    assert [row["credential"] for row in shared] == ingested["shared_credentials"]
    users = {
        name
        for name, agent in ingested["agents"].items()
        if set(agent["keys"]) & set(ingested["shared_credentials"])
    }
    assert {name for row in shared for name in row["agents"]} == users


def test_absence_waits_until_the_trace_source_is_complete(recording: Path) -> None:
    lab = recording / "lab"
    run("register", lab / "truth.json", imported=True)
    run("ingest", lab / "cloudtrail.json", source="lab-aws", json=True)
    run("ingest", lab / "traces.pb.jsonl", source="lab-otel", json=True)
    assert [row for row in exported("findings") if row["rule"] == "no_run"] == []


def outcome() -> tuple[Any, ...]:
    """What must not depend on order: links, findings with their events, credentials."""
    return (
        sorted(
            (row["request_id"], row["trace_id"], row["span_id"], row["proof"])
            for row in exported("links")
        ),
        sorted(
            (
                row["rule"],
                row["identity"],
                row["family"],
                row["state"],
                tuple(sorted(row["request_ids"])),
                row["words"],
            )
            for row in exported("findings")
            if row["state"] != "withdrawn"
        ),
        sorted((row["credential"], row["issued_to"]) for row in exported("credentials")),
    )


@cache
def in_order(recording: Path) -> tuple[Any, ...]:
    """The outcome of the recording as it lies there; nothing of it stays."""
    with transaction.atomic():
        now = timezone.now()
        lab = recording / "lab"
        run("register", lab / "truth.json", imported=True)
        trail, traces = sources(now)
        for source, name in ((trail, "cloudtrail.json"), (traces, "traces.pb.jsonl")):
            intake.take(source=source, body=(lab / name).read_bytes(), by="test", now=now)
        pipeline.drain(now)
        found = outcome()
        transaction.set_rollback(True)
    memory.forget()
    return found


def sources(now: datetime) -> tuple[Source, Source]:
    return (
        Source.objects.create(name="aws", plane="identity", created_at=now, created_by="test"),
        Source.objects.create(
            name="otel",
            plane="ai",
            created_at=now,
            created_by="test",
            watermark=now,
            completeness="declared",
        ),
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_outcome_is_the_same_for_any_order_and_split(recording: Path, seed: int) -> None:
    expected = in_order(recording)
    now = timezone.now()
    dice = random.Random(seed)
    trail, traces = sources(now)
    double = variants.twice(lab.load(recording / "lab", batch=1))
    pieces = list(variants.shuffled(double, seed).deliveries)
    # Some bodies come once more as they are.
    pieces += dice.sample(pieces, 20)
    dice.shuffle(pieces)
    # Authority is registered somewhere in the middle.
    for place, one in enumerate(pieces):
        source = trail if one.source == lab.LOG else traces
        intake.take(source=source, body=one.body(), by="test", now=now)
        if place == len(pieces) // 2:
            run("register", recording / "lab" / "truth.json", imported=True)
        if dice.random() < 0.05:
            pipeline.drain(now)
    pipeline.drain(now)
    assert outcome() == expected
