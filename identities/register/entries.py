"""The entries of a registration file, after reading. Pure: shapes and their one error."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from evidence.formats.record import ActorName


class Problem(NamedTuple):
    """Something wrong in a file: where, and what to write instead."""

    path: str  # "identities[2].actors[0]"
    what: str


class RegisterError(Exception):
    """One file cannot be registered; nothing of it was."""

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self.file = file
        self.problems = problems
        super().__init__("\n".join(f"{file}: {path}: {what}" for path, what in problems))


class When(NamedTuple):
    """A moment as written: a date, or so long after the file is first loaded."""

    at: datetime | None = None
    after: timedelta | None = None

    def moment(self, now: datetime) -> datetime:
        return self.at if self.at is not None else now + (self.after or timedelta())


# `left: never`: they are here, whatever was said before.
NEVER = "never"


class PersonEntry(NamedTuple):
    path: str
    name: str
    email: str
    logins: tuple[str, ...]
    team: str = ""
    manager: str = ""
    left: When | Literal["never"] | None = None
    # Since when they are in `team` and in no other one any more.
    moved: When | None = None


class TeamEntry(NamedTuple):
    path: str
    name: str
    members: tuple[str, ...]


class ServiceEntry(NamedTuple):
    path: str
    slug: str
    said: dict[str, Any]  # only what the file says
    parties: dict[str, str]  # owner, ai_owner, sponsor, backup -> person or team


class ActorEntry(NamedTuple):
    path: str
    name: ActorName
    shared: bool


class IdentityEntry(NamedTuple):
    path: str
    name: str
    said: dict[str, Any]
    parties: dict[str, str]
    service: str | None
    expires: When | None
    actors: tuple[ActorEntry, ...]


class DelegationEntry(NamedTuple):
    path: str
    grantee: str  # an identity's name, or
    grantee_actor: ActorName | None  # an actor
    slug: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: dict[str, Any]
    purpose: str
    task: str
    on_behalf: str
    starts: When | None
    ends: When | None
    parent: str
    grantor: str


@dataclass(slots=True)
class Entries:
    """Everything one file says, and what was ignored in it."""

    file: str
    people: list[PersonEntry] = field(default_factory=list)
    teams: list[TeamEntry] = field(default_factory=list)
    services: list[ServiceEntry] = field(default_factory=list)
    identities: list[IdentityEntry] = field(default_factory=list)
    delegations: list[DelegationEntry] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    # What was written, by section, as each entry's path counts it.
    data: dict[str, Any] = field(default_factory=dict)
