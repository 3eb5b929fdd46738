"""Links and runs of stored deposits, set-based (the rules are evidence/correlation.py).

A deposit is linked after it is committed, so of two deposits that belong together the later
job sees both: the links are the same in whatever order things arrive. One deposit is linked in
one transaction; many that wait are linked together (evidence/bulk.py), by the same statements.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction

from evidence import clocks, consumers, inferred, key_links, nudge, partitions, slices
from evidence.correlation import DEEPEST, LONGEST_SPAN_MICROS
from evidence.models import Deposit, Progress
from evidence.slices import Slice
from evidence.vocabulary import (
    AGENT_RUN,
    API_CALL,
    EXACT,
    MODEL_CALL,
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
LONGEST_STATEMENT = "120s"
# Runs of one source are derived one job at a time; the first number names the kind of lock.
RUN_LOCK = 7_305_442
# Proofs that lie in a span itself; tool calls above it follow.
DIRECT = [PROOF_REQUEST_ID, PROOF_CREDENTIAL, PROOF_TOKEN]

# Pairs of one request id, found from the side that is new, or, where nearly all is, in one reading.
_SAME_REQUEST = """
    SELECT e.at AS ea, e.id AS ei, s.at AS sa, s.id AS si, e.source_id AS log,
           s.source_id AS traces, e.principal_id AS caller, coalesce(e.address_id, 0) AS address,
           s.principal_id AS service, s.agent_id AS agent
    FROM evidence_event e
    JOIN evidence_event s
      ON {same} AND s.plane = %(ai)s
     AND s.at BETWEEN e.at - interval '1 day' AND e.at + interval '1 day'
     AND s.at BETWEEN %(since)s - interval '1 day' AND %(until)s + interval '1 day'
    JOIN evidence_term ea ON ea.id = e.action_id
    JOIN evidence_term sa ON sa.id = s.action_id
    WHERE e.request_id IS NOT NULL AND s.request_id IS NOT NULL AND e.plane = %(identity)s
      AND e.at >= %(since)s AND e.at < %(until)s AND {side}
      -- correlation.same_act; the C collation folds ASCII letters only, as it does.
      AND (ea.id = sa.id
           OR lower(split_part(ea.value, ':', 1) COLLATE "C")
             = lower(split_part(sa.value, ':', 1) COLLATE "C")
           OR (strpos(ea.value, ':') BETWEEN 1 AND length(ea.value) - 1
               AND strpos(sa.value, ':') > 0
               AND lower(substr(ea.value, strpos(ea.value, ':') + 1) COLLATE "C")
                 = lower(substr(sa.value, strpos(sa.value, ':') + 1) COLLATE "C")))
"""
_BY_INDEX = """s.request_id = e.request_id
     AND hashtextextended(s.request_id, 0) = hashtextextended(e.request_id, 0)"""
_NEW_EVENTS = "e.deposit_id = ANY(%(deposits)s) AND e.at BETWEEN %(first)s AND %(last)s"
_NEW_SPANS = """s.deposit_id = ANY(%(deposits)s) AND s.at BETWEEN %(first)s AND %(last)s
      AND NOT e.deposit_id = ANY(%(deposits)s)"""
_ANY_NEW = "(e.deposit_id = ANY(%(deposits)s) OR s.deposit_id = ANY(%(deposits)s))"
# Links by request id, and in the same pass what is learnt from them: who calls for whom
# (evidence/inferred.py), and how far clocks are apart, of links that are new.
_LINK = """
WITH pairs AS MATERIALIZED ({pairs}), made AS (
    INSERT INTO evidence_link
        (effect_at, effect_id, cause_at, cause_id, proof, strength, recorded_at)
    SELECT ea, ei, sa, si, %(proof)s::smallint, %(exact)s::smallint, %(now)s::timestamptz
    FROM pairs ORDER BY 1, 2, 3, 4
    ON CONFLICT DO NOTHING RETURNING effect_at, effect_id, cause_at, cause_id
), known AS (
    INSERT INTO evidence_acquaintance (caller_id, hour, agent_id, address_id)
    SELECT DISTINCT caller, date_trunc('hour', ea, 'UTC'), n.id, address
    FROM pairs CROSS JOIN LATERAL (VALUES (service), (agent)) AS n(id)
    WHERE caller IS NOT NULL AND n.id IS NOT NULL
    ORDER BY 1, 2, 3, 4
    ON CONFLICT DO NOTHING RETURNING hour
), ticks AS (
    SELECT log, traces, (ea AT TIME ZONE 'UTC')::date AS day,
           round(extract(epoch FROM ea - sa))::int AS seconds, count(*) AS calls
    FROM made JOIN pairs ON (ea, ei, sa, si) = (effect_at, effect_id, cause_at, cause_id)
    WHERE abs(extract(epoch FROM ea - sa)) <= %(most_seconds)s
    GROUP BY 1, 2, 3, 4
)
SELECT (SELECT count(*) FROM made), (SELECT array_agg(DISTINCT hour) FROM known),
       (SELECT jsonb_agg(to_jsonb(ticks))::text FROM ticks)
