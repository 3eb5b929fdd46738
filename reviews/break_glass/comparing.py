"""What was done while it was open, beside what was signed: the same table for everybody, no guess.

Owns the question to the evidence and the four answers: in scope, out of scope, unexplained, and
that there is no evidence. What the judge says of a call is identities/authority's. Inferred, late
and sampled evidence accuses nobody: it is unexplained, or missing.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection

from evidence.models import Source
from evidence.vocabulary import PLANE_IDENTITY
from identities import authority
from identities.authority.terms import INSIDE
from identities.judging.verdicts import grant_of
from identities.models import DelegationVersion, Grant, GrantSession
from identities.models.behaviour import BY_KEY
from identities.models.behaviour import INSIDE as JUDGED_INSIDE
from reviews.actions import lateness
from reviews.break_glass import rights
from reviews.models import BreakGlass

IN_SCOPE, OUT_OF_SCOPE, UNEXPLAINED = "in_scope", "out_of_scope", "unexplained"
WORDS = {IN_SCOPE: "in scope", OUT_OF_SCOPE: "out of scope", UNEXPLAINED: "unexplained"}
ANYWAY = "by authority that it has anyway"
MOST = 1_000
# Use of what was given may be tried for a moment after its end; it is shown as well.
AFTER = timedelta(minutes=15)
# The newest of the holder's own calls in this time, with the names of the key behind each.
CALLS = """
SELECT t.at, t.event_id, a.value, coalesce(r.value, ''), coalesce(c.value, ''), t.strength,
  t.verdict, e.outcome
FROM identities_attribution t
JOIN evidence_event e ON e.at = t.at AND e.id = t.event_id
JOIN evidence_term a ON a.id = e.action_id
LEFT JOIN evidence_term r ON r.id = e.resource_id
LEFT JOIN evidence_actor c ON c.id = e.credential_id
WHERE t.identity_no = %s AND t.at >= %s AND t.at < %s AND t.plane = %s
ORDER BY t.at DESC, t.event_id DESC LIMIT %s
"""
SOURCES = """
SELECT DISTINCT source_id FROM identities_attribution WHERE identity_no = %s AND at >= %s AND at < %s
"""


class Call(NamedTuple):
    """One call of the holder. `scope`: in_scope, out_of_scope or unexplained, and `why` in words;
    `exact`: made with a session that this grant handed out. `denied`: on the bundle's deny list."""

    at: datetime
    event: int
    action: str
    resource: str
    outcome: int
    scope: str
    why: str
    exact: bool
    denied: bool


class Compared(NamedTuple):
    """The calls, the newest first, and why some may be missing ("" when all are known)."""

    calls: Sequence[Call]
    missing: str
    more: bool  # there are more than are looked at

    def counts(self) -> dict[str, int]:
        found = Counter(one.scope for one in self.calls)
        return {scope: found[scope] for scope in WORDS}

    def as_data(self) -> dict[str, Any]:
        """What a review was given on: kept with it, and what its digest is taken over."""
        return {
            "counts": self.counts(),
            "events": len(self.calls),
            "newest": self.calls[0].at.isoformat() if self.calls else None,
            "outside": [
                {
                    "at": one.at.isoformat(),
                    "action": one.action[:200],
                    "resource": one.resource[:400],
                }
                for one in self.calls
                if one.scope != IN_SCOPE
            ][:100],
            "missing": self.missing,
            "more": self.more,
        }


def compare(glass: BreakGlass, *, now: datetime) -> Compared:
    """What the holder did from its opening to its end, beside what was given; in five queries."""
    holder = glass.case.identity
    if glass.opened_at is None or holder is None:
        return Compared((), "it was never open", False)
    grants = list(Grant.objects.filter(case=glass.case_id).order_by("number"))
    ends = [one.ending_at or one.ends_at for one in grants] or [glass.ends_at or now]
    over = max(ends)
    until = min(now, over + AFTER)
    with connection.cursor() as cursor:
        period: list[Any] = [holder.number, glass.opened_at, until]
        cursor.execute(CALLS, [*period, PLANE_IDENTITY, MOST + 1])
        rows = cursor.fetchall()
        cursor.execute(SOURCES, period)
        sources = [one for (one,) in cursor.fetchall()]
    sessions = set(
        GrantSession.objects.filter(grant__case=glass.case_id).values_list("credential", flat=True)
    )
    scope = _scope(glass)
    calls = [_call(row, scope, sessions) for row in rows[:MOST]]
    return Compared(calls, _missing(sources, until), len(rows) > MOST)


class _Scope(NamedTuple):
    given: authority.Slice
    denied: authority.Slice | None


def _scope(glass: BreakGlass) -> _Scope:
    """What was in force of it at any time, each version for its own time; and its deny list."""
    versions = DelegationVersion.objects.filter(
        delegation=glass.delegation_id, state="in_force", superseded_at__isnull=True
    ).select_related("delegation__grantee")
    given = authority.compile_slice("given", [grant_of(one) for one in versions])
    says = rights.document_of(glass.bundle)
    if not says.deny:
        return _Scope(given, None)
    denied = authority.Grant("denied", 1, says.deny, ("*",))
    return _Scope(given, authority.compile_slice("denied", [denied]))


def _call(row: tuple[Any, ...], scope: _Scope, sessions: set[str]) -> Call:
    at, event, action, resource, credential, strength, verdict, outcome = row
    exact = credential in sessions
    asked = authority.Request(action=action, resource=resource, at=at)
    said = authority.judge(scope.given, asked, now=at)
    sure = exact or strength >= BY_KEY
    denied = (
        sure and scope.denied is not None and authority.judge(scope.denied, asked, now=at).allowed
    )
    if denied:
        where, why = OUT_OF_SCOPE, "its bundle denies it"
    elif said.reason == INSIDE:
        where, why = IN_SCOPE, ""
    elif not exact and verdict == JUDGED_INSIDE:
        # The holder may do this without the grant.
        where, why = IN_SCOPE, ANYWAY
    elif not sure:
        where, why = UNEXPLAINED, "it is not sure that it was this holder"
    elif not resource:
        where, why = UNEXPLAINED, "the evidence does not say to what"
    else:
        where, why = OUT_OF_SCOPE, said.detail
    return Call(at, event, action, resource, outcome, where, why, exact, denied)


def _missing(sources: Sequence[int], until: datetime) -> str:
    """Why calls may be missing, by the watermarks of the sources that the calls came from."""
    known = Source.objects.filter(pk__in=sources).order_by("name")
    if not known:
        return "no evidence of it has come: that is not the same as not used"
    for one in known:
        doubt = lateness.never_shown(one)
        if doubt:
            return doubt
        if one.watermark is not None and one.watermark < until:
            name = lateness.called(one)
            return f"evidence of {name} is known up to {one.watermark:%-d %b %H:%M:%S} UTC only"
    return ""
