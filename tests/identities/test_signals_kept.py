"""What is kept of signals: the newest of what waits, and what is settled for a while."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from identities.models import SignalEvent, SignalSet, SignalStream
from identities.signals import keeping, reading, telling
from tests.identities.signalling import SetUp, found, keyed, registered, went_out
from tests.identities.test_signals_api import Caller, made

__all__ = ["keyed"]

pytestmark = pytest.mark.django_db

Make = Callable[..., Any]


@pytest.fixture
def asks(keyed: SetUp, user: Make, client: Client) -> Caller:
    _, token = registered(user("gateway"))
    return Caller(client, token)


def told(identity: Any, many: int) -> datetime:
    began = datetime.now(UTC)
    for seconds in range(many):
        went_out(identity, "hold", now=began + timedelta(seconds=seconds))
    telling.tell_next(now=began + timedelta(seconds=many))
    return began


def states() -> list[str]:
    return list(SignalSet.objects.order_by("id").values_list("state", flat=True))


@pytest.mark.parametrize("status", ["enabled", "paused"])
def test_oldest_give_way_where_too_many_wait_and_the_stream_says_so(
    asks: Caller, active: Make, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    monkeypatch.setattr(reading, "MOST_HELD", 3)
    stream, other = made(asks), made(asks, events_requested=["urn:x"])
    asks("POST", "status", {"stream_id": stream, "status": status, "reason": "Maintenance."})
    told(active(mode="enforce"), 3)
    now = datetime(2026, 11, 27, 10, 0, tzinfo=UTC)
    assert keeping.bound(now=now) == 0
    told(active("svc-more", mode="enforce"), 2)
    assert (keeping.bound(now=now), keeping.bound(now=now)) == (2, 0)
    assert states() == ["dropped"] * 2 + ["waiting"] * 3
    answer = asks("GET", f"status?stream_id={stream}").json()
    assert answer == {
        "stream_id": stream,
        "status": status,
        "reason": "Maintenance. The oldest 2 signals that waited were dropped, last at"
        " 2026-11-27 10:00 UTC: a stream holds 3.",
    }
    assert asks("GET", f"status?stream_id={other}").json() == {
        "stream_id": other, "status": "enabled",
    }  # fmt: skip
    # What says that the status changed never gives way.
    SignalSet.objects.filter(state="waiting").update(control=True)
    told(active("svc-last", mode="enforce"), 4)
    assert keeping.bound(now=now) == 1
    row = SignalStream.objects.get(overflowed__gt=0)
    assert (row.overflowed, row.dropped) == (3, 0)


def test_what_was_settled_long_ago_is_forgotten_and_told_no_second_time(
    asks: Caller, active: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "BATCH", 2)
    made(asks)
    identity = active(mode="enforce")
    finding = found(identity, "no_run")
    told(identity, 3)
    finding.state = "false"
    finding.save()
    began = told(identity, 0)
    later = began + keeping.KEPT + timedelta(days=1)
    kinds = list(SignalEvent.objects.order_by("id").values_list("kind", flat=True))
    assert sorted(kinds) == ["risk-level-change"] * 2 + ["session-revoked"] * 3
    waits = SignalSet.objects.order_by("id").last()
    assert waits is not None
    SignalSet.objects.exclude(pk=waits.pk).update(state="taken", settled_at=began)
    assert not keeping.prune_next(now=began + keeping.KEPT - timedelta(days=1))
    turns = 0
    while keeping.prune_next(now=later):
        turns += 1
    assert (turns >= 2, list(SignalSet.objects.values_list("pk", flat=True))) == (True, [waits.pk])
    # The level that was told last is what the next one is compared with.
    assert [one.payload["current_level"] for one in SignalEvent.objects.all()] == ["LOW"]
    SignalSet.objects.update(state="taken", settled_at=began)
    while keeping.prune_next(now=later):
        pass
    assert (SignalSet.objects.count(), SignalEvent.objects.count()) == (0, 1)
    # Nothing of it is news any more, and the risk has not changed.
    assert telling.tell_next(now=later) == 0
    assert (SignalSet.objects.count(), SignalEvent.objects.count()) == (0, 1)
    assert telling.LATELY < keeping.KEPT
