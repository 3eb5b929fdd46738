"""People, teams and services of a registration file."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from evidence.words import counted
from identities.actions import teams
from identities.actions.identities import inherit
from identities.models import Identity, Membership, Person, Service, Team
from identities.register import ServiceEntry, TeamEntry

from .asking import decides
from .persons import apply_people, say_where
from .run import ADDED, CHANGED, HELD, Run, difference, worded

HELD_BACK = (
    "held: {} stay in it, because {} waits for its signature and nobody else of it may sign there."
    " Who does not sit in it says on the page People that they left or move; the rest of the file"
    " is taken"
)
__all__ = ["apply_people", "apply_services", "apply_teams", "say_where"]


def apply_teams(run: Run, entries: Iterable[TeamEntry]) -> None:
    for entry in entries:
        subject = f"team {entry.name}"
        team, new = Team.objects.get_or_create(name=entry.name)
        wanted = set()
        for place, member in enumerate(entry.members):
            party = run.party(member, f"{entry.path}.members[{place}]")
            if party is None:
                continue
            if party.person_id is None:
                run.wrong(f"{entry.path}.members[{place}]", "a team cannot be in a team")
            else:
                wanted.add(party.person_id)
        rows = list(
            Membership.objects.select_for_update().filter(
                team=team, superseded_at__isnull=True, during__contains=run.now
            )
        )
        leaving = [row for row in rows if row.person_id not in wanted]
        joining = wanted - {row.person_id for row in rows}
        stay = [row.person_id for row in rows if row.person_id in wanted]
        gone = [row.person_id for row in leaving]
        waits = teams.needs(team, gone, stay, now=run.now) if gone and run.holds_back else ""
        if waits:
            run.told(HELD, subject, HELD_BACK.format(_names(gone), waits))
            leaving, gone = [], []
        named = [
            f"{_names(those)} {did}"
            for those, did in ((joining, "joined"), (gone, "left"))
            if those
        ]
        if named and not new and run.asks and decides(team):
            run.wait(entry.path, subject, ", ".join(named), about=f"team:{team.pk}")
            continue
        for row in leaving:
            Membership.objects.filter(pk=row.pk).update(superseded_at=run.now)
            if row.during.lower is None or row.during.lower < run.now:
                Membership.objects.create(
                    team=team,
                    person_id=row.person_id,
                    during=(row.during.lower, run.now),
                    recorded_at=run.now,
                )
        for person in sorted(joining, key=str):
            Membership.objects.create(
                team=team, person_id=person, during=(run.now, None), recorded_at=run.now
            )
        words = f"{len(joining)} joined, {len(leaving)} left"
        if new:
            run.done(
                ADDED,
                subject,
                f"new, with {counted(len(joining), 'person', 'people')}",
                about=f"team:{team.pk}",
            )
        elif joining or leaving:
            cases = teams.changed(team, ", ".join(named), by=run.by, now=run.now)
            if cases:
                words += f"; said in {counted(cases, 'open case')} that it signs in"
            run.done(CHANGED, subject, words, about=f"team:{team.pk}")
        elif not waits:
            run.kept(subject)


def _names(persons: Iterable[UUID]) -> str:
    rows = Person.objects.filter(pk__in=list(persons)).order_by("name", "pk")
    return ", ".join(rows.values_list("name", flat=True))


def apply_services(run: Run, entries: Iterable[ServiceEntry]) -> None:
    for entry in entries:
        subject = f"service {entry.slug}"
        said: dict[str, Any] = dict(entry.said)
        for name, written in entry.parties.items():
            party = run.party(written, f"{entry.path}.{name}")
            if party is not None:
                said[name] = party
        row = Service.objects.select_for_update(of=("self",)).filter(slug=entry.slug).first()
        if row is None:
            row = Service.objects.create(slug=entry.slug, **({"name": entry.slug} | said))
            run.done(ADDED, subject, "new", about=f"service:{entry.slug}")
            continue
        changed = difference(row, said)
        if not changed:
            run.kept(subject)
            continue
        if run.asks:
            run.wait(entry.path, subject, worded(changed), about=f"service:{entry.slug}")
            continue
        for name, value in said.items():
            setattr(row, name, value)
        row.save(update_fields=list(said))
        run.done(CHANGED, subject, worded(changed), about=f"service:{entry.slug}", data=changed)
        # What identities inherit follows their service.
        rows = Identity.objects.select_for_update(of=("self",), no_key=True)
        for identity in rows.filter(service=row).order_by("pk"):
            identity.service = row
            followed = inherit(identity)
            if followed:
                identity.save(update_fields=[*followed, "inherited"])
                run.touched.add(identity.pk)
                run.done(
                    CHANGED,
                    f"identity {identity.name}",
                    f"follows its service in {', '.join(followed)}",
                    about=identity.key,
                )
