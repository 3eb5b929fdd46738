"""Two people stop everything that goes out to other systems, and two let it go on; the worker obeys."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction

from evidence.models import LedgerEntry
from identities.actions import outgoing
from identities.actions.revocations import carrying
from identities.models import Identity, OutgoingSwitch, Person, Revocation, User
from identities.permissions import AUDITOR, NOBODY, NotAllowed, NotPossible

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def somebody(name: str, *groups: str, person: Person | None = None) -> User:
    row = User.objects.create(
        username=name, person=person or Person.objects.create(name=name.title())
    )
    for group in groups:
        row.groups.add(Group.objects.get_or_create(name=group)[0])
    return row


@pytest.fixture
def two(db: None) -> tuple[User, User]:
    return somebody("rita", "reviewer"), somebody("lead", "responder")


def throw(two: tuple[User, User], to: str, now: datetime = NOW) -> OutgoingSwitch:
    outgoing.propose(to=to, reason="keys vanish", by=two[0], now=now)
    return outgoing.sign(by=two[1], now=now)


def revocation(state: str) -> Revocation:
    identity = Identity.objects.create(name=f"one {state}", kind="agent", created_at=NOW)
    row = Revocation.objects.create(
        identity=identity,
        step="revoke",
        system="nothing we know",
        target={"system": "nothing we know", "account": "1", "kind": "key", "name": state},
        words="Delete key",
        state=state,
        requested_at=NOW,
        requested_by="countersign",
        not_before=NOW,
    )
    row.refresh_from_db()
    return row


def taken(now: Any = NOW) -> set[str]:
    """The states of what the worker takes up; without an enforcer each then waits for a person."""
    rows = {row.pk: row.state for row in Revocation.objects.exclude(state="failed")}
    while carrying.enforce_next(now=now):
        pass
    return {rows[row.pk] for row in Revocation.objects.filter(state="failed", pk__in=rows)}


def test_worker_sends_nothing_while_stopped_and_looks_at_what_was_sent(
    two: tuple[User, User],
) -> None:
    for state in ("requested", "sending", "sent", "confirmed"):
        revocation(state)
    throw(two, "stopped")
    assert taken() == {"sent", "confirmed"}
    throw(two, "open", NOW + HOUR)
    assert taken(NOW + HOUR) == {"requested", "sending"}


def test_everything_goes_out_before_anybody_threw_it_and_while_it_is_proposed(
    two: tuple[User, User],
) -> None:
    revocation("requested")
    outgoing.propose(to="stopped", reason="keys vanish", by=two[0], now=NOW)
    assert taken() == {"requested"}


def test_one_person_never_throws_it_alone(two: tuple[User, User]) -> None:
    row = outgoing.propose(to="stopped", reason="x", by=two[0], now=NOW)
    again = somebody("rita2", "administrator", person=two[0].person)
    for user in (two[0], again):
        with pytest.raises(NotAllowed, match="a second person signs"):
            outgoing.sign(by=user, now=NOW)
    with pytest.raises(IntegrityError), transaction.atomic():
        OutgoingSwitch.objects.filter(pk=row.pk).update(
            state="in_force", settled_person=two[0].person
        )
    with pytest.raises(NotPossible, match="Somebody has proposed it already"):
        outgoing.propose(to="stopped", reason="x", by=two[1], now=NOW)
    assert not outgoing.stopped()


def test_each_step_is_in_the_ledger(two: tuple[User, User]) -> None:
    throw(two, "stopped")
    outgoing.propose(to="open", reason="over", by=two[1], now=NOW)
    outgoing.refuse(reason="not yet", by=two[0], now=NOW)
    rows = LedgerEntry.objects.filter(subject=outgoing.SUBJECT).order_by("pk")
    assert list(rows.values_list("act", "words")) == [
        ("outgoing.proposed", "Rita proposed to stop all outgoing writes: keys vanish"),
        ("outgoing.stopped", "Lead signed to stop all outgoing writes: keys vanish"),
        ("outgoing.proposed", "Lead proposed to let outgoing writes go on: over"),
        ("outgoing.refused", "Rita refused to let outgoing writes go on: not yet"),
    ]


@pytest.mark.parametrize(
    ("to", "reason", "said"),
    [
        ("stopped", " ", "Say why"),
        ("open", "x", "They go out already"),
        ("half", "x", "no position"),
    ],
)
def test_what_makes_no_sense_is_refused(
    two: tuple[User, User], to: str, reason: str, said: str
) -> None:
    with pytest.raises(NotPossible, match=said):
        outgoing.propose(to=to, reason=reason, by=two[0], now=NOW)
    with pytest.raises(NotAllowed, match="Nothing waits for a signature"):
        outgoing.sign(by=two[1], now=NOW)


@pytest.mark.parametrize(
    ("group", "why"),
    [
        ("reviewer", None),
        ("responder", None),
        ("administrator", None),
        ("auditor", AUDITOR),
        ("owner", "Only a reviewer, a responder or an administrator may stop outgoing writes."),
    ],
)
def test_why_not_by_role(two: tuple[User, User], group: str, why: str | None) -> None:
    row = outgoing.propose(to="stopped", reason="x", by=two[0], now=NOW)
    user = somebody("somebody", group)
    assert [
        outgoing.why_not_propose_switch(user, now=NOW),
        outgoing.why_not_sign_switch(user, row, now=NOW),
        outgoing.why_not_refuse_switch(user, row, now=NOW),
    ] == [why] * 3


def test_why_not_without_a_person_or_after_leaving(db: None) -> None:
    left = somebody("left", "reviewer", person=Person.objects.create(name="L", left_at=NOW))
    nobody = somebody("nobody", "reviewer")
    nobody.person = None
    assert [outgoing.why_not_propose_switch(one, now=NOW) for one in (left, nobody)] == [
        "You have left: this login signs nothing.",
        NOBODY,
    ]
