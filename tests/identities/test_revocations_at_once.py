"""Keys of one account that go out at the same moment: each once, each by itself, written together."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from evidence.models import LedgerEntry
from identities import tasks
from identities.acting import COUNTERSIGN
from identities.actions import credentials, grants, revocations
from identities.actions.revocations import carrying, circuits, claiming, leasing
from identities.models import (
    Circuit,
    Credential,
    CredentialState,
    Identity,
    Revocation,
    RevocationTry,
)
from tests.awslab.lab import Lab
from tests.identities.revoking import held_by, pointed_at_the_account, work_at_once

__all__ = ["held_by", "pointed_at_the_account"]

pytestmark = pytest.mark.django_db

MANY = 5
CHANGE = "iam:UpdateAccessKey"
type Asked = Callable[..., list[Revocation]]


@pytest.fixture
def asked(lab: Lab, held_by: Callable[..., tuple[Identity, Credential]]) -> Asked:
    """So many keys whose hold is asked for at one moment, each of an identity of its own."""

    def make(many: int, now: datetime, step: str = "hold") -> list[Revocation]:
        keys = [held_by(lab.user()) for _ in range(many)]
        asks = [revocations.Ask(one, step, "test", credential=key) for one, key in keys]
        made = revocations.request_all(asks, by=COUNTERSIGN, now=now)
        return [row for one in made for row in one.rows]

    return make


def now_() -> datetime:
    return datetime.now(UTC)


def test_they_are_shown_after_one_step_and_say_so_as_one_does(lab: Lab, asked: Asked) -> None:
    now = now_()
    alone, *rows = asked(MANY + 1, now)
    Revocation.objects.exclude(pk=alone.pk).update(not_before=now + timedelta(minutes=1))
    before = len(lab.proxy.calls(CHANGE))
    assert revocations.enforce_next(now=now)
    assert revocations.enforce_next(now=now)  # it may live on until then and then
    later = now + timedelta(minutes=1)
    assert revocations.enforce_next(now=later)
    assert len(lab.proxy.calls(CHANGE)) == before + MANY + 1

    def told(row: Revocation) -> tuple[Any, ...]:
        row = Revocation.objects.select_related("credential").get(pk=row.pk)
        assert row.credential is not None
        tries = RevocationTry.objects.filter(revocation=row).order_by("pk")
        states = CredentialState.objects.filter(credential=row.credential).order_by("pk")
        said = LedgerEntry.objects.filter(words__startswith=f"{row.key}:").order_by("pk")
        return (
            (row.state, row.attempts, row.leased_until, row.failed_why, row.sent_at is None),
            [(one.did, one.result) for one in tries][:2],
            [(one.state, one.during.upper is None, one.superseded_at is None) for one in states],
            [(one.act, one.words.rpartition(":")[2]) for one in said][:3],
            row.credential.state,
        )

    for row in rows:
        assert told(row) == told(alone)
    assert told(alone)[0][0] == "confirmed"
    assert told(alone)[-1] == "held"


def test_it_costs_as_many_statements_as_fewer_do(
    lab: Lab, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, counts = now_(), []
    monkeypatch.setattr(carrying, "TOGETHER", 30.0)  # however slow the machine is
    monkeypatch.setattr(leasing, "EVERY", 0.0)  # the same for both
    asked(1, now)
    revocations.enforce_next(now=now)
    for many in (2, 4):
        asked(many, now)
        with CaptureQueriesContext(
            connection,
        ) as spent:
            revocations.enforce_next(now=now)
        assert Revocation.objects.filter(state="sending").count() == 0
        counts.append(len(spent))
    assert counts[0] == counts[1]


def test_one_that_fails_keeps_no_other_from_being_held(lab: Lab, asked: Asked) -> None:
    now = now_()
    rows = asked(MANY, now)
    user = rows[2].target["extra"]["user"]
    name = rows[2].target["name"]
    # A key that moved to nobody: its release would say so, its hold finds nothing to do.
    lab.admin.iam.delete_access_key(UserName=user, AccessKeyId=name)
    Revocation.objects.filter(pk=rows[2].pk).update(step="release")
    assert revocations.enforce_next(now=now)
    states = dict(Revocation.objects.values_list("pk", "state"))
    assert [states[row.pk] for row in rows] == [
        "confirmed", "confirmed", "failed", "confirmed", "confirmed",
    ]  # fmt: skip
    rows[2].refresh_from_db()
    assert rows[2].failed_why.startswith(f"Key {name} of {user} is not there")


def test_an_account_that_is_busy_opens_its_circuit_once(lab: Lab, asked: Asked) -> None:
    now = now_()
    asked(claiming.MOST, now)
    lab.proxy.throttle(CHANGE, times=1_000, retry_after=0)
    assert revocations.enforce_next(now=now)
    found = Circuit.objects.get()
    assert found.failures == circuits.MOST_FAILURES
    assert found.open_until is not None
    assert found.open_until < now + 2 * circuits.FIRST_PAUSE
    assert set(Revocation.objects.values_list("state", "leased_until")) == {("sending", None)}


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_dies_before_it_writes_leaves_what_the_target_settles(
    lab: Lab, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = now_()
    asked(MANY, now)

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(carrying, "_confirmed", dies)
        with pytest.raises(KeyboardInterrupt):
            revocations.enforce_next(now=now)
    assert set(Revocation.objects.values_list("state", "sent_at")) == {("sending", None)}
    sent = len(lab.proxy.calls(CHANGE))
    assert not revocations.enforce_next(now=now + timedelta(minutes=1))
    assert revocations.enforce_next(now=now + claiming.LEASE)
    assert set(Revocation.objects.values_list("state", flat=True)) == {"confirmed"}
    assert len(lab.proxy.calls(CHANGE)) == sent
    said = Counter(LedgerEntry.objects.values_list("act", flat=True))
    assert (said["revocation.sent"], said["revocation.confirmed"]) == (MANY, MANY)


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_send_each_once(lab: Lab, asked: Asked) -> None:
    now, many = now_(), claiming.MOST + 3
    asked(many, now)
    before = len(lab.proxy.calls(CHANGE))
    work_at_once(3, now)
    assert len(lab.proxy.calls(CHANGE)) == before + many
    assert RevocationTry.objects.filter(did="send").count() == many
    assert set(Revocation.objects.values_list("state", flat=True)) == {"confirmed"}


def test_what_is_no_longer_ours_is_left_as_it_is(
    lab: Lab, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = now_()
    rows = asked(3, now)
    lock = credentials.lock

    def taken(pks: Any) -> None:
        Revocation.objects.filter(pk=rows[1].pk).update(leased_until=now + timedelta(hours=1))
        lock(pks)

    monkeypatch.setattr(credentials, "lock", taken)
    assert revocations.enforce_next(now=now)
    states = dict(Revocation.objects.values_list("pk", "state"))
    assert [states[row.pk] for row in rows] == ["confirmed", "sending", "confirmed"]
    assert rows[1].credential is not None
    rows[1].credential.refresh_from_db()
    assert rows[1].credential.state == "active"
    assert not RevocationTry.objects.filter(revocation=rows[1]).exists()


def test_only_keys_of_one_account_go_together_and_what_is_sent_comes_first(
    lab: Lab, asked: Asked
) -> None:
    now = now_()
    keys = asked(3, now)
    elsewhere, first, last = keys
    Revocation.objects.filter(pk=elsewhere.pk).update(
        target=elsewhere.target | {"account": "999988887777"}
    )
    # One that is only outlasted was due before all of them, and comes after all of them.
    Revocation.objects.filter(pk=last.pk).update(
        state="confirmed", not_before=now - timedelta(hours=1)
    )
    whole, _ = revocations.request(
        identity=first.identity, step="suspend", by=COUNTERSIGN, now=now, because="test"
    )

    def claimed() -> list[int]:
        return [one.row.number for one in claiming.claim(now=now)]

    assert claimed() == [elsewhere.number]
    assert claimed() == [first.number]
    assert claimed() == [whole.number]
    assert claimed() == [last.number]
    assert claimed() == []


def test_what_is_urgent_goes_before_what_was_asked_for_earlier(
    lab: Lab,
    asked: Asked,
    held_by: Callable[..., tuple[Identity, Credential]],
    user: Callable[..., Any],
) -> None:
    now = now_()
    routine = asked(claiming.MOST + 1, now - timedelta(hours=1))
    identity, key = held_by(lab.user())
    (hold,) = revocations.request(
        identity=identity,
        step="hold",
        by=user("rex", "responder"),
        now=now,
        because="it is misused",
        credential=key,
    )
    assert hold.urgent
    assert not any(row.urgent for row in routine)
    claimed = [one.row.number for one in claiming.claim(now=now)]
    assert claimed == [*(row.number for row in routine[: claiming.MOST - 1]), hold.number]


def test_a_long_list_takes_turns_with_what_else_stops_something(
    monkeypatch: pytest.MonkeyPatch,
    nudges: list[str],
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    ended: list[datetime] = []
    monkeypatch.setattr(tasks, "TURN", 0.0)
    monkeypatch.setattr(revocations, "enforce_next", lambda **_: True)

    def none_ends(*, now: datetime) -> bool:
        ended.append(now)
        return False

    monkeypatch.setattr(grants, "grant_next", none_ends)
    with django_capture_on_commit_callbacks(execute=True):
        tasks.enforce()
    assert len(ended) == 1
    assert nudges == ["revocation.requested"]
