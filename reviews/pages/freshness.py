"""How fresh the evidence behind cases is, beside each row of the queue. Constant queries for all rows.

Owns the words. What makes a source's evidence doubtful is the clock's rule (reviews/actions), so
that a row says what silence will be judged by.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from evidence.models import Source
from reviews.actions import lateness
from reviews.models import Case

# A walk along the index of attributions: one step for each source of each identity.
SOURCES_OF = """
SELECT who.number, f.source_id FROM unnest(%s::bigint[]) AS who(number)
CROSS JOIN LATERAL (
    WITH RECURSIVE one AS (
        (SELECT source_id FROM identities_attribution WHERE identity_no = who.number
         ORDER BY source_id LIMIT 1)
        UNION ALL SELECT (SELECT a.source_id FROM identities_attribution a
         WHERE a.identity_no = who.number AND a.source_id > one.source_id
         ORDER BY a.source_id LIMIT 1) FROM one WHERE one.source_id IS NOT NULL)
    SELECT source_id FROM one WHERE source_id IS NOT NULL) f
"""

# The last step of an index for each of them.
NEWEST = """
SELECT who.number, (SELECT max(at) FROM identities_attribution WHERE identity_no = who.number)
FROM unnest(%s::bigint[]) AS who(number)
"""


class Fresh(NamedTuple):
    """`at`: everything up to then has been seen; `why`: what of it is doubtful, when something is.
    `late`: more of it may come, and is waited for."""

    at: datetime | None = None
    why: str = ""
    url: str = ""
    late: bool = False


def of_cases(cases: Iterable[Case], *, now: datetime) -> dict[Any, dict[str, Any]]:
    """By the case's primary key; a case on no identity has none. With its `why`, a row says what
    silence would do, as the page of its case does: what is doubtful is not cut."""
    numbers = {one.pk: one.identity.number for one in cases if one.identity is not None}
    found = of_identities(set(numbers.values()), now=now)
    return {case: found[number]._asdict() for case, number in numbers.items()}


def of_identities(numbers: Iterable[int], *, now: datetime) -> dict[int, Fresh]:
    """By Identity.number."""
    wanted = list(numbers)
    with connection.cursor() as cursor:
        cursor.execute(SOURCES_OF, [wanted])
        pairs = cursor.fetchall()
    sources = Source.objects.in_bulk({source for _, source in pairs})
    behind: dict[int, list[Source]] = {}
    for number, source in pairs:
        behind.setdefault(number, []).append(sources[source])
    return {number: _fresh(behind.get(number, []), now=now) for number in wanted}


def newest(cases: Iterable[Case]) -> dict[Any, datetime]:
    """By the case's primary key, when the newest event of its identity was; of none: left out."""
    numbers = {one.pk: one.identity.number for one in cases if one.identity is not None}
    with connection.cursor() as cursor:
        cursor.execute(NEWEST, [list(set(numbers.values()))])
        found: dict[int, datetime | None] = dict(cursor.fetchall())
    return {case: at for case, number in numbers.items() if (at := found[number]) is not None}


def _fresh(sources: list[Source], *, now: datetime) -> Fresh:
    """As fresh as the least fresh of them."""
    if not sources:
        return Fresh(why="no evidence of it is known")
    for one in sorted(sources, key=lambda source: source.name):
        why = lateness.why_late(one, now=now)
        if why:
            late = all(not lateness.never_shown(source) for source in sources)
            return Fresh(one.watermark, why, f"/sources/{one.name}/", late)
    slowest = min(sources, key=lambda source: source.watermark or now)
    return Fresh(slowest.watermark, "", f"/sources/{slowest.name}/")
