"""What a call of an API and a span both name, as statements ask it: rules of evidence/correlation.py.

Owns SQL only; must not know which events and spans are compared.
"""

from evidence.tool_actions import SAME_OPERATION, VERSION
from evidence.vocabulary import API_CALL, PLANE_AI

# Calls of an SDK (t) that state neither request id nor credential, a pod perhaps;
# event_call_without_id has them.
WITHOUT_IDS = (
    f"t.plane = {PLANE_AI} AND t.activity = {API_CALL} AND t.request_id IS NULL"
    " AND (t.credential_id IS NULL OR EXISTS (SELECT FROM evidence_actor p"
    " WHERE p.id = t.credential_id AND p.kind = 'pod'))"
)
# Whose credential is a token or a pod ({0}: of a span or an event).
TOKENED = """EXISTS (SELECT FROM evidence_actor k
        WHERE k.id IN ({0}) AND k.kind IN ('token', 'pod'))"""
# A log that tells whole seconds may mean any moment of one: how much later a call (p.ea) may be.
WHOLE_SECOND = (
    "CASE WHEN p.ea = date_bin('1 second', p.ea, 'epoch')"
    " THEN interval '999999 microseconds' ELSE interval '0' END"
)

# The names of an event's action (ea) and of a span's (sa), as correlation.same_act compares them;
# the C collation folds ASCII letters only, as it does.
NAMES = """CROSS JOIN LATERAL (SELECT
        regexp_replace(lower(ea.value COLLATE "C"), %(version)s, '') AS event,
        regexp_replace(lower(sa.value COLLATE "C"), %(version)s, '') AS span) act"""
SAME_ACT = """ea.id = sa.id OR act.event = act.span
           OR (act.span <> '' AND strpos(act.span, ':') = 0 AND strpos(act.event, ':') > 0
               AND substr(act.event, strpos(act.event, ':') + 1) = act.span)"""
# Of all pairs at once: what the action of an event (`act`) and a tool, or an SDK's call (`own`),
# both mean, and whether they name the same operation. Pairs that are not in it mean nothing in
# common.
MEANT = f"""meant AS MATERIALIZED (
    SELECT p.act, p.tool, p.own, bool_or(me.key LIKE '{SAME_OPERATION}%%') AS same
    FROM (SELECT DISTINCT act, tool, own FROM pair WHERE NOT own) p
    JOIN evidence_meaning me ON me.term_id = p.act AND NOT me.tool AND me.version = {VERSION}
     AND me.key <> ''
    JOIN evidence_meaning mt ON mt.term_id = p.tool AND mt.tool AND mt.version = {VERSION}
     AND mt.key = me.key
    GROUP BY 1, 2, 3
    UNION ALL
    SELECT p.act, p.tool, p.own, true
    FROM (SELECT DISTINCT act, tool, own FROM pair WHERE own) p
    JOIN evidence_term ea ON ea.id = p.act
    JOIN evidence_term sa ON sa.id = p.tool
    {NAMES}
    WHERE {SAME_ACT}
)"""  # noqa: S608 - our own words; values are parameters
