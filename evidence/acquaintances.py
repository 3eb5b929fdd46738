"""Who calls for whom, and what names of tools and actions may mean: what inferred links rest on.

Owns how it is learnt from deposits and from agents above spans, set-based. All of it is only added
to. What exact links say of it comes from those (evidence/links.py); must not know what is inferred
(evidence/inferred.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from evidence import together
from evidence.inference import SHORTEST_NAME
from evidence.models import Acquaintance, Term
from evidence.partitions import bounds, month_of
from evidence.slices import NO_KEYS, Keys, Slice
from evidence.tool_actions import VERSION, keys_of_action, keys_of_tool
from evidence.vocabulary import PLANE_AI, PLANE_IDENTITY, PROOF_REQUEST_ID, TOOL_CALL

ALWAYS = datetime.fromisoformat(Acquaintance.ALWAYS)
# Of more callers than this, reading all their events is the cheaper.
MOST_WALKED = 2_000

# What calls and tool calls of these deposits name, in one reading of them: names that have no
# meaning yet, and who called.
_NAMED = f"""
WITH named AS MATERIALIZED (
    SELECT DISTINCT plane = {PLANE_AI} AS tool, action_id,
           CASE plane WHEN {PLANE_IDENTITY} THEN principal_id END AS principal_id
    FROM evidence_event
    WHERE at BETWEEN %(first)s AND %(last)s AND deposit_id = ANY(%(deposits)s)
      AND (plane = {PLANE_IDENTITY} OR plane = {PLANE_AI} AND activity = {TOOL_CALL})
), unread AS (
    SELECT n.term, n.tool, t.value
    FROM (SELECT DISTINCT action_id AS term, tool FROM named) n
    JOIN evidence_term t ON t.id = n.term
    WHERE NOT EXISTS (SELECT FROM evidence_meaning m
        WHERE m.term_id = n.term AND m.tool = n.tool AND m.version = {VERSION})
)
SELECT array_agg(term), array_agg(tool), array_agg(value),
       ARRAY(SELECT DISTINCT principal_id FROM named WHERE principal_id IS NOT NULL)
FROM unread
"""  # noqa: S608 - our own numbers; values are parameters
# The same without reading events, of all of these months: everybody who acts, one after the other
# along event_principal, and all names of actions (term_action serves it).
_WALKED = f"""
WITH RECURSIVE walk AS (
    SELECT (SELECT min(principal_id) FROM evidence_event
            WHERE at >= %(begins)s AND at < %(ends)s) AS id
    UNION ALL
    SELECT (SELECT min(principal_id) FROM evidence_event
            WHERE at >= %(begins)s AND at < %(ends)s AND principal_id > w.id)
    FROM walk w WHERE w.id IS NOT NULL
), unread AS (
    SELECT t.id AS term, k.tool, t.value
    FROM evidence_term t CROSS JOIN (VALUES (true), (false)) AS k(tool)
    WHERE t.kind = {Term.ACTION} AND NOT EXISTS (SELECT FROM evidence_meaning m
        WHERE m.term_id = t.id AND m.tool = k.tool AND m.version = {VERSION})
)
SELECT array_agg(term), array_agg(tool), array_agg(value),
       ARRAY(SELECT id FROM walk WHERE id IS NOT NULL LIMIT {MOST_WALKED + 1})
