"""Links of strength key, set-based: by credential, by token or pod, and by the key that a run was
issued.

Owns rules 2, 4 and 6 of evidence/correlation.py in SQL. Must not know claims, runs or the walk to
tool calls (evidence/links.py), nor what is shown of candidates (the view evidence_shownlink).
"""

from datetime import datetime, timedelta
from typing import Any

from evidence import locks, together
from evidence.correlation import LONGEST_CALL_MICROS, MOST_CANDIDATES, SKEW_MICROS
from evidence.locks import Lock
from evidence.slices import Slice
from evidence.vocabulary import (
    KEY,
    PLANE_AI,
    PLANE_IDENTITY,
    PROOF_CREDENTIAL,
    PROOF_ISSUANCE,
    PROOF_PARENT,
    PROOF_TOKEN,
)

SKEW = timedelta(microseconds=SKEW_MICROS)
LONGEST = timedelta(microseconds=LONGEST_CALL_MICROS)
# Of more spans than this no run is named (evidence_surplus counts as far, in a migration).
MOST_LOOKED_AT = 128

# The spans that may have made one call, the newest of them (event_claims_credential serves it):
# bounded for each call, so that a busy key costs in proportion to its calls. Where there are more,
# no run is named: evidence_surplus says so.
_BY_CREDENTIAL = f"""
INSERT INTO evidence_link
    (effect_at, effect_id, cause_at, cause_id, proof, strength, recorded_at)
SELECT e.at, e.id, s.at, s.id, %(proof)s, %(key)s, %(now)s
FROM ({{calls}}) e
CROSS JOIN LATERAL (
    SELECT at, id, row_number() OVER (PARTITION BY source_id, trace ORDER BY at DESC, id) AS of_run,
           dense_rank() OVER (ORDER BY source_id, trace) AS run
    FROM (SELECT s.at, s.id, s.source_id, s.trace FROM evidence_event s
          WHERE s.credential_id = e.credential_id AND s.action_id = e.action_id
            AND s.plane = {PLANE_AI} AND s.request_id IS NULL AND s.credential_id IS NOT NULL
            AND s.at BETWEEN e.at - %(longest)s - %(skew)s AND e.at + %(skew)s
            AND e.at <= s.at + %(skew)s
                  + least(greatest(coalesce(s.duration, 0), 0), %(longest_micros)s)
                    * interval '1 microsecond'
          ORDER BY s.at DESC, s.id LIMIT {MOST_LOOKED_AT}) newest
) s
WHERE of_run <= %(most)s AND run <= %(most)s + 1 {{unless}}
ORDER BY 1, 2, 3, 4
{{else_}}
"""  # noqa: S608 - our own numbers; values are parameters
_CAREFUL = "ON CONFLICT DO NOTHING"
_NOT_THERE = """AND NOT EXISTS (SELECT FROM evidence_link l
    WHERE l.effect_at = e.at AND l.effect_id = e.id AND l.cause_at = s.at AND l.cause_id = s.id
      AND l.proof = %(proof)s AND l.effect_at >= %(since)s AND l.effect_at < %(until)s)"""
# Calls by where they are looked for: the new ones; those around new spans, found once for each key,
# action and ten seconds (event_credential serves it); and around all spans of this time.
_CALLS = f"""SELECT at, id, credential_id, action_id FROM evidence_event
    WHERE deposit_id = ANY(%(deposits)s) AND at BETWEEN %(first)s AND %(last)s
      AND at >= %(since)s AND at < %(until)s
      AND plane = {PLANE_IDENTITY} AND credential_id IS NOT NULL"""  # noqa: S608 - our own numbers
_AROUND = f"""SELECT e.at, e.id, e.credential_id, e.action_id
    FROM (SELECT DISTINCT s.credential_id, s.action_id, tens
          FROM evidence_event s
          CROSS JOIN generate_series(
              date_bin('10 s', s.at - %(skew)s, 'epoch'),
              s.at + %(skew)s + least(greatest(coalesce(s.duration, 0), 0), %(longest_micros)s)
                * interval '1 microsecond', interval '10 s') AS tens
          WHERE {{spans}} AND s.plane = {PLANE_AI} AND s.request_id IS NULL
            AND s.credential_id IS NOT NULL) around
    CROSS JOIN LATERAL (
        SELECT at, id, credential_id, action_id FROM evidence_event e
        WHERE e.credential_id = around.credential_id AND e.action_id = around.action_id
          AND e.plane = {PLANE_IDENTITY} AND e.at >= %(since)s AND e.at < %(until)s
          AND e.at >= tens AND e.at < tens + interval '10 s' OFFSET 0) e"""  # noqa: S608 - our own numbers
