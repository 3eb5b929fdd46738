"""One entry of a registration file, read member by member; problems are collected. Pure."""

import re
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from .entries import Problem, When

LONGEST = 4096
MOST_PATTERNS = 1_000
RELATIVE = re.compile(r"(?P<sign>[+-]?)P?(?P<n>\d{1,5}) ?(?P<unit>[hdwmyHDWMY])")
FARTHEST = 24 * 365 * 100  # hours
HOURS = {"h": 1, "d": 24, "w": 24 * 7, "m": 24 * 30, "y": 24 * 365}


class Fields:
    """The members of one mapping, with its path; every reader says what is wrong and goes on."""

    def __init__(self, data: Mapping[str, Any], path: str, problems: list[Problem]) -> None:
        self.data = data
        self.path = path
        self.problems = problems

    def wrong(self, member: str, what: str) -> None:
        where = f"{self.path}.{member}" if self.path and member else self.path or member
        self.problems.append(Problem(where, what))

    def only(self, known: Collection[str]) -> None:
        """A member nobody knows is a misspelling that would be lost silently."""
        for member in self.data:
            if member not in known:
                self.wrong(member[:80], f"nobody knows this; known are {', '.join(known)}")

    def text(self, member: str, *, needed: bool = False) -> str:
        value = self.data.get(member)
        if value is None:
            if needed:
                self.wrong(member, "is needed")
            return ""
        if not isinstance(value, str):
            self.wrong(member, f"must be text, not {_kind(value)}; put it in quotes")
            return ""
        if not _storable(value) or len(value) > LONGEST:
            self.wrong(member, f"cannot be stored, or is longer than {LONGEST} characters")
            return ""
        if needed and not value.strip():
            self.wrong(member, "is empty")
        return value.strip()

    def choice(self, member: str, allowed: Collection[str]) -> str:
        value = self.text(member)
        if value and value not in allowed:
            self.wrong(member, f"{value[:80]!r} is not one of {', '.join(allowed)}")
            return ""
        return value

    def flag(self, member: str) -> bool:
        value = self.data.get(member, False)
        if not isinstance(value, bool):
            self.wrong(member, "must be true or false")
            return False
        return value

    def mapping(self, member: str) -> dict[str, Any]:
        value = self.data.get(member)
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.wrong(member, f"must be a mapping, not {_kind(value)}")
            return {}
        return value

    def texts(self, member: str, *, needed: bool = False) -> tuple[str, ...]:
        value = self.data.get(member)
        if isinstance(value, str):
            value = [value]
        if value is None or value == []:
            if needed:
                self.wrong(member, "is needed: a list of at least one")
            return ()
        if not isinstance(value, list) or len(value) > MOST_PATTERNS:
            self.wrong(member, f"must be a list of at most {MOST_PATTERNS} texts")
            return ()
        found = []
        for place, item in enumerate(value):
            if isinstance(item, str) and item.strip() and len(item) <= LONGEST and _storable(item):
                found.append(item.strip())
            else:
                self.wrong(f"{member}[{place}]", "must be text that is not empty")
        return tuple(found)

    def rows(self, member: str) -> list["Fields"]:
        value = self.data.get(member)
        if value is None:
            return []
        if not isinstance(value, list):
            self.wrong(member, f"must be a list, not {_kind(value)}")
            return []
        found = []
        for place, item in enumerate(value):
            path = f"{self.path}.{member}[{place}]" if self.path else f"{member}[{place}]"
            if isinstance(item, dict):
                found.append(Fields(item, path, self.problems))
            else:
                self.problems.append(Problem(path, f"must be a mapping, not {_kind(item)}"))
        return found

    def when(self, member: str) -> When | None:
        """A date, a moment with a zone, or so long after first loading: ``90d``, ``12h``."""
        value = self.data.get(member)
        if value is None:
            return None
        if isinstance(value, datetime):
            value = value.isoformat()
        if isinstance(value, date):
            return When(at=datetime(value.year, value.month, value.day, tzinfo=UTC))
        if isinstance(value, str):
            relative = RELATIVE.fullmatch(value.strip())
            if relative is not None:
                hours = int(relative["n"]) * HOURS[relative["unit"].lower()]
                if hours > FARTHEST:
                    self.wrong(member, f"{value.strip()} is farther away than 100 years")
                    return None
                return When(after=timedelta(hours=-hours if relative["sign"] == "-" else hours))
            try:
                return When(at=_utc(datetime.fromisoformat(value.strip())))
            except (ValueError, OverflowError):
                pass
        self.wrong(
            member, f"{str(value)[:40]!r} is no moment; write 2027-01-31, 2027-01-31T12:00Z or 90d"
        )
        return None


def _utc(moment: datetime) -> datetime:
    """A moment without a zone is UTC, as everywhere here."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _storable(text: str) -> bool:
    """Without NUL and without halves of characters, which JSON can spell and nothing can store."""
    return "\0" not in text and text.encode("utf-8", "replace").decode() == text


def _kind(value: object) -> str:
    names = {dict: "a mapping", list: "a list", bool: "true or false", type(None): "nothing"}
    return names.get(type(value), type(value).__name__)
