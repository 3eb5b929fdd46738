"""What a step may act on in an incident: named by a person, or by a playbook's word for it.

Owns how a key (CRED-7, NHI-12, DLG-3) becomes a thing that is stopped, among what the user sees.
Reads only.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from identities import visible
from identities.actions.batches import naming, tree
from identities.actions.batches.signing import _target as change_of
from identities.actions.revocations import reach
from identities.models import Credential, Delegation, DelegationVersion, Identity, User
from identities.permissions import NotPossible
from reviews.models import Case

from .stopping import Wanted

DLG = re.compile(r"DLG-0*(\d{1,15})")
LIVES = ("active", "held")
# A page lists so many of each; more are named by their keys.
MOST_LISTED = 200
NO_IDENTITY = "This incident names no identity: nothing can be stopped in it."
ACTED_WITH = ("actor", "actor__parent", "issued_to", "seen_with", "identity__service")


class Choice(NamedTuple):
    """What a form offers: its key, what it is, and where it stands."""

    key: str
    words: str
    state: str


def identity_of(case: Case) -> Identity:
    """Whom the incident is about; NotPossible where it names nobody."""
    if case.identity is None:
        raise NotPossible(NO_IDENTITY)
    return case.identity


def named(
    names: Sequence[str], user: User, *, now: datetime
) -> tuple[list[Wanted], list[tuple[str, str]]]:
    """(what these names stand for, what stands for nothing and why), in their order."""
    names = naming.checked([one.strip() for one in names if one.strip()])
    numbers = {name: int(hit[1]) for name in names if (hit := DLG.fullmatch(name))}
    grants = {
        one.number: one
        for one in Delegation.objects.filter(
            number__in=numbers.values(),
            grantee__in=visible.identities(user, now=now).values("pk"),
        ).select_related("grantee__service")
    }
    others = [name for name in names if name not in numbers]
    found = {one.said: one for one in naming.found(others, user, now=now)} if others else {}
    made: list[Wanted] = []
    problems: list[tuple[str, str]] = []
    for name in names:
        if name in numbers:
            grant = grants.get(numbers[name])
            if grant is None:
                problems.append((name, naming.NOT_HERE))
            else:
                made.append(Wanted(grant.grantee, delegation=grant))
            continue
        one = found[name]
        if one.why or one.identity is None:
            problems.append((name, one.why or naming.NOT_HERE))
        else:
            made.append(Wanted(one.identity, one.credential))
    return _whole(made), problems


def chosen(names: Sequence[str], user: User, *, now: datetime) -> list[Wanted]:
    """The same where all of them have to stand for something; NotPossible names the first that does
    not."""
    made, problems = named(names, user, now=now)
    if problems:
        name, why = problems[0]
        raise NotPossible(f"{name[:80]}: {why}")
    return made


def of_word(
    word: str,
    case: Case,
    *,
    credential: Credential | None = None,
    others: Iterable[UUID] = (),
    now: datetime,
) -> list[Wanted]:
    """What a playbook's word stands for in this incident now; [] where there is none."""
    identity = identity_of(case)
    match word:
        case "credential":
            return (
                [] if credential is None else [Wanted(credential.identity or identity, credential)]
            )
        case "credentials":
            return [Wanted(identity, one) for one in credentials(identity) if one.standing]
        case "minted":
            return _minted(identity, now=now)
        case "identity":
            return [Wanted(identity)]
        case "others":
            rows = Identity.objects.filter(pk__in=list(others)).select_related("service")
            return [Wanted(one) for one in rows.order_by("number")]
        case _:
            return [Wanted(identity, delegation=one) for one in delegations(identity, now=now)]


def _minted(identity: Identity, *, now: datetime) -> list[Wanted]:
    """What was minted with its credentials, once for what is one change at its target."""
    below = [
        one.credential
        for one in tree.minted(identity, now=now)
        if one.credential.identity_id != identity.pk or not one.credential.standing
    ]
    names = reach.bound_names(
        {one.identity_id for one in below if one.identity_id is not None}, now=now
    )
    once = {change_of(one, names, now=now): one for one in reversed(below)}
    return [Wanted(one.identity or identity, one) for one in reversed(once.values())]


def credentials(identity: Identity) -> list[Credential]:
    """Those of the identity that may work, the standing ones first."""
    rows = Credential.objects.filter(identity=identity, state__in=LIVES)
    return list(rows.select_related(*ACTED_WITH).order_by("-standing", "number"))


def delegations(identity: Identity, *, now: datetime) -> list[Delegation]:
    """Those of the identity that are in force, the oldest first."""
    live = DelegationVersion.objects.filter(
        superseded_at__isnull=True, state="in_force", revoked_at__isnull=True, during__contains=now
    )
    rows = Delegation.objects.filter(grantee=identity, versions__in=live)
    return list(rows.select_related("grantee__service").distinct().order_by("number"))


def choices(case: Case, *, now: datetime) -> list[Choice]:
    """What the forms of an incident offer: its identity, that one's credentials and delegations."""
    if case.identity is None:
        return []
    identity = case.identity
    found = [Choice(identity.key, f"{identity.name}, all of it", identity.state)]
    for one in credentials(identity)[:MOST_LISTED]:
        kind = one.kind.replace("_", " ")
        lives = "" if one.standing else ", short-lived"
        found.append(Choice(one.key, f"{kind} {one.short}{lives}", one.state))
    found += [
        Choice(one.key, f"delegation {one.key} {one.slug}".strip(), "in force")
        for one in delegations(identity, now=now)[:MOST_LISTED]
    ]
    return found


def _whole(made: list[Wanted]) -> list[Wanted]:
    """With what acting on credentials needs of each, in one query."""
    pks = [one.credential.pk for one in made if one.credential is not None]
    rows = Credential.objects.select_related(*ACTED_WITH).in_bulk(pks)
    return [
        one if one.credential is None else one._replace(credential=rows[one.credential.pk])
        for one in made
    ]
