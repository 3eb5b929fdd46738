"""What pages show of custody: periods, holds, keep-filters, what is gone and by whose word.

Owns the words around rows, and the sentence for evidence that retention dropped. Must not know
of requests.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import Max, Sum

from evidence import custody, erasing, keeping, second_person
from evidence.models import Deposit, DepositSeal, Dropped, Erasure, LegalHold, Source, Tombstone
from evidence.partitions import bounds
from evidence.permissions import Reader

MOST_SHOWN = 20
BADGES = {
    Erasure.ASKED: ("waits", "asked"),
    Erasure.CONFIRMED: ("waiting", "confirmed"),
    Erasure.DONE: ("done", "erased"),
    Erasure.REFUSED: ("withdrawn", "refused"),
}


def of_source(source: Source, by: Reader, *, now: datetime) -> dict[str, Any]:
    """For templates/components/custody.html."""
    why_not = by.why_not_administer or ""
    gone = Dropped.objects.filter(source=source, events__gt=0).aggregate(
        events=Sum("events"), month=Max("month")
    )
    holds = LegalHold.objects.filter(source=source, released_at=None).select_related(
        "source", "actor"
    )
    address = f"/sources/{source.name}"
    return {
        "days": source.retention_days,
        "shorter_from": custody.shorter_from(source, now=now),
        "dropped_events": gone["events"] or 0,
        "dropped_before": bounds(gone["month"])[1] if gone["month"] else None,
        "holds": [
            {
                "id": one.pk,
                "about": custody.about(one),
                "reason": one.reason,
                "by": one.placed_name or one.placed_by,
                "at": one.placed_at,
                "release": None
                if why_not
                else {
                    "words": "Release",
                    "url": f"{address}/holds/{one.pk}/release/",
                    "icon": "lock",
                    "ask": "Why is the hold over? It goes into the ledger",
                    "danger": True,
                },
            }
            for one in holds.order_by("-pk")[:MOST_SHOWN]
        ],
        "rules": "\n".join(map(str, keeping.of(source))),
        "left_out": keeping.left_out(source),
        "why_not": why_not,
        "retention_url": f"{address}/retention/",
        "hold_url": f"{address}/holds/",
        "filter_url": f"{address}/keep-filter/",
        "filter_waits": second_person.waits(source, by),
    }


def of_deposit(deposit: Deposit, by: Reader) -> dict[str, Any]:
    """For templates/components/erasures.html."""
    seal = DepositSeal.objects.filter(deposit=deposit).first()
    stones = list(Tombstone.objects.filter(deposit=deposit).order_by("pk"))
    whole = any(stone.ordinal is None for stone in stones)
    rows = [] if by.scope is not None else list(deposit.erasures.order_by("-asked_at")[:MOST_SHOWN])
    return {
        "seal": seal,
        "tombstones": [
            {
                "what": "the whole deposit" if one.ordinal is None else f"record {one.ordinal}",
                "words": _gone_words(one),
                "why": one.why,
                "at": one.at,
                "digest": bytes(one.gone_digest),
            }
            for one in stones
        ],
        "gone": whole,
        "erasures": [_erasure(one, by) for one in rows],
        "ask_url": f"/deposits/{deposit.pk}/erase/" if not whole or erasing.says(deposit) else "",
        "why_not": by.why_not_administer or "",
        "copies": [] if by.why_not_administer else erasing.copies(deposit),
    }


def _gone_words(stone: Tombstone) -> str:
    if stone.cause == Tombstone.RETENTION:
        return "dropped by retention"
    return f"erased: {stone.asked_name} asked, {stone.confirmed_name} confirmed"


def _erasure(row: Erasure, by: Reader) -> dict[str, Any]:
    address = f"/erasures/{row.pk}"
    waits = row.state == Erasure.ASKED
    acts: list[dict[str, Any]] = []
    if waits:
        acts = [
            {
                "words": "Confirm the erasure",
                "url": f"{address}/confirm/",
                "icon": "trash",
                "danger": True,
                "why_not": erasing.why_not_confirm(row, by) or "",
            },
            {
                "words": "Refuse it",
                "url": f"{address}/refuse/",
                "icon": "x",
                "ask": "Why does it stay? It goes into the ledger",
                "why_not": by.why_not_administer or "",
            },
        ]
    return {
        "what": erasing.what(row),
        "reason": row.reason,
        "badge": BADGES[row.state][0],
        "badge_words": BADGES[row.state][1],
        "asked": row.asked_name,
        "at": row.asked_at,
        "settled": row.settled_name,
        "settled_at": row.settled_at,
        "settled_reason": row.settled_reason,
        "waits": erasing.why_waits(row),
        "became": erasing.became_words(row),
        # What else goes, for whoever confirms it: only administrators are shown it.
        "pieces": [] if by.why_not_administer else row.pieces,
        "acts": acts,
    }


type Stretch = tuple[datetime, datetime, str, str]


def dropped_stretches(
    *, since: datetime, until: datetime, sources: Iterable[int] | None = None
) -> list[Stretch]:
    """(from, to, what to say, plane) of each source's dropped months that lie in this time.

    One statement for any number of months: neighbours become one stretch.
    """
    rows = Dropped.objects.filter(
        events__gt=0, month__gte=since.date().replace(day=1), month__lte=until.date()
    ).select_related("source")
    if sources is not None:
        rows = rows.filter(source__in=list(sources))
    found: dict[int, list[Stretch]] = {}
    for row in rows.order_by("source", "month"):
        begins, ends = bounds(row.month)
        stretches = found.setdefault(row.source_id, [])
        if stretches and stretches[-1][1] >= begins:
            begins = stretches.pop()[0]
        stretches.append((begins, ends, gone_words(_name(row.source), ends), row.source.plane))
    return [
        (max(begins, since), min(ends, until), words, plane)
        for stretches in found.values()
        for begins, ends, words, plane in stretches
        if ends > since and begins < until
    ]


def gone_note(source: str = "") -> str:
    """What is said where a list of events ends: up to when the raw ones were dropped."""
    rows = Dropped.objects.filter(events__gt=0)
    if source:
        rows = rows.filter(source__name=source)
    last = rows.values("source__name", "source__title").annotate(month=Max("month"))
    return "; ".join(
        gone_words(row["source__title"] or row["source__name"], bounds(row["month"])[1])
        for row in last.order_by("source__name")[:5]
    )


def gone_words(name: str, before: datetime) -> str:
    """The one sentence for it."""
    return f"raw events of {name} before {before:%Y-%m-%d} were dropped by retention"


def _name(source: Source) -> str:
    return source.title or source.name


def gone_at(moment: datetime) -> str:
    """What was dropped of the month in which this event lay; empty: nothing was."""
    stretches = dropped_stretches(since=moment, until=moment.replace(microsecond=999_999))
    words = sorted({words for _, _, words, _ in stretches})
    return "; ".join(words)[:1_000]
