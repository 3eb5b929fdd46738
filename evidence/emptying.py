"""What two people asked to erase goes: from capsules, from the deposit, from the dictionary.

Owns the order of the steps, and that each is one transaction which may be repeated, so that a crash
or a second worker does no harm: the rows of one capsule; texts that quote the content
(evidence/unquoting.py); the bytes and the events; the names and texts that nothing else needs; texts
that quote those. The database itself looks whether it may (migrations 0008, 0013 and 0017). Must not know who may ask; evidence/erasing.py does.
"""

import json
import logging
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction

from evidence import (
    above,
    capsules,
    chain,
    erasing,
    ledger,
    locks,
    pieces,
    quotes,
    retention,
    unquoting,
)
from evidence.formats.removing import without
from evidence.keys import key_of
from evidence.locks import Lock
from evidence.models import Actor, Erasure, Term, Tombstone
from evidence.names import TermName
from evidence.permissions import NotPossible
from evidence.stores import bodies
from evidence.words import counted

log = logging.getLogger(__name__)

# Capsules that hold rows of a deposit, with their body as it is and as it is to be.
FROZEN = """
SELECT c.number, c.body, evidence_capsule_without(c.body, w.id)
FROM evidence_erasure w
JOIN evidence_capsule c ON c.body -> 'deposits' @> jsonb_build_array(
    jsonb_build_object('id', w.deposit_id::text))
WHERE w.id = %s AND evidence_capsule_without(c.body, w.id) <> c.body
ORDER BY c.number LIMIT 1
"""
# How far an erasure is: the content is there; it went; the names went, and texts may quote them.
CONTENT, EMPTIED, NAMED = range(3)
# What a frozen row says by a name of the dictionary.
PEOPLE = ("principal", "credential", "agent", "on_behalf")
TEXTS = {
    "action": Term.ACTION,
    "resource": Term.RESOURCE,
    "address": Term.ADDRESS,
    "error": Term.ERROR,
}


def carry_out_all(*, now: datetime) -> int:
    """Everything that is confirmed; how many. What fails or is held is tried by the next run."""
    done = 0
    for number in Erasure.objects.filter(state=Erasure.CONFIRMED).values_list("pk", flat=True):
        try:
            done += _carry_out(number, now)
        except NotPossible as problem:
            log.info("erasure %s waits: %s", number, problem)
        except Exception:
            log.exception("erasure %s was not carried out", number)
    if done:
        bodies.orphans(remove=True)
    return done


def _carry_out(number: UUID, now: datetime) -> bool:
    while _next_capsule(number, now):
        pass
    content = _unquoted(number, now)
    if not (_deposit(number, now) and _names(number)):
        return False
    # Once more for what was written meanwhile, as long as it is known what to look for.
    for wanted in content:
        _unquote(number, wanted, now, stage=NAMED)
    return _done(number, now)


def _stage(row: Erasure) -> int:
    if row.emptied_at is None:
        return CONTENT
    return EMPTIED if row.named_at is None else NAMED


def _claimed(number: UUID, *, stage: int) -> Erasure | None:
    """The erasure, and its deposit alone for this transaction; None when this step is done.
    Raises NotPossible when somebody holds it by now."""
    rows = Erasure.objects.select_related("deposit__source")
    erasing.lock(rows.get(pk=number).deposit)
    row = rows.get(pk=number)
    if row.state != Erasure.CONFIRMED or _stage(row) != stage:
        return None
    if stage == CONTENT:
        erasing.require_free(row)
    return row


def _unquoted(number: UUID, now: datetime) -> list[quotes.Prose]:
    """What quotes the content goes; what was looked for. Nothing when the content is gone."""
    with transaction.atomic():
        row = _claimed(number, stage=CONTENT)
        if row is None:
            return []
        content, needed = pieces.content_of(row), unquoting.said_by(row)
    kept: list[quotes.Prose] = []
    for wanted in quotes.prose(content, needed=needed):
        _unquote(number, wanted, now, stage=CONTENT)
        # All that a large deposit says would fill the memory.
        kept = [*kept, wanted][:1]
    return kept


