"""How sure it is that events belong to an incident, and which of their sources may lack others.

Owns the rule that a conclusion is as strong as the weakest link under it. Reads attributions, links
and findings; decides nothing and writes nothing.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection

from evidence.models import Source
from evidence.vocabulary import EXACT, INFERRED, KEY
from identities.models.behaviour import BY_EXACT, BY_KEY
from reviews.actions import lateness
from reviews.models import Case

type Ref = tuple[datetime, int]

# Of each event that is there: its source, whether it is the identity's and how that is known, how a
# finding of the case holds it, through which link it is tied to an event of the identity, and by
# which link it is caused by another of these. Null: not at all.
READ = """
WITH k AS (SELECT * FROM unnest(%(at)s::timestamptz[], %(id)s::bigint[]) AS k(at, id))
SELECT e.at, e.id, e.source_id,
    (SELECT max(t.strength) FROM identities_attribution t
     WHERE t.identity_no = %(identity)s AND t.at = e.at AND t.event_id = e.id),
    (SELECT max(f.strength) FROM identities_findingevent f
     JOIN reviews_case_findings c ON c.finding_id = f.finding_id
     WHERE c.case_id = %(case)s AND f.at = e.at AND f.event_id = e.id),
    (SELECT max(least(l.strength, CASE t.strength WHEN 4 THEN 3 WHEN 3 THEN 2 ELSE 1 END))
     FROM evidence_shownlink l
     JOIN identities_attribution t ON t.identity_no = %(identity)s
        AND t.at = l.cause_at AND t.event_id = l.cause_id
     WHERE l.effect_at = e.at AND l.effect_id = e.id AND l.strength > 0),
    (SELECT max(l.strength) FROM evidence_shownlink l
     JOIN k o ON o.at = l.cause_at AND o.id = l.cause_id
     WHERE l.effect_at = e.at AND l.effect_id = e.id AND l.strength > 0)
FROM k JOIN evidence_event e ON e.at = k.at AND e.id = k.id
"""


class Known(NamedTuple):
    """An event that is there, and how sure it is that it belongs under a conclusion.

    `belongs`: the identity's, or a finding's of the case; else only its reader says so.
    """

    ref: Ref
    strength: int
    belongs: bool
    source: int


def of(case: Case, refs: Sequence[Ref]) -> list[Known]:
    """These events, those that are not there left out, in one query.

    An event that one of the others caused is no surer than their link.
    """
    number = -1 if case.identity is None else case.identity.number
    with connection.cursor() as cursor:
        cursor.execute(
            READ,
            {
                "at": [at for at, _ in refs],
                "id": [number for _, number in refs],
                "identity": number,
                "case": case.pk,
            },
        )
        rows = cursor.fetchall()
    found = []
    for at, event, source, attributed, under, through, caused in rows:
        whose = [one for one in (_of_binding(attributed), under, through) if one is not None]
        strength = min([max(whose, default=INFERRED), *([] if caused is None else [caused])])
        belongs = attributed is not None or under is not None
        found.append(Known((at, event), strength, belongs, source))
    return sorted(found)


def _of_binding(strength: int | None) -> int | None:
    """An attribution's strength in the words of links."""
    if strength is None:
        return None
    return {BY_EXACT: EXACT, BY_KEY: KEY}.get(strength, INFERRED)


def unproven(known: Sequence[Known]) -> list[str]:
    """Why more may have happened than these events' sources show, a sentence for each of them that
    is not shown to be complete up to the last of its events."""
    last: dict[int, datetime] = {}
    for one in known:
        last[one.source] = max(one.ref[0], last.get(one.source, one.ref[0]))
    found = []
    for source in Source.objects.filter(pk__in=last).order_by("name"):
        doubt = lateness.never_shown(source)
        if not doubt and source.watermark is not None and source.watermark < last[source.pk]:
            until = f"{source.watermark:%-d %b %Y %H:%M:%S} UTC"
            doubt = f"evidence of {lateness.called(source)} is known up to {until} only"
        if doubt:
            found.append(doubt)
    return found
