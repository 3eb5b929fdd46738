"""Links and runs of stored deposits, set-based (the rules are evidence/correlation.py).

A deposit is linked after it is committed, so of two deposits that belong together the later
job sees both: the links are the same in whatever order things arrive. One deposit is linked in
one transaction; many that wait are linked together (evidence/bulk.py), by the same statements.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction

from evidence import (
    acquaintances,
    clocks,
    consumers,
    inferred,
    key_links,
    nudge,
    partitions,
    runs,
    slices,
    together,
    touched,
)
from evidence.correlation import METHOD, SHORTEST_SURE_ID, VERSION
from evidence.fitting import NAMES, SAME_ACT
from evidence.models import Deposit, Progress
from evidence.slices import NO_KEYS, Keys, Slice
from evidence.vocabulary import EXACT, PLANE_AI, PLANE_IDENTITY, PROOF_REQUEST_ID

CONSUMER = "links"
LEASE = timedelta(minutes=5)
LONGEST_STATEMENT = "120s"
# Pairs of one request id, found from the side that is new, or, where nearly all is, in one reading.
_SAME_REQUEST = f"""
    SELECT e.at AS ea, e.id AS ei, s.at AS sa, s.id AS si, e.source_id AS log,
           s.source_id AS traces, e.principal_id AS caller, coalesce(e.address_id, 0) AS address,
           s.principal_id AS service, s.agent_id AS agent,
           s.agent_id IS NULL AND s.parent_span IS NOT NULL AS unnamed
    FROM {{both}}
    JOIN evidence_term ea ON ea.id = e.action_id
    JOIN evidence_term sa ON sa.id = s.action_id
    {NAMES}
    -- correlation.same_request.
    WHERE ({SAME_ACT}
           OR (length(s.request_id) >= %(shortest)s AND sa.value ~ %(method)s))
