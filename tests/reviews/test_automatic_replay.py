"""The dry replay over stored evidence: what a rule would have held, and what became of it."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from identities.models import Binding, Delegation, DelegationVersion, Finding, Identity
from reviews.automatic import replay, rules
from reviews.models import HoldRule

from .conftest import DAY, HOUR, NOW, Told, ingest, make_user, person_of, record
from .holding import LATER, MINUTE, SECRET, behaves, ruled, sweep

pytestmark = pytest.mark.django_db
AT = LATER + HOUR
SAID: dict[str, Any] = {
    "scope": {"kinds": ["service_account"]},
    "classes": ["no_authority"],
    "per_hour": 3,
    "per_day": 10,
    "days": 30,
}


def ran(**said: Any) -> replay.Replay:
    return replay.run(**(SAID | {"now": AT} | said))


def sentences(found: replay.Replay) -> list[str]:
    return [words for _, words in replay.sentences(found.as_json())]


def test_replay_says_what_the_rule_then_does(story: Told) -> None:
    """Of the same evidence, replayed and then held: the same thing for the same finding."""
    finding = behaves()
    found = ran()
    (would,) = found.rows
    assert (found.identities, found.enforced, found.held, found.of) == (1, 1, 1, 1)
    assert (would.finding, would.at, would.events) == (finding, LATER + MINUTE, 1)
    ruled(story)
    (row,) = sweep()
    assert (row.finding, row.item.kind, row.item.ref) == (
        finding,
        would.thing.kind,
        would.thing.ref,
    )


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("open", "Of none of these findings it was later said that it was wrong."),
        ("confirmed", "Of none of these findings it was later said that it was wrong."),
        ("false", "Of these findings people later said: 1 false."),
        ("expected", "Of these findings people later said: 1 expected."),
    ],
)
def test_what_became_of_its_findings_is_said(story: Told, state: str, words: str) -> None:
    behaves()
    Finding.objects.update(state=state)
    found = ran()
    assert (found.held, found.later) == (1, {state: 1})
    assert words in sentences(found)


def test_what_evidence_took_back_since_is_counted_apart(story: Told) -> None:
    finding = behaves()
    finding.events.all().delete()
    Finding.objects.update(state="withdrawn")
    found = ran()
    assert (found.held, found.withdrawn) == (0, 1)
    assert "may have held for it as well" in " ".join(sentences(found))


@pytest.mark.parametrize(
    ("change", "numbers"),
    [
        ({"mode": "ask"}, (1, 0, 0, 0)),
        ({"kind": "agent"}, (0, 0, 0, 0)),
        ({"criticality": "critical"}, (1, 1, 0, 1)),
    ],
)
def test_where_it_may_not_hold_nothing_would_have_been(
    story: Told, change: dict[str, str], numbers: tuple[int, ...]
) -> None:
    behaves()
    Identity.objects.update(**change)
    found = ran()
    assert (found.identities, found.enforced, found.held, found.critical) == numbers


def test_late_evidence_would_have_held_nothing(story: Told) -> None:
    behaves(now=LATER + 16 * MINUTE)
    found = ran()
    assert (found.held, found.unfit) == (0, 1)
    assert "nothing would have been held" in " ".join(sentences(found))


@pytest.mark.parametrize(
    ("per_hour", "per_day", "over"),
    [(3, 3, False), (2, 9, True), (1, 9, True), (2, 2, True)],
)
def test_limit_says_where_the_rule_would_have_ended(
    story: Told, per_hour: int, per_day: int, *, over: bool
) -> None:
    finding = behaves()
    copies(finding, 2)
    found = ran(per_hour=per_hour, per_day=per_day)
    assert (found.held, found.over_at is not None) == (3, over)
    assert (
        any(words.startswith("Its limit would have ended it") for words in sentences(found)) == over
    )


def copies(finding: Finding, many: int) -> None:
    """As many findings of the same events beside it."""
    events = list(finding.events.all())
    for number in range(many):
        one = Finding.objects.get(pk=finding.pk)
        one.pk, one.family, one.number = None, f"copy {number}", 9_000 + number
        one.save(force_insert=True)
        for event in events:
            event.pk, event.finding = None, one
            event.save(force_insert=True)


def test_who_else_feels_it_is_named(story: Told) -> None:
    behaves()
    other = Identity.objects.create(name="svc-copy", kind="agent", state="draft", created_at=NOW)
    other.refresh_from_db()
    Binding.objects.update(shared=True)
    one = Binding.objects.earliest("pk")
    one.pk, one.identity = None, other
    one.save(force_insert=True)
    child = Delegation.objects.create(
        grantee=other, slug="child", parent=story.delegation, created_at=NOW
    )
    DelegationVersion.objects.create(
        delegation=child,
        version=1,
        state="in_force",
        imported=True,
        actions=["s3:GetObject"],
        resources=["*"],
        during=(NOW - DAY, None),
        recorded_at=NOW,
        by="command",
    )
    (would,) = ran().rows
    assert would.depends == (("svc-copy",), 1)


def test_only_its_days_are_looked_at(story: Told) -> None:
    behaves()
    assert [ran(days=days, now=LATER + 3 * DAY).held for days in (2, 4)] == [0, 1]


def test_costs_the_same_for_many(story: Told) -> None:
    finding = behaves()

    def cost() -> int:
        with CaptureQueriesContext(connection) as found:
            ran()
        return len(found)

    before = cost()
    copies(finding, 30)
    assert (cost(), ran().held) == (before, 31)


def test_proposal_and_signature_each_carry_the_replay_of_their_moment(story: Told) -> None:
    ingest([record(90, "GetSecretValue", "", LATER, **SECRET)], now=LATER + MINUTE)
    row = rules.propose(
        **SAID, asked=person_of(story.rita), reason="x", by=story.rita, now=LATER + 2 * MINUTE
    )
    assert (row.replayed["held"], row.seen) == (1, {})
    Finding.objects.filter(rule="no_authority").update(state="false")
    rules.sign(rule=row, by=make_user("ada", "administrator"), now=AT)
    signed = HoldRule.objects.get()
    assert (signed.replayed["later"], signed.seen["later"]) == ({"open": 1}, {"false": 1})
