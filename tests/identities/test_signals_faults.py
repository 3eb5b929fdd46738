"""What goes wrong on the way to a receiver: nothing is lost, doubled, or held up by another."""

import threading
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from joserfc.jwk import ECKey

from identities.actions import outgoing
from identities.enforcers import signal_keys
from identities.models import (
    OutgoingSwitch,
    Person,
    Revocation,
    SignalEvent,
    SignalSet,
    SignalStream,
)
from identities.signals import polling, pushing, telling
from tests.evidence.killing import dooming
from tests.evidence.sources.server import Answer
from tests.identities.signal_lab import POLL, Receiver
from tests.identities.signalling import (
    SetUp,
    keyed,
    receiving,
    went_out,
    work,
)

__all__ = ["keyed", "receiving"]

pytestmark = pytest.mark.django_db(transaction=True)

Make = Callable[..., Any]
HOUR = timedelta(hours=1)
MANY, KILLS = 40, 4
BACKLOG = 10_000


def holds(identity: Any, many: int) -> list[str]:
    """So many holds that went out, each a second after the other: how SETs speak of them."""
    began = datetime.now(UTC)
    rows = [
        went_out(identity, "hold", now=began + timedelta(seconds=seconds))
        for seconds in range(many)
    ]
    return [f"{one.key}," for one in rows]


def numbers(receiver: Receiver) -> list[str]:
    """Which of the revocations each SET that was taken is about, in order; the first is 1."""
    return [number(one) for one in receiver.taken.values()]


def number(claims: dict[str, Any]) -> str:
    said = next(iter(claims["events"].values()))["reason_admin"]["en"]
    first = Revocation.objects.order_by("number").values_list("number", flat=True)[0]
    return str(int(said.split("REV-")[1].split(",")[0]) - first + 1)


def row() -> SignalStream:
    return SignalStream.objects.get()


def test_receiver_that_is_away_for_a_while_gets_all_of_it_in_order(
    receiving: Make, active: Make
) -> None:
    receiver, identity = receiving(), active(mode="enforce")
    receiver.pushes_to_me()
    holds(identity, 5)
    receiver.there.fail(*[Answer(503, headers={"Retry-After": "600"})] * 2, Answer(500, b"<html>"))
    now = datetime.now(UTC)
    assert work(now) == 1
    stream = row()
    assert (stream.failures, stream.failed_why.endswith("answered 503.")) == (1, True)
    assert timedelta(seconds=600) <= stream.not_before - now <= timedelta(seconds=900)
    assert work(now + timedelta(seconds=599)) == 0
    assert (work(now + HOUR), work(now + 2 * HOUR)) == (1, 1)
    assert (row().failures, receiver.taken) == (3, {})
    work(now + 3 * HOUR)
    assert numbers(receiver) == ["1", "2", "3", "4", "5"]
    stream = row()
    assert (stream.failures, stream.failed_why, stream.leased_until) == (0, "", None)


