"""A queue grouped by identity, AI system or person: its order, headings and filters.

Owns which groups there are. A group stands where its earliest deadline does, so that grouping
hides nothing urgent; one query names all of them.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import UUID

from identities.models import Identity
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
    return int(number) if number.isdigit() and len(number) < 16 and int(number) else -1


def arranged(found: list[Waiting], group: str) -> tuple[list[Waiting], dict[UUID, Heading]]:
    """In the order of the groups, each where its earliest deadline is; and each case's heading."""
    if group not in GROUPS or not found:
        return found, {}
    identities = Identity.objects.select_related("service", "owner__person", "owner__team").in_bulk(
        [one.identity for one in found if one.identity is not None]
    )
    named = {
        one.case: _name(group, identities.get(one.identity) if one.identity else None)
        for one in found
    }
    counts = Counter(named.values())
    place = {name: at for at, name in enumerate(dict.fromkeys(named.values()))}
    return sorted(found, key=lambda one: place[named[one.case]]), {
        case: Heading(*name, counts[name]) for case, name in named.items()
    }


def _name(group: str, identity: Identity | None) -> tuple[str, str]:
    none = ("", GROUPS[group].none)
    if identity is None:
        return none
    if group == "identity":
        return identity.key, identity.name
    if group == "system":
        service = identity.service
        return none if service is None else (service.slug, service.name)
    return none if identity.owner is None else (str(identity.owner_id), str(identity.owner))


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
