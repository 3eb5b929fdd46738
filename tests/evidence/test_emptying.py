"""What an erasure reaches besides its deposit: capsules and the dictionary of names; and crashes,
workers and signatures at the same time."""

from collections.abc import Callable
from threading import Barrier, Thread
from threading import Event as Signal
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from evidence import capsules, custody, emptying, erasing, ledger
from evidence.models import (
    Actor,
    Capsule,
    CapsuleTombstone,
    Deposit,
    Erasure,
    Event,
    LedgerEntry,
    LegalHold,
    Source,
    Tombstone,
)
from evidence.permissions import COMMAND, NotPossible
from evidence.stores import bodies
from tests.evidence.bodies import record, trail
from tests.evidence.test_erasing import ANNA, BEN, SECRET, erased, now_minus, take, verified

pytestmark = pytest.mark.django_db(transaction=True)
type AsOwner = Callable[..., list[tuple[Any, ...]]]
JANE = "arn:aws:iam::123456789012:user/jane.doe"
JANES_KEY = "AKIAJANEDOEEXAMPLE00"


def janes(number: int, **said: Any) -> dict[str, Any]:
    """A record of somebody whose name is to go."""
    made = record(number, at=now_minus(number), **said)
    made["userIdentity"] |= {"arn": JANE, "accessKeyId": JANES_KEY, "userName": "jane.doe"}
    made["requestParameters"] = {"bucketName": "hr", "key": SECRET}
    return made


def three(source: Source) -> Deposit:
    """Three records; the one in the middle is Jane's."""
    return take(source, trail(*(record(one, at=now_minus(one)) for one in (1, 3)), janes(2)))


def frozen(*deposits: Deposit) -> Capsule:
    refs = Event.objects.filter(deposit_id__in=[one.pk for one in deposits])
    with transaction.atomic():
        return capsules.freeze(
            subject="CS-1",
            events=refs.values_list("at", "id"),
            query={"item": "1"},
            shown={"findings": []},
            by=ANNA.ref,
            now=timezone.now(),
        )


def confirmed(deposit: Deposit, ordinal: int | None = None, *, names: bool = True) -> Erasure:
    now = timezone.now()
    row = erasing.ask(
        deposit=deposit, ordinal=ordinal, names=names, reason="court order 7", by=ANNA, now=now
    )
    return erasing.confirm(erasure=row, by=BEN, now=now)


def carried_out() -> int:
    return emptying.carry_out_all(now=timezone.now())


def faults() -> list[str]:
    """What every verifier says is wrong."""
    return verified() + [f"{key}: {what}" for key, what in capsules.verify() if what]


def everywhere(as_owner: AsOwner) -> str:
    """Every row of evidence, capsules and the ledger as text, with the bytes that are kept."""
    names = [
        name
        for (name,) in as_owner(
            "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relkind IN ('r', 'p') AND NOT relispartition AND relname LIKE 'evidence\\_%'"
        )
    ]
    texts = [text for name in names for (text,) in as_owner(f"SELECT r::text FROM {name} r")]
    for deposit in Deposit.objects.all():
        try:
            texts.append(bodies.unpack(deposit).decode())
        except FileNotFoundError:
            continue
    return "\n".join(texts)


def test_frozen_rows_lose_their_words_and_the_seal_still_verifies(
    source: Callable[..., Source], as_owner: AsOwner
) -> None:
    deposit = three(source())
    capsule, other = frozen(deposit), frozen(take(source("other"), trail(record(9))))
    before, sealed = capsule.body, bytes(capsule.digest)
    assert [name in everywhere(as_owner) for name in (SECRET, "jane.doe", JANES_KEY)] == [True] * 3
    row = erased(deposit, 2, names=True)
    assert [name in everywhere(as_owner) for name in (SECRET, "jane.doe", JANES_KEY)] == [False] * 3
    capsule.refresh_from_db()
    for was, line in zip(before["events"], capsule.body["events"], strict=True):
        gone = {
            **dict.fromkeys(
                ("resource", "address", "error", "request_id", "principal", "credential", "agent"),
            ),
            "on_behalf": None,
            "action": "[erased]",
            "erased": str(row.pk),
        }
        assert line == (was | gone if was["position"] == 2 else was)
    assert {key: one for key, one in capsule.body.items() if key != "events"} == {
        key: one for key, one in before.items() if key != "events"
    }
    stone = CapsuleTombstone.objects.get()
    assert (stone.capsule, stone.events, stone.why, stone.asked_name, stone.confirmed_name) == (
        capsule, 1, "court order 7", "Anna", "Ben",
    )  # fmt: skip
    assert (bytes(capsule.digest), bytes(stone.gone_digest)) == (sealed, sealed)
    assert bytes(stone.left_digest) == capsules.digest(capsule.body)
    assert (capsules.intact(capsule), capsules.intact(other), faults()) == (True, True, [])
    assert row.became == {"capsules": 1, "names": 2, "names_kept": 0, "rows": 0, "texts": 1}
    assert erasing.became_words(row) == "1 capsule, 1 text, 2 names"
    acts = LedgerEntry.objects.filter(data__erasure=str(row.pk)).order_by("pk")
    assert list(acts.values_list("act", flat=True)) == [
        "erasure.asked", "erasure.confirmed", "capsule.erased", "deposit.erased", "erasure.done",
    ]  # fmt: skip