_NEW_SPANS = "s.deposit_id = ANY(%(deposits)s) AND s.at BETWEEN %(first)s AND %(last)s"
_SPANS_OF_THE_TIME = """s.at BETWEEN greatest(%(first)s, %(since)s) - %(longest)s - %(skew)s
            AND least(%(last)s + %(longest)s, %(until)s) + %(skew)s"""
_SIDES = tuple(
    _BY_CREDENTIAL.format(calls=calls, unless="", else_=_CAREFUL)
    for calls in (_CALLS, _AROUND.format(spans=_NEW_SPANS))
)
_IN_TIME = _AROUND.format(spans=_SPANS_OF_THE_TIME)
_TOGETHER = together.Insert(
    plain=_BY_CREDENTIAL.format(calls=_IN_TIME, unless=_NOT_THERE, else_=""),
    careful=_BY_CREDENTIAL.format(calls=_IN_TIME, unless="", else_=_CAREFUL),
)

# Names of tokens and pods are unique wherever they are met (UUIDs, random ids, digests), and the
# sender of a span knows no realm of the system that it called: they meet by kind and value, where
# the sender's source may speak for that realm (actor_key_value serves the look).
_SAME_NAME = """b.kind = a.kind AND b.value = a.value
      AND a.kind IN ('token', 'pod') AND b.kind IN ('token', 'pod')"""
