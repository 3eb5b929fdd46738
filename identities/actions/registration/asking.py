"""What a person's file says of things that exist already: a second person signs it first.

Owns the kind "registration" of proposed changes: its document is a file with that one entry, its
lines are what a trial run of that file says. The command line changes them at once: whoever has it
has the database, and the ledger says so.
"""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db.models import Q

from identities.acting import acting
from identities.actions import changes
from identities.actions.changes import Line
from identities.models import (
    Identity,
    Membership,
    Party,
    Person,
    ProposedChange,
    Service,
    Team,
    User,
)
from identities.permissions import answers_for, groups, parties_of
from identities.register import Entries

from .run import ADDED, CHANGED, HELD, PROPOSED, Change, Run

KIND = "registration"
MOST_WAITING = 1_000
SIGNING = frozenset({"reviewer", "administrator"})
ONLY_REVIEWERS = "Only a reviewer or an administrator may sign this."
# What a file of one entry would change, once two people have signed it.
type Trial = Callable[[dict[str, Any]], list[Line]]
_ENTRY = re.compile(r"([a-z]+)\[(\d+)\]")


def entry_of(entries: Entries, path: str) -> tuple[str, dict[str, Any]]:
    """The section that an entry stands in and what was written there, by its path."""
    found = _ENTRY.match(path)
    if found is None:
        raise ValueError(path)
    section, place = found.groups()
    row: dict[str, Any] = orjson.loads(orjson.dumps(entries.data[section][int(place)]))
    return section, row


def propose(run: Run, entries: Entries, *, reason: str, trial: Trial) -> None:
    """Ask for a second person's signature of everything that waits in this run; `trial`: what a
    file of one entry would change."""
    user = acting(run.by).user
    if not run.waiting or user is None:
        return
    if len(run.waiting) > MOST_WAITING:
        run.wrong(
            "(file)",
            f"it changes {len(run.waiting):,} things that exist, and each waits for a second"
            f" person: at most {MOST_WAITING:,} in one file",
        )
        return
    for path, one in run.waiting.items():
        section, row = entry_of(entries, path)
        row.pop("left", None)  # which is a change of its own (leaving.py)
        document = {section: [row]}
        lines = trial(document)
        if not lines:
            continue
        change = changes.propose(
            kind=KIND,
            subject=one.about,
            title=one.subject,
            document=document,
            lines=lines,
            reason=reason,
            by=user,
            now=run.now,
        )
        words = f"waits for a second person to sign {change}: {one.words}"
        run.changes.append(Change(PROPOSED, one.subject, words))


def lines_of(done: Sequence[Change]) -> list[Line]:
    """What has changed, as the two people see it."""
    return [Line(one.subject, one.words) for one in done if one.kind in (ADDED, CHANGED, HELD)]


def decides(team: Team) -> bool:
    """Whether this team owns or signs anything, so that its members decide."""
    return Party.objects.filter(team=team).exists()


def deciding() -> frozenset[UUID]:
    """All teams that do."""
    return frozenset(Party.objects.exclude(team=None).values_list("team_id", flat=True))


def why_not_sign(user: User, row: ProposedChange, *, now: datetime) -> str | None:
    """Who may be the second person for an entry of a file."""
    (section, rows), *_ = row.document.items()
    said = rows[0]
    if section == "teams":
        team = Team.objects.filter(name=said["name"]).first()
        return _why_not_member(user, team, row, now=now)
    if section == "people":
        return _why_not_of_person(user, row, now=now)
    if not SIGNING.isdisjoint(groups(user)):
        return None
    if section == "services":
        service = Service.objects.filter(slug=said["slug"]).first()
        owners = () if service is None else (service.owner_id, service.ai_owner_id)
        return None if not parties_of(user, now=now).isdisjoint(owners) else ONLY_REVIEWERS
    identity = Identity.objects.select_related("service").filter(name=said["name"]).first()
    if identity is not None and answers_for(user, identity, now=now):
        return None
    return ONLY_REVIEWERS


def _why_not_of_person(user: User, row: ProposedChange, *, now: datetime) -> str | None:
    said, person = row.document["people"][0], user.person
    email, name = str(said.get("email") or ""), str(said["name"])
    if person is not None and (person.name == name or (email and person.email == email)):
        return "This is about you: somebody else signs it."
    team = Team.objects.filter(name=str(said.get("team") or "")).first()
    if team is not None and decides(team):
        return _why_not_member(user, team, row, now=now)
    return None if not SIGNING.isdisjoint(groups(user)) else ONLY_REVIEWERS


def _why_not_member(
    user: User, team: Team | None, row: ProposedChange, *, now: datetime
) -> str | None:
    """Who joins or leaves a team that decides is signed by one of it; where nobody of it can sign,
    by a reviewer or an administrator."""
    members = Person.objects.filter(
        Q(left_at__isnull=True) | Q(left_at__gt=now),
        pk__in=Membership.objects.filter(
            team=team, superseded_at__isnull=True, during__contains=now
        ).values("person"),
    )
    if user.person_id is not None and members.filter(pk=user.person_id).exists():
        return None
    able = User.objects.filter(
        person__in=members.exclude(pk=row.proposed_person_id), is_active=True
    ).exclude(groups__name="auditor")
    if able.exists():
        return f"Only a member of {team} may sign who joins or leaves it."
    return None if not SIGNING.isdisjoint(groups(user)) else ONLY_REVIEWERS
