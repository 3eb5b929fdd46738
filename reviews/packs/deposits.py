"""The bytes that events of a pack's capsules were read from, where they are asked for."""

from collections.abc import Iterable, Iterator
from itertools import batched
from typing import Any

from evidence import ledger
from evidence.models import Deposit, Tombstone
from evidence.stores import bodies


def rows_of(numbers: Iterable[int]) -> Iterator[dict[str, Any]]:
    """What these deposits are, and what of them went since: of each tombstone its digests lead from
    the bytes that were kept to those that are there."""
    for some in batched(sorted(numbers), 500):
        stones: dict[int, list[Tombstone]] = {}
        for stone in Tombstone.objects.filter(deposit__in=some).order_by("pk"):
            stones.setdefault(stone.deposit_id, []).append(stone)
        for one in Deposit.objects.filter(pk__in=some).select_related("source").order_by("pk"):
            yield {
                "deposit": str(one.pk),
                "source": one.source.name,
                "format": one.format,
                "format_version": one.format_version,
                "received_at": ledger.moment(one.received_at),
                "kept_digest": bytes(one.kept_digest).hex(),
                "kept_bytes": one.kept_bytes,
                "there": bytes_of(one) is not None,
                "tombstones": [_stone(stone) for stone in stones.get(one.pk, ())],
            }


def _stone(row: Tombstone) -> dict[str, Any]:
    left = row.left_digest
    return {
        "cause": row.cause,
        "why": row.why,
        "at": ledger.moment(row.at),
        "gone_digest": bytes(row.gone_digest).hex(),
        "left_digest": None if left is None else bytes(left).hex(),
    }


def bytes_of(deposit: Deposit) -> bytes | None:
    """The bytes that are kept of it; None: they are gone."""
    try:
        return bodies.unpack(deposit)
    except FileNotFoundError:
        return None
