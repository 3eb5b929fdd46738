"""Erasure: two people, what goes and what stays, and that both chains still verify."""

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import orjson
import pytest
from django.core.management import call_command
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from evidence import chain, emptying, erasing, intake, ledger, tasks
from evidence.models import (
    Deposit,
    DepositBody,
    Erasure,
    Event,
    LedgerEntry,
    LegalHold,
    Reject,
    Source,
    Term,
    Tombstone,
)
from evidence.permissions import COMMAND, NotAllowed, NotPossible, Reader
from evidence.queries import sources
from evidence.stores import bodies
from tests.evidence.bodies import AT_ANY_AGE, export, record, trail

ANNA = Reader("user:anna", "Anna", None, frozenset(), None, None, "person-anna")
ANNA_AGAIN = ANNA._replace(ref="user:anna-admin", name="Anna (admin)")
BEN = Reader("user:ben", "Ben", None, frozenset(), None, None, "person-ben")
EVE = Reader("user:eve", "Eve", None)
SECRET = "invoices/JaneDoe-passport.pdf"


def take(source: Source, body: bytes, **said: Any) -> Deposit:
    taken = intake.take(source=source, body=body, by="command", now=timezone.now(), **said)
    return Deposit.objects.get(pk=taken.deposit)


def now_minus(minutes: int) -> Any:
    return timezone.now().replace(microsecond=0) - timedelta(minutes=minutes)


def three(source: Source) -> Deposit:
    """Three records; the one in the middle names what must go."""
    told = [record(number, at=now_minus(number)) for number in (1, 2, 3)]
    told[1]["requestParameters"]["key"] = SECRET
    return take(source, trail(*told))


def erased(deposit: Deposit, ordinal: int | None = None, *, names: bool = False) -> Erasure:
    now = timezone.now()
    row = erasing.ask(
        deposit=deposit, ordinal=ordinal, names=names, reason="court order 7", by=ANNA, now=now
    )
    erasing.confirm(erasure=row, by=BEN, now=now)
    assert emptying.carry_out_all(now=now) == 1
    row.refresh_from_db()
    return row


def everything(as_owner: Callable[..., list[tuple[Any, ...]]]) -> str:
    """Every row of evidence as text, bodies unpacked."""
    texts = [bodies.unpack(one).decode() for one in Deposit.objects.all() if _has_body(one)]
    for name in ("event", "term", "actor", "reject", "tombstone", "deposit", "erasure"):
        rows = as_owner(f"SELECT to_jsonb(r)::text FROM evidence_{name} r")
        texts += [text for (text,) in rows]
    return "\n".join(texts)


def _has_body(deposit: Deposit) -> bool:
    return DepositBody.objects.filter(deposit_id=deposit.pk).exists()


def verified() -> list[str]:
    now = timezone.now()
    chain.seal(now=now)
    ledger.seal(now=now)
    faults = [fault for one in chain.verify() for fault in one.faults]
    return faults + [fault.what for fault in ledger.verify().faults]


@pytest.mark.django_db(transaction=True)
def test_record_goes_and_the_others_stay_as_they_were(
    source: Callable[..., Source], as_owner: Callable[..., list[tuple[Any, ...]]]
) -> None:
    deposit = three(source())
    chain.seal(now=timezone.now())
    before = bodies.unpack(deposit)
    others = list(Event.objects.exclude(ordinal=1).order_by("pk").values())
    (gone,) = Event.objects.filter(ordinal=1)
    assert SECRET in everything(as_owner)
    row = erased(deposit, 1)
    assert SECRET not in everything(as_owner)
    after = bodies.unpack(deposit)
    kept = orjson.loads(before)["Records"]
    assert orjson.loads(after)["Records"] == [kept[0], None, kept[2]]
    assert list(Event.objects.exclude(ordinal=1).order_by("pk").values()) == others
    left = Event.objects.get(ordinal=1)
    assert (left.pk, left.digest, left.principal_id) == (gone.pk, gone.digest, gone.principal_id)
    assert (left.resource_id, left.request_id, left.address_id) == (None, None, None)
    assert Term.objects.get(pk=left.action_id).value == "[erased]"
    stone = Tombstone.objects.get()
    assert (stone.ordinal, stone.cause, stone.why, stone.asked_name, stone.confirmed_name) == (
        1, "erasure", "court order 7", "Anna", "Ben",
    )  # fmt: skip
    assert (bytes(stone.gone_digest), stone.record_digest) == (
        bytes(deposit.kept_digest), gone.digest,
    )  # fmt: skip
    assert row.state == "done"
    assert sources.kept(deposit).intact is True
    assert verified() == []


