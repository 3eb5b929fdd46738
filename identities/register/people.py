"""People in a registration file or a roster: who they are, their team, and whether they left. Pure."""

from typing import Literal

from .entries import NEVER, Entries, PersonEntry, Problem, When
from .fields import Fields

PERSON = ("name", "email", "logins", "team", "manager", "left", "moved")


def person(row: Fields) -> PersonEntry:
    """One entry of `people`."""
    row.only(PERSON)
    team = row.text("team").removeprefix("team:").strip()
    return PersonEntry(
        row.path,
        row.text("name", needed=True),
        row.text("email"),
        row.texts("logins"),
        team,
        row.text("manager"),
        _left(row),
        _day(row, "moved"),
    )


def _left(row: Fields) -> When | Literal["never"] | None:
    if row.data.get("left") == NEVER:
        return "never"
    return _day(row, "left")


def _day(row: Fields, member: str) -> When | None:
    """A moment that stays where it is, however often the file is loaded."""
    found = row.when(member)
    if found is not None and found.at is None:
        row.wrong(member, "is a date, as 2027-01-31: it does not move with the file")
        return None
    return found


def moved_elsewhere(found: Entries, problems: list[Problem]) -> None:
    """Who moved away is no member of another team in the same file: each run would undo the last."""
    member_of: dict[str, list[tuple[str, str]]] = {}
    for one in found.teams:
        for member in one.members:
            member_of.setdefault(member.lower(), []).append((one.name, f"{one.path}.members"))
    for entry in found.people:
        if entry.moved is None:
            continue
        for name in filter(None, (entry.email.lower(), entry.name.lower())):
            for team, path in member_of.get(name, ()):
                if team != entry.team:
                    problems.append(
                        Problem(path, f"{entry.name} moved away from {team}: take them out here")
                    )
