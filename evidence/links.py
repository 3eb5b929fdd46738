"""Links and runs of stored deposits, set-based (the rules are evidence/correlation.py).

A deposit is linked after it is committed, so of two deposits that belong together the later
job sees both: the links are the same in whatever order things arrive.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from evidence import consumers, inferred, key_links, nudge, partitions
from evidence.correlation import DEEPEST, LONGEST_SPAN_MICROS
from evidence.models import Deposit, Progress
from evidence.vocabulary import (
    AGENT_RUN,
    API_CALL,
    EXACT,
    MODEL_CALL,
    OUTCOME_FAILED,
    OUTCOME_OK,
    PLANE_AI,
    PLANE_IDENTITY,
    PROOF_CREDENTIAL,
    PROOF_CREDENTIAL_PARENT,
    PROOF_PARENT,
    PROOF_REQUEST_ID,
    PROOF_TOKEN,
    PROOF_TOKEN_PARENT,
    TOOL_CALL,
)

CONSUMER = "links"
LEASE = timedelta(minutes=5)
# Runs of one source are derived one job at a time; the first number names the kind of lock.
RUN_LOCK = 7_305_442
# Proofs that lie in a span itself; tool calls above it follow.
DIRECT = [PROOF_REQUEST_ID, PROOF_CREDENTIAL, PROOF_TOKEN]

BY_REQUEST_ID = """
INSERT INTO evidence_link
    (effect_at, effect_id, cause_at, cause_id, proof, strength, recorded_at)
SELECT CASE WHEN n.plane = %(identity)s THEN n.at ELSE o.at END,
       CASE WHEN n.plane = %(identity)s THEN n.id ELSE o.id END,
       CASE WHEN n.plane = %(identity)s THEN o.at ELSE n.at END,
       CASE WHEN n.plane = %(identity)s THEN o.id ELSE n.id END,
       %(proof)s, %(exact)s, %(now)s
FROM evidence_event n
JOIN evidence_event o
  ON hashtextextended(o.request_id, 0) = hashtextextended(n.request_id, 0)
 AND o.request_id = n.request_id
 AND o.plane = CASE WHEN n.plane = %(identity)s THEN %(ai)s ELSE %(identity)s END
 AND o.at BETWEEN n.at - interval '1 day' AND n.at + interval '1 day'
JOIN evidence_term na ON na.id = n.action_id
JOIN evidence_term oa ON oa.id = o.action_id
WHERE n.at BETWEEN %(first)s AND %(last)s AND n.deposit_id = %(deposit)s
  AND n.request_id IS NOT NULL AND n.plane IN (%(identity)s, %(ai)s)
  AND o.at BETWEEN %(first)s - interval '1 day' AND %(last)s + interval '1 day'
  -- correlation.same_act; the C collation folds ASCII letters only, as it does.
  AND (lower(split_part(na.value, ':', 1) COLLATE "C")
         = lower(split_part(oa.value, ':', 1) COLLATE "C")
       OR (strpos(na.value, ':') BETWEEN 1 AND length(na.value) - 1
           AND strpos(oa.value, ':') > 0
           AND lower(substr(na.value, strpos(na.value, ':') + 1) COLLATE "C")
             = lower(substr(oa.value, strpos(oa.value, ':') + 1) COLLATE "C")))
ON CONFLICT DO NOTHING RETURNING effect_at, effect_id, cause_at, cause_id
"""

# The traces whose parentage may have grown: those of the deposit's spans, and those of the
# spans that its API events were just linked to.
TOUCHED = """
SELECT DISTINCT trace, source_id FROM evidence_event
WHERE at BETWEEN %(first)s AND %(last)s AND deposit_id = %(deposit)s AND trace IS NOT NULL
  AND plane = %(ai)s
UNION
SELECT DISTINCT s.trace, s.source_id
FROM evidence_event n
JOIN evidence_link l ON l.effect_at = n.at AND l.effect_id = n.id AND l.proof = ANY(%(direct)s)
JOIN evidence_event s ON s.at = l.cause_at AND s.id = l.cause_id
WHERE n.at BETWEEN %(first)s AND %(last)s AND n.deposit_id = %(deposit)s
  AND n.plane = %(identity)s AND s.trace IS NOT NULL