def _unquote(number: UUID, wanted: quotes.Wanted, now: datetime, *, stage: int) -> None:
    """Every text loses what it quotes; the erasure counts the rows."""

    def write(row: Erasure, **said: Any) -> None:
        _write(row, now, **said)

    def count(row: Erasure, rows: int) -> None:
        row.became = row.became | {"rows": row.became.get("rows", 0) + rows}
        row.save(update_fields=["became"])

    unquoting.out_of_all(wanted, lambda: _claimed(number, stage=stage), write, count)


def _next_capsule(number: UUID, now: datetime) -> bool:
    """The rows of one capsule; False when there is none that holds any."""
    with transaction.atomic():
        row = _claimed(number, stage=CONTENT)
        return row is not None and _capsule(row, now)


def _note_names(row: Erasure, before: Any, after: Any) -> None:
    """Keep which names and texts the rows of a capsule lose: their events may be gone, and the
    dictionary holds them still."""
    people: set[str] = set()
    texts: set[TermName] = set()
    for was, line in zip(before["events"], after["events"], strict=True):
        lost = {key: was[key] for key in was if was[key] and line[key] != was[key]}
        people |= {lost[one] for one in PEOPLE if one in lost}
        texts |= {(kind, lost[one]) for one, kind in TEXTS.items() if one in lost}
    keys = [key_of(str(kind), value) for kind, value in texts]
    named = Actor.objects.filter(value__in=people).values_list("pk", flat=True)
    said = Term.objects.filter(key__in=keys).values_list("pk", flat=True)
    row.people, row.texts = [*row.people, *named], [*row.texts, *said]
    row.save(update_fields=["people", "texts"])


def _capsule(row: Erasure, now: datetime) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(FROZEN, [row.pk])
        found = cursor.fetchone()
        if found is None:
            return False
        number, *found = found
        before, after = map(json.loads, found)
        _note_names(row, before, after)
        gone, left = capsules.digest(before), capsules.digest(after)
        cursor.execute(
            "SELECT countersign_erase_frozen(%s, %s, %s, %s)", [row.pk, number, gone, left]
        )
        rows = int(cursor.fetchone()[0])
    key = f"CAP-{number}"
    _write(
        row,
        now,
        act=capsules.ERASED,
        words=f"{counted(rows, 'frozen event')} of {key} lost {'their' if rows > 1 else 'its'}"
        f" words: {erasing.what(row)} is erased",
        data={
            "capsule": key,
            "gone_digest": gone.hex(),
            "left_digest": left.hex(),
            "events": rows,
        },
    )
    return True


def _deposit(number: UUID, now: datetime) -> bool:
    """The bytes and what the events said; False when somebody did the whole before."""
    with transaction.atomic(), connection.cursor() as cursor:
        row = _claimed(number, stage=CONTENT)
        if row is None:
            return Erasure.objects.filter(pk=number, state=Erasure.CONFIRMED).exists()
        # Whoever signs now waits, and freezes what is left; what was frozen meanwhile goes first.
        locks.take(cursor, Lock.FREEZE)
        while _capsule(row, now):
            pass
        stones = Tombstone.objects.filter(deposit=row.deposit)
        before = stones.count()
        gone, size, left = _parts(row)
        cursor.execute(
            "SELECT countersign_erase(%s, %s, %s, %s, %s)",
            [row.pk, gone, size, left.packed, left.digest],
        )
        events = int(cursor.fetchone()[0])
        if row.names:
            above.unname(cursor, row.deposit_id, row.ordinal)
        if row.deposit.first_at and row.deposit.last_at:
            for follow in retention.followers:
                follow(row.deposit.first_at, row.deposit.last_at)
        if stones.count() == before:
            # It was gone already: only what outlived it, in events and capsules, went.
            _write(
                row,
                now,
                act="deposit.emptied",
                words=f"what was left of {erasing.what(row)} is erased: the texts of"
                f" {counted(events, 'event')}; {_by(row)}",
                data={"events": events},
            )
            return True
        _write(
            row,
            now,
            act=chain.ERASED,
            words=f"{erasing.what(row)} is erased, with the texts of {counted(events, 'event')};"
            f" {_by(row)}",
            data={
                "gone_digest": gone.hex(),
                "left_digest": None if left.digest is None else left.digest.hex(),
                "events": events,
            },
        )
    return True