@pytest.mark.django_db(transaction=True)
def test_record_is_still_found_beside_an_erased_one(source: Callable[..., Source]) -> None:
    deposit = three(source())
    erased(deposit, 1)
    assert '"key": "3.json"' in sources.record_excerpt(deposit, 2)
    assert '"key": "1.json"' in sources.record_excerpt(deposit, 0)
    assert sources.record_excerpt(deposit, 1) == ""
    erased(deposit, 0)
    assert '"key": "3.json"' in sources.record_excerpt(deposit, 2)
    assert verified() == []


@pytest.mark.django_db(transaction=True)
def test_deposit_goes_as_a_whole(
    source: Callable[..., Source], as_owner: Callable[..., list[tuple[Any, ...]]]
) -> None:
    body = trail(record(1, at=now_minus(1)))[:-2] + b',{"eventName": 1, "x": "' + b'JaneDoe"}]}'
    deposit = take(source(), body)
    assert "JaneDoe" in Reject.objects.get().excerpt
    erased(deposit, names=True)
    assert "JaneDoe" not in everything(as_owner)
    assert (DepositBody.objects.count(), Event.objects.count()) == (0, 1)
    event = Event.objects.get()
    assert (event.principal_id, event.credential_id, event.request_id) == (None, None, None)
    assert Deposit.objects.get().received_digest == deposit.received_digest
    assert verified() == []
    (found,) = chain.verify()
    assert found.erased == 1
    # The same bytes are known, and stay away.
    again = intake.take(source=deposit.source, body=body, by="command", now=timezone.now())
    assert (again.repeat, DepositBody.objects.count()) == (True, 0)


@pytest.mark.django_db(transaction=True)
def test_text_that_other_events_repeat_stays_for_them(source: Callable[..., Source]) -> None:
    deposit = three(source())
    erased(deposit, 1)
    others = Event.objects.exclude(ordinal=1)
    assert {Term.objects.get(pk=one.action_id).value for one in others} == {"s3:GetObject"}
    assert Term.objects.filter(value="10.0.3.17").count() == 1


@pytest.mark.django_db(transaction=True)
def test_span_goes(source: Callable[..., Source]) -> None:
    traces = source("traces", plane="ai")
    told = [{"span": one, "name": f"step {one}"} for one in (1, 2, 3)]
    request = export(*told, at=now_minus(5))
    deposit = take(traces, request.SerializeToString(), format="otlp")
    erased(deposit, 1)
    body = bodies.unpack(deposit)
    assert (b"step 1" in body, b"step 2" in body, b"step 3" in body) == (True, False, True)
    assert "step 3" in sources.record_excerpt(deposit, 2)
    assert verified() == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.real_clock
def test_large_body_is_rewritten_outside_the_database(
    source: Callable[..., Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "IN_ROW", 10)
    monkeypatch.setattr(bodies, "ORPHAN_SECONDS", AT_ANY_AGE)
    deposit = three(source())
    erased(deposit, 1)
    assert SECRET.encode() not in bodies.unpack(deposit)
    assert len(list(bodies.folder().glob("*/*.zst"))) == 1
    assert (bodies.orphans(remove=True), sources.kept(deposit).intact) == ([], True)
    assert verified() == []
    erased(deposit)
    assert list(bodies.folder().glob("*/*.zst")) == []
    assert verified() == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("by", "sentence"),
    [
        (ANNA, "You asked for it: somebody else has to confirm."),
        (ANNA_AGAIN, "You asked for it: somebody else has to confirm."),
        (COMMAND, "A second person confirms this, signed in."),
        (EVE, "You may not administer sources."),
        (
            BEN._replace(person=""),
            "This login is nobody's: a confirmation needs a person behind it.",
        ),
    ],
)
def test_nobody_erases_alone(source: Callable[..., Source], by: Reader, sentence: str) -> None:
    row = erasing.ask(
        deposit=three(source()), ordinal=1, names=False, reason="r", by=ANNA, now=timezone.now()
    )
    with pytest.raises(NotAllowed) as problem:
        erasing.confirm(erasure=row, by=by, now=timezone.now())
    assert str(problem.value) == sentence
    assert emptying.carry_out_all(now=timezone.now()) == 0