"""
BY_REQUEST_ID = {
    False: _LINK.format(
        pairs=" UNION ALL ".join(
            _SAME_REQUEST.format(side=side, same=_BY_INDEX) for side in (_NEW_EVENTS, _NEW_SPANS)
        )
    ),
    True: _LINK.format(
        pairs=_SAME_REQUEST.format(side=_ANY_NEW, same="s.request_id = e.request_id")
    ),
}

# The traces whose parentage may have grown, by source: those of new spans, whose runs have grown
# too, and those of the spans that new API events were just linked to. As text: they are only
# handed back.
TOUCHED = """
SELECT source_id, share, array_agg(trace) FILTER (WHERE own)::text,
       array_agg(trace) FILTER (WHERE NOT own)::text
FROM (
    SELECT source_id, trace, bool_or(own) AS own,
           get_byte(uuid_send(trace), 15) %% %(shares)s AS share
    FROM (
        SELECT DISTINCT source_id, trace, true AS own FROM evidence_event
        WHERE at BETWEEN %(first)s AND %(last)s AND deposit_id = ANY(%(deposits)s)
          AND trace IS NOT NULL AND plane = %(ai)s
        UNION ALL
        SELECT DISTINCT s.source_id, s.trace, false
        FROM evidence_event n
        JOIN evidence_link l ON l.effect_at = n.at AND l.effect_id = n.id
         AND l.proof = ANY(%(direct)s) AND l.effect_at BETWEEN %(first)s AND %(last)s
        JOIN evidence_event s ON s.at = l.cause_at AND s.id = l.cause_id
         AND s.at BETWEEN %(first)s - interval '1 day' AND %(last)s + interval '1 day'
        WHERE n.at BETWEEN %(first)s AND %(last)s AND n.deposit_id = ANY(%(deposits)s)
          AND n.plane = %(identity)s AND s.trace IS NOT NULL
          -- Those of new spans are known by now.
          AND NOT s.deposit_id = ANY(%(deposits)s)
    ) either GROUP BY 1, 2
) touched GROUP BY 1, 2 ORDER BY 1, 2
"""

# The tool calls above linked spans, and the runs of the traces that have new spans; one reading of
# the spans. A span that claims to have lasted for years must not break the arithmetic of its run.
GROWN = """
WITH RECURSIVE span AS MATERIALIZED (
    SELECT e.source_id, e.trace, e.span, e.parent_span, e.activity, e.at, e.id, e.duration,
           e.outcome, e.agent_id, e.principal_id, e.on_behalf_id, e.conversation_id, e.task_id,
           e.release_id, e.trace = ANY(%(own)s::uuid[]) AS own,
           e.request_id IS NOT NULL OR e.credential_id IS NOT NULL AS says
    FROM evidence_event e
    WHERE e.trace = ANY(%(every)s::uuid[]) AND e.plane = %(ai)s AND e.source_id = %(source)s
), run AS (
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
    FROM span WHERE own
    GROUP BY source_id, trace
    HAVING bool_or(activity IN (%(run)s, %(tool)s, %(model)s))
    ON CONFLICT (source_id, trace) DO UPDATE SET
        first_at = excluded.first_at, last_at = excluded.last_at, agent_id = excluded.agent_id,
        service_id = excluded.service_id, on_behalf_id = excluded.on_behalf_id,
        conversation_id = excluded.conversation_id, task_id = excluded.task_id,
        release_id = excluded.release_id, spans = excluded.spans,
        tool_calls = excluded.tool_calls, model_calls = excluded.model_calls,
        api_calls = excluded.api_calls, failed = excluded.failed, ended = excluded.ended
    WHERE (evidence_run.first_at, evidence_run.last_at, evidence_run.agent_id,
           evidence_run.service_id, evidence_run.on_behalf_id, evidence_run.conversation_id,
           evidence_run.task_id, evidence_run.release_id, evidence_run.spans,
           evidence_run.tool_calls, evidence_run.model_calls, evidence_run.api_calls,
           evidence_run.failed, evidence_run.ended)
        IS DISTINCT FROM
          (excluded.first_at, excluded.last_at, excluded.agent_id, excluded.service_id,
           excluded.on_behalf_id, excluded.conversation_id, excluded.task_id,
           excluded.release_id, excluded.spans, excluded.tool_calls, excluded.model_calls,
           excluded.api_calls, excluded.failed, excluded.ended)
), linked AS MATERIALIZED (
    -- Fenced: each span is looked up by link_cause, however many links there are.
    SELECT s.source_id, s.trace, s.parent_span, l.*
    FROM span s CROSS JOIN LATERAL (
        SELECT l.effect_at, l.effect_id, l.proof, l.strength FROM evidence_link l
        WHERE l.cause_at = s.at AND l.cause_id = s.id AND l.proof = ANY(%(direct)s)
          AND l.effect_at BETWEEN s.at - interval '1 day' AND s.at + interval '1 day' OFFSET 0) l
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
INSERT INTO evidence_link
    (effect_at, effect_id, cause_at, cause_id, proof, strength, recorded_at)
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


def derive(deposit: Deposit, *, now: datetime) -> int:
    """Links and runs that this deposit brings or completes; how many links are new."""
    slice_ = slices.of([deposit])
    if slice_ is None:
        return 0
    with transaction.atomic(), connection.cursor() as cursor:
        prepare(cursor)
        direct = by_what_is_said(cursor, slice_, now=now)
        made = direct.made + key_links.by_token(cursor, slice_, now=now)
        grown = touched(cursor, slice_)
        lock_runs(cursor, grown)
        for one in grown:
            made += grow(cursor, one, now=now)
        key_links.take_turn(cursor)
        made += key_links.by_issuance(cursor, slice_, [one.every for one in grown], now=now)
        inferred.learn(cursor, slice_)
        known = inferred.again(cursor, slice_)
        made += inferred.infer(cursor, slice_, direct.hours, known, now=now)
        clocks.take(cursor, known.moved)
        nudge.after_commit("evidence.linked")
    return made


def prepare(cursor: Any, *settings: str) -> None:
    """For this transaction: a trace made to be expensive costs so much and no more (see
    consumers.handle_next), and nothing is compiled: servers before 18 take what `enable_nestloop`
    discourages for endless work."""
    for setting in (f"statement_timeout = '{LONGEST_STATEMENT}'", "jit = off", *settings):
        cursor.execute(f"SET LOCAL {setting}")


class Direct(NamedTuple):
    """Links that lie in events themselves: how many are new, and the hours in which callers were
    newly known by them."""

    made: int
    hours: list[datetime]


class Grown(NamedTuple):
    """Traces of one source, as the database writes arrays: with new spans, and with new links."""

    source: int
    own: str
    others: str

    @property
    def every(self) -> str:
        return f"{{{','.join(filter(None, (one.strip('{}') for one in self[1:])))}}}"


def by_what_is_said(cursor: Any, slice_: Slice, *, now: datetime) -> Direct:
    """Links by request id and by credential, and what is learnt from the former."""
    _plan(cursor, slice_)
    cursor.execute(
        BY_REQUEST_ID[slice_.whole],
        slice_.facts()
        | {
            "identity": PLANE_IDENTITY,
            "ai": PLANE_AI,
            "exact": EXACT,
            "now": now,
            "proof": PROOF_REQUEST_ID,
            "most_seconds": clocks.MOST_SECONDS,
        },
    )
    made, hours, ticks = cursor.fetchone()
    _plan_again(cursor)
    made += key_links.by_credential(cursor, slice_, now=now)
    # The last rows that this takes: who waits for one of them holds nothing that we want.
    clocks.learn(cursor, ticks or "[]")
    return Direct(made, hours or [])


def touched(cursor: Any, slice_: Slice, shares: int = 1) -> list[Grown]:
    """The traces to be walked, in so many shares a source at most."""
    _plan(cursor, slice_)
    cursor.execute(
        TOUCHED,
        slice_.facts()
        | {"identity": PLANE_IDENTITY, "ai": PLANE_AI, "direct": DIRECT, "shares": shares},
    )
    grown = [Grown(source, own or "{}", others or "{}") for source, _, own, others in cursor]
    _plan_again(cursor)
    return grown


def _plan(cursor: Any, slice_: Slice) -> None:
    """What is read through is read page by page and joined by hash: the planner takes new deposits
    for few rows, and looks at each alone."""
    if slice_.whole:
        cursor.execute("SET LOCAL enable_nestloop = off; SET LOCAL enable_indexscan = off")


def _plan_again(cursor: Any) -> None:
    """As the planner likes it."""
    cursor.execute("SET LOCAL enable_nestloop = on; SET LOCAL enable_indexscan = on")


def lock_runs(cursor: Any, grown: Iterable[Grown]) -> None:
    """Alone with the runs of these sources, until the transaction is over."""
    for source in sorted({one.source for one in grown}):
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [RUN_LOCK, source])