def _names(number: UUID) -> bool:
    """The names and texts that nothing else needs; False when somebody did the whole before."""
    with transaction.atomic(), connection.cursor() as cursor:
        row = _claimed(number, stage=EMPTIED)
        if row is None:
            return Erasure.objects.filter(pk=number, state=Erasure.CONFIRMED).exists()
        rows = row.became.get("rows", 0)
        cursor.execute("SELECT countersign_forget_names(%s)", [row.pk])
        row.refresh_from_db(fields=["became"])
        row.became = row.became | {"rows": rows}
        row.save(update_fields=["became"])
    return True


def _done(number: UUID, now: datetime) -> bool:
    """What quotes the names and texts that went, and the short pieces; False when somebody did
    it before."""
    row = Erasure.objects.get(pk=number)
    if row.words:
        _unquote(number, unquoting.names(row.words), now, stage=NAMED)
    short = pieces.to_go(row)
    if short:
        _unquote(number, quotes.Pieces(short), now, stage=NAMED)
    with transaction.atomic():
        done = _claimed(number, stage=NAMED)
        if done is None:
            return False
        row = done
        if row.pieces:
            kept = len(row.pieces) - len(short)
            row.became = row.became | {"pieces": len(short), "pieces_kept": kept}
        row.state, row.done_at, row.words, row.pieces = Erasure.DONE, now, [], []
        row.save(update_fields=["state", "done_at", "words", "pieces", "became"])
        _write(
            row,
            now,
            act="erasure.done",
            words=f"{erasing.what(row)} is erased everywhere: {erasing.became_words(row)}",
            data=row.became,
        )
    return True


class _Left(NamedTuple):
    """What stays of a body, packed for a row; nothing packed: it lies outside, or none is left."""

    digest: bytes | None
    packed: bytes | None


def _parts(row: Erasure) -> tuple[bytes, int, _Left]:
    """(SHA-256 of the bytes before, how many go, what is left)."""
    deposit = row.deposit
    if Tombstone.objects.filter(deposit=deposit, ordinal=None).exists():
        return b"", 0, _Left(None, None)
    try:
        body = bodies.unpack(deposit)
    except FileNotFoundError:
        # The bytes went by themselves; the texts of the events still have to.
        last = bodies.left_of(deposit)
        return last or bytes(deposit.kept_digest), 0, _Left(None, None)
    gone = sha256(body).digest()
    if row.ordinal is None:
        return gone, len(body), _Left(None, None)
    if bodies.place_of(deposit, row.ordinal) is None:
        return gone, 0, _Left(gone, None)
    position = pieces.position_of(deposit, row.ordinal, body)
    stays = without(body, [position], mark=True)
    digest = sha256(stays)
    place, packed = bodies.pack(stays, digest.hexdigest())
    size = len(body) - len(stays)
    return gone, size, _Left(digest.digest(), None if place else packed)


def _by(row: Erasure) -> str:
    return f"asked by {row.asked_name}, confirmed by {row.settled_name}: {row.reason}"


def _write(row: Erasure, now: datetime, *, act: str, words: str, data: dict[str, Any]) -> None:
    ledger.append(
        at=now,
        by=row.settled_by,
        by_name=row.settled_name,
        act=act,
        subject=f"source:{row.deposit.source.name}",
        words=words,
        data={"deposit": str(row.deposit_id), "ordinal": row.ordinal, "erasure": str(row.pk)}
        | data,
    )
