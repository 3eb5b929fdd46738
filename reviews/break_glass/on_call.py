"""Who is on call for a team: reading its rota on time, and whom it names now.

Owns Rota and Shift rows, which follow what the settings' file says (reviews/notices/rotas.py). A
rota that is missing, stale or wrong blocks nothing: its team is asked as if it had none.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from identities.models import Membership, Person, User
from reviews.break_glass.quorum import Rule
from reviews.models import Rota, Shift
from reviews.notices import rotas
from reviews.notices.rota_reading import NotRead, OnShift

EVERY = timedelta(minutes=5)
# So long what was read counts while it cannot be read again; what says no hours is of the moment.
COUNTS, COUNTS_WITHOUT_HOURS = timedelta(hours=24), timedelta(minutes=30)
# A calendar that says it has not changed is read whole so often: time goes on all the same.
WHOLE = timedelta(hours=24)


class OnCall(NamedTuple):
    """Somebody who is on call, and until when; None: the rota does not say."""

    person: UUID
    name: str
    until: datetime | None

    @property
    def hours(self) -> str:
        """ "on call until 24 Nov 15:00 UTC"."""
        return "on call" + (f" until {self.until:%-d %b %H:%M} UTC" if self.until else "")


def follow(*, now: datetime) -> None:
    """Rows as the file says: new rotas are read at once, what it says no more is forgotten. A file
    that cannot be read changes nothing."""
    try:
        wanted = {one.team: one for one in rotas.entries()}
    except NotRead:
        return
    Rota.objects.exclude(team__in=wanted).delete()
    there = dict(Rota.objects.values_list("team", "settings_digest"))
    rows = [
        Rota(team=team, settings_digest=one.digest, next_at=now)
        for team, one in wanted.items()
        if team not in there
    ]
    Rota.objects.bulk_create(rows, ignore_conflicts=True)
    for team, digest in there.items():
        if team in wanted and wanted[team].digest != digest:
            with transaction.atomic():
                row = Rota.objects.select_for_update().filter(team=team).first()
                if row is not None:
                    row.shifts.all().delete()
                    row.settings_digest, row.etag, row.problem = wanted[team].digest, "", ""
                    row.next_at, row.tried_at, row.read_at, row.full_at = now, None, None, None
                    row.save()


def read_next(*, now: datetime) -> bool:
    """Ask for one rota that is due; False when none is. Whoever takes it moves its next time on
    first, so that two workers ask once and one that dies is followed by the next time."""
    try:
        wanted = {one.team: one for one in rotas.entries()}
    except NotRead:
        return False
    with transaction.atomic():
        due = Rota.objects.filter(next_at__lte=now, team__in=wanted)
        row = due.select_for_update(skip_locked=True).order_by("next_at", "team").first()
        if row is None:
            return False
        row.tried_at, row.next_at = now, now + EVERY
        row.save(update_fields=["tried_at", "next_at"])
    entry, whole = wanted[row.team], row.full_at is None or now - row.full_at >= WHOLE
    try:
        found = rotas.fetch(entry, etag="" if whole else row.etag, now=now)
    except NotRead as problem:
        _kept(row, entry, now, problem=str(problem)[:500])
    else:
        _kept(row, entry, now, found=found, problem=found.note)
    return True


def _kept(
    row: Rota,
    entry: rotas.Entry,
    now: datetime,
    *,
    found: rotas.Fetched | None = None,
    problem: str = "",
) -> None:
    """Write down what came of it, unless somebody else has asked since or it is another rota now."""
    with transaction.atomic():
        mine = Rota.objects.filter(pk=row.pk, tried_at=now, settings_digest=entry.digest)
        kept = mine.select_for_update().first()
        if kept is None:
            return
        kept.problem = problem
        if found is not None:
            kept.read_at, kept.etag = now, found.etag
            if found.shifts is not None:
                kept.full_at = now
                kept.shifts.all().delete()
                Shift.objects.bulk_create(Shift(rota=kept, **one._asdict()) for one in found.shifts)
        kept.save()


def of_teams(
    teams: Iterable[str], *, now: datetime, but: UUID | None = None
) -> dict[str, list[OnCall]]:
    """Team -> who of its members is on call, the longest first, without `but`. A team is in it only
    where its rota can be read and somebody is there: else everybody of it counts alike."""
    found: dict[str, dict[UUID, OnCall]] = {}
    shifts = list(_shifts(teams, now=now))
    if not shifts:
        return {}
    members = _members({team for team, _ in shifts}, now=now)
    for team, shift in shifts:
        for person in named(OnShift(*shift), members.get(team, {})):
            one = OnCall(person, members[team][person].name, shift[1])
            if person != but:
                known = found.setdefault(team, {}).get(person)
                if known is None or _later(one.until, known.until):
                    found[team][person] = one
    return {
        team: sorted(those.values(), key=lambda one: (one.until is not None, one.name))
        for team, those in found.items()
    }


def of_rule(rule: Rule, *, now: datetime, but: UUID | None) -> dict[UUID, OnCall]:
    """Who is on call for a team whose signature a rule asks for, without `but`; by person."""
    teams = {one.name for one in rule.places() if one.of == "team"}
    there = of_teams(teams, now=now, but=but)
    return {one.person: one for those in there.values() for one in those}


def unreadable(rule: Rule, *, now: datetime) -> list[str]:
    """The teams whose signature a rule asks for, and whose rota was not read for so long that it
    does not count; by name."""
    teams = {one.name for one in rule.places() if one.of == "team"}
    rows = Rota.objects.filter(team__in=teams).order_by("team")
    never = Q(read_at__isnull=True) | Q(read_at__lte=now - COUNTS)
    return list(rows.filter(never).values_list("team", flat=True))


def called(
    people: Mapping[UUID, str], there: Mapping[UUID, OnCall], looking: Collection[str] = ()
) -> list[str]:
    """These by name, who is on call first and with their hours, and who looks at it."""
    found = []
    for person, name in sorted(people.items(), key=lambda one: (one[0] not in there, one[1])):
        more = [there[person].hours] if person in there else []
        more += ["looks at it"] * (str(person) in looking)
        found.append(f"{name} ({', '.join(more)})" if more else name)
    return found


def _later(one: datetime | None, other: datetime | None) -> bool:
    return other is not None and (one is None or one > other)


def _shifts(
    teams: Iterable[str], *, now: datetime
) -> Iterable[tuple[str, tuple[datetime, datetime | None, str, tuple[str, ...]]]]:
    rows = Shift.objects.filter(
        Q(ends_at__isnull=True, rota__read_at__gt=now - COUNTS_WITHOUT_HOURS)
        | Q(ends_at__gt=now, rota__read_at__gt=now - COUNTS),
        rota__team__in=set(teams),
        starts_at__lte=now,
    ).order_by("starts_at", "pk")
    for team, starts, ends, name, emails in rows.values_list(
        "rota__team", "starts_at", "ends_at", "name", "emails"
    ):
        yield team, (starts, ends, name, tuple(emails))


class Member(NamedTuple):
    """A member of a team, by all that a rota may call them."""

    name: str
    emails: frozenset[str]


def _members(teams: Collection[str], *, now: datetime) -> dict[str, dict[UUID, Member]]:
    current = Membership.objects.filter(
        Q(person__left_at__isnull=True) | Q(person__left_at__gt=now),
        team__name__in=teams,
        during__contains=now,
        superseded_at__isnull=True,
    )
    rows = list(current.values_list("team__name", "person", "person__name", "person__email"))
    emails: dict[UUID, set[str]] = {person: {email} for _, person, _, email in rows}
    for person, login, email in User.objects.filter(person__in=emails).values_list(
        "person", "username", "email"
    ):
        emails[person] |= {login, email}
    found: dict[str, dict[UUID, Member]] = {}
    for team, person, name, _ in rows:
        known = frozenset(one.lower() for one in emails[person] if "@" in one)
        found.setdefault(team, {})[person] = Member(name, known)
    return found


def named(shift: OnShift, members: Mapping[UUID, Member]) -> list[UUID]:
    """Which members a shift means: by address, where it has one of theirs; else by their whole
    names in its words. Nobody where it means none of them."""
    wanted = set(shift.emails)
    by_email = [person for person, one in members.items() if not wanted.isdisjoint(one.emails)]
    if by_email:
        return by_email
    said = " ".join(shift.name.casefold().split())
    return [
        person
        for person, one in members.items()
        if one.name.strip()
        and re.search(rf"(?<!\w){re.escape(' '.join(one.name.casefold().split()))}(?!\w)", said)
    ]


def overview(*, now: datetime) -> dict[str, Any]:
    """Every rota: where it comes from, who is on call by it, and what is wrong with it."""
    try:
        wanted, problem = rotas.entries(), ""
    except NotRead as wrong:
        wanted, problem = (), str(wrong)
    rows = {row.team: row for row in Rota.objects.filter(team__in=[one.team for one in wanted])}
    there = of_teams(rows, now=now)
    people = _members([one.team for one in wanted], now=now)
    said = list(_shifts(rows, now=now))
    return {
        "problem": problem,
        "rotas": [
            {
                "team": one.team,
                "from": one.words,
                "duty": one.duty,
                "on_call": there.get(one.team, []),
                # On call by the rota, and nobody of the team under this name.
                "unknown": [
                    shift[2] or ", ".join(shift[3])
                    for team, shift in said
                    if team == one.team and not named(OnShift(*shift), people.get(one.team, {}))
                ],
                "read_at": rows[one.team].read_at if one.team in rows else None,
                "counts": one.team in rows and _counts(rows[one.team], one, now=now),
                "problem": rows[one.team].problem if one.team in rows else "",
                "nobody": one.team not in people,
            }
            for one in wanted
        ],
    }


def _counts(row: Rota, entry: rotas.Entry, *, now: datetime) -> bool:
    lasts = COUNTS_WITHOUT_HOURS if entry.kind == "opsgenie" else COUNTS
    return row.read_at is not None and now - row.read_at < lasts


def duty_teams() -> list[str]:
    """The teams whose rota names duty managers."""
    try:
        return [one.team for one in rotas.entries() if one.duty]
    except NotRead:
        return []


def duty(*, now: datetime) -> list[Person]:
    """Who is on call as duty manager, by name."""
    there = of_teams(duty_teams(), now=now)
    found = {one.person for those in there.values() for one in those}
    return list(Person.objects.filter(pk__in=found).order_by("name", "pk"))