def test_capsule_that_somebody_changed_is_found_beside_its_tombstone(
    source: Callable[..., Source], as_owner: AsOwner
) -> None:
    deposit = three(source())
    capsule = frozen(deposit)
    erased(deposit, 2)
    change = "SET countersign.letting_go = 'on'; {}; RESET countersign.letting_go"
    as_owner(change.format("UPDATE evidence_capsule SET body = jsonb_set(body, '{subject}', '1')"))
    assert faults() == [f"{capsule.key}: was changed after sealing"]
    as_owner(change.format("DELETE FROM evidence_capsuletombstone"))
    assert faults() == [f"{capsule.key}: was changed after sealing"]
    as_owner(
        change.format(
            "INSERT INTO evidence_capsuletombstone (capsule_id, erasure_id, events, why, asked_by,"
            " asked_name, confirmed_by, confirmed_name, at, gone_digest, left_digest) SELECT c.id,"
            " e.id, 1, '', 'a', 'a', 'b', 'b', now(), c.digest, '' FROM evidence_capsule c,"
            " evidence_erasure e"
        )
    )
    assert faults() == [f"{capsule.key}: its tombstone is not in the ledger"]


@pytest.mark.parametrize("step", range(4))
def test_crash_at_any_step_is_finished_by_the_next_run(
    source: Callable[..., Source],
    as_owner: AsOwner,
    monkeypatch: pytest.MonkeyPatch,
    step: int,
) -> None:
    deposit = three(source())
    frozen(deposit)
    frozen(deposit)
    row = confirmed(deposit, 2)
    append, calls = ledger.append, []

    def dies(**said: Any) -> Any:
        calls.append(said["act"])
        if len(calls) > step:
            raise RuntimeError("the worker dies")
        return append(**said)

    with monkeypatch.context() as patched:
        patched.setattr(ledger, "append", dies)
        assert carried_out() == 0
    assert (CapsuleTombstone.objects.count(), Tombstone.objects.count()) == (
        min(step, 2), int(step > 2),
    )  # fmt: skip
    assert (carried_out(), carried_out()) == (1, 0)
    row.refresh_from_db()
    assert (row.state, row.became["capsules"], row.people, row.texts) == ("done", 2, [], [])
    assert (CapsuleTombstone.objects.count(), Tombstone.objects.count()) == (2, 1)
    assert [name in everywhere(as_owner) for name in (SECRET, "jane.doe", JANES_KEY)] == [False] * 3
    assert faults() == []