@pytest.mark.django_db
def test_database_itself_wants_two(source: Callable[..., Source]) -> None:
    now = timezone.now()
    row = erasing.ask(
        deposit=three(source()), ordinal=None, names=False, reason="r", by=ANNA, now=now
    )
    with pytest.raises(IntegrityError), transaction.atomic():
        Erasure.objects.update(state="confirmed", settled_by=ANNA.ref)
    with (
        connection.cursor() as cursor,
        pytest.raises(DatabaseError, match="second person"),
        transaction.atomic(),
    ):
        cursor.execute("SELECT countersign_erase(%s, '', 0, NULL, NULL)", [row.pk])


@pytest.mark.django_db(transaction=True)
def test_held_content_is_not_erased(source: Callable[..., Source]) -> None:
    deposit = three(source())
    now = timezone.now()
    row = erasing.ask(deposit=deposit, ordinal=1, names=False, reason="r", by=ANNA, now=now)
    hold = LegalHold.objects.create(
        source=deposit.source, reason="case 9", placed_at=now, placed_by="user:1"
    )
    with pytest.raises(NotPossible, match="legal hold: case 9"):
        erasing.confirm(erasure=row, by=BEN, now=now)
    LegalHold.objects.filter(pk=hold.pk).update(released_at=now)
    erasing.confirm(erasure=row, by=BEN, now=now)


@pytest.mark.django_db
def test_asked_once_refused_once_and_not_for_what_is_not_there(
    source: Callable[..., Source],
) -> None:
    deposit, now = three(source()), timezone.now()
    said: dict[str, Any] = {"deposit": deposit, "names": False, "by": ANNA, "now": now}
    row = erasing.ask(ordinal=1, reason="r", **said)
    for ordinal, reason, sentence in (
        (1, "again", "Anna has asked for this already."),
        (3, "r", "has no record 3"),
        (2, " ", "Say why this has to be removed."),
    ):
        with pytest.raises(NotPossible, match=sentence):
            erasing.ask(ordinal=ordinal, reason=reason, **said)
    erasing.refuse(erasure=row, reason="needed", by=ANNA, now=now)
    with pytest.raises(NotPossible, match="This is refused already"):
        erasing.confirm(erasure=row, by=BEN, now=now)
    assert list(LedgerEntry.objects.order_by("pk").values_list("act", flat=True)) == [
        "erasure.asked", "erasure.refused",
    ]  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_crash_before_the_end_is_finished_by_the_next_run(
    source: Callable[..., Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    deposit, now = three(source()), timezone.now()
    row = erasing.ask(deposit=deposit, ordinal=1, names=False, reason="r", by=ANNA, now=now)
    erasing.confirm(erasure=row, by=BEN, now=now)
    with monkeypatch.context() as patched:
        patched.setattr(ledger, "append", lambda **_: 1 / 0)
        assert emptying.carry_out_all(now=now) == 0
    assert (Tombstone.objects.count(), SECRET.encode() in bodies.unpack(deposit)) == (0, True)
    tasks.erase()
    tasks.erase()
    assert (Tombstone.objects.count(), SECRET.encode() in bodies.unpack(deposit)) == (1, False)
    assert verified() == []


@pytest.mark.django_db(transaction=True)
def test_verifier_says_what_was_erased_and_what_is_missing(
    source: Callable[..., Source], as_owner: Callable[..., list[tuple[Any, ...]]]
) -> None:
    deposit = three(source())
    other = take(deposit.source, trail(record(9, at=now_minus(9))))
    erased(deposit, 1)
    chain.seal(now=timezone.now())
    out = StringIO()
    call_command("verify_deposits", stdout=out)
    assert out.getvalue().startswith("ok: trail: 2 deposits sealed, 1 erased by two people, 0 not")
    as_owner(
        "SET countersign.letting_go = 'on'; DELETE FROM evidence_depositbody WHERE deposit_id ="
        f" {other.pk}; RESET countersign.letting_go"
    )
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("verify_deposits", stdout=out)
    assert f"deposit {other.pk}: its bytes are missing, and nothing says why" in out.getvalue()
