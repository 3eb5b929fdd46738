"""When evidence of a source is late, and since when: read from its watermark, kept while it lasts.

Owns LateEvidence rows, and the sentence why evidence may be missing. What time is worth that did
not count because of it is clock.py's.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import connection, transaction

from evidence.models import Source
from reviews import policies
from reviews.models import Case, LateEvidence

# Of which sources evidence of an identity is there, of many identities at once.
SOURCES = """
SELECT i.number, s.id FROM unnest(%s::bigint[]) AS i(number) CROSS JOIN evidence_source s
WHERE EXISTS (SELECT FROM identities_attribution a
 WHERE a.identity_no = i.number AND a.source_id = s.id)
ORDER BY s.name
"""


class Behind(NamedTuple):
    """The sources of an identity's evidence, and the stretches in which one of them was late: those
    that are over, and those that go on. In order, apart from each other."""

    sources: Sequence[Source] = ()
    over: Sequence[policies.Stretch] = ()
    going_on: Sequence[policies.Stretch] = ()


def of_cases(cases: Iterable[Case], *, since: datetime, now: datetime) -> dict[UUID, Behind]:
    """Of the identities of these cases, in three queries; stretches that ended before are left
    out."""
    numbers = {case.pk: case.identity.number for case in cases if case.identity is not None}
    if not numbers:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(SOURCES, [list(set(numbers.values()))])
        pairs = cursor.fetchall()
    known = Source.objects.in_bulk({source for _, source in pairs})
    over, going_on = _stretches(known, since=since, now=now)
    of: dict[int, list[int]] = {}
    for number, source in pairs:
        of.setdefault(number, []).append(source)
    together = {
        those: Behind(
            [known[pk] for pk in those],
            policies.together(one for pk in those for one in over.get(pk, ())),
            policies.together(going_on[pk] for pk in those if pk in going_on),
        )
        for those in {tuple(those) for those in of.values()}
    }
    return {
        case: together.get(tuple(of.get(number, ())), Behind()) for case, number in numbers.items()
    }


def _stretches(
    known: Mapping[int, Source], *, since: datetime, now: datetime
) -> tuple[dict[int, list[policies.Stretch]], dict[int, policies.Stretch]]:
    """By source: those that are over, and the one that goes on."""
    going_on = {
        pk: (begun, now)
        for pk, source in known.items()
        if (begun := late_since(source)) is not None and begun < now
    }
    over: dict[int, list[policies.Stretch]] = {}
    rows = LateEvidence.objects.filter(source__in=known, until__gte=since, since__lt=now)
    for row in rows.order_by("since"):
        goes_on = going_on.get(row.source_id)
        if goes_on is not None and row.until >= goes_on[0]:
            # Some of what was missing came, and not all.
            going_on[row.source_id] = (min(row.since, goes_on[0]), now)
        else:
            over.setdefault(row.source_id, []).append((row.since, min(row.until, now)))
    return over, going_on


def note(*, now: datetime) -> None:
    """Remember which sources are late at this moment, while they are."""
    begun = {
        source.pk: since
        for source in Source.objects.filter(watermark__isnull=False)
        if (since := late_since(source)) is not None and now - since > policies.MOST_UNHEARD
    }
    with transaction.atomic():
        rows = LateEvidence.objects.filter(source__in=begun).order_by("source", "-until")
        newest = {row.source_id: row for row in rows.distinct("source")}
        goes_on = [row for pk, row in newest.items() if begun[pk] <= row.until < now]
        for row in goes_on:
            row.until = now
        LateEvidence.objects.bulk_update(goes_on, ["until"])
        LateEvidence.objects.bulk_create(
            [
                LateEvidence(source_id=pk, since=since, until=now)
                for pk, since in begun.items()
                if pk not in newest or newest[pk].until < since
            ],
            ignore_conflicts=True,
        )


def late_since(source: Source) -> datetime | None:
    """From when evidence of a source is late unless more of it comes; None: it never can be told,
    so that waiting for it is of no use."""
    if never_shown(source) or source.watermark is None:
        return None
    delay = source.lag_seconds + 2 * (source.expected_every_seconds or 0)
    return source.watermark + timedelta(seconds=delay)


def never_shown(source: Source) -> str:
    """Why evidence of a source is in doubt at all times; "" when it can be complete."""
    name = called(source)
    if source.sampling < 1:
        return f"evidence of {name} is sampled"
    if source.keep_rules:
        return f"evidence of {name} is filtered"
    if source.watermark is None:
        return f"whether evidence of {name} is complete is not known"
    return ""


def why_late(source: Source, *, now: datetime) -> str:
    """Why the newest evidence of a source may be missing; "" when it is fresh."""
    since = late_since(source)
    if since is None or source.watermark is None:
        return never_shown(source)
    known = f"{source.watermark:%-d %b %Y %H:%M} UTC"
    return f"evidence of {called(source)} is known up to {known} only" if since < now else ""


def called(source: Source) -> str:
    return source.title or source.name
