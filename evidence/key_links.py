"""Links of strength key, set-based: by credential, and by the key that a run was issued.

Owns rules 2 and 4 of evidence/correlation.py in SQL. Must not know claims, runs or the walk to
tool calls (evidence/links.py), nor what is shown of candidates (the view evidence_shownlink).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from evidence.correlation import LONGEST_CALL_MICROS, MOST_CANDIDATES, SKEW_MICROS
from evidence.models import Deposit
from evidence.vocabulary import (
    KEY,
    PLANE_AI,
    PLANE_IDENTITY,
    PROOF_CREDENTIAL,
    PROOF_ISSUANCE,
    PROOF_PARENT,
)

SKEW = timedelta(microseconds=SKEW_MICROS)
LONGEST = timedelta(microseconds=LONGEST_CALL_MICROS)
# A link by issuance rests on a link that another job may be writing: they take turns at the end,
# after their locks on sources, so that the later sees what the earlier found.
ISSUANCE_LOCK = 7_305_455

# event_claims_credential serves the first look, event_credential the second.
_BY_CREDENTIAL = """
INSERT INTO evidence_link
    (effect_at, effect_id, cause_at, cause_id, proof, strength, recorded_at)
SELECT effect_at, effect_id, cause_at, cause_id, %(proof)s, %(key)s, %(now)s FROM (
    SELECT e.at AS effect_at, e.id AS effect_id, s.at AS cause_at, s.id AS cause_id,
           row_number() OVER (PARTITION BY e.at, e.id, s.source_id, s.trace
                              ORDER BY s.at DESC, s.id) AS of_run,
           dense_rank() OVER (PARTITION BY e.at, e.id ORDER BY s.source_id, s.trace) AS run
    FROM evidence_event e
    JOIN evidence_event s
      ON s.credential_id = e.credential_id AND s.action_id = e.action_id
     AND s.at BETWEEN e.at - %(longest)s - %(skew)s AND e.at + %(skew)s
     AND e.at BETWEEN s.at - %(skew)s AND s.at + %(skew)s
           + least(greatest(coalesce(s.duration, 0), 0), %(longest_micros)s)
             * interval '1 microsecond'
    WHERE e.plane = {identity} AND s.plane = {ai} AND s.request_id IS NULL
      AND s.credential_id IS NOT NULL AND {side}
) pair
WHERE of_run <= %(most)s AND run <= %(most)s + 1
ORDER BY effect_at, effect_id, cause_at, cause_id
ON CONFLICT DO NOTHING
"""
# Its API events against all spans, and its spans against all API events.
_SIDES = tuple(
    _BY_CREDENTIAL.format(identity=PLANE_IDENTITY, ai=PLANE_AI, side=side)
    for side in (
        """e.deposit_id = %(deposit)s AND e.at BETWEEN %(first)s AND %(last)s
           AND s.at BETWEEN %(first)s - %(longest)s - %(skew)s AND %(last)s + %(skew)s""",
        """s.deposit_id = %(deposit)s AND s.at BETWEEN %(first)s AND %(last)s
           AND e.at BETWEEN %(first)s - %(skew)s AND %(last)s + %(longest)s + %(skew)s""",
    )
)

_BY_ISSUANCE = """
INSERT INTO evidence_link
    (effect_at, effect_id, cause_at, cause_id, proof, strength, recorded_at)
SELECT DISTINCT e.at, e.id, t.at, t.id, %(proof)s::smallint, %(key)s::smallint,
       %(now)s::timestamptz
FROM evidence_issuance i
JOIN evidence_link l ON l.effect_at = i.at AND l.effect_id = i.event_id AND l.proof = %(parent)s
JOIN evidence_event t ON t.at = l.cause_at AND t.id = l.cause_id
JOIN evidence_run r ON r.source_id = t.source_id AND r.trace = t.trace
JOIN evidence_event e ON e.credential_id = i.credential_id AND e.plane = {identity}
 AND e.at BETWEEN i.at AND r.last_at + %(skew)s
WHERE NOT i.standing AND {side}
ORDER BY 1, 2, 3, 4
ON CONFLICT DO NOTHING
"""
_USES = _BY_ISSUANCE.format(
    identity=PLANE_IDENTITY,
    side="e.deposit_id = %(deposit)s AND e.at BETWEEN %(first)s AND %(last)s",
)
_OF_RUNS = _BY_ISSUANCE.format(
    identity=PLANE_IDENTITY, side="t.trace = ANY(%(traces)s) AND t.plane = %(ai)s"
)


def by_credential(cursor: Any, deposit: Deposit, *, now: datetime) -> int:
    """Rule 2 for this deposit's API events and spans; how many links are new."""
    made = 0
    for statement in _SIDES:
        cursor.execute(
            statement,
            _facts(deposit, now)
            | {
                "proof": PROOF_CREDENTIAL,
                "longest": LONGEST,
                "longest_micros": LONGEST_CALL_MICROS,
                "most": MOST_CANDIDATES,
            },
        )
        made += int(cursor.rowcount)
    return made


def by_issuance(cursor: Any, deposit: Deposit, traces: Sequence[UUID], *, now: datetime) -> int:
    """Rule 4 for this deposit's API events and for the runs of these traces, whose links and
    ends are written already; how many links are new."""
    cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ISSUANCE_LOCK])
    facts = _facts(deposit, now) | {"proof": PROOF_ISSUANCE, "parent": PROOF_PARENT}
    cursor.execute(_USES, facts)
    made = int(cursor.rowcount)
    if traces:
        cursor.execute(_OF_RUNS, facts | {"traces": list(traces), "ai": PLANE_AI})
        made += int(cursor.rowcount)
    return made


def _facts(deposit: Deposit, now: datetime) -> dict[str, Any]:
    return {
        "deposit": deposit.pk,
        "first": deposit.first_at,
        "last": deposit.last_at,
        "now": now,
        "key": KEY,
        "skew": SKEW,
    }
