"""Findings of a fleet: written by as many queries as those of one, and each as if it were alone."""

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from evidence import intake, links
from evidence.models import Actor, Source
from evidence.vocabulary import EXACT, INFERRED, KEY, mixed_strengths
from identities import judging
from identities.findings import Candidate
from identities.judging import found
from identities.models import Binding, Finding, Identity
from tests.reviews.conftest import NOW, record

pytestmark = pytest.mark.django_db
ACCOUNT = "arn:aws:iam::111122223333:user"


def fleet(many: int, name: str) -> list[Identity]:
    """So many identities without a delegation, each with four calls on two families."""
    records = []
    for number in range(many):
        for call in range(4):
            one = record(
                1000 * len(name) + 4 * number + call,
                "GetObject",
                f"{name}-{number}-{call % 2}/{call}.pdf",
                NOW - timedelta(minutes=5 + call),
            )
            who = {"arn": f"{ACCOUNT}/{name}{number}", "accessKeyId": f"AKIA{name}{number}"}
            records.append(one | {"userIdentity": one["userIdentity"] | who})
    source, _ = Source.objects.get_or_create(
        name="trail", defaults={"created_at": NOW, "created_by": "command"}
    )
    body = json.dumps({"Records": records}).encode()
    assert intake.take(source=source, body=body, by="command", now=NOW).rejects == 0
    while links.link_next(now=NOW):
        pass
    made = [
        Identity.objects.create(
            name=f"{name}{number}",
            kind="service_account",
            purpose="x",
            state="draft",
            created_at=NOW,
        )
        for number in range(many)
    ]
    for identity in made:
        Binding.objects.create(
            identity=identity,
            actor=Actor.objects.get(value=f"{ACCOUNT}/{identity.name}"),
            basis="declared",
            state="confirmed",
            during=(NOW - timedelta(days=9), None),
            recorded_at=NOW,
            by="command",
        )
    return made


def queries() -> int:
    with CaptureQueriesContext(connection) as seen:
        judging.judge_all(now=NOW)
    return len(seen)


def test_findings_of_a_fleet_take_as_many_queries_as_those_of_one() -> None:
    fleet(1, "a")
    judging.judge_all(now=NOW)  # what is asked once in a process
    fleet(1, "bb")
    one = queries()
    fleet(30, "ccc")
    assert queries() == one
    assert Finding.objects.filter(family__startswith="ccc-").count() == 60
    assert set(Finding.objects.values_list("count", "state", "rule")) == {
        (2, "open", "no_authority")
    }
    assert Finding.objects.get(family="ccc-7-1/*").words == (
        "acted on ccc-7-1/* 2 times without a delegation for it"
    )
    numbers = list(Finding.objects.order_by("number").values_list("number", flat=True))
    assert numbers == list(range(numbers[0], numbers[0] + 64))


def test_of_several_sharers_none_is_accused_as_if_that_were_told() -> None:
    (one,) = fleet(1, "e")
    judging.judge_all(now=NOW)
    assert set(Finding.objects.values_list("identity__name", "strength")) == {("e0", KEY)}
    Binding.objects.update(shared=True)
    other = Identity.objects.create(
        name="other", kind="service_account", purpose="x", state="draft", created_at=NOW
    )
    Binding.objects.create(
        identity=other, actor=Binding.objects.get().actor, basis="declared", state="confirmed",
        during=(NOW - timedelta(days=9), None), recorded_at=NOW, by="command", shared=True,
    )  # fmt: skip
    judging.again(identities=[one, other], now=NOW)
    judging.judge_all(now=NOW)
    assert set(Finding.objects.values_list("identity__name", "strength")) == {
        ("e0", INFERRED),
        ("other", INFERRED),
    }


def told(one: Identity, event: int, strength: int) -> Candidate:
    micros = int((NOW - found.EPOCH).total_seconds() * 1_000_000) + event
    return Candidate(
        one.number, "no_authority", "hr/*", "", micros, event, strength, "no delegation"
    )


def test_finding_is_as_strong_as_its_weakest_event_and_counts_each_strength() -> None:
    (one,) = fleet(1, "e")
    strong = [told(one, event, EXACT) for event in range(1, 5)]
    found.record(strong, [], now=NOW)
    finding = Finding.objects.get(family="hr/*")
    assert (finding.strength, finding.strengths) == (EXACT, {"exact": 4})
    found.record([*strong, *(told(one, event, KEY) for event in (7, 8, 9))], [], now=NOW)
    finding.refresh_from_db()
    assert (finding.strength, finding.count) == (KEY, 7)
    assert finding.strengths == {"exact": 4, "key": 3}
    assert mixed_strengths(finding.strengths) == "4 exact, 3 by key"
    # One that is new begins with the weakest as well.
    found.record(
        [
            told(one, 11, EXACT)._replace(family="pay/*"),
            told(one, 12, INFERRED)._replace(family="pay/*"),
        ],
        [],
        now=NOW,
    )
    assert Finding.objects.get(family="pay/*").strength == INFERRED


def test_settled_withdrawn_and_open_findings_each_go_their_own_way_together() -> None:
    made = fleet(4, "d")
    judging.judge_all(now=NOW)
    of = {one.name: Finding.objects.filter(identity=one) for one in made}
    of["d0"].update(state="expected", state_by="user:x", state_reason="it may")
    of["d1"].update(state="withdrawn", state_reason="later evidence explains it")
    of["d2"].update(state="confirmed")
    first = set(Finding.objects.values_list("pk", flat=True))
    judging.again(identities=made, now=NOW)
    judging.judge_all(now=NOW)
    assert set(Finding.objects.values_list("pk", flat=True)) == first
    assert {
        name: set(rows.values_list("state", "state_by", "state_reason", "count"))
        for name, rows in of.items()
    } == {
        "d0": {("expected", "user:x", "it may", 2)},
        "d1": {("open", "countersign", "", 2)},
        "d2": {("confirmed", "", "", 2)},
        "d3": {("open", "", "", 2)},
    }
    # Whose they are is known otherwise: all are taken back, but what somebody settled.
    Binding.objects.update(superseded_at=NOW)
    judging.again(identities=made, now=NOW)
    judging.judge_all(now=NOW)
    assert {name: set(rows.values_list("state", flat=True)) for name, rows in of.items()} == {
        "d0": {"expected"}, "d1": {"withdrawn"}, "d2": {"withdrawn"}, "d3": {"withdrawn"},
    }  # fmt: skip
    assert Finding.objects.filter(state="withdrawn").exclude(count=0).count() == 0
