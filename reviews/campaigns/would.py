"""What a launch would do with which identity, row by row: the rows under the numbers of a dry run.

Owns how the identities in scope fall into roads, and the items that would be asked about them; how
many they are, and who would be asked, is preview.py. Items are made only for the rows that are
read. Writes nothing.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import accumulate
from typing import NamedTuple
from uuid import UUID

from django.db.models import QuerySet

from evidence.parameters import checked
from identities.models import Identity
from identities.permissions import NotPossible
from reviews import policy_scope
from reviews.actions import opening, policy_versions, proposing
from reviews.models import Campaign, Case, Item
from reviews.permissions import SEAT_WORDS, SIGNING

from .preview import Asked, Dry
from .scope import narrowing

ROADS = {
    "scope": "in scope",
    "opened": "a review would be opened",
    "joined": "a review is open already: it joins, unasked",
    "elsewhere": "a review of another campaign is open: it stays there",
    "exempt": "exempt by the policy: left out",
}
# Who is asked, who is not, and what happens then.
OF_ITEMS: dict[str, tuple[str, ...]] = {"person": (), "nobody": tuple(SIGNING), "silence": ()}
OF_IDENTITIES = {"road": tuple(ROADS), **OF_ITEMS}


class Would(NamedTuple):
    """The identities of a road by their number, and the dry run that says who is asked."""

    rows: QuerySet[Identity]
    dry: Dry


class Drafted(NamedTuple):
    """An item that would be asked about, and by whom."""

    identity: Identity
    item: Item
    asked: Asked


def identities(campaign: Campaign, said: Mapping[str, str], *, now: datetime) -> Would:
    """The identities of one road, and of those what else was asked for. As preview.look counts."""
    checked(said, OF_IDENTITIES)
    dry = Dry(campaign.policy, campaign.scope, now=now)
    road = said.get("road") or "scope"
    rows = _exempt(campaign, now=now) if road == "exempt" else _road(dry, road)
    return Would(_narrowed(rows, dry, said).order_by("number"), dry)


def items(campaign: Campaign, said: Mapping[str, str], *, now: datetime) -> "Items":
    """What would be asked about, of everybody or of one person."""
    checked(said, OF_ITEMS)
    dry = Dry(campaign.policy, campaign.scope, now=now)
    return Items(_narrowed(_road(dry, "opened"), dry, said), dry)


def _road(dry: Dry, road: str) -> QuerySet[Identity]:
    live = Case.objects.filter(
        identity__in=dry.rows, door="access_review", trigger="", state__in=opening.LIVE
    )
    asked = live.filter(state="open").values("identity")
    if road == "joined":
        return dry.rows.filter(pk__in=asked)
    if road == "elsewhere":
        others = live.filter(state="open", campaign__isnull=False)
        return dry.rows.filter(pk__in=others.exclude(campaign__state="closed").values("identity"))
    return dry.rows.exclude(pk__in=asked) if road == "opened" else dry.rows


def _narrowed(rows: QuerySet[Identity], dry: Dry, said: Mapping[str, str]) -> QuerySet[Identity]:
    if said.get("person"):
        rows = rows.filter(pk__in=dry.asking(_person(said["person"])))
    if said.get("nobody"):
        rows = rows.filter(pk__in=dry.vacant().get(said["nobody"], []))
    if said.get("silence"):
        rows = rows.filter(pk__in=dry.silence().get(said["silence"], []))
    return rows


def _person(value: str) -> UUID:
    try:
        return UUID(value)
    except ValueError:
        raise NotPossible(f"person is {value[:40]!r}; give the id of a person.") from None


def _exempt(campaign: Campaign, *, now: datetime) -> QuerySet[Identity]:
    document = policy_versions.document_of(campaign.policy)
    rows = policy_scope.in_scope(document, now=now)
    if campaign.scope:
        inside = policy_scope.in_scope(narrowing(campaign.scope, campaign.policy), now=now)
        rows = rows.filter(pk__in=inside.values("pk"))
    return rows.filter(number__in=policy_scope.exempt_numbers(document, now=now))


class Items:
    """What would be asked about, in the order of the identities: as many as are counted, and made
    only where they are read."""

    def __init__(self, rows: QuerySet[Identity], dry: Dry) -> None:
        self._dry = dry
        self._identities = list(rows.order_by("number").values_list("pk", flat=True))
        # How many items there are up to and with each identity.
        self._upto = list(accumulate(dry.items.get(pk, 0) for pk in self._identities))

    def __len__(self) -> int:
        return self._upto[-1] if self._upto else 0

    def __getitem__(self, which: slice) -> list[Drafted]:
        start, stop, _ = which.indices(len(self))
        if stop <= start:
            return []
        first, last = bisect_right(self._upto, start), bisect_right(self._upto, stop - 1)
        before = self._upto[first - 1] if first else 0
        made = self._made(self._identities[first : last + 1])
        return made[start - before : stop - before]

    def iterator(self, *, chunk_size: int) -> Iterator[Drafted]:
        """All of them, of so many identities at a time."""
        for first in range(0, len(self._identities), chunk_size):
            yield from self._made(self._identities[first : first + chunk_size])

    def _made(self, identities: Sequence[UUID]) -> list[Drafted]:
        rows = list(Identity.objects.filter(pk__in=identities).order_by("number"))
        proposed = proposing.propose(rows, now=self._dry.now)
        return [
            Drafted(one, item, self._dry.of(one.pk)) for one in rows for item in proposed[one.pk]
        ]


def in_words(asked: Asked) -> str:
    """Who would be asked, in which seats: "Ines as identity owner; nobody as AI owner"."""
    return "; ".join(
        f"{' or '.join(one.name for one in those[:3]) or 'nobody'} as {SEAT_WORDS[kind]}"
        for kind, those in asked
    )
