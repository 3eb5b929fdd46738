"""Who called, by AuditLog's authenticationInfo: principal, credential, agent, on whose behalf.

Owns the meaning of AuthenticationInfo and ServiceAccountDelegationInfo (cloud.google.com, their
references). Knows no entry around them. Pure.
"""

from functools import lru_cache
from typing import NamedTuple

import orjson

from evidence.formats import tables
from evidence.formats.gcp.names import MEMBER_KINDS, borrowed, key_of, named, of_subject
from evidence.formats.members import first, inside, member, said, told, ways
from evidence.formats.record import ActorName
from evidence.formats.tables import Row

_KEY = ways("serviceAccountKeyName")


class Caller(NamedTuple):
    """What an entry's authenticationInfo says. `of_cluster`: a name that its cluster gave."""

    principal: ActorName | None = None
    of_cluster: str = ""
    credential: ActorName | None = None
    agent: ActorName | None = None
    on_behalf: ActorName | None = None


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
    return Caller(
        principal,
        of_cluster,
        _credential(who),
        # An agent's own identity (a SPIFFE id under agents.global…).
        of_subject(subject) if "://agents." in subject else None,
        borrower(who),
    )


def borrower(who: Row) -> ActorName | None:
    """Who began the chain of service accounts: the first of them is the origin."""
    chain = member(who, "serviceAccountDelegationInfo")
    origin = first(chain) if type(chain) is list else None
    if type(origin) is not dict or not origin:
        return None
    subject = said(origin, "principalSubject")
    address = said(origin, "firstPartyPrincipal", "principalEmail")
    if subject.startswith("principal") or (subject and not address):
        return of_subject(subject)
    if address:
        return named(address)
    claims = inside(origin, "thirdPartyPrincipal", "thirdPartyClaims")
    foreign = said(claims, "sub") or said(claims, "subject")
    return tables.actor("gcp", "federated", foreign) if foreign else None


def _credential(who: Row) -> ActorName | None:
    key = told(who, _KEY)
    if key:
        return key_of(key)
    origin = borrower(who)
    if origin is not None:
        address = said(who, "principalEmail")
        if address:
            return borrowed(named(address, "service_account"), origin.value)
    number = said(who, "oauthInfo", "oauthClientId")
    return tables.actor("gcp", "app", number) if number else None
