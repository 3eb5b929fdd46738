"""How many of an identity's API events reach a run, how surely, and what would make it more.

Owns the one bounded query and the table of switches. Reads the newest attributions only, so that
its cost does not grow with the history; must not know pages.
"""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from django.db import connection

from evidence.vocabulary import (
    API_CALL,
    CLAIMED,
    EXACT,
    INFERRED,
    KEY,
    PLANE_AI,
    PLANE_IDENTITY,
    PROOF_CREDENTIAL,
    PROOF_CREDENTIAL_PARENT,
    PROOF_ISSUANCE,
)
from identities.judging.key_users import IS_USER
from identities.models.behaviour import BY_EXACT, BY_INFERENCE, BY_KEY, ONE_OF

# So many of the identity's newest events are looked at, of both planes together.
MOST = 500
MOST_SHARED = 20

# The strongest links of each event, graded as evidence_shownlink does, in one pass over them.
# What cannot be told is asked once for each key, action and second.
_LOOK = f"""
WITH seen AS MATERIALIZED (
    SELECT e.plane, e.activity = {API_CALL} AS is_call, e.request_id IS NOT NULL AS named,
           coalesce(g.strength, l.strength) AS strength,
           coalesce(g.several, l.runs > 1 OR CASE WHEN l.strength = {KEY}
               THEN identities_new_address(e.at, e.id) OR NOT l.issued
                   AND evidence_doubt(e.at, e.id, l.since, l.span, l.proof) <> 0 END) AS several,
           coalesce(g.strength > 0, l.reached) AS reached,
           coalesce(l.issued AND g.strength IS NULL, false) AS issued,
           date_trunc('second', e.at, 'UTC') AS moment, split_part(a.realm, ':', 1) AS system,
           e.action_id AS act, CASE WHEN l.by_use AND l.runs = 1 THEN e.credential_id END AS used
    FROM (SELECT at, event_id FROM identities_attribution WHERE identity_no = %(number)s
            AND at <= %(until)s ORDER BY at DESC, event_id DESC LIMIT %(most)s) k
    JOIN evidence_event e ON e.at = k.at AND e.id = k.event_id
    LEFT JOIN LATERAL (
        SELECT w.strength, x.proof = {PROOF_ISSUANCE} AS issued,
               CASE WHEN w.strength = {EXACT} THEN count(DISTINCT s.trace)
                   ELSE count(DISTINCT (s.source_id, s.trace)) END AS runs,
               bool_or(x.proof IN ({PROOF_CREDENTIAL}, {PROOF_CREDENTIAL_PARENT})) AS by_use,
               bool_or(r.id IS NOT NULL) AS reached, min(x.proof) AS proof,
               (array_agg(s.at ORDER BY s.at, s.id))[1] AS since,
               (array_agg(s.id ORDER BY s.at, s.id))[1] AS span
        FROM evidence_link x
        CROSS JOIN LATERAL (SELECT identities_link_strength(x.effect_at, x.effect_id, x.cause_at,
            x.cause_id, x.proof, x.strength) AS strength OFFSET 0) w
        JOIN evidence_event s ON s.at = x.cause_at AND s.id = x.cause_id
        LEFT JOIN evidence_run r ON r.source_id = s.source_id AND r.trace = s.trace
        WHERE x.effect_at = e.at AND x.effect_id = e.id AND x.strength > {INFERRED}
        GROUP BY w.strength, x.proof = {PROOF_ISSUANCE}
        ORDER BY w.strength DESC, x.proof = {PROOF_ISSUANCE} LIMIT 1
    ) l ON e.plane = {PLANE_IDENTITY}
    -- Asked only where no stronger link reaches a run.
    LEFT JOIN LATERAL (
        SELECT {INFERRED} AS strength, max(x.runs) > 1 OR max(abs(x.surplus)) > 0 AS several
        FROM evidence_shownlink x
        WHERE x.effect_at = e.at AND x.effect_id = e.id AND x.strength = {INFERRED}
          AND (l.reached AND l.strength > {CLAIMED}) IS NOT TRUE
        HAVING count(*) > 0
    ) g ON e.plane = {PLANE_IDENTITY}
    LEFT JOIN evidence_actor a ON a.id = coalesce(e.principal_id, e.credential_id)
    WHERE e.plane IN ({PLANE_IDENTITY}, {PLANE_AI})
), fitting AS MATERIALIZED (
    SELECT *, evidence_surplus(used, act, moment) AS surplus
    FROM (SELECT DISTINCT used, act, moment FROM seen WHERE used IS NOT NULL) d
)
SELECT plane, is_call, named, strength, several OR coalesce(surplus, 0) <> 0, reached, system,
       issued, count(*)
FROM seen LEFT JOIN fitting USING (used, act, moment)
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
"""  # noqa: S608 - our own numbers; values are parameters