FROM unread
"""  # noqa: S608 - our own numbers; values are parameters
_READ = f"""
INSERT INTO evidence_meaning (term_id, tool, version, key)
SELECT term, tool, {VERSION}, key
FROM unnest(%s::bigint[], %s::boolean[], %s::text[]) AS k(term, tool, key) ORDER BY 1, 2, 3, 4
ON CONFLICT DO NOTHING
"""  # noqa: S608 - our own number
# Callers and agents that are named alike, where one of them is in these deposits.
_ALIKE = f"""
INSERT INTO evidence_acquaintance (caller_id, hour, agent_id, address_id)
SELECT caller, %(always)s::timestamptz, agent, 0 FROM (
    SELECT c.id AS caller, g.id AS agent
    FROM unnest(%(callers)s::bigint[]) AS c(id)
    JOIN evidence_actor a ON a.id = c.id
    LEFT JOIN evidence_actor up ON up.id = a.parent_id
    CROSS JOIN LATERAL (VALUES (evidence_plain_name(a.value)),
                               (evidence_plain_name(up.value))) AS n(name)
    JOIN evidence_actor g ON evidence_plain_name(g.value) = n.name
     AND g.kind IN ('agent', 'agent_id', 'service')
    -- Who calls is somebody whom the system that was called knows.
    WHERE length(n.name) >= {SHORTEST_NAME} AND a.realm NOT LIKE 'otel:%%'
    UNION
    SELECT c.id, d.id
    FROM unnest(%(doers)s::bigint[]) AS d(id)
    JOIN evidence_actor g ON g.id = d.id
    CROSS JOIN LATERAL (SELECT evidence_plain_name(g.value) AS name) n
    JOIN evidence_actor h ON evidence_plain_name(h.value) = n.name
     AND h.kind NOT IN ('access_key', 'token', 'session', 'pod', 'certificate')
     AND h.realm NOT LIKE 'otel:%%'
    JOIN LATERAL (SELECT h.id UNION SELECT x.id FROM evidence_actor x WHERE x.parent_id = h.id
                  AND x.kind NOT IN ('access_key', 'token', 'session', 'pod', 'certificate')) c
      ON true
    WHERE length(n.name) >= {SHORTEST_NAME}
      AND g.kind IN ('agent', 'agent_id', 'service')
) pair ORDER BY 1, 3
ON CONFLICT DO NOTHING
"""  # noqa: S608 - our own numbers; values are parameters

# Spans that took their agent from above them: what tools' agents are called, and when they ran.
_TOLD_ABOVE = f"""
SELECT array_agg(DISTINCT a.agent_id), array_agg(DISTINCT date_trunc('minute', e.at))
FROM unnest(%s::timestamptz[], %s::bigint[]) AS k(at, id)
JOIN evidence_agentabove a ON a.at = k.at AND a.id = k.id
JOIN evidence_event e ON e.at = k.at AND e.id = k.id
WHERE e.activity = {TOOL_CALL}
"""  # noqa: S608 - our own number; values are parameters
# Who calls for an agent that is above the linked span: as links.BY_REQUEST_ID learns of others.
_KNOWN_ABOVE = """
INSERT INTO evidence_acquaintance (caller_id, hour, agent_id, address_id)
SELECT DISTINCT e.principal_id, date_bin('1 hour', e.at, 'epoch'), l.agent_id,
       coalesce(e.address_id, 0)
