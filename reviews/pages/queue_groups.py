"""A queue grouped by identity, AI system or person: its order, headings and filters.

Owns which groups there are. A group stands where its earliest deadline does, so that grouping
hides nothing urgent; one or two queries name all of them.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from evidence.parameters import whole
from identities.models import Party
from reviews.pages.waiting import Waiting


class Group(NamedTuple):
    """What a case is grouped by, as words, and what stands for cases that have none."""

    words: str
    none: str


GROUPS = {
    "identity": Group("identity", "No identity"),
    "system": Group("AI system", "No AI system"),
    "person": Group("person who owns it", "Nobody owns it"),
}


class Heading(NamedTuple):
    """One group: how an address names it ("" for none), what it is called, how many wait."""

    value: str
    words: str
    n: int


def said(name: str, value: str) -> Any:
    """The value of a group in an address as the query takes it; nothing is narrowed by ""."""
    if name != "identity" or not value:
        return value
    number = value.upper().removeprefix("NHI-")
    # Something that is no key names no identity.
    return whole(number, longest=15) or -1


def arranged(found: list[Waiting], group: str) -> tuple[list[Waiting], dict[UUID, Heading]]:
    """In the order of the groups, each where its earliest deadline is; and each case's heading."""
    if group not in GROUPS or not found:
        return found, {}
    known = _NAMES[group]([one.identity for one in found if one.identity is not None])
    none = ("", GROUPS[group].none)
    named = {
        one.case: none if one.identity is None else known.get(one.identity, none) for one in found
    }
    counts = Counter(named.values())
    place = {name: at for at, name in enumerate(dict.fromkeys(named.values()))}
    return sorted(found, key=lambda one: place[named[one.case]]), {
        case: Heading(*name, counts[name]) for case, name in named.items()
    }


# How the groups of identities are called: an address, and words. Five hundred are named for a
# page, so that no more is read of them than their names, and all of them are one value.
type Names = dict[UUID, tuple[str, str]]
OF_IDENTITIES = "SELECT id, number, name FROM identities_identity WHERE id = ANY(%s)"
OF_SYSTEMS = """
SELECT i.id, s.slug, s.name FROM identities_identity i
JOIN identities_service s ON s.id = i.service_id WHERE i.id = ANY(%s)
"""
OF_PERSONS = """
SELECT id, owner_id FROM identities_identity WHERE id = ANY(%s) AND owner_id IS NOT NULL
"""


def _read(statement: str, pks: list[UUID]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, [pks])
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _identities(pks: list[UUID]) -> Names:
    return {pk: (f"NHI-{number:04d}", name) for pk, number, name in _read(OF_IDENTITIES, pks)}


def _systems(pks: list[UUID]) -> Names:
    return {pk: (slug, name) for pk, slug, name in _read(OF_SYSTEMS, pks)}


def _persons(pks: list[UUID]) -> Names:
    owners: dict[UUID, UUID] = dict(_read(OF_PERSONS, pks))
    parties = Party.objects.select_related("person", "team").in_bulk(set(owners.values()))
    return {pk: (str(owner), str(parties[owner])) for pk, owner in owners.items()}


_NAMES: dict[str, Callable[[list[UUID]], Names]] = {
    "identity": _identities,
    "system": _systems,
    "person": _persons,
}


def groups(
    rows: list[dict[str, Any]],
    headings: dict[UUID, Heading],
    group: str,
    address: Callable[..., str],
) -> list[dict[str, Any]]:
    """The rows of a page under their headings; without groups, one without a heading."""
    found: list[dict[str, Any]] = []
    last: Heading | None = None
    for row in rows:
        heading = headings.get(row["case_id"])
        if not found or heading != last:
            more = {group: heading.value, "group": ""} if heading and heading.value else None
            found.append(
                {
                    "words": heading.words if heading else "",
                    "n": heading.n if heading else 0,
                    "url": address(**more) if more else "",
                    "rows": [],
                }
            )
            last = heading
        found[-1]["rows"].append(row)
    return found


def narrowed(asked: dict[str, str], address: Callable[..., str]) -> list[dict[str, str]]:
    """What the address narrows the queue by, each with the way to let go of it."""
    return [
        {"words": f"one {group.words} only", "url": address(asked, **{name: ""})}
        for name, group in GROUPS.items()
        if asked.get(name)
    ]
