"""Content removed for good: one person asks, another confirms, a task carries it out.

Owns every move of `Erasure`. What goes are the bytes of a deposit or of one record in it, the
excerpts of rejects, and the texts of its events; what stays says that something was there: the
deposit's digests, the event's time, id and place, and a tombstone with who, why and when. The
database removes only what two different people are on record for (migration 0008).
"""

import logging
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q

from evidence import chain, known, ledger, nudge, permissions
from evidence.formats.record import Asked
from evidence.formats.removing import NotFound, without
from evidence.models import Capsule, Deposit, Erasure, Event, LegalHold, Tombstone
from evidence.permissions import NotPossible, Reader
from evidence.stores import bodies

log = logging.getLogger(__name__)

LONGEST_REASON = 2_000
# The first number names the kind of lock; the second is the deposit.
DEPOSIT_LOCK = 7_305_446


def ask(
    *,
    deposit: Deposit,
    ordinal: int | None,
    names: bool,
    reason: str,
    by: Reader,
    now: datetime,
) -> Erasure:
    """Ask that the content of a deposit, or of its record number `ordinal`, be removed."""
    permissions.require(by.why_not_administer)
    if not reason.strip():
        raise NotPossible("Say why this has to be removed.")
    if ordinal is not None and not 0 <= ordinal < deposit.records:
        raise NotPossible(f"Deposit {deposit.pk} has no record {ordinal}: they begin with 0.")
    with transaction.atomic():
        _locked(deposit)
        require_kept(deposit, ordinal)
        row, made = Erasure.objects.get_or_create(
            deposit=deposit,
            ordinal=ordinal,
            state__in=[Erasure.ASKED, Erasure.CONFIRMED],
            defaults={
                "names": names,
                "reason": reason.strip()[:LONGEST_REASON],
                "state": Erasure.ASKED,
                "asked_at": now,
                "asked_by": by.ref,
                "asked_name": by.name,
                "asked_person": by.person,
            },
        )
        if not made:
            raise NotPossible(f"{row.asked_name} has asked for this already.")
        _write(row, by, now, act="erasure.asked", words=f"asks to erase {what(row)}: {row.reason}")
    return row


def why_not_confirm(erasure: Erasure, by: Reader) -> str | None:
    """Why this reader is not the second person."""
    if by.why_not_administer is not None:
        return by.why_not_administer
    if not by.ref.startswith("user:"):
        return "A second person confirms this, signed in."
    if by.ref == erasure.asked_by or (by.person and by.person == erasure.asked_person):
        return "You asked for it: somebody else has to confirm."
    if not by.person:
        return "This login is nobody's: a confirmation needs a person behind it."
    return None


def confirm(*, erasure: Erasure, by: Reader, now: datetime) -> Erasure:
    """The second person's word: the content goes at once."""
    permissions.require(why_not_confirm(erasure, by))
    with transaction.atomic():
        row = _waiting(erasure)
        require_free(row)
        row.state, row.settled_at = Erasure.CONFIRMED, now
        row.settled_by, row.settled_name = by.ref, by.name
        row.save(update_fields=["state", "settled_at", "settled_by", "settled_name"])
        _write(row, by, now, act="erasure.confirmed", words=f"confirms erasing {what(row)}")
        nudge.after_commit("erasure.confirmed")
    return row


def refuse(*, erasure: Erasure, reason: str, by: Reader, now: datetime) -> Erasure:
    """It stays. Whoever asked may take it back this way."""
    permissions.require(by.why_not_administer)
    if not reason.strip():
        raise NotPossible("Say why it stays.")
    with transaction.atomic():
        row = _waiting(erasure)
        row.state, row.settled_at = Erasure.REFUSED, now
        row.settled_by, row.settled_name = by.ref, by.name
        row.settled_reason = reason.strip()[:LONGEST_REASON]
        row.save(
            update_fields=["state", "settled_at", "settled_by", "settled_name", "settled_reason"]
        )
        _write(
            row,
            by,
            now,
            act="erasure.refused",
            words=f"refuses to erase {what(row)}: {row.settled_reason}",
        )
    return row


def what(erasure: Erasure) -> str:
    """What is to go, in words."""
    if erasure.ordinal is None:
        said = f"the content of deposit {erasure.deposit_id}"
    else:
        said = f"record {erasure.ordinal} of deposit {erasure.deposit_id}"
    return f"{said}, and the names in it" if erasure.names else said


def require_kept(deposit: Deposit, ordinal: int | None) -> None:
    """Raise NotPossible when this content is gone already."""
    gone = Tombstone.objects.filter(deposit=deposit).filter(
        Q(ordinal=None) if ordinal is None else Q(ordinal=None) | Q(ordinal=ordinal)
    )
    if gone.exists():
        raise NotPossible("This content is gone already.")


def require_free(erasure: Erasure) -> None:
    """Raise NotPossible while a legal hold or a case that is not over needs this content."""
    deposit = erasure.deposit
    hold = LegalHold.objects.filter(Q(deposit=deposit), released_at=None).first()
    if hold is not None:
        raise NotPossible(f"A legal hold needs it: {hold.reason}")
    if deposit.first_at is None or deposit.last_at is None:
        return
    ordinal = "" if erasure.ordinal is None else " AND e.ordinal = %s"
    values = [] if erasure.ordinal is None else [erasure.ordinal]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT h.because FROM evidence_held(%s, %s + interval '1 microsecond') h"  # noqa: S608 - our own condition; values are parameters
            " JOIN evidence_event e ON e.at = h.at AND e.id = h.event_id"
            f" WHERE e.deposit_id = %s{ordinal} ORDER BY 1 LIMIT 1",
            [deposit.first_at, deposit.last_at, deposit.pk, *values],
        )
        row = cursor.fetchone()
    if row is not None:
        raise NotPossible(f"It is held by {row[0]}: release or close that first.")


