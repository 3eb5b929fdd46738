"""What the evidence says of an owner, for many things at once: a fixed number of statements.

Owns the reading: hints of inventories, who issued a credential, who a run acted for, the service
and its owner, the name. Who is asked in the end is choosing.py; nothing is written here.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q
from django.db.models.functions import Lower

from evidence.words import counted
from identities import actornames
from identities.claims.choosing import Reason, begins, folded, login_of, tag
from identities.models import Party, Person, Service, Team, User

# Runs of an agent that are looked at for whom it acted.
MOST_RUNS = 50
MOST_TAGS = 24


@dataclass(slots=True)
class Subject:
    """One identity without an owner, or one actor that is nobody's, and what was found."""

    name: str
    realm: str = ""
    identity: UUID | None = None
    actor: int | None = None
    service: UUID | None = None
    actors: list[int] = field(default_factory=list)
    reasons: list[Reason] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    bundle: str = ""


ACTORS = """
SELECT b.identity_id, a.id, a.realm FROM identities_binding b
JOIN evidence_actor a ON a.id = b.actor_id
WHERE b.identity_id = ANY(%(identities)s) AND b.state = 'confirmed' AND b.superseded_at IS NULL
  AND b.during @> %(now)s
"""
HINTS = """
SELECT d.actor_id, h.value ->> 'kind', h.value ->> 'value', h.value ->> 'seen_in'
FROM identities_discovery d, jsonb_array_elements(d.hints) h
WHERE d.actor_id = ANY(%(actors)s) AND d.superseded_at IS NULL AND upper_inf(d.during)
UNION
SELECT d.holder_id, h.value ->> 'kind', h.value ->> 'value', h.value ->> 'seen_in'
FROM identities_discovery d, jsonb_array_elements(d.hints) h
WHERE d.holder_id = ANY(%(actors)s) AND d.superseded_at IS NULL AND upper_inf(d.during)
ORDER BY 1, 2, 3, 4
"""
ISSUERS = """
SELECT c.issued_to_id, i.value, count(*) FROM identities_credential c
JOIN evidence_actor i ON i.id = c.issued_by_id
WHERE c.issued_to_id = ANY(%(actors)s) GROUP BY 1, 2
UNION ALL
SELECT c.actor_id, i.value, 1 FROM identities_credential c
JOIN evidence_actor i ON i.id = c.issued_by_id WHERE c.actor_id = ANY(%(actors)s)
ORDER BY 1, 2
"""
BEHALF = """
SELECT w.id, o.value, count(*) FROM unnest(%(actors)s::bigint[]) AS w (id)
CROSS JOIN LATERAL (SELECT r.on_behalf_id FROM evidence_run r WHERE r.agent_id = w.id
    ORDER BY r.first_at DESC LIMIT %(runs)s) r
JOIN evidence_actor o ON o.id = r.on_behalf_id
GROUP BY 1, 2 ORDER BY 1, 2
"""
# Who is in which team now, and which team somebody who has left was in last.
TEAMS_OF = """
SELECT DISTINCT ON (m.person_id, m.team_id) m.person_id, m.team_id, m.during @> %(now)s,
    coalesce(upper(m.during), '9999-12-31+00')
FROM identities_membership m WHERE m.person_id = ANY(%(persons)s) AND m.superseded_at IS NULL
ORDER BY 1, 2, 4 DESC
"""


def gather(subjects: Sequence[Subject], *, now: datetime) -> None:
    """Fill in what the evidence says of each of these: reasons, tags, service and bundle."""
    facts: dict[str, Any] = {
        "identities": [one.identity for one in subjects if one.identity is not None],
        "now": now,
        "runs": MOST_RUNS,
    }
    by_identity = {one.identity: one for one in subjects if one.identity is not None}
    with connection.cursor() as cursor:
        cursor.execute(ACTORS, facts)
        for identity, actor, realm in cursor.fetchall():
            by_identity[identity].actors.append(actor)
            by_identity[identity].realm = by_identity[identity].realm or realm
        owner_of = {actor: one for one in subjects for actor in one.actors}
        facts["actors"] = list(owner_of)
        cursor.execute(HINTS, facts)
        hints = cursor.fetchall()
        cursor.execute(ISSUERS, facts)
        issuers = cursor.fetchall()
        cursor.execute(BEHALF, facts)
        behalf = cursor.fetchall()
    said = _said(hints, issuers, behalf)
    services = _Services(subjects, said)
    people = _People({value for _, kind, value, _ in said if kind not in ("cmdb", "iac")}, now=now)
    code: dict[int, str] = {}
    for actor, kind, value, seen_in in said:
        one = owner_of[actor]
        if kind == "iac":
            code.setdefault(id(one), value)
        elif kind == "cmdb":
            services.known_as(one, value)
        else:
            one.reasons += people.reasons(kind, value, seen_in)
        if seen_in and kind in ("owner", "team", "creator", "iac", "codeowners", "cmdb"):
            one.tags.append(tag(kind, value))
    for one in subjects:
        services.place(one)
        one.reasons += services.reasons(one)
        one.reasons += people.called(one.name)
        one.tags = sorted(set(one.tags))[:MOST_TAGS]
        one.bundle = _bundle(one, code.get(id(one), ""), services)
    parties = _parties(subjects)
    for one in subjects:
        one.reasons = [reason._replace(party=parties[reason.party]) for reason in one.reasons]


