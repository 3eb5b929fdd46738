"""What a user may see: every object reaches a view or an answer only through here.

Reviewers, responders, auditors and administrators see all identities; everybody else sees
those they answer for. Must not know of cases, which have a rule of their own above.
"""

from datetime import datetime

from django.db.models import Q, QuerySet, TextField, Value
from django.db.models.functions import Cast, Concat

from identities.models import (
    Binding,
    Credential,
    Delegation,
    Finding,
    Identity,
    LinkProposal,
    Membership,
    ProposedChange,
    Revocation,
    Service,
    User,
)
from identities.permissions import READERS, groups, parties_of


def sees_all(user: User) -> bool:
    """Whether this login sees every identity (a switched-off login sees nothing)."""
    return user.is_active and not groups(user).isdisjoint(READERS)


def _mine(user: User, path: str, now: datetime) -> Q:
    parties = parties_of(user, now=now) if user.is_active else frozenset()
    if not parties:
        return Q(pk__in=[])
    return (
        Q(**{f"{path}owner__in": parties})
        | Q(**{f"{path}sponsor__in": parties})
        | Q(**{f"{path}backup__in": parties})
        | Q(**{f"{path}service__owner__in": parties})
        | Q(**{f"{path}service__ai_owner__in": parties})
    )


def identities(user: User, *, now: datetime) -> QuerySet[Identity]:
    rows = Identity.objects.all()
    return rows if sees_all(user) else rows.filter(_mine(user, "", now))


def services(user: User, *, now: datetime) -> QuerySet[Service]:
    rows = Service.objects.all()
    if sees_all(user):
        return rows
    parties = parties_of(user, now=now) if user.is_active else frozenset()
    return rows.filter(
        Q(owner__in=parties)
        | Q(ai_owner__in=parties)
        | Q(sponsor__in=parties)
        | Q(backup__in=parties)
    )


def changes(user: User, *, now: datetime) -> QuerySet[ProposedChange]:
    """What waits or waited for a second person: all of it, or one's own, and what is about
    identities and services one answers for and teams one is in."""
    rows = ProposedChange.objects.all()
    if sees_all(user):
        return rows
    if user.person_id is None or not user.is_active:
        return rows.none()
    about = [one.key for one in identities(user, now=now).order_by().distinct()]
    about += [f"service:{one.slug}" for one in services(user, now=now)]
    mine = Membership.objects.filter(
        person=user.person_id, superseded_at__isnull=True, during__contains=now
    )
    about += [f"team:{team}" for team in mine.values_list("team_id", flat=True)]
    found = findings(user, now=now).annotate(
        called=Concat(Value("F-"), Cast("number", TextField()), output_field=TextField())
    )
    return rows.filter(
        Q(proposed_person=user.person_id)
        | Q(subject__in=about)
        | Q(kind="finding", subject__in=found.values("called"))
    )


def credentials(user: User, *, now: datetime) -> QuerySet[Credential]:
    rows = Credential.objects.all()
    return rows if sees_all(user) else rows.filter(_mine(user, "identity__", now))


def bindings(user: User, *, now: datetime) -> QuerySet[Binding]:
    rows = Binding.objects.filter(superseded_at__isnull=True)
    return rows if sees_all(user) else rows.filter(_mine(user, "identity__", now))


def link_proposals(user: User, *, now: datetime) -> QuerySet[LinkProposal]:
    """Those of identities that one may see, and those that one proposed."""
    rows = LinkProposal.objects.all()
    if sees_all(user):
        return rows
    mine = _mine(user, "identity__", now) | _mine(user, "other__", now)
    if user.is_active and user.person_id is not None:
        mine |= Q(proposed_person=user.person_id)
    return rows.filter(mine)


def delegations(user: User, *, now: datetime) -> QuerySet[Delegation]:
    rows = Delegation.objects.all()
    return rows if sees_all(user) else rows.filter(_mine(user, "grantee__", now))


def findings(user: User, *, now: datetime) -> QuerySet[Finding]:
    rows = Finding.objects.all()
    return rows if sees_all(user) else rows.filter(_mine(user, "identity__", now))


def revocations(user: User, *, now: datetime) -> QuerySet[Revocation]:
    rows = Revocation.objects.all()
    return rows if sees_all(user) else rows.filter(_mine(user, "identity__", now))