def in_threads(*calls: Callable[[], Any]) -> list[Any]:
    """What these say that begin at once, each on a connection of its own."""
    begin, said = Barrier(len(calls)), []

    def one(call: Callable[[], Any]) -> None:
        try:
            begin.wait(60)
            said.append(call())
        finally:
            connection.close()

    threads = [Thread(target=one, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return said


def test_two_workers_do_it_once(source: Callable[..., Source]) -> None:
    deposit = three(source())
    for _ in range(3):
        frozen(deposit)
    confirmed(deposit, 2)
    assert sorted(in_threads(carried_out, carried_out)) == [0, 1]
    assert (CapsuleTombstone.objects.count(), Tombstone.objects.count()) == (3, 1)
    acts = LedgerEntry.objects.filter(act__in=["capsule.erased", "deposit.erased", "erasure.done"])
    assert (acts.count(), faults()) == (5, [])


def test_capsule_that_is_signed_meanwhile_is_reached(
    source: Callable[..., Source], as_owner: AsOwner
) -> None:
    deposit = three(source())
    confirmed(deposit, 2)
    froze, go_on = Signal(), Signal()

    def signs() -> None:
        try:
            with transaction.atomic():
                frozen(deposit)
                froze.set()
                go_on.wait(30)
        finally:
            connection.close()

    signer = Thread(target=signs)
    signer.start()
    froze.wait(30)
    worker = Thread(target=in_threads, args=(carried_out,))
    worker.start()
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    while worker.is_alive() and as_owner(waiting) == [(0,)]:
        pass
    assert (worker.is_alive(), Tombstone.objects.count()) == (True, 0)
    go_on.set()
    for thread in (signer, worker):
        thread.join(60)
    assert (CapsuleTombstone.objects.count(), Tombstone.objects.count()) == (1, 1)
    assert (SECRET in everywhere(as_owner), faults()) == (False, [])


def test_hold_that_comes_after_the_confirmation_still_wins(source: Callable[..., Source]) -> None:
    deposit = three(source())
    frozen(deposit)
    row = confirmed(deposit, 2)
    hold = custody.place_hold(
        source=deposit.source, reason="case 9", by=COMMAND, now=timezone.now()
    )
    assert (carried_out(), CapsuleTombstone.objects.count(), Tombstone.objects.count()) == (0, 0, 0)
    assert erasing.why_waits(row) == "It is held by legal hold: case 9: release that first."
    custody.release_hold(hold=hold, reason="over", by=COMMAND, now=timezone.now())
    assert (erasing.why_waits(row), carried_out(), faults()) == ("", 1, [])


@pytest.fixture
def let_go(source: Callable[..., Source], as_owner: AsOwner) -> Deposit:
    """A deposit of which retention left nothing but rows of a capsule."""
    deposit = three(source())
    frozen(deposit)
    as_owner(
        "SET countersign.letting_go = 'on'; DELETE FROM evidence_event;"
        " DELETE FROM evidence_depositbody; INSERT INTO evidence_tombstone (deposit_id, cause, why,"
        " asked_by, asked_name, confirmed_by, confirmed_name, at, gone_digest, gone_bytes) SELECT"
        " id, 'retention', '', '', '', '', '', now(), kept_digest, kept_bytes FROM"
        " evidence_deposit; RESET countersign.letting_go"
    )
    return deposit


@pytest.mark.parametrize("ordinal", [2, None])
def test_what_outlived_retention_in_a_capsule_is_reached(
    let_go: Deposit, as_owner: AsOwner, ordinal: int | None
) -> None:
    assert erasing.says(let_go)
    row = erased(let_go, ordinal, names=True)
    capsule = Capsule.objects.get()
    places = [line["position"] for line in capsule.body["events"] if "erased" in line]
    assert (sorted(places), capsules.intact(capsule)) == (
        [2] if ordinal == 2 else [0, 1, 2], True,
    )  # fmt: skip
    assert (row.state, Tombstone.objects.count()) == ("done", 1)
    assert SECRET not in everywhere(as_owner)
    if ordinal is None:
        with pytest.raises(NotPossible, match="gone already"):
            confirmed(let_go)


def test_hold_on_an_actor_keeps_frozen_rows_that_outlived_their_events(let_go: Deposit) -> None:
    hold = LegalHold.objects.create(
        actor=Actor.objects.get(value=JANE), reason="case 9", placed_at=timezone.now(),
        placed_by="user:1",
    )  # fmt: skip
    with pytest.raises(NotPossible, match="legal hold: case 9"):
        confirmed(let_go, 2)
    # The others' rows are not held.
    assert (confirmed(let_go, 1).state, carried_out()) == ("confirmed", 1)
    LegalHold.objects.filter(pk=hold.pk).update(released_at=timezone.now())
    row = Erasure.objects.get(ordinal=2)
    erasing.confirm(erasure=row, by=BEN, now=timezone.now())
    assert carried_out() == 1


def test_names_may_go_after_the_words(source: Callable[..., Source], as_owner: AsOwner) -> None:
    deposit = three(source())
    capsule = frozen(deposit)
    erased(deposit, 2)
    assert (JANE in everywhere(as_owner), SECRET in everywhere(as_owner)) == (True, False)
    erased(deposit, 2, names=True)
    capsule.refresh_from_db()
    assert (JANE in everywhere(as_owner), capsules.intact(capsule), faults()) == (False, True, [])
    assert (CapsuleTombstone.objects.count(), Tombstone.objects.count()) == (2, 1)


def test_frozen_row_is_found_where_reading_again_moved_its_event(
    source: Callable[..., Source], as_owner: AsOwner
) -> None:
    deposit = three(source())
    capsule = frozen(deposit)
    # Its record has another time and another place by now.
    as_owner(
        "SET countersign.letting_go = 'on';"
        " INSERT INTO evidence_pastreading (reading_id, kind, at, event_id, now_at, now_id, row)"
        " SELECT 1, 'event', at, id, at + interval '1 second', id + 1, '{}' FROM evidence_event"
        " WHERE ordinal = 2;"
        " UPDATE evidence_event SET at = at + interval '1 second', id = id + 1, ordinal = 9"
        " WHERE ordinal = 2; UPDATE evidence_event SET ordinal = 2 WHERE ordinal = 1;"
        " RESET countersign.letting_go"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT l ->> 'position' FROM evidence_capsule c"
            " CROSS JOIN LATERAL jsonb_array_elements(c.body -> 'events') l WHERE c.id = %s AND"
            " evidence_frozen_of(l, jsonb_populate_record(NULL::evidence_erasure, %s))",
            [capsule.pk, f'{{"deposit_id": {deposit.pk}, "ordinal": 9, "names": false}}'],
        )
        assert cursor.fetchall() == [("2",)]