def _said(
    hints: Iterable[Any], issuers: Iterable[Any], behalf: Iterable[Any]
) -> list[tuple[int, str, str, str]]:
    """(actor, kind, value, where or how often it was said)."""
    found = [(a, kind, value, seen) for a, kind, value, seen in hints if kind and value]
    found += [(a, "issuer", value, counted(n, "credential")) for a, value, n in issuers]
    found += [(a, "behalf", value, counted(n, "run")) for a, value, n in behalf]
    return found


def _bundle(one: Subject, code: str, services: "_Services") -> str:
    """What it is asked about together with: its service, its code, else where it lives."""
    if one.service is not None:
        return f"service:{services.slugs[one.service]}"
    return f"code:{code[:150]}" if code else f"realm:{one.realm[:150]}"


class _Services:
    """The services that these things serve or are called after, and who owns them."""

    def __init__(self, subjects: Iterable[Subject], said: Iterable[tuple[int, str, str, str]]):
        names = {value.strip().lower() for _, kind, value, _ in said if kind == "cmdb"}
        names |= {name for one in subjects for name in begins(one.name)}
        known = {one.service for one in subjects if one.service is not None}
        rows = _services(names, known)
        self.slugs = {row.pk: row.slug for row in rows}
        self.rows = {row.pk: row for row in rows}
        self.by_name = {row.slug.lower(): row for row in rows}
        self.by_name |= {row.cmdb_id.lower(): row for row in rows if row.cmdb_id}
        self.how: dict[int, str] = {}

    def known_as(self, one: Subject, value: str) -> None:
        """A CMDB id on the thing names its service, where the register names none."""
        row = self.by_name.get(value.strip().lower())
        if row is not None and one.service is None:
            one.service = row.pk
            self.how[id(one)] = f"its CMDB id {value[:80]} is that of {row.name}"

    def place(self, one: Subject) -> None:
        """By its name, where neither the register nor a CMDB id says the service."""
        if one.service is not None:
            return
        row = next((self.by_name[name] for name in begins(one.name) if name in self.by_name), None)
        if row is not None:
            one.service = row.pk
            self.how[id(one)] = f"its name begins like the service {row.name}"

    def reasons(self, one: Subject) -> list[Reason]:
        row = None if one.service is None else self.rows.get(one.service)
        if row is None or row.owner is None:
            return []
        how = self.how.get(id(one), "")
        kind = "service" if not how else "cmdb" if how.startswith("its CMDB") else "naming"
        words = f"{row.owner} owns {row.name}, the service it serves"
        return [Reason(f"party:{row.owner_id}", kind, f"{words}: {how}" if how else words)]


def _services(names: Collection[str], known: Collection[UUID | None]) -> list[Service]:
    rows = Service.objects.annotate(folded=Lower("slug"), cmdb=Lower("cmdb_id")).filter(
        Q(pk__in=known) | Q(folded__in=names) | (Q(cmdb__in=names) & ~Q(cmdb_id=""))
    )
    return list(rows.select_related("owner__person", "owner__team").order_by("slug"))