FROM ({links}) l
JOIN evidence_event e ON e.at = l.effect_at AND e.id = l.effect_id
WHERE e.principal_id IS NOT NULL {unless}
ORDER BY 1, 2, 3, 4
ON CONFLICT DO NOTHING RETURNING hour
"""
_OF_KEYS = _KNOWN_ABOVE.format(
    links=f"""SELECT a.agent_id, l.effect_at, l.effect_id
    FROM unnest(%s::timestamptz[], %s::bigint[]) AS k(at, id)
    JOIN evidence_agentabove a ON a.at = k.at AND a.id = k.id
    CROSS JOIN LATERAL (SELECT l.effect_at, l.effect_id FROM evidence_link l
        WHERE l.cause_at = k.at AND l.cause_id = k.id AND l.proof = {PROOF_REQUEST_ID} OFFSET 0) l""",  # noqa: S608 - our own number; values are parameters
    unless="",
)
# Nothing is read where no span of that time has its agent from above.
_OF_THE_TIME = _KNOWN_ABOVE.format(
    links=f"""SELECT a.agent_id, l.effect_at, l.effect_id
    FROM evidence_agentabove a
    JOIN evidence_link l ON l.cause_at = a.at AND l.cause_id = a.id
     AND l.proof = {PROOF_REQUEST_ID} AND l.effect_at >= %(since)s AND l.effect_at < %(until)s
    WHERE a.at BETWEEN %(since)s - interval '1 day' AND %(until)s + interval '1 day'""",  # noqa: S608 - our own number; values are parameters
    unless="""AND e.at >= %(since)s AND e.at < %(until)s
    AND (SELECT EXISTS (SELECT FROM evidence_agentabove
        WHERE at BETWEEN %(since)s - interval '1 day' AND %(until)s + interval '1 day'))""",
)


def learn(cursor: Any, slice_: Slice, doers: Iterable[int] = ()) -> None:
    """What the names of these deposits say: of tools and actions, and of who is named like whom:
    callers like any agent, and like these services and agents, whose tool calls they show."""
    callers = None
    if slice_.whole:
        begins, _ = bounds(month_of(slice_.first))
        _, ends = bounds(month_of(slice_.last))
        callers = _learn(cursor, _WALKED, {"begins": begins, "ends": ends})
    if callers is None or len(callers) > MOST_WALKED:
        callers = _learn(cursor, _NAMED, slice_.facts())
    _compare(cursor, callers, doers)


class Near(NamedTuple):
    """Where else than around new events something may be inferred by now: hours in which callers
    were newly known, and minutes of tools whose agent was."""

    hours: list[datetime]
    minutes: list[datetime]


def learn_above(
    cursor: Any,
    slice_: Slice,
    named: Sequence[Keys],
    linked: Keys = NO_KEYS,
    doers: Iterable[int] = (),
) -> Near:
    """What agents above spans say: above those that were `named` so just now, and above `linked`
    ones that name none themselves; where the whole time is read, above all that are linked. Under
    the lock of issuance, so that of the job that links a span and the one that brings its agent the
    later sees both. And who is named like these `doers`, as `learn` says."""
    hours: set[datetime] = set()
    minutes: set[datetime] = set()
    asked = set(doers)
    named = [keys for keys in named if keys != NO_KEYS]
    for keys in named:
        cursor.execute(_TOLD_ABOVE, keys)
        above, moments = cursor.fetchone()
        if above:
            asked.update(above)
            minutes.update(moments)
    _compare(cursor, [], asked)
    for keys in (*named, *([linked] if linked != NO_KEYS else [])):
        cursor.execute(_OF_KEYS, keys)
        hours.update(hour for (hour,) in cursor.fetchall())
    if slice_.whole:
        with together.reading(cursor, slice_):
            cursor.execute(_OF_THE_TIME, slice_.facts())
            hours.update(hour for (hour,) in cursor.fetchall())
    return Near(sorted(hours), sorted(minutes))


def _compare(cursor: Any, callers: Iterable[int], doers: Iterable[int]) -> None:
    facts = {"always": ALWAYS, "callers": sorted(callers), "doers": sorted(doers)}
    if facts["callers"] or facts["doers"]:
        cursor.execute(_ALIKE, facts)


def _learn(cursor: Any, statement: str, facts: Mapping[str, Any]) -> list[int]:
    """Note what names may mean about which nobody has asked yet; who called."""
    cursor.execute(statement, facts)
    terms, tools, names, callers = cursor.fetchone()
    if terms:
        _read(cursor, zip(terms, tools, names, strict=True))
    return list(callers)


def _read(cursor: Any, names: Iterable[tuple[int, bool, str]]) -> None:
    """What these tools and actions may mean, about which nobody has asked yet."""
    keys = [
        (term, tool, key)
        for term, tool, name in names
        for key in ((keys_of_tool if tool else keys_of_action)(name) or {""})
    ]
    cursor.execute(_READ, [list(column) for column in zip(*keys, strict=True)])
