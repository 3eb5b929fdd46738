"""What traces state of calls and the log contradicts, calls that two traces state, and records of
one request that disagree.

A request id can be copied by whoever reads a log, and a sender can be wrong. So a span with the id of
a call that names another operation, whose agent is linked to another identity than the account that
called, or whose source may not speak for the account's realm, contradicts the log; and of two traces
with one id at most one made the call, and of two records with one id that differ at most one tells it. Which of them is wrong is not told: the finding names both
sources and accuses nobody. That nobody has linked the agent yet is no conflict.

One finding for each pair of sources, identity and day, however many ids were copied. It is inferred,
as it rests on what anybody could have stated.
"""

from collections.abc import Iterable
from datetime import UTC
from itertools import combinations_with_replacement
from typing import NamedTuple
from uuid import UUID

from evidence.models import Actor, Source
from evidence.vocabulary import INFERRED
from identities.findings import AGAINST, BESIDE, CONFLICT, UNLIKE, Candidate

from .found import micros
from .holders import Holders, differ
from .scope import Cause, Scope, Seen

TWO_TRACES = "two traces state it"
OTHER_CALLER = "its agent is linked to another identity than the account"
OTHER_REALM = "its source may not speak for the account's realm"


class _Known(NamedTuple):
    names: dict[int, str]  # of sources
    realms: dict[int, list[str]]  # that a source may speak for, where it may not for all
    of_actors: dict[int, str]  # the realm of each caller


def candidates(seen_here: Scope, holders: Holders) -> list[Candidate]:
    """What conflicts about these events, as events of findings."""
    concerned = seen_here.claims.keys() | seen_here.misnamed.keys()  # unlike are among the claims
    calls = [one for one in seen_here.events if (one.at, one.id) in concerned]
    if not calls:
        return []
    rows = list(Source.objects.values_list("pk", "name", "realms"))
    actors = {who for one in calls if (who := one.principal or one.credential) is not None}
    known = _Known(
        {pk: name for pk, name, _ in rows},
        {pk: realms for pk, _, realms in rows if realms},
        dict(Actor.objects.filter(pk__in=actors).values_list("pk", "realm")),
    )
    return [one for seen in calls for one in _of_call(seen, seen_here, holders, known)]


def _of_call(seen: Seen, seen_here: Scope, holders: Holders, known: _Known) -> Iterable[Candidate]:
    ref = seen.at, seen.id
    log = known.names[seen.source]
    why: dict[str, set[str]] = {}
    for source, operation in seen_here.misnamed.get(ref, ()):
        pair = f"{known.names[source]} {AGAINST} {log}"
        why.setdefault(pair, set()).add(f"the span names {operation}")
    traces: dict[int, set[UUID]] = {}
    for cause in seen_here.claims.get(ref, ()):
        reason = _contradicts(seen, cause, holders, known)
        if reason:
            pair = f"{known.names[cause.source]} {AGAINST} {log}"
            why.setdefault(pair, set()).add(reason)
        else:
            traces.setdefault(cause.source, set()).add(cause.trace)
    # By sources: thousands of traces of one are one pair, and one trace that two send is one.
    for one, other in combinations_with_replacement(traces, 2):
        if len(traces[one] | traces[other]) > 1:
            pair = f" {BESIDE} ".join(sorted((known.names[one], known.names[other])))
            why[pair] = {TWO_TRACES}
    for source, differs in seen_here.unlike.get(ref, ()):
        pair = f" {UNLIKE} ".join(sorted((known.names[source], log)))
        why.setdefault(pair, set()).add(f"the records differ in {differs}")
    whose = holders.at(seen.principal, seen.at) or holders.at(seen.credential, seen.at)
    identity = whose[0].identity if len(whose) == 1 else None
    line = holders.line(seen.principal or seen.credential)
    if identity is None and not line:
        return
    for pair, reasons in why.items():
        yield Candidate(
            identity,
            CONFLICT,
            f"{pair} {seen.at.astimezone(UTC).date()}",
            "",
            micros(seen.at),
            seen.id,
            INFERRED,
            "; ".join(sorted(reasons))[:500],
            None if identity is not None else line[-1],
        )


def _contradicts(seen: Seen, cause: Cause, holders: Holders, known: _Known) -> str:
    """How the span's source or agent contradicts who called; "" where neither does."""
    realms = known.realms.get(cause.source)
    caller = seen.principal or seen.credential
    if realms and caller is not None and known.of_actors[caller] not in realms:
        return OTHER_REALM
    named = holders.at(cause.agent, seen.at) or holders.at(cause.service, seen.at)
    accounts = holders.at(seen.principal, seen.at) + holders.at(seen.credential, seen.at)
    if differ(named, accounts):
        return OTHER_CALLER
    return ""
