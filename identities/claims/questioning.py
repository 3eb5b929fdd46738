"""What one question is: the things that one party is asked about together.

Owns the ways of naming a question: by its bundle, the few of each, everything asked. A question is
no row: it is what the open claims of a party are at that moment.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from identities.models import Claim, Party

# What one answer may be about: it is all shown, and a form has at most 1,000 fields. A larger
# question is answered in parts.
MOST = 900
# Instead of one bundle: everything that is asked of a party now, in one answer.
ALL = "everything asked"
# Instead of many bundles with fewer things than LEAST in each: all of them, as one question.
FEW = "the few of each"
LEAST = 5
RELATED = ("service", "party__person", "party__team")

# (party, bundle) of what is open, with the question that each is a part of.
QUESTIONS = """
SELECT b.*, CASE WHEN b.party_id IS NOT NULL AND b.n < {least} AND b.many_few > 1 THEN '{few}'
                 ELSE b.bundle END AS about
FROM (SELECT b.*, count(*) FILTER (WHERE b.n < {least}) OVER (PARTITION BY b.party_id) AS many_few
      FROM (SELECT c.party_id, c.bundle, count(*) AS n,
                   bool_or(c.asked_at IS NOT NULL) AS asked, bool_or(c.asked_at IS NULL) AS unasked
                   {more}
            FROM identities_claim c {joins} WHERE c.state = 'open' {which} GROUP BY 1, 2) b) b
"""
# Whoever is in the team that is asked is no doubt against it.
OF_PARTIES = """
WITH question AS ({questions}), ours AS (
    SELECT q.id AS party, p.id::text AS person FROM identities_party q
    JOIN identities_membership m ON m.team_id = q.team_id AND m.superseded_at IS NULL
    JOIN identities_party p ON p.person_id = m.person_id WHERE q.id = ANY(%(parties)s)
)
SELECT q.party_id, q.about, count(*), count(DISTINCT c.bundle), min(c.asked_at), max(c.strength),
    count(*) FILTER (WHERE EXISTS (SELECT 1 FROM jsonb_array_elements(c.reasons) r
        WHERE r ->> 'party' <> c.party_id::text AND r ->> 'kind' <> 'neighbours'
          AND NOT EXISTS (SELECT 1 FROM identities_claimrefusal f
              WHERE f.party_id::text = r ->> 'party' AND NOT f.silent
                AND (f.identity_id = c.identity_id OR f.actor_id = c.actor_id))
          AND (c.party_id, r ->> 'party') NOT IN (SELECT party, person FROM ours))),
    (array_agg(w.words ORDER BY w.strength DESC NULLS LAST, w.words))[1]
FROM question q JOIN identities_claim c ON c.party_id = q.party_id AND c.bundle = q.bundle
LEFT JOIN LATERAL (SELECT r ->> 'words' AS words, (r ->> 'strength')::int AS strength
    FROM jsonb_array_elements(c.reasons) r WHERE r ->> 'party' = c.party_id::text
    ORDER BY 2 DESC LIMIT 1) w ON true
WHERE c.state = 'open' AND c.asked_at IS NOT NULL
GROUP BY 1, 2 ORDER BY 3 DESC, 2 LIMIT %(most)s
"""


def sql(which: str = "", more: str = "", joins: str = "") -> str:
    """The bundles of the open claims and their questions; `which` narrows the claims `c`, `more`
    sums of them and of what `joins` brings."""
    return QUESTIONS.format(least=LEAST, few=FEW, which=which, more=more, joins=joins)


class Question(NamedTuple):
    """One question that lies before a party."""

    party: UUID
    about: str
    n: int
    bundles: int
    since: datetime
    strength: int
    doubts: int  # things of which other evidence names somebody else who has not said no
    why: str | None  # in the words of the strongest of them


def asked_of(parties: Collection[UUID], most: int = 200) -> list[Question]:
    """The questions that lie before these parties, the largest first. One statement."""
    facts: dict[str, Any] = {"parties": list(parties), "most": most}
    with connection.cursor() as cursor:
        which = "AND c.party_id = ANY(%(parties)s)"
        cursor.execute(OF_PARTIES.format(questions=sql(which)), facts)
        return [Question(*row) for row in cursor.fetchall()]


def question(
    *, party: Party | None, bundle: str, lock: bool = False, subjects: bool = False
) -> list[Claim]:
    """The open claims that one question is about, in the order of their making.

    `subjects`: with identity and actor at hand, to show them.
    """
    rows = Claim.objects.filter(state="open")
    rows = rows.filter(party__isnull=True) if party is None else rows.filter(party=party)
    if bundle == FEW:
        rows = rows.filter(asked_at__isnull=False, bundle__in=_few(party))
    else:
        rows = rows.filter(asked_at__isnull=False) if bundle == ALL else rows.filter(bundle=bundle)
    if lock:
        rows = rows.select_for_update(of=("self",))
    related = (*RELATED, "identity", "actor") if subjects else RELATED
    return list(rows.select_related(*related).order_by("pk")[:MOST])


def _few(party: Party | None) -> list[str]:
    """The bundles of which a party is asked about few things."""
    if party is None:
        return []
    with connection.cursor() as cursor:
        which = "AND c.party_id = %(party)s"
        cursor.execute(sql(which), {"party": party.pk})
        found = [(row[1], row[-1]) for row in cursor.fetchall()]
    return [bundle for bundle, about in found if about == FEW]