"""  # noqa: S608 - our own words; values are parameters
_EVENT = """e.request_id IS NOT NULL AND e.plane = %(identity)s
     AND e.at >= %(since)s AND e.at < %(until)s"""
_SPAN = """s.request_id IS NOT NULL AND s.plane = %(ai)s
     AND s.at BETWEEN %(since)s - interval '1 day' AND %(until)s + interval '1 day'"""
_NEAR = "s.at BETWEEN e.at - interval '1 day' AND e.at + interval '1 day'"
_BY_INDEX = """s.request_id = e.request_id
     AND hashtextextended(s.request_id, 0) = hashtextextended(e.request_id, 0)"""
# Fenced: what is new comes first, whatever the planner knows of a new month. Of a piece without
# API events, or without spans that state a request, nothing else is then looked at.
_OF_NEW_EVENTS = f"""(SELECT e.at, e.id, e.source_id, e.principal_id, e.address_id, e.action_id,
                 e.request_id FROM evidence_event e
          WHERE e.deposit_id = ANY(%(deposits)s) AND e.at BETWEEN %(first)s AND %(last)s
            AND {_EVENT} OFFSET 0) e
    JOIN evidence_event s ON {_BY_INDEX} AND {_SPAN} AND {_NEAR}"""  # noqa: S608 - our own words; values are parameters
_OF_NEW_SPANS = f"""(SELECT s.at, s.id, s.source_id, s.principal_id, s.agent_id, s.parent_span,
                 s.action_id, s.request_id FROM evidence_event s
          WHERE s.deposit_id = ANY(%(deposits)s) AND s.at BETWEEN %(first)s AND %(last)s
            AND {_SPAN} OFFSET 0) s
    JOIN evidence_event e ON {_BY_INDEX} AND {_EVENT} AND {_NEAR}
     AND NOT e.deposit_id = ANY(%(deposits)s)
     AND e.at BETWEEN s.at - interval '1 day' AND s.at + interval '1 day'"""  # noqa: S608 - our own words; values are parameters
# All spans of a time that state one (event_asks serves it); and in passing all its events, those
# that state one of these: by time alone, because the index of request ids would be walked whole.
_ASKED = f"""WITH asked AS MATERIALIZED (
    SELECT s.at, s.id, s.source_id, s.principal_id, s.agent_id, s.parent_span, s.action_id,
           s.request_id, s.deposit_id FROM evidence_event s WHERE {_SPAN})"""  # noqa: S608 - our own words; values are parameters
_OF_ANY_NEW = f"""(SELECT e.at, e.id, e.source_id, e.principal_id, e.address_id, e.action_id,
                 e.request_id, e.deposit_id FROM evidence_event e
          WHERE e.plane = %(identity)s AND e.at >= %(since)s AND e.at < %(until)s
            AND CASE WHEN e.request_id IN (SELECT request_id FROM asked) THEN true END OFFSET 0) e
    JOIN asked s ON s.request_id = e.request_id AND {_NEAR}
     AND (e.deposit_id = ANY(%(deposits)s) OR s.deposit_id = ANY(%(deposits)s))"""  # noqa: S608 - our own words; values are parameters
# Links by request id, and in the same pass what is learnt from them: who calls for whom
# (evidence/inferred.py), and how far clocks are apart, of links that are new.
_LINK = """
WITH pairs AS MATERIALIZED ({pairs}), {made}, known AS (
    INSERT INTO evidence_acquaintance (caller_id, hour, agent_id, address_id)
    SELECT DISTINCT caller, date_bin('1 hour', ea, 'epoch'), n.id, address
    FROM pairs CROSS JOIN LATERAL (VALUES (service), (agent)) AS n(id)
    WHERE caller IS NOT NULL AND n.id IS NOT NULL
    ORDER BY 1, 2, 3, 4
    ON CONFLICT DO NOTHING RETURNING hour
), ticks AS (
    -- To the nearest second, as numbers of the machine's own: half of one away from none.
    SELECT log, traces, (ea AT TIME ZONE 'UTC')::date AS day,
           trunc(apart + sign(apart) * 0.5)::int AS seconds, count(*) AS calls
    FROM (SELECT log, traces, ea, date_part('epoch', ea - sa) AS apart FROM fresh) measured
    WHERE abs(apart) <= %(most_seconds)s
    GROUP BY 1, 2, 3, 4
)
SELECT (SELECT count(*) FROM fresh), (SELECT array_agg(DISTINCT hour) FROM known),
       (SELECT jsonb_agg(to_jsonb(ticks))::text FROM ticks), {unnamed}