class _People:
    """Persons and teams by what logs and tags call them."""

    def __init__(self, values: Collection[str], *, now: datetime) -> None:
        self.now = now
        self.teams = {row.pk: row.name for row in Team.objects.order_by("name")}
        self.team_called: dict[str, UUID] = {}
        for pk, name in self.teams.items():
            self.team_called.setdefault(folded(name), pk)
        wanted = {login_of(value) for value in values} | {value.strip().lower() for value in values}
        self.persons, self.called_person = _persons(wanted)
        self.members, self.left_from = _memberships(self.persons, now=now)

    def reasons(self, kind: str, value: str, seen: str) -> list[Reason]:
        """Whom a hint names; of somebody who has left, the team that they left behind."""
        person = self.called_person.get(value.strip().lower()) or self.called_person.get(
            login_of(value)
        )
        if person is not None:
            return self._of_person(kind, value, seen, self.persons[person])
        team = self.team_called.get(folded(value)) if kind in TEAM_KINDS else None
        if team is None:
            return []
        words = SENTENCES[kind].format(value=value[:80], seen=seen[:80])
        return [Reason(f"team:{team}", kind, words)]

    def _of_person(self, kind: str, value: str, seen: str, person: Person) -> list[Reason]:
        words = SENTENCES[kind].format(value=value[:80], seen=seen[:80])
        gone = person.left_at is not None and person.left_at <= self.now
        if gone:
            team = self.left_from.get(person.pk)
            if team is None:
                return []
            words = f"{words}; {person.name} has left, and was in {self.teams[team]}"
            return [Reason(f"team:{team}", kind, words)]
        teams = self.members.get(person.pk, [])
        # Whoever made a thing made it for their team; whoever is called its owner is meant.
        if kind in MADE_BY and len(teams) == 1:
            return [Reason(f"team:{teams[0]}", kind, f"{words}, who is in {self.teams[teams[0]]}")]
        return [Reason(f"person:{person.pk}", kind, words)]

    def called(self, name: str) -> list[Reason]:
        """Teams that a thing is called after."""
        for beginning in begins(name):
            team = self.team_called.get(folded(beginning))
            if team is not None:
                words = f"its name begins like {self.teams[team]}"
                return [Reason(f"team:{team}", "naming", words)]
        return []


TEAM_KINDS = ("owner", "team", "codeowners", "creator")
MADE_BY = ("issuer", "behalf", "creator")
SENTENCES = {
    "owner": "{seen} names {value} as its owner",
    "team": "{seen} names {value}",
    "codeowners": "{seen} of its code names {value}",
    "issuer": "{seen} of it issued by {value}",
    "behalf": "{seen} of it acted for {value}",
    "creator": "{seen} says that {value} made it",
}


def _persons(wanted: Collection[str]) -> tuple[dict[UUID, Person], dict[str, UUID]]:
    """The persons that these names mean, by mail address, login, or a name that one person has."""
    rows = list(
        Person.objects.annotate(mail=Lower("email"), lower=Lower("name")).filter(
            (Q(mail__in=wanted) & ~Q(email="")) | Q(lower__in=wanted)
        )
    )
    logins = list(
        User.objects.filter(person__isnull=False)
        .annotate(login=Lower("username"))
        .filter(login__in=wanted)
        .select_related("person")
    )
    found: dict[UUID, Person] = {row.pk: row for row in rows}
    called: dict[str, UUID] = {}
    named: dict[str, list[UUID]] = defaultdict(list)
    for row in rows:
        named[row.name.lower()].append(row.pk)
    called |= {name: pks[0] for name, pks in named.items() if len(pks) == 1}
    for user in logins:
        if user.person is not None:
            found[user.person.pk] = user.person
            called[user.username.lower()] = user.person.pk
    called |= {row.email.lower(): row.pk for row in rows if row.email}
    return found, called


def _memberships(
    persons: Collection[UUID], *, now: datetime
) -> tuple[dict[UUID, list[UUID]], dict[UUID, UUID]]:
    """(teams of each person now, the team each was in last)."""
    members: dict[UUID, list[UUID]] = defaultdict(list)
    last: dict[UUID, tuple[Any, UUID]] = {}
    if not persons:
        return {}, {}
    with connection.cursor() as cursor:
        cursor.execute(TEAMS_OF, {"persons": list(persons), "now": now})
        for person, team, current, until in cursor.fetchall():
            if current:
                members[person].append(team)
            if person not in last or until > last[person][0]:
                last[person] = (until, team)
    return dict(members), {person: team for person, (_, team) in last.items()}


def _parties(subjects: Iterable[Subject]) -> dict[str, str]:
    """`team:<id>` and `person:<id>` of the reasons as the parties they are, made where missing."""
    wanted = {reason.party for one in subjects for reason in one.reasons}
    found = {name: name.removeprefix("party:") for name in wanted if name.startswith("party:")}
    for kind in ("team", "person"):
        ids = {UUID(name.split(":")[1]) for name in wanted if name.startswith(f"{kind}:")}
        if not ids:
            continue
        rows = Party.objects.filter(**{f"{kind}__in": ids})
        there = set(rows.values_list(kind, flat=True))
        Party.objects.bulk_create(
            [Party(**{f"{kind}_id": pk}) for pk in sorted(ids - there)], ignore_conflicts=True
        )
        found |= {f"{kind}:{of}": str(pk) for pk, of in rows.values_list("pk", kind)}
    return found


def subject_of_actor(pk: int, realm: str, value: str) -> Subject:
    return Subject(name=actornames.last_part(value), realm=realm, actor=pk, actors=[pk])
