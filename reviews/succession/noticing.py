"""Noticing that somebody is gone or has moved, and writing the list of what was theirs.

Owns Succession rows. A sweep finds them whatever told us, or nobody did: who is gone and still
answers for something that is on no list. What takes over at once and what is asked is passing.py.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from evidence import ledger, locks
from evidence.locks import Lock
from evidence.words import counted
from identities import presence
from identities.acting import COUNTERSIGN
from identities.actions import leaving
from identities.models import (
    Delegation,
    Identity,
    Membership,
    Party,
    Person,
    Service,
    Team,
)
from identities.permissions import READERS
from reviews.models import CaseMember, Succession, SuccessionItem
from reviews.models.owning import LIVE

from . import passing
from .heirs import Heirs

# Taken over in one transaction at most; asking alone is one statement for many.
AT_ONCE = 100
ASKED_AT_ONCE = 5_000
# A change of team is asked about when it is not older; what was before was asked about then.
MOVED = timedelta(days=30)
WHY = {
    "left": "{name} has left",
    "switched_off": "every login of {name} is switched off",
    "moved": "{name} is no longer in {team}",
    "nobody": "nobody is in {team} any more",
}


class Gone(NamedTuple):
    """Whom a list is about, and since when."""

    why: str
    party: Party
    at: datetime
    team: Team | None = None  # that was left, or is empty


def notice_next(*, now: datetime) -> bool:
    """Take a batch of what one party leaves; False when nobody is gone with anything unlisted."""
    with transaction.atomic(), connection.cursor() as cursor:
        # One notices at a time: a party, a person and a membership lead to the same list.
        if not locks.try_take(cursor, Lock.SUCCESSIONS):
            return False
        _may_be_next()
        found = _gone(now) or _moved(now)
        if found is None:
            return False
        succession = _list(found, now=now)
        heirs = Heirs(found.party, now=now)
        passing.take(succession, heirs, _holdings(found), now=now)
    return True


def _may_be_next() -> None:
    """A team or manager that answers for nothing yet is a party as well: it may be next."""
    teams = [Party(team=one) for one in Team.objects.filter(party__isnull=True)]
    managers = Person.objects.filter(party__isnull=True, reports__isnull=False).distinct()
    Party.objects.bulk_create(
        [*teams, *(Party(person=one) for one in managers)], ignore_conflicts=True
    )


def _gone(now: datetime) -> Gone | None:
    """A party nobody stands for that still answers for something on no list; locked."""
    holding = holders()
    missing = Party.objects.exclude(pk__in=presence.there(now=now).values("pk"))
    rows = missing.filter(holding).order_by("pk")
    party = rows.select_for_update(of=("self",)).first()
    if party is None:
        return _signs_in(now)
    if party.team is not None:
        return Gone("nobody", party, _emptied(party.team, now), party.team)
    person = party.person
    if person is not None and person.left_at is not None and person.left_at <= now:
        return Gone("left", party, person.left_at)
    return Gone("switched_off", party, now)


def _signs_in(now: datetime) -> Gone | None:
    """Somebody who has left and can still sign in, whether anything was theirs or not; locked."""
    rows = Person.objects.filter(left_at__lte=now, users__is_active=True).order_by("pk")
    person = rows.select_for_update(of=("self",)).first()
    if person is None or person.left_at is None:
        return None
    return Gone("left", Party.objects.get_or_create(person=person)[0], person.left_at)


def holders() -> Q:
    """Parties with something that is on no list."""
    found = Q()
    for role in ("owner", "backup", "sponsor"):
        listed = _listed(role, identity=OuterRef("pk"), was=OuterRef(role))
        rows = Identity.objects.exclude(state="retired").filter(~Exists(listed))
        found |= Q(Exists(rows.filter(**{role: OuterRef("pk")})))
    for role in ("owner", "ai_owner", "backup", "sponsor"):
        listed = _listed(role, service=OuterRef("pk"), was=OuterRef(role))
        services = Service.objects.filter(~Exists(listed))
        found |= Q(Exists(services.filter(**{role: OuterRef("pk")})))
    return found | Q(Exists(granted_by(OuterRef("pk"))))


def _listed(role: str, **which: object) -> QuerySet[SuccessionItem]:
    return SuccessionItem.objects.filter(role=role, state__in=LIVE, **which)


def granted_by(party: Any) -> QuerySet[Delegation]:
    """What this party granted, as far as it is in force and on no list."""
    listed = _listed("grantor", delegation=OuterRef("pk"), was=OuterRef("grantor"))
    in_force = Exists(passing.in_force(OuterRef("pk")))
    return Delegation.objects.filter(in_force, ~Exists(listed), grantor=party)


def _emptied(team: Team, now: datetime) -> datetime:
    """When the last of them left it; now, where nobody ever was in it."""
    last = (
        Membership.objects.filter(team=team, superseded_at__isnull=True, during__endswith__lte=now)
        .order_by("-during__endswith")
        .first()
    )
    return now if last is None else last.during.upper


def _moved(now: datetime) -> Gone | None:
    """Somebody who is there and has left a team, with something of their own; locked."""
    still = Membership.objects.filter(
        team=OuterRef("team"),
        person=OuterRef("person"),
        superseded_at__isnull=True,
        during__contains=now,
    )
    known = Succession.objects.filter(
        person=OuterRef("person"), team=OuterRef("team"), why="moved", at=OuterRef("ended")
    )
    waits = Succession.objects.filter(
        person=OuterRef("person"), team=OuterRef("team"), why="moved", done_at__isnull=True
    )
    party = Party.objects.filter(holders(), person=OuterRef("person"))
    row = (
        Membership.objects.annotate(ended=F("during__endswith"))
        .filter(superseded_at__isnull=True, ended__lte=now, ended__gt=now - MOVED)
        .filter(~Exists(still), ~Exists(known), ~Exists(waits), Exists(party))
        .exclude(person__in=presence.gone(now=now).values("pk"))
        .select_related("team")
        .order_by("ended", "pk")
        .select_for_update(of=("self",))
        .first()
    )
    if row is None:
        return None
    return Gone("moved", Party.objects.get(person=row.person_id), row.during.upper, row.team)


def _list(found: Gone, *, now: datetime) -> Succession:
    """The open list of this departure, begun when there is none."""
    person = found.party.person
    row, new = Succession.objects.get_or_create(
        person=person,
        team=found.team,
        why=found.why,
        done_at=None,
        defaults={"at": found.at, "noticed_at": now, "deadline_at": now},
    )
    if not new:
        return row
    row.refresh_from_db(fields=["number"])
    words = WHY[found.why].format(name=person or "", team=found.team or "")
    if person is not None:
        row.could_read = list(could_read(found, person))
        if found.why == "left":
            row.could_read += leaving.end_access(
                person=person, by=COUNTERSIGN, now=now, because=f"{row.key}: {words}."
            )
        row.save(update_fields=["could_read"])
    ledger.append(
        at=found.at,
        recorded_at=now,
        by=COUNTERSIGN.ref,
        by_name=COUNTERSIGN.name,
        act="succession.opened",
        subject=row.key,
        words=f"{row.key}: {words}",
        data={"why": found.why, "party": str(found.party.pk), "could_read": row.could_read},
    )
    return row


def could_read(found: Gone, person: Person) -> Iterator[str]:
    """What they could read in clear: by their groups, by what they answer for, by name."""
    if found.why == "moved":
        yield f"What {found.team} answers for was theirs to read until {found.at:%Y-%m-%d %H:%M} UTC."
        return
    groups = sorted(set(person.users.values_list("groups__name", flat=True)) & READERS)
    if groups:
        yield f"As {' and '.join(groups)}: all identities, evidence and cases that are not sealed."
    mine = Q()
    for role in ("owner", "backup", "sponsor", "service__owner", "service__ai_owner"):
        mine |= Q(**{role: found.party})
    identities = Identity.objects.filter(mine).distinct().count()
    if identities:
        yield f"The evidence of {counted(identities, 'identity', 'identities')} answered for."
    sealed = CaseMember.objects.filter(person=person, case__closed_at__isnull=True).count()
    if sealed:
        yield f"{counted(sealed, 'sealed case')}, as a named member."


def _holdings(found: Gone) -> list[passing.Holding]:
    """A batch of what is theirs and on no list; services first, because identities follow theirs."""
    party, held = found.party, list[passing.Holding]()
    most = ASKED_AT_ONCE if found.why == "moved" else AT_ONCE
    for role in ("ai_owner", "owner", "backup", "sponsor"):
        listed = _listed(role, service=OuterRef("pk"), was=OuterRef(role))
        services = Service.objects.filter(~Exists(listed), **{role: party}).order_by("pk")
        held += [passing.Holding(role, service=one) for one in services[:most]]
    if held and found.why != "moved":
        return held[:most]
    for role in ("owner", "backup", "sponsor"):
        listed = _listed(role, identity=OuterRef("pk"), was=OuterRef(role))
        rows = Identity.objects.exclude(state="retired").filter(~Exists(listed), **{role: party})
        held += [passing.Holding(role, identity=one) for one in rows.order_by("pk")[:most]]
    granted = granted_by(party.pk).select_related("grantee__service").order_by("pk")
    held += [passing.Holding("grantor", delegation=one) for one in granted[:most]]
    return held[:most]