def carry_out_all(*, now: datetime) -> int:
    """Everything that is confirmed; how many. What fails is tried again by the next run."""
    done = 0
    for number in Erasure.objects.filter(state=Erasure.CONFIRMED).values_list("pk", flat=True):
        try:
            done += _carry_out(number, now)
        except Exception:
            log.exception("erasure %s was not carried out", number)
    if done:
        bodies.orphans(remove=True)
    return done


class _Left(NamedTuple):
    """What stays of a body, packed for a row; nothing packed: it lies outside, or none is left."""

    digest: bytes | None
    packed: bytes | None


def _carry_out(number: UUID, now: datetime) -> bool:
    with transaction.atomic():
        row = Erasure.objects.select_related("deposit__source").get(pk=number)
        _locked(row.deposit)
        row.refresh_from_db(fields=["state"])
        if row.state != Erasure.CONFIRMED:
            return False
        gone, size, left = _parts(row)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT countersign_erase(%s, %s, %s, %s, %s)",
                [row.pk, gone, size, left.packed, left.digest],
            )
            events = int(cursor.fetchone()[0])
        ledger.append(
            at=now,
            by=row.settled_by,
            by_name=row.settled_name,
            act=chain.ERASED,
            subject=f"source:{row.deposit.source.name}",
            words=f"{what(row)} is erased, with the texts of {events:,} events; asked by"
            f" {row.asked_name}, confirmed by {row.settled_name}: {row.reason}",
            data={
                "deposit": str(row.deposit_id),
                "ordinal": row.ordinal,
                "gone_digest": gone.hex(),
                "left_digest": None if left.digest is None else left.digest.hex(),
                "erasure": str(row.pk),
                "events": events,
            },
        )
    return True


def _parts(row: Erasure) -> tuple[bytes, int, _Left]:
    """(SHA-256 of the bytes before, how many go, what is left)."""
    deposit = row.deposit
    try:
        body = bodies.unpack(deposit)
    except FileNotFoundError:
        # The bytes went by themselves; the texts of the events still have to.
        last = bodies.left_of(deposit)
        return last or bytes(deposit.kept_digest), 0, _Left(None, None)
    gone = sha256(body).digest()
    if row.ordinal is None:
        return gone, len(body), _Left(None, None)
    stays = without(body, [_position(row, body)], mark=True)
    digest = sha256(stays)
    place, packed = bodies.pack(stays, digest.hexdigest())
    size = len(body) - len(stays)
    return gone, size, _Left(digest.digest(), None if place else packed)


def _position(row: Erasure, body: bytes) -> str:
    """Where the record lies in what is kept now. Raises NotFound."""
    deposit = row.deposit
    reader = known.find(deposit.format)
    if reader is None or row.ordinal is None:
        raise NotFound(f"nothing reads the format {deposit.format!r}")
    source = deposit.source
    asked = Asked(source.name, b"", frozenset(source.realms), keep_content=True)
    place = bodies.place_of(deposit, row.ordinal)
    records = reader.parse(body, asked).records
    if place is None or place >= len(records):
        raise NotFound(f"record {row.ordinal} is not in what is kept")
    return records[place].position


def copies(deposit: Deposit) -> list[str]:
    """Where the same content lies besides, and is not touched: what people must know first."""
    said = []
    twins = Deposit.objects.filter(kept_digest=deposit.kept_digest).exclude(pk=deposit.pk)
    said += [
        f"deposit {one} holds the same bytes" for one in twins.values_list("pk", flat=True)[:5]
    ]
    events = Event.objects.filter(
        deposit_id=deposit.pk, at__gte=deposit.first_at, at__lte=deposit.last_at
    ) if deposit.first_at else Event.objects.none()  # fmt: skip
    if deposit.records > deposit.rejects + deposit.events:
        said.append("some of its records came in other deposits first; erase those too")
    if events.exists():
        wanted = [{"deposits": [{"id": str(deposit.pk)}]}]
        frozen = Capsule.objects.filter(body__contains=wanted[0]).order_by("number")[:5]
        said += [f"{one.key} holds rows of it for a decision, for good" for one in frozen]
    return said


def _locked(deposit: Deposit) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, %s)", [DEPOSIT_LOCK, deposit.pk % 2_147_483_647]
        )


def _waiting(erasure: Erasure) -> Erasure:
    row = (
        Erasure.objects.select_for_update(of=("self",))
        .select_related("deposit__source")
        .get(pk=erasure.pk)
    )
    if row.state != Erasure.ASKED:
        raise NotPossible(f"This is {row.state} already.")
    return row


def _write(row: Erasure, by: Reader, now: datetime, *, act: str, words: str) -> None:
    ledger.append(
        at=now,
        by=by.ref,
        by_name=by.name,
        act=act,
        subject=f"source:{row.deposit.source.name}",
        words=f"{by.name} {words}",
        data={"erasure": str(row.pk), "deposit": str(row.deposit_id), "ordinal": row.ordinal},
    )