def grow(cursor: Any, grown: Grown, *, now: datetime) -> int:
    """Runs of these traces, and links to the tool calls in them; how many links are new."""
    # What is joined here are spans that were read already, of which the planner knows no numbers:
    # one trace of 40,000 spans, joined row by row, would not end.
    cursor.execute("SET LOCAL enable_nestloop = off")
    cursor.execute(
        GROWN,
        {
            "source": grown.source,
            "own": grown.own,
            "every": grown.every,
            "ai": PLANE_AI,
            "run": AGENT_RUN,
            "tool": TOOL_CALL,
            "model": MODEL_CALL,
            "api": API_CALL,
            "ok": OUTCOME_OK,
            "now": now,
            "direct": DIRECT,
            "request": PROOF_REQUEST_ID,
            "parent": PROOF_PARENT,
            "by_key": PROOF_CREDENTIAL_PARENT,
            "token": PROOF_TOKEN,
            "by_token": PROOF_TOKEN_PARENT,
            "deepest": DEEPEST,
            "longest": LONGEST_SPAN_MICROS,
        },
    )
    made = int(cursor.rowcount)
    cursor.execute("SET LOCAL enable_nestloop = on")
    return made


def link_next(*, now: datetime, after: int = 0) -> int:
    """Claim and link one deposit; its id, or 0 when there is nothing to do."""

    def link(held: Progress) -> None:
        deposit = held.deposit
        make_room([deposit])
        with transaction.atomic():
            derive(deposit, now=now)
            consumers.finish(held, now=now)

    return consumers.handle_next(CONSUMER, link, lease=LEASE, now=now, after=after)


def make_room(deposits: Iterable[Deposit]) -> None:
    """The partitions that links of these may need."""
    months = {
        partitions.month_of(moment + timedelta(days=day))
        for deposit in deposits
        for moment in (deposit.first_at, deposit.last_at)
        for day in (-1, 0, 1)
        if moment is not None
    }
    partitions.ensure(partitions.missing(partitions.BY_EVENT_TIME, months))
