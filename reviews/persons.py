"""Who stands behind parties, subjects and makers, for many rows at once: a few queries each.

Owns only who that is. Who may sign is reviews/permissions.py, who is asked is
reviews/actions/reminders.py.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Lower

from identities.models import (
    Binding,
    Credential,
    Delegation,
    Identity,
    Membership,
    Party,
    Person,
    User,
)
from reviews.models import Case

# A human identity has a handful of names; a log full of them must not make a query of thousands.
MOST_NAMES = 100


def of_parties(parties: Iterable[UUID | None], *, now: datetime) -> dict[UUID, list[Person]]:
    """The persons who stand for each party at `now` and have not left, by name."""
    wanted = {one for one in parties if one is not None}
    if not wanted:
        return {}
    rows = list(Party.objects.filter(pk__in=wanted).select_related("person"))
    found = {row.pk: [] if row.person is None else [row.person] for row in rows}
    teams = {row.team_id: row.pk for row in rows if row.team_id is not None}
    if teams:
        for one in (
            Membership.objects.filter(
                team__in=teams, during__contains=now, superseded_at__isnull=True
            )
            .select_related("person")
            .order_by("person__name", "person")
        ):
            found[teams[one.team_id]].append(one.person)
    return {
        party: [one for one in persons if one.left_at is None or one.left_at > now]
        for party, persons in found.items()
    }


def in_group(group: str, *, now: datetime) -> list[Person]:
    """Who is there with a login in this group that may change something, by name."""
    named = Q(groups__name=group)
    if group == "administrator":
        named |= Q(is_superuser=True)
    logins = User.objects.filter(named, is_active=True).exclude(groups__name="auditor")
    rows = Person.objects.filter(pk__in=logins.values("person"))
    there = rows.filter(Q(left_at__isnull=True) | Q(left_at__gt=now))
    return list(there.order_by("name", "pk"))


def above(*, now: datetime) -> list[Person]:
    """Who is told where nobody in particular stands above a thing: the reviewers, else the
    administrators."""
    return in_group("reviewer", now=now) or in_group("administrator", now=now)


def subjects(identities: Iterable[Identity]) -> dict[UUID, frozenset[UUID]]:
    """The persons that each human identity is: by e-mail or login of its name or its actors."""
    humans = {one.pk: [one.name] for one in identities if one.kind == "human"}
    if not humans:
        return {}
    for identity, value in Binding.objects.filter(
        identity__in=humans, state="confirmed", superseded_at__isnull=True
    ).values_list("identity", "actor__value"):
        if len(humans[identity]) <= MOST_NAMES:
            humans[identity].append(value)
    names = {name.lower() for known in humans.values() for name in known if name}
    called: dict[str, set[UUID]] = {}
    for person, mail in (
        Person.objects.annotate(mail=Lower("email"))
        .filter(mail__in=names)
        .exclude(email="")
        .values_list("pk", "mail")
    ):
        called.setdefault(mail, set()).add(person)
    for person, login in (
        User.objects.filter(person__isnull=False)
        .annotate(login=Lower("username"))
        .filter(login__in=names)
        .values_list("person", "login")
    ):
        called.setdefault(login, set()).add(person)
    return {
        identity: frozenset(
            person for name in known for person in called.get(name.lower(), frozenset())
        )
        for identity, known in humans.items()
    }


def subject_persons(identity: Identity | None) -> frozenset[UUID]:
    """The persons that a human identity is."""
    if identity is None:
        return frozenset()
    return subjects([identity]).get(identity.pk, frozenset())


def subjects_of(case: Case) -> frozenset[UUID]:
    """Whom a case is about: the person that its identity is, and who is named as its subject."""
    named = frozenset(case.subjects.values_list("person", flat=True))
    return subject_persons(case.identity) | named


def are(user: User) -> QuerySet[Identity]:
    """The human identities that this login's person is: `subjects` the other way round."""
    names = set(
        User.objects.filter(person=user.person_id, person__isnull=False).values_list(
            Lower("username"), flat=True
        )
    )
    if user.person is not None and user.person.email:
        names.add(user.person.email.lower())
    bound = (
        Binding.objects.filter(
            identity=OuterRef("pk"), state="confirmed", superseded_at__isnull=True
        )
        .annotate(low=Lower("actor__value"))
        .filter(low__in=names)
    )
    humans = Identity.objects.filter(kind="human").annotate(low=Lower("name"))
    return humans.filter(Q(low__in=names) | Exists(bound))


def makers(made: Sequence[tuple[str, UUID]], *, now: datetime) -> dict[UUID, dict[UUID, str]]:
    """Who granted or issued each of these things, (kind, id): id -> person -> what it was.

    Who issued a credential is told by the name in the log: a login or a mail address of ours.
    """
    refs = {
        kind: [ref for one, ref in made if one == kind] for kind in ("delegation", "credential")
    }
    granted = list(
        Delegation.objects.filter(pk__in=refs["delegation"], grantor__isnull=False)
        if refs["delegation"]
        else ()
    )
    persons = of_parties({one.grantor_id for one in granted}, now=now)
    found: dict[UUID, dict[UUID, str]] = {}
    for delegation in granted:
        for person in persons.get(delegation.grantor_id, ()):  # type: ignore[arg-type]  # filtered
            found.setdefault(delegation.pk, {})[person.pk] = f"granted {delegation.key}"
    issued: dict[str, list[Credential]] = {}
    for credential in (
        Credential.objects.filter(
            pk__in=refs["credential"], issued_by__isnull=False
        ).select_related("issued_by")
        if refs["credential"]
        else ()
    ):
        if credential.issued_by is not None:
            name = credential.issued_by.value.rsplit("/", 1)[-1].lower()
            if name:
                issued.setdefault(name, []).append(credential)
    if not issued:
        return found
    logins = User.objects.filter(person__isnull=False).annotate(
        login=Lower("username"), mail=Lower("person__email")
    )
    for user in logins.filter(Q(login__in=issued) | Q(mail__in=issued)):
        for credential in issued.get(user.login) or issued[user.mail]:
            if user.person_id is not None:
                found.setdefault(credential.pk, {})[user.person_id] = f"issued {credential.key}"
    return found
