"""What is asked about together, and of whom: things beside each other go to one party.

Owns the two moves of claims that nobody was asked about yet: to whoever most of what is beside them
is of, and from a person who is named for a few things to their team. What was asked stays.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from identities.claims.choosing import WEAK
from identities.claims.questioning import LEAST
from identities.claims.standing import unable_of

# So many things of one service that the evidence gives to somebody else are their own question.
LEAST_APART = 4
# The one team that somebody is in, as parties.
MEMBER = """member AS (
    SELECT p.id AS party, min(t.id::text)::uuid AS team FROM identities_party p
    JOIN identities_membership m ON m.person_id = p.person_id AND m.superseded_at IS NULL
     AND m.during @> %(now)s
    JOIN identities_party t ON t.team_id = m.team_id GROUP BY p.id HAVING count(*) = 1
)"""
# Things beside each other go to whoever most of them are, or are said to be, of, by evidence or by
# somebody who said to ask them: those of which
# the evidence says nothing or only who made them, those it gives to one person of that team, and
# the few it gives to somebody else, which stand in the question with that doubt. Who made a thing
# has no voice in it; nor have the things that share nothing but where they live.
TOGETHER = f"""
WITH {MEMBER}, votes AS (
    SELECT 'service:' || s.slug AS bundle, coalesce(m.team, i.owner_id) AS party, count(*) AS n
    FROM identities_identity i JOIN identities_service s ON s.id = i.service_id
    LEFT JOIN member m ON m.party = i.owner_id
    WHERE i.owner_id IS NOT NULL AND i.state <> 'retired'
      AND (%(bundles)s::text[] IS NULL OR 'service:' || s.slug = ANY(%(bundles)s)) GROUP BY 1, 2
    UNION ALL
    SELECT c.bundle, coalesce(m.team, c.party_id), count(*) FROM identities_claim c
    LEFT JOIN member m ON m.party = c.party_id
    WHERE c.party_id IS NOT NULL AND c.step IN ('evidence', 'passed_on')
      AND NOT c.kind = ANY(%(weak)s)
      AND c.state IN ('open', 'answered') AND c.bundle LIKE ANY('{{service:%%,code:%%}}')
      AND (%(bundles)s::text[] IS NULL OR c.bundle = ANY(%(bundles)s)) GROUP BY 1, 2
), sums AS (
    SELECT bundle, party, sum(n) AS n, sum(sum(n)) OVER (PARTITION BY bundle) AS whole
    FROM votes GROUP BY 1, 2
)
SELECT v.bundle, v.party, coalesce(h.name, t.name), v.n, v.whole
FROM sums v JOIN identities_party p ON p.id = v.party
LEFT JOIN identities_person h ON h.id = p.person_id
LEFT JOIN identities_team t ON t.id = p.team_id
WHERE v.n * 2 > v.whole
"""  # noqa: S608 - a constant
JOIN = """
UPDATE identities_claim c SET party_id = b.party, step = 'neighbours', kind = 'neighbours',
    strength = 1, reasons = (
        SELECT coalesce(jsonb_agg(r), '[]'::jsonb) FROM jsonb_array_elements(c.reasons) r
        WHERE r ->> 'kind' <> 'neighbours') || jsonb_build_array(jsonb_build_object(
        'party', b.party::text, 'kind', 'neighbours', 'strength', 1, 'words', b.words))
FROM unnest(%(bundles)s::text[], %(parties)s::uuid[], %(words)s::text[])
    AS b (bundle, party, words)
WHERE c.bundle = b.bundle AND c.state = 'open' AND c.asked_at IS NULL
  AND c.party_id IS DISTINCT FROM b.party AND c.step IN ('evidence', 'nobody', 'neighbours')
  AND (c.party_id IS NULL OR c.kind = ANY(%(weak)s) OR c.step = 'neighbours'
    OR (SELECT count(*) FROM (SELECT 1 FROM identities_claim o WHERE o.party_id = c.party_id
        AND o.bundle = c.bundle AND o.state = 'open' LIMIT %(apart)s) o) < %(apart)s
    OR EXISTS (
      SELECT 1 FROM identities_party q JOIN identities_membership m ON m.person_id = q.person_id
      JOIN identities_party t ON t.team_id = m.team_id
      WHERE q.id = c.party_id AND t.id = b.party AND m.superseded_at IS NULL
        AND m.during @> %(now)s))
  AND NOT EXISTS (SELECT 1 FROM identities_claimrefusal r WHERE r.party_id = b.party
      AND r.identity_id IS NOT DISTINCT FROM c.identity_id
      AND r.actor_id IS NOT DISTINCT FROM c.actor_id)
"""
# Whoever is named for a few things is asked with their team, which is asked about more.
TO_TEAMS = f"""
WITH {MEMBER}, few AS (
    SELECT c.party_id AS party FROM identities_claim c
    WHERE c.state = 'open' AND c.party_id IS NOT NULL GROUP BY 1 HAVING count(*) < %(few)s
)
UPDATE identities_claim c SET party_id = m.team, reasons = c.reasons || jsonb_build_array(
    jsonb_build_object('party', m.team::text, 'kind', c.kind, 'strength', c.strength, 'words',
        h.name || ', whom the evidence names, is in ' || t.name))
FROM few f JOIN member m ON m.party = f.party
JOIN identities_party p ON p.id = f.party JOIN identities_person h ON h.id = p.person_id
JOIN identities_party q ON q.id = m.team JOIN identities_team t ON t.id = q.team_id
WHERE c.party_id = f.party AND c.state = 'open' AND c.asked_at IS NULL AND c.step = 'evidence'
  AND NOT EXISTS (SELECT 1 FROM identities_claimrefusal r WHERE r.party_id = m.team
      AND r.identity_id IS NOT DISTINCT FROM c.identity_id
      AND r.actor_id IS NOT DISTINCT FROM c.actor_id)
"""  # noqa: S608 - a constant


def ask_together(*, now: datetime, bundles: Collection[str] | None = None) -> int:
    """Bring what is beside each other before one party, where most of it is theirs; how many.

    What was asked already stays with whom it was asked of. `bundles`: only these.
    """
    facts: dict[str, Any] = {
        "now": now,
        "weak": list(WEAK),
        "apart": LEAST_APART,
        "few": LEAST,
        "bundles": None if bundles is None else sorted(bundles),
    }
    with transaction.atomic(), connection.cursor() as cursor:
        if bundles is None:
            cursor.execute(TO_TEAMS, facts)
        cursor.execute(TOGETHER, facts)
        found = cursor.fetchall()
        unable = unable_of({str(row[1]) for row in found}, now=now)
        found = [row for row in found if str(row[1]) not in unable]
        cursor.execute(
            JOIN,
            facts
            | {
                "bundles": [row[0] for row in found],
                "parties": [row[1] for row in found],
                "words": [
                    f"{called}: {n:,} of {whole:,} things beside it whose owner is known or said"
                    " are theirs"
                    for _, _, called, n, whole in found
                ],
            },
        )
        return int(cursor.rowcount)