"""
_INSERT = """made AS (
    INSERT INTO evidence_link
        (effect_at, effect_id, cause_at, cause_id, proof, strength, recorded_at)
    SELECT ea, ei, sa, si, %(proof)s::smallint, %(exact)s::smallint, %(now)s::timestamptz
    FROM {pairs} ORDER BY 1, 2, 3, 4"""
_CAREFUL = f"""{_INSERT.format(pairs="pairs")}
    ON CONFLICT DO NOTHING RETURNING effect_at, effect_id, cause_at, cause_id
), fresh AS MATERIALIZED (
    SELECT pairs.* FROM made
    JOIN pairs ON (ea, ei, sa, si) = (effect_at, effect_id, cause_at, cause_id)
)"""  # noqa: S608 - our own words; values are parameters
_PLAIN = f"""fresh AS MATERIALIZED (
    SELECT * FROM pairs WHERE NOT EXISTS (SELECT FROM evidence_link l
        WHERE l.effect_at = ea AND l.effect_id = ei AND l.cause_at = sa AND l.cause_id = si
          AND l.proof = %(proof)s AND l.effect_at >= %(since)s AND l.effect_at < %(until)s)
), {_INSERT.format(pairs="fresh")}
)"""  # noqa: S608 - our own words; values are parameters
_EITHER = " UNION ALL ".join(
    _SAME_REQUEST.format(both=both) for both in (_OF_NEW_EVENTS, _OF_NEW_SPANS)
)
_UNNAMED = """(SELECT array_agg(sa)::text FROM pairs WHERE unnamed),
       (SELECT array_agg(si)::text FROM pairs WHERE unnamed)"""
BY_REQUEST_ID = _LINK.format(pairs=_EITHER, made=_CAREFUL, unnamed=_UNNAMED)
# Where the whole time is read, so are the agents above its spans (acquaintances.learn_above).
_ALL = {
    "pairs": _ASKED + _SAME_REQUEST.format(both=_OF_ANY_NEW),
    "unnamed": "NULL, NULL",
}
TOGETHER = together.Insert(
    plain=_LINK.format(**_ALL, made=_PLAIN), careful=_LINK.format(**_ALL, made=_CAREFUL)
)


def derive(deposit: Deposit, *, now: datetime) -> int:
    """Links and runs that this deposit brings or completes; how many links are new."""
    slice_ = slices.of([deposit])
    if slice_ is None:
        return 0
    with transaction.atomic(), connection.cursor() as cursor:
        prepare(cursor)
        direct = by_what_is_said(cursor, slice_, now=now)
        made = direct.made + key_links.by_token(cursor, slice_, now=now)
        grown = touched.with_new_calls(cursor, slice_, touched.of_new_spans(cursor, slice_))
        runs.lock(cursor, grown)
        grew = [runs.grow(cursor, slice_, one, now=now) for one in grown]
        made += sum(one.made for one in grew)
        key_links.take_turn(cursor)
        made += key_links.by_issuance(cursor, slice_, now=now)
        if traces := runs.issued(grew):
            made += key_links.by_issuance(cursor, slice_, traces, now=now)
        acquaintances.learn(cursor, slice_, {id_ for one in grew for id_ in one.doers})
        met = acquaintances.learn_above(cursor, slice_, [one.named for one in grew], direct.unnamed)
        known = inferred.again(cursor, slice_)
        near = acquaintances.Near([*direct.hours, *met.hours], met.minutes)
        made += inferred.infer(cursor, slice_, near, known, now=now)
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
    """Links that lie in events themselves: how many are new, the hours in which callers were newly
    known by them, and, where they were looked up, the linked spans whose agent is above them, if
    anywhere."""

    made: int
    hours: list[datetime]
    unnamed: Keys


def by_what_is_said(cursor: Any, slice_: Slice, *, now: datetime) -> Direct:
    """Links by request id and by credential, and what is learnt from the former."""
    facts = slice_.facts() | {
        "identity": PLANE_IDENTITY,
        "ai": PLANE_AI,
        "exact": EXACT,
        "now": now,
        "proof": PROOF_REQUEST_ID,
        "most_seconds": clocks.MOST_SECONDS,
        "shortest": SHORTEST_SURE_ID,
        "method": METHOD,
        "version": VERSION,
    }
    with together.reading(cursor, slice_):
        if slice_.whole:
            together.write(cursor, TOGETHER, facts)
        else:
            cursor.execute(BY_REQUEST_ID, facts)
        made, hours, ticks, ats, ids = cursor.fetchone()
    made += key_links.by_credential(cursor, slice_, now=now)
    # The last rows that this takes: who waits for one of them holds nothing that we want.
    clocks.learn(cursor, ticks or "[]")
    return Direct(made, hours or [], Keys(ats, ids) if ats else NO_KEYS)


def link_next(*, now: datetime) -> int:
    """Claim and link one deposit; its id, or 0 when there is nothing to do."""

    def link(held: Progress) -> None:
        deposit = held.deposit
        make_room([deposit])
        with transaction.atomic():
            derive(deposit, now=now)
            consumers.finish(held, now=now)

    return consumers.handle_next(CONSUMER, link, lease=LEASE, now=now)


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
