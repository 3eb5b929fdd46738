"""Who called, by AuditLog's authenticationInfo: principal, credential, agent, on whose behalf.

Owns the meaning of AuthenticationInfo and ServiceAccountDelegationInfo (cloud.google.com, their
references). Knows no entry around them. Pure.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from evidence.formats import tables
from evidence.formats.gcp.names import (
    MEMBER_KINDS,
    borrowed,
    by_way_of,
    key_of,
    named,
    of_subject,
)
from evidence.formats.members import inside, member, said, told, ways
from evidence.formats.record import ActorName
from evidence.formats.tables import Row

_KEY = ways("serviceAccountKeyName")
# Google lets four accounts stand in a chain.
_LONGEST_CHAIN = 50


class Caller(NamedTuple):
    """What an entry's authenticationInfo says. `of_cluster`: a name that its cluster gave; `way`:
    who delegated to whom before; `by`: the same with the principal, as text."""

    principal: ActorName | None = None
    of_cluster: str = ""
    credential: ActorName | None = None
    agent: ActorName | None = None
    on_behalf: ActorName | None = None
    way: tuple[ActorName, ...] = ()
    by: str = ""


NOBODY = Caller()


@lru_cache(maxsize=16_384)
def caller_named(written: bytes) -> Caller:
    """The caller of an authenticationInfo, as JSON."""
    who = orjson.loads(written)
    address, subject = said(who, "principalEmail"), said(who, "principalSubject")
    principal, of_cluster = None, ""
    if address.startswith("system:"):
        of_cluster = address
    elif subject.startswith("principal"):
        principal = of_subject(subject)
    elif address:
        principal = named(address, MEMBER_KINDS.get(subject.partition(":")[0], ""))
    elif subject:
        principal = of_subject(subject)
    else:
        of_cluster = said(who, "authoritySelector")
    way = chain(who)
    return Caller(
        principal,
        of_cluster,
        _credential(who, way),
        # An agent's own identity (a SPIFFE id under agents.global…).
        of_subject(subject) if "://agents." in subject else None,
        way[0] if way else None,
        way,
        by_way_of((*way, principal)) if principal is not None else "",
    )


def chain(who: Row) -> tuple[ActorName, ...]:
    """Who delegated to whom before the caller: the first is the origin."""
    listed = member(who, "serviceAccountDelegationInfo")
    found = map(_delegate, listed[:_LONGEST_CHAIN]) if type(listed) is list else ()
    return tuple(one for one in found if one is not None)


def _delegate(origin: Any) -> ActorName | None:
    subject = said(origin, "principalSubject")
    address = said(origin, "firstPartyPrincipal", "principalEmail")
    if subject.startswith("principal") or (subject and not address):
        return of_subject(subject)
    if address:
        return named(address)
    claims = inside(origin, "thirdPartyPrincipal", "thirdPartyClaims")
    foreign = said(claims, "sub") or said(claims, "subject")
    return tables.actor("gcp", "federated", foreign) if foreign else None


def _credential(who: Row, way: tuple[ActorName, ...]) -> ActorName | None:
    key = told(who, _KEY)
    if key:
        return key_of(key)
    if way:
        address = said(who, "principalEmail")
        if address:
            return borrowed(named(address, "service_account"), by_way_of(way))
    number = said(who, "oauthInfo", "oauthClientId")
    return tables.actor("gcp", "app", number) if number else None