def test_nobody_listens_and_the_pause_grows(
    receiving: Make, active: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("identities.enforcers.signal_push.pause", lambda: 0.0)
    monkeypatch.setattr("identities.enforcers.web.pause", lambda seconds=None: seconds or 0.0)
    receiver, identity = receiving(), active(mode="enforce")
    receiver.pushes_to_me()
    holds(identity, 1)
    SignalStream.objects.update(endpoint="http://127.0.0.1:9/signals")
    now, waits = datetime.now(UTC), []
    for _ in range(12):
        work(now)
        waits.append((row().not_before - now).total_seconds())
        now = row().not_before
    assert waits == [5, 10, 20, 40, 80, 160, 320, 640, 1280, 1800, 1800, 1800]
    assert "Nothing listens at" in row().failed_why
    SignalStream.objects.update(endpoint=f"{receiver.there.url}/signals")
    work(now)
    assert numbers(receiver) == ["1"]


@pytest.mark.parametrize(
    ("answer", "err"),
    [
        (
            Answer(400, {"err": "invalid_request", "description": "no such member"}),
            "invalid_request",
        ),
        (Answer(400, {"err": "something_new"}), "something_new"),
        (Answer(400, {"err": "invalid_state", "description": "x" * 9_000}), "invalid_state"),
    ],
)
def test_refused_event_does_not_hold_up_the_others(
    receiving: Make, active: Make, answer: Answer, err: str
) -> None:
    receiver, identity = receiving(), active(mode="enforce")
    receiver.pushes_to_me()
    said = holds(identity, 3)
    receiver.poison = lambda one: answer if said[1] in str(one) else None
    work()
    assert numbers(receiver) == ["1", "3"]
    refused = SignalSet.objects.get(state="refused")
    assert (refused.err, len(refused.said) <= 500) == (err, True)
    assert row().failures == 0


@pytest.mark.parametrize(
    "err",
    ["authentication_failed", "access_denied", "invalid_key", "invalid_issuer", "invalid_audience"],
)
def test_what_is_wrong_with_the_stream_drops_nothing(
    receiving: Make, active: Make, err: str
) -> None:
    receiver, identity = receiving(), active(mode="enforce")
    receiver.pushes_to_me()
    holds(identity, 2)
    secret = receiver.authorization
    answer = Answer(400, {"err": err, "description": f"not with {secret}"})
    receiver.poison = lambda _: answer
    now = datetime.now(UTC)
    work(now)
    stream = row()
    assert stream.failed_why.startswith(f"The receiver answered {err}: not with")
    assert secret.split()[1] not in stream.failed_why
    assert stream.who_must_act == "whoever runs the receiver"
    receiver.poison = lambda _: None
    work(now + HOUR)
    assert numbers(receiver) == ["1", "2"]
    assert row().who_must_act == ""


@pytest.mark.parametrize("answer", [Answer(500), Answer(400, b"<html>"), Answer(302)])
def test_event_that_its_receiver_dies_of_is_set_aside_once_another_is_taken(
    receiving: Make, active: Make, answer: Answer
) -> None:
    receiver, identity = receiving(), active(mode="enforce")
    receiver.pushes_to_me()
    said = holds(identity, 3)
    receiver.poison = lambda one: answer if said[0] in str(one) else None
    now = datetime.now(UTC)
    for hours in range(pushing.MOST_ATTEMPTS - 1):
        work(now + hours * HOUR)
    assert (receiver.taken, row().failures) == ({}, pushing.MOST_ATTEMPTS - 1)
    work(now + 9 * HOUR)
    if answer.status == 302:
        # That is an address to mend, and no event's fault.
        assert (receiver.taken, row().who_must_act) == ({}, "the administrator of Countersign")
        return
    assert numbers(receiver) == ["2", "3"]
    refused = SignalSet.objects.get(state="refused")
    assert (refused.err, refused.said[:8]) == ("not_taken", "5 times;")


def test_one_stream_that_fails_costs_the_others_nothing(receiving: Make, active: Make) -> None:
    down, up = receiving("down"), receiving("up")
    identity = active(mode="enforce")
    for one in (down, up):
        one.pushes_to_me()
    down.poison = lambda _: Answer(500)
    holds(identity, 2)
    work()
    assert (numbers(up), down.taken) == (["1", "2"], {})


def test_crash_between_sending_and_recording_sends_the_same_again(
    receiving: Make, active: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver, identity = receiving(), active(mode="enforce")
    receiver.pushes_to_me()
    holds(identity, 2)
    now = datetime.now(UTC)

    def dies(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as crash:
        crash.setattr(pushing, "settle", dies)
        with pytest.raises(KeyboardInterrupt):
            work(now)
    assert list(receiver.times.values()) == [1]
    # Nobody takes it before the lease is over.
    assert work(now + timedelta(minutes=4)) == 0
    work(now + timedelta(minutes=6))
    assert list(receiver.times.values()) == [2, 1]
    assert numbers(receiver) == ["1", "2"]


def test_workers_killed_at_random_points_tell_everything_once(
    receiving: Make, active: Make, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver, identity = receiving(), active(mode="enforce")
    receiver.pushes_to_me()
    holds(identity, MANY)
    monkeypatch.setenv("COUNTERSIGN_ENFORCERS", settings.ENFORCERS)
    monkeypatch.setenv("COUNTERSIGN_BASE_URL", settings.BASE_URL)
    sent = SignalSet.objects.filter(state="taken")
    with dooming({"identities.signals.telling.MOST": 7}) as doomed:
        doomed.run(
            "identities.tasks.signals",
            kills=KILLS,
            progress=lambda: SignalEvent.objects.count() + sent.count(),
            stride=2 * MANY // KILLS - 4,
            between=lambda: SignalStream.objects.update(
                leased_until=None, not_before=NOW_OR_BEFORE
            ),
        )
    assert (sent.count(), SignalEvent.objects.count()) == (MANY, MANY)
    assert numbers(receiver) == [str(number) for number in range(1, MANY + 1)]
    # What was not recorded came again with the same jti, and the receiver counts it once.
    assert MANY <= sum(receiver.times.values()) <= MANY + KILLS


NOW_OR_BEFORE = datetime(2026, 1, 1, tzinfo=UTC)


def test_two_workers_at_once_tell_and_push_each_once(receiving: Make, active: Make) -> None:
    receivers = [receiving(name) for name in ("one", "two", "three")]
    identity = active(mode="enforce")
    for one in receivers:
        one.pushes_to_me()
    holds(identity, 10)
    gate, now = threading.Barrier(3), datetime.now(UTC)

    def worker() -> None:
        try:
            gate.wait(timeout=20)
            for _ in range(5):
                work(now)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(worker) for _ in range(3)]:
            done.result(timeout=60)
    work(now)
    for one in receivers:
        assert numbers(one) == [str(number) for number in range(1, 11)]
        assert set(one.times.values()) == {1}


def test_nothing_leaves_while_outgoing_writes_are_stopped(receiving: Make, active: Make) -> None:
    pushed, polled = receiving("pushed"), receiving("polled")
    identity = active(mode="enforce")
    pushed.pushes_to_me()
    polled.creates(delivery={"method": POLL})
    person = Person.objects.create(name="x")
    switch = OutgoingSwitch.objects.create(
        to="stopped", state="in_force", reason="x", proposed_at=timezone.now(), proposed_by="x",
        proposed_person=person, settled_person=Person.objects.create(name="y"),
        settled_at=timezone.now(), settled_by="y",
    )  # fmt: skip
    assert outgoing.stopped()
    holds(identity, 1)
    assert (work(), polled.polls(), pushed.taken) == (0, [], {})
    switch.delete()
    assert (work(), len(polled.polls()), len(pushed.taken)) == (1, 1, 1)


def test_without_its_key_it_waits_and_says_who_must_act(
    receiving: Make, active: Make, settings: Any, keyed: SetUp
) -> None:
    receiver, identity = receiving(), active(mode="enforce")
    receiver.pushes_to_me()
    holds(identity, 1)
    settings.ENFORCERS = ""
    now = datetime.now(UTC)
    work(now)
    assert row().failed_why.startswith("Signals are not set up: name a key")
    assert receiver.http.get("/.well-known/ssf-configuration").status_code == 404
    keyed(another_key())
    work(now + HOUR)
    # The receiver fetches the new key by itself.
    assert numbers(receiver) == ["1"]


def another_key() -> str:
    return ECKey.generate_key("P-256").as_pem(private=True).decode()


def test_header_of_a_receiver_is_no_text_in_the_database(
    receiving: Make, active: Make, settings: Any
) -> None:
    receiver, identity = receiving(), active(mode="enforce")
    receiver.pushes_to_me()
    stream = row()
    assert receiver.authorization not in str(vars(stream))
    assert signal_keys.opened(stream.authorization) == receiver.authorization
    assert "authorization_header" not in receiver.asks("GET", "configuration").text
    settings.DIGEST_KEY = b"another key of this installation"
    holds(identity, 1)
    work()
    assert row().who_must_act == "whoever runs the receiver"
    assert receiver.taken == {}


def test_days_of_backlog_take_no_more_queries_or_memory(receiving: Make, active: Make) -> None:
    receiver, identity = receiving(), active(mode="enforce")
    receiver.creates()
    events = SignalEvent.objects.bulk_create(
        SignalEvent(
            cause=f"x {number}", kind="session-revoked", identity=identity,
            names=[{"format": "opaque", "id": "x"}], payload={"reason_admin": {"en": "REV-1, x"}},
            happened_at=timezone.now(), made_at=timezone.now(),
        )
        for number in range(BACKLOG)
    )  # fmt: skip
    stream = row()
    SignalSet.objects.bulk_create(
        SignalSet(stream=stream, event=one, jti=f"{number:040}")
        for number, one in enumerate(events)
    )
    del events
    queries, peaks, done, ack = [], [], 0, list[str]()
    tracemalloc.start()
    while True:
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        with CaptureQueriesContext(connection) as counted:
            polling.settle(stream, polling.read({"ack": ack}), now=timezone.now())
            sets, more = polling.answer(stream, polling.MOST_EVENTS)
        queries.append(len(counted))
        peaks.append(tracemalloc.get_traced_memory()[1] - before)
        ack = list(sets)
        done += len(ack)
        if not ack:
            break
    tracemalloc.stop()
    assert (done, more) == (BACKLOG, False)
    assert len(set(queries[1:-1])) == 1
    # All of this process is counted: what another thread did meanwhile is in some of them.
    assert median(peaks) < 1024 * 1024
    # Pushed, they are read page by page.
    SignalSet.objects.update(state="waiting")
    with CaptureQueriesContext(connection) as counted:
        assert sum(1 for _ in pushing.waiting(stream)) == BACKLOG
    assert len(counted) == 2 * (BACKLOG // pushing.PAGE + 1)


def test_telling_many_takes_as_many_queries_as_telling_one(receiving: Make, active: Make) -> None:
    receivers = [receiving(name) for name in ("one", "two")]
    for one in receivers:
        one.creates()
    counts = []
    for many in (1, 60):
        for number in range(many):
            went_out(active(f"svc-{many}-{number}", mode="enforce"), "hold", now=datetime.now(UTC))
        with CaptureQueriesContext(connection) as counted:
            assert telling.tell_next(now=datetime.now(UTC)) == many
        counts.append(len(counted))
    assert counts[0] == counts[1]
    assert SignalSet.objects.count() == 122
