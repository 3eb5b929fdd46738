"""Rules that the answers so far bear out: a tag whose things one party said are theirs, again and again.

Owns which are proposed. A proposal is a link to the rule's own preview: a reviewer sees what it
covers, thing by thing, and signs it or does not.
"""

from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from identities.models import Party

# In so many bundles; of ten answers about the tag at most one other; and so many things wait.
LEAST_BUNDLES, LEAST_OPEN, ONE_IN = 2, 2, 10
MOST = 20

BORNE_OUT = """
WITH yes AS (
    SELECT t.tag, c.party_id, count(*) AS n, count(DISTINCT c.bundle) AS bundles,
           sum(count(*)) OVER (PARTITION BY t.tag) AS whole
    FROM identities_claim c JOIN identities_claimanswer a ON a.id = c.answer_id
    CROSS JOIN LATERAL unnest(c.tags) AS t (tag)
    WHERE c.state = 'owned' AND a.answer = 'yes' GROUP BY 1, 2
), no AS (
    SELECT t.tag, r.party_id, count(*) AS n FROM (
        SELECT r.party_id, c.tags FROM identities_claimrefusal r
        JOIN identities_claim c ON c.identity_id = r.identity_id
        WHERE NOT r.silent AND c.state <> 'gone'
        UNION ALL
        SELECT r.party_id, c.tags FROM identities_claimrefusal r
        JOIN identities_claim c ON c.actor_id = r.actor_id
        WHERE NOT r.silent AND c.state <> 'gone'
    ) r CROSS JOIN LATERAL unnest(r.tags) AS t (tag) GROUP BY 1, 2
), waiting AS (
    SELECT t.tag, count(*) AS n FROM identities_claim c
    CROSS JOIN LATERAL unnest(c.tags) AS t (tag) WHERE c.state = 'open' GROUP BY 1
)
SELECT y.tag, y.party_id, y.n, coalesce(o.n, 0) + y.whole - y.n, w.n
FROM yes y JOIN waiting w ON w.tag = y.tag
LEFT JOIN no o ON o.tag = y.tag AND o.party_id = y.party_id
WHERE y.bundles >= %(bundles)s AND w.n >= %(open)s
  AND (coalesce(o.n, 0) + y.whole - y.n) * %(one_in)s <= y.n
ORDER BY w.n DESC, y.tag LIMIT %(most)s
"""


class Suggestion(NamedTuple):
    """A tag, whose it was by answers, how many said so and how many did not, what waits."""

    kind: str
    value: str
    party: Party
    yes: int
    no: int
    waiting: int


def rules() -> list[Suggestion]:
    """The rules that answers bear out, those of most that waits first. Two statements."""
    facts: dict[str, Any] = {
        "bundles": LEAST_BUNDLES,
        "open": LEAST_OPEN,
        "one_in": ONE_IN,
        "most": MOST,
    }
    with connection.cursor() as cursor:
        cursor.execute(BORNE_OUT, facts)
        found: list[tuple[str, UUID, int, int, int]] = cursor.fetchall()
    parties = Party.objects.select_related("person", "team").in_bulk({row[1] for row in found})
    return [
        Suggestion(kind, value, parties[party], yes, no, waiting)
        for tag, party, yes, no, waiting in found
        for kind, _, value in [tag.partition("=")]
    ]