"""

BY_PARENTAGE = """
INSERT INTO evidence_link
    (effect_at, effect_id, cause_at, cause_id, proof, strength, recorded_at)
WITH RECURSIVE span AS MATERIALIZED (
    SELECT source_id, trace, span, parent_span, activity, at, id,
           request_id IS NOT NULL OR credential_id IS NOT NULL AS says
    FROM evidence_event WHERE trace = ANY(%(traces)s) AND plane = %(ai)s
), linked AS MATERIALIZED (
    -- Fenced: each span is looked up by link_cause, however many links there are.
    SELECT s.source_id, s.trace, s.parent_span, l.*
    FROM span s CROSS JOIN LATERAL (
        SELECT l.effect_at, l.effect_id, l.proof, l.strength FROM evidence_link l
        WHERE l.cause_at = s.at AND l.cause_id = s.id AND l.proof = ANY(%(direct)s) OFFSET 0) l
    WHERE s.says AND s.parent_span IS NOT NULL
), up AS (
    -- Walked from each distinct parent, not from each link; UNION drops what was met before.
    SELECT DISTINCT source_id, trace, parent_span AS start, parent_span AS here, 0 AS depth
    FROM linked
    UNION
    SELECT up.source_id, up.trace, up.start, p.parent_span, up.depth + 1
    FROM up JOIN span p
      ON p.trace = up.trace AND p.source_id = up.source_id AND p.span = up.here
    WHERE p.activity <> %(tool)s AND p.parent_span IS NOT NULL AND up.depth < %(deepest)s - 1
)
SELECT DISTINCT l.effect_at, l.effect_id, t.at, t.id,
       CASE l.proof WHEN %(request)s THEN %(parent)s WHEN %(token)s THEN %(by_token)s
            ELSE %(by_key)s END::smallint, l.strength,
       %(now)s::timestamptz
FROM up
JOIN span t ON t.trace = up.trace AND t.source_id = up.source_id AND t.span = up.here
  AND t.activity = %(tool)s
JOIN linked l ON l.trace = up.trace AND l.source_id = up.source_id AND l.parent_span = up.start
ORDER BY 1, 2, 3, 4, 5
ON CONFLICT DO NOTHING
"""

# A span that claims to have lasted for years must not break the arithmetic of its run.
RUNS = """
INSERT INTO evidence_run (source_id, trace, first_at, last_at, agent_id, service_id,
    on_behalf_id, conversation_id, task_id, release_id, spans, tool_calls, model_calls,
    api_calls, failed, ended)
SELECT source_id, trace, min(at),
       max(at + least(greatest(coalesce(duration, 0), 0), %(longest)s)
           * interval '1 microsecond'),
       coalesce(
         (array_agg(agent_id ORDER BY at, id)
            FILTER (WHERE activity = %(run)s AND agent_id IS NOT NULL))[1],
         (array_agg(agent_id ORDER BY at, id) FILTER (WHERE agent_id IS NOT NULL))[1]),
       (array_agg(principal_id ORDER BY at, id) FILTER (WHERE principal_id IS NOT NULL))[1],
       (array_agg(on_behalf_id ORDER BY at, id) FILTER (WHERE on_behalf_id IS NOT NULL))[1],
       (array_agg(conversation_id ORDER BY at, id)
            FILTER (WHERE conversation_id IS NOT NULL))[1],
       (array_agg(task_id ORDER BY at, id) FILTER (WHERE task_id IS NOT NULL))[1],
       (array_agg(release_id ORDER BY at, id) FILTER (WHERE release_id IS NOT NULL))[1],
       count(*),
       count(*) FILTER (WHERE activity = %(tool)s),
       count(*) FILTER (WHERE activity = %(model)s),
       count(*) FILTER (WHERE activity = %(api)s),
       count(*) FILTER (WHERE outcome NOT IN (0, %(ok)s)),
       bool_or(parent_span IS NULL)