class Coverage(NamedTuple):
    """Counts of API events among the identity's newest events.

    `calls` = `exact` + `key` + `untold` + `inferred` + `claimed` + `outside` + `none`.
    """

    calls: int = 0
    exact: int = 0  # reach one run by a request id
    key: int = 0  # reach one run by a credential or an issued key
    untold: int = 0  # by key or inferred; which run, or whether it was one, cannot be told
    issued: int = 0  # of `key` and `untold`: with a key that a run got, and nothing nearer is known
    inferred: int = 0  # one run's, as far as tool, time and caller tell
    claimed: int = 0  # a trace states the request id; its agent is not linked to the account
    outside: int = 0  # linked to a span whose trace shows no run
    none: int = 0
    spans: int = 0  # of the identity's agent, among the same events
    sdk: int = 0  # of these, calls to an outside API
    sdk_named: int = 0  # of these, with a request id
    system: str = ""  # which system's log has most calls that are not exact: the realm's first word

    @property
    def share(self) -> int | None:
        """Per cent of API events that reach a run by an exact link, rounded down: only all of
        them are 100. None where there is no API event."""
        return 100 * self.exact // self.calls if self.calls else None

    @property
    def switch(self) -> str:
        """What would raise the share, in words for whoever runs the agent; '' where nothing."""
        words = next((words for holds, words in SWITCHES if holds(self)), "")
        return words.replace("{how}", HOW.get(self.system, _HOW_ELSE))


def _header(system: str, name: str) -> str:
    return (
        f"capture the response header {name} on the agent's HTTP client spans"
        f" (OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_RESPONSE={name}):"
        f" the log of {system} states the same id."
    )


def _token(system: str, what: str) -> str:
    return (
        f"the log of {system} has no id of a request that callers see. Put {what} into the"
        " attribute countersign.token.id of the spans that call it: the calls are then known by key."
    )


# How spans come to state what the called system's log states too (evidence/formats/otlp/names.py).
HOW = {
    "aws": (
        "turn on opentelemetry-instrumentation-botocore in the agent: it writes a span with"
        " aws.request_id for every call."
    ),
    "k8s": _header("Kubernetes", "audit-id"),
    "okta": _header("Okta", "x-okta-request-id"),
    "github": _header("GitHub", "x-github-request-id"),
    "azure": _header("Azure", "x-ms-correlation-request-id"),
    "entra": _token("Entra", "the token's uti claim"),
    "vault": _token("Vault", "the accessor of the token"),
}
_HOW_ELSE = (
    "where the called system answers with the id under which it logs the request, capture that"
    " response header on the agent's HTTP client spans."
)
_CLAIMED = (
    "Traces state the request ids of some of its calls, and nobody has linked their agents to it:"
    " look at them under Unclaimed, and link those that are its own."
)
_OUTSIDE = (
    "The spans of its calls are in traces of their own, outside the run: let the agent's"
    " instrumentation make the span of a tool the current one, so that SDK spans lie below it."
)
_UNTRACED = (
    "All spans of its calls that are here state a request id: the others were made outside traced"
    " code, or their spans were sampled away or not sent."
)
_ISSUED = (
    "All spans of its calls that are here state a request id. What is known by key only was called"
    " with keys that its runs got: trace whatever uses those keys as well."
)
# The first that holds is said.
SWITCHES: tuple[tuple[Callable[[Coverage], bool], str], ...] = (
    (lambda c: c.exact == c.calls, ""),
    (lambda c: c.claimed > 0, _CLAIMED),
    (lambda c: c.outside > c.key + c.untold + c.none, _OUTSIDE),
    (lambda c: c.sdk > c.sdk_named, "Some of its SDK spans state no request id: {how}"),
    (
        lambda c: c.key + c.untold > (c.issued if c.sdk else 0),
        "Some of its calls are known by key only: {how}",
    ),
    (lambda c: c.issued > 0, _ISSUED),
    (
        lambda c: c.spans + c.exact + c.outside == 0,
        "No run is known to act as it: send the traces of the agent that holds its credential.",
    ),
    (
        lambda c: c.sdk + c.exact + c.outside == 0,
        "Its runs show no calls of an SDK: {how}",
    ),
    (lambda c: c.inferred > 0, "Some of its runs show no calls of an SDK: {how}"),
    (lambda c: c.none > 0, _UNTRACED),
)


