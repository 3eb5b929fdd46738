"""The ledger as documents that can be checked without this app.

Owns their shape and order, and which entries are commitments only; scripts/verify_ledger.py reads
them. Changes nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Q

from evidence import withheld
from evidence.ledger.form import GENESIS, VERSION, members_of, moment
from evidence.models import LedgerEntry, LedgerSeal, LedgerTombstone

# How many rows are read at once.
PAGE = 2_000


def export(*, now: datetime, with_sealed: bool = False) -> Iterator[dict[str, Any]]:
    """The ledger as documents that can be checked without this app: a head, then every row.

    Entries of sealed cases are commitments (their digest alone) unless `with_sealed` says so: those
    that were written before they were sealed, too. What is written while this runs is left out.
    """
    hidden = None if with_sealed else withheld.everywhere()
    last = LedgerSeal.objects.order_by("-number").first()
    through = last.number if last else 0
    yield {
        "ledger": "countersign",
        "version": VERSION,
        "exported_at": moment(now),
        "sealed": through,
        "head": (bytes(last.hash) if last else GENESIS).hex(),
    }
    for row, entry, stones in _walk(through=through):
        said = {
            "number": row.number,
            "id": row.entry_id,
            "digest": bytes(row.entry_digest).hex(),
            "previous": bytes(row.previous).hex(),
            "hash": bytes(row.hash).hex(),
            "sealed_at": moment(row.sealed_at),
        }
        # An entry that is gone has no content, and the verifier says so.
        content = _content(entry, stones, hidden) if entry else {"gone": True}
        yield said | content
    late = LedgerEntry.objects.filter(Q(seal__isnull=True) | Q(seal__number__gt=through))
    for entry in late.order_by("pk").prefetch_related("tombstones").iterator(PAGE):
        said = {"number": None, "id": entry.pk, "digest": bytes(entry.digest).hex()}
        yield said | _content(entry, list(entry.tombstones.all()), hidden)


def _content(
    entry: LedgerEntry, stones: Sequence[LedgerTombstone], hidden: withheld.Withheld | None
) -> dict[str, Any]:
    if hidden is not None and hidden.keeps_out(entry):
        return {"withheld": True}
    told = [[bytes(one.gone_digest).hex(), bytes(one.left_digest).hex()] for one in stones]
    return {"entry": members_of(entry)} | ({"erased": told} if told else {})


def _walk(
    *, through: int | None = None
) -> Iterator[tuple[LedgerSeal, LedgerEntry | None, list[LedgerTombstone]]]:
    """All seals in order with their entries and what says that words of them went."""
    rows = LedgerSeal.objects.order_by("number")
    if through is not None:
        rows = rows.filter(number__lte=through)
    after: int | None = None
    while True:
        page = list((rows if after is None else rows.filter(number__gt=after))[:PAGE])
        if not page:
            return
        entries = LedgerEntry.objects.in_bulk([row.entry_id for row in page])
        stones = _stones(entries)
        for row in page:
            yield row, entries.get(row.entry_id), stones.get(row.entry_id, [])
        after = page[-1].number


def _stones(entries: Iterable[int]) -> dict[int, list[LedgerTombstone]]:
    found: dict[int, list[LedgerTombstone]] = {}
    for stone in LedgerTombstone.objects.filter(entry__in=entries).order_by("pk"):
        found.setdefault(stone.entry_id, []).append(stone)
    return found