FROM evidence_event
WHERE trace = ANY(%(traces)s) AND source_id = %(source)s AND plane = %(ai)s
GROUP BY source_id, trace
HAVING bool_or(activity IN (%(run)s, %(tool)s, %(model)s))
ON CONFLICT (source_id, trace) DO UPDATE SET
    first_at = excluded.first_at, last_at = excluded.last_at, agent_id = excluded.agent_id,
    service_id = excluded.service_id, on_behalf_id = excluded.on_behalf_id,
    conversation_id = excluded.conversation_id, task_id = excluded.task_id,
    release_id = excluded.release_id, spans = excluded.spans,
    tool_calls = excluded.tool_calls, model_calls = excluded.model_calls,
    api_calls = excluded.api_calls, failed = excluded.failed, ended = excluded.ended
"""


def derive(deposit: Deposit, *, now: datetime) -> int:
    """Links and runs that this deposit brings or completes; how many links are new."""
    if deposit.first_at is None or deposit.last_at is None:
        return 0
    facts: dict[str, Any] = {
        "identity": PLANE_IDENTITY,
        "ai": PLANE_AI,
        "exact": EXACT,
        "now": now,
        "first": deposit.first_at,
        "last": deposit.last_at,
        "deposit": deposit.pk,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        # A trace made to be expensive costs this much and no more; see consumers.handle_next.
        cursor.execute("SET LOCAL statement_timeout = '120s'")
        cursor.execute(BY_REQUEST_ID, facts | {"proof": PROOF_REQUEST_ID})
        exact = cursor.fetchall()
        made = len(exact)
        made += key_links.by_credential(cursor, deposit, now=now)
        made += key_links.by_token(cursor, deposit, now=now)
        cursor.execute(TOUCHED, facts | {"direct": DIRECT})
        touched: dict[int, list[UUID]] = {}
        for trace, source in cursor.fetchall():
            touched.setdefault(source, []).append(trace)
        for source, traces in sorted(touched.items()):
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [RUN_LOCK, source])
            spans: dict[str, Any] = {
                "traces": traces,
                "source": source,
                "ai": PLANE_AI,
                "run": AGENT_RUN,
                "tool": TOOL_CALL,
                "model": MODEL_CALL,
                "api": API_CALL,
                "ok": OUTCOME_OK,
                "failed": OUTCOME_FAILED,
                "now": now,
                "direct": DIRECT,
                "request": PROOF_REQUEST_ID,
                "parent": PROOF_PARENT,
                "by_key": PROOF_CREDENTIAL_PARENT,
                "token": PROOF_TOKEN,
                "by_token": PROOF_TOKEN_PARENT,
                "deepest": DEEPEST,
                "longest": LONGEST_SPAN_MICROS,
            }
            cursor.execute(BY_PARENTAGE, spans)
            made += int(cursor.rowcount)
            cursor.execute(RUNS, spans)
        every = [trace for traces in touched.values() for trace in traces]
        made += key_links.by_issuance(cursor, deposit, every, now=now)
        made += inferred.infer(cursor, deposit, exact, now=now)
        nudge.after_commit("evidence.linked")
    return made


def link_next(*, now: datetime, after: int = 0) -> int:
    """Claim and link one deposit; its id, or 0 when there is nothing to do."""

    def link(held: Progress) -> None:
        deposit = held.deposit
        partitions.ensure(partitions.missing(partitions.BY_EVENT_TIME, _months(deposit)))
        with transaction.atomic():
            derive(deposit, now=now)
            consumers.finish(held, now=now)

    return consumers.handle_next(CONSUMER, link, lease=LEASE, now=now, after=after)


def _months(deposit: Deposit) -> set[Any]:
    if deposit.first_at is None or deposit.last_at is None:
        return set()
    return {
        partitions.month_of(moment)
        for day in (-1, 0, 1)
        for moment in (
            deposit.first_at + timedelta(days=day),
            deposit.last_at + timedelta(days=day),
        )
    }