_BY_TOKEN = f"""
INSERT INTO evidence_link
    (effect_at, effect_id, cause_at, cause_id, proof, strength, recorded_at)
SELECT DISTINCT e.at, e.id, s.at, s.id, %(proof)s::smallint, %(key)s::smallint,
       %(now)s::timestamptz
FROM ({{calls}}) e
CROSS JOIN LATERAL (
    SELECT at, id, row_number() OVER (PARTITION BY source_id, trace ORDER BY at DESC, id) AS of_run,
           dense_rank() OVER (ORDER BY source_id, trace) AS run
    FROM (SELECT s.at, s.id, s.source_id, s.trace FROM evidence_event s
          JOIN evidence_source so ON so.id = s.source_id
           AND (so.realms = '{{{{}}}}' OR e.realm = ANY(so.realms))
          WHERE s.credential_id = e.claimed AND s.plane = {PLANE_AI} AND s.request_id IS NULL
            AND s.at BETWEEN e.at - %(longest)s - %(skew)s AND e.at + %(skew)s
            AND e.at <= s.at + %(skew)s
                  + least(greatest(coalesce(s.duration, 0), 0), %(longest_micros)s)
                    * interval '1 microsecond'
          ORDER BY s.at DESC, s.id LIMIT {MOST_LOOKED_AT}) newest
) s
WHERE of_run <= %(most)s AND run <= %(most)s + 1
ORDER BY 1, 2, 3, 4
ON CONFLICT DO NOTHING
"""  # noqa: S608 - our own numbers; values are parameters
_TOKEN_SIDES = tuple(
    _BY_TOKEN.format(calls=calls)
    for calls in (
        f"""WITH named AS MATERIALIZED (
            SELECT n.id, b.id AS claimed, a.realm
            FROM (SELECT DISTINCT k.id FROM evidence_event
                  CROSS JOIN LATERAL (VALUES (credential_id), (agent_id)) AS k(id)
                  WHERE deposit_id = ANY(%(deposits)s) AND at BETWEEN %(first)s AND %(last)s
                    AND plane = {PLANE_IDENTITY} AND k.id IS NOT NULL) n
            JOIN evidence_actor a ON a.id = n.id
            JOIN evidence_actor b ON b.id <> a.id AND {_SAME_NAME})
        SELECT e.at, e.id, named.claimed, named.realm FROM named
        JOIN evidence_event e ON named.id IN (e.credential_id, e.agent_id)
         AND e.deposit_id = ANY(%(deposits)s) AND e.at BETWEEN %(first)s AND %(last)s
         AND e.plane = {PLANE_IDENTITY}""",  # noqa: S608 - our own words
        f"""SELECT e.at, e.id, around.claimed, around.realm
        FROM (SELECT DISTINCT b.id, a.id AS claimed, b.realm, tens
              FROM evidence_event s
              JOIN evidence_actor a ON a.id = s.credential_id
              JOIN evidence_actor b ON b.id <> a.id AND {_SAME_NAME}
              CROSS JOIN generate_series(
                  date_bin('10 s', s.at - %(skew)s, 'epoch'),
                  s.at + %(skew)s + least(greatest(coalesce(s.duration, 0), 0), %(longest_micros)s)
                    * interval '1 microsecond', interval '10 s') AS tens
              WHERE s.deposit_id = ANY(%(deposits)s) AND s.at BETWEEN %(first)s AND %(last)s
                AND s.plane = {PLANE_AI} AND s.request_id IS NULL
                AND s.credential_id IS NOT NULL) around
        CROSS JOIN LATERAL (
            (SELECT at, id FROM evidence_event e
             WHERE e.credential_id = around.id AND e.plane = {PLANE_IDENTITY}
               AND e.at >= tens AND e.at < tens + interval '10 s')
            UNION
            (SELECT at, id FROM evidence_event e
             WHERE e.agent_id = around.id AND e.plane = {PLANE_IDENTITY}
               AND e.at >= tens AND e.at < tens + interval '10 s')) e""",  # noqa: S608 - our own words
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
    side="e.deposit_id = ANY(%(deposits)s) AND e.at BETWEEN %(first)s AND %(last)s",
)
_OF_RUNS = _BY_ISSUANCE.format(
    identity=PLANE_IDENTITY,
    # A list, not ANY: the planner would weigh each of thousands of traces.
    side="t.trace IN (SELECT unnest(%(traces)s::uuid[])) AND t.plane = %(ai)s",
)


def by_credential(cursor: Any, slice_: Slice, *, now: datetime) -> int:
    """Rule 2 for the new API events and spans; how many links are new."""
    facts = _facts(slice_, now) | {
        "proof": PROOF_CREDENTIAL,
        "longest": LONGEST,
        "longest_micros": LONGEST_CALL_MICROS,
        "most": MOST_CANDIDATES,
    }
    # The planner takes each span for a thousand tens, and would clear memory for all of them.
    cursor.execute("SET LOCAL enable_hashagg = off")
    made = 0
    if slice_.whole:
        together.write(cursor, _TOGETHER, facts)
        made = int(cursor.rowcount)
    else:
        for statement in _SIDES:
            cursor.execute(statement, facts)
            made += int(cursor.rowcount)
    cursor.execute("SET LOCAL enable_hashagg = on")
    return made


def by_token(cursor: Any, slice_: Slice, *, now: datetime) -> int:
    """Rule 6 for the new API events and spans; how many links are new."""
    facts = _facts(slice_, now) | {
        "proof": PROOF_TOKEN,
        "longest": LONGEST,
        "longest_micros": LONGEST_CALL_MICROS,
        "most": MOST_CANDIDATES,
    }
    made = 0
    for statement in _TOKEN_SIDES:
        cursor.execute(statement, facts)
        made += int(cursor.rowcount)
    return made


def take_turn(cursor: Any) -> None:
    """Alone with links by issuance and by inference, until the transaction is over.

    They rest on links that another job may be writing: jobs take turns at the end, after their
    locks on sources, so that the later sees what the earlier found.
    """
    locks.take(cursor, Lock.ISSUANCE_LINKS)


def by_issuance(cursor: Any, slice_: Slice, traces: str | None = None, *, now: datetime) -> int:
    """Rule 4 for the new API events, or for the runs of these traces (an array, as the database
    writes it), whose tools may have been issued keys; their links and ends are written already. How
    many links are new."""
    facts = _facts(slice_, now) | {"proof": PROOF_ISSUANCE, "parent": PROOF_PARENT}
    if traces is None:
        cursor.execute(_USES, facts)
    else:
        cursor.execute(_OF_RUNS, facts | {"traces": traces, "ai": PLANE_AI})
    return int(cursor.rowcount)


def _facts(slice_: Slice, now: datetime) -> dict[str, Any]:
    return slice_.facts() | {"now": now, "key": KEY, "skew": SKEW}