def of_identity(number: int, *, until: datetime) -> Coverage:
    """The coverage of an identity (Identity.number) up to a moment. One query, bounded by MOST."""
    with connection.cursor() as cursor:
        cursor.execute(_LOOK, {"number": number, "until": until, "most": MOST})
        found = cursor.fetchall()
    sums: Counter[str] = Counter()
    missing: Counter[str] = Counter()
    for plane, is_call, named, strength, untold, reached, system, issued, many in found:
        if plane == PLANE_AI:
            sums["spans"] += many
            sums["sdk"] += many if is_call else 0
            sums["sdk_named"] += many if is_call and named else 0
            continue
        sums["calls"] += many
        way = _how(strength, untold=untold, reached=reached)
        sums[way] += many
        sums["issued"] += many if issued and way in ("key", "untold") else 0
        if way != "exact" and system:
            missing[system] += many
    most = max(sorted(missing), key=missing.__getitem__, default="")
    return Coverage(**sums, system=most)


def _how(strength: int | None, *, untold: bool | None, reached: bool | None) -> str:
    if strength is None:
        return "none"
    if strength == CLAIMED:
        return "claimed"
    if untold:
        return "untold"
    if not reached:
        return "outside"
    return {EXACT: "exact", KEY: "key", INFERRED: "inferred"}[strength]


# Of a credential that several hold or use: whose its events are, and how that is known.
_SHARED = f"""
SELECT c.value, u.exact, u.key, u.untold, u.agents FROM (
    SELECT e.credential_id, count(*) FILTER (WHERE k.strength = {BY_EXACT}) AS exact,
           count(*) FILTER (WHERE k.strength IN ({BY_KEY}, {BY_INFERENCE})) AS key,
           count(*) FILTER (WHERE k.strength = {ONE_OF}) AS untold,
           (SELECT count(DISTINCT a.agent_actor) FROM identities_credentialagent a
            WHERE a.credential_actor = e.credential_id AND {IS_USER.format(row="a")}) AS agents
    FROM (SELECT at, event_id, strength FROM identities_attribution
          WHERE identity_no = %(number)s AND at <= %(until)s
          ORDER BY at DESC, event_id DESC LIMIT %(most)s) k
    JOIN evidence_event e ON e.at = k.at AND e.id = k.event_id
    WHERE e.plane = {PLANE_IDENTITY} AND e.credential_id IS NOT NULL GROUP BY 1) u
JOIN evidence_actor c ON c.id = u.credential_id
WHERE u.agents > 1 OR u.untold > 0 ORDER BY u.exact + u.key + u.untold DESC, c.value
LIMIT {MOST_SHARED}
"""  # noqa: S608 - our own numbers; values are parameters


class Shared(NamedTuple):
    """A credential that several use, and the identity's events with it among its newest."""

    credential: str
    exact: int  # an exact link says that it was this identity
    key: int  # by the key alone
    untold: int  # it, or another that holds the key: cannot be told
    agents: int  # that runs were seen to use it with


def shared(number: int, *, until: datetime) -> list[Shared]:
    """The shared credentials among an identity's newest events. One query, bounded by MOST."""
    with connection.cursor() as cursor:
        cursor.execute(_SHARED, {"number": number, "until": until, "most": MOST})
        return [Shared(*row) for row in cursor.fetchall()]
