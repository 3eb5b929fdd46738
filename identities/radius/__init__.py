"""The blast radius of a credential, an identity, a run or an address, as of any moment.

What it touched, what it became, what it could reach, who shares with it and what hangs on it: each
a row with its times and how surely it is known (rows.py). A constant number of queries, each of
them bounded; what a bound left out is said. Pages and files draw it (reviews/pages/radius.py).
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from identities import visible
from identities.models import Identity, User

from . import around, issued, reach, touched
from .rows import RELATIONS, Row
from .starting import Start, names

__all__ = ["RELATIONS", "Radius", "Row", "Start", "of"]

# Of so many credentials that were minted, the calls are read too.
MOST_FOLLOWED = 100
MOST_OWN = 50


class Radius(NamedTuple):
    """Rows by relation, each sorted for its page; `notes`: what was not looked at, and why."""

    start: Start
    rows: dict[str, list[Row]]
    names: dict[int, str]  # of the actors that rows came through
    others: int  # identities that share a key and that the reader may not see
    notes: list[str]

    def all(self) -> list[Row]:
        """Every row, relation by relation."""
        return [row for name in RELATIONS for row in self.rows[name]]


def of(start: Start, user: User, *, now: datetime, live: bool = True) -> Radius:
    """Everything about a start that this user may see. They may see the start itself."""
    mine = visible.identities(user, now=now)
    seen = around.Seen(
        None if visible.sees_all(user) else frozenset(mine.values_list("pk", flat=True))
    )
    became = issued.of(start)
    own = _own(start, seen)
    minted = _permitted(became.minted, became.holders, seen)
    follow = issued.followed([row for row in minted if row.ref], most=MOST_FOLLOWED)
    came = _touched(start, own, follow, became.holders, live=live)
    found = around.of(
        start,
        own=[one.pk for one in own],
        roles=became.roles,
        minted=[row.actor for row in minted if row.actor is not None],
        addresses=came.addresses,
        seen=seen,
    )
    rows = {
        "touched": came.rows,
        "minted": minted,
        "assumed": became.assumed,
        "passed_on": found.passed_on,
        "reachable": reach.of(own, came.rows, at=start.at),
        "shares": found.shares,
        "same_system": found.same_system,
        "depends": found.depends,
    }
    return Radius(
        start,
        {name: sorted(rows[name], key=lambda row: row.order) for name in RELATIONS},
        names(row.through for some in rows.values() for row in some if row.through is not None),
        found.others,
        [note for note in (start.bounded, came.bounded, became.bounded) if note],
    )


def _own(start: Start, seen: around.Seen) -> list[Identity]:
    """The identities one started with: that of a credential, those of a run's or address's keys."""
    if start.identity is not None:
        return [start.identity]
    rows = Identity.objects.filter(credentials__actor__in=start.actors).distinct()
    return [one for one in rows.order_by("number")[:MOST_OWN] if one.pk in seen]


def _permitted(
    minted: list[Row], holders: Mapping[int, object], seen: around.Seen
) -> list[Row]:  # fmt: skip
    """What was minted with a key is in the key's own records. Whose it is now, and what became of
    it, is told to those who may see whom it belongs to."""
    return [
        row
        if row.actor is None or seen.identities is None or holders.get(row.actor) in seen
        else replace(row, ref="", life="", life_note="belongs to others", note=row.kind)
        for row in minted
    ]


def _touched(
    start: Start,
    own: list[Identity],
    follow: Collection[int],
    holders: Mapping[int, object],
    *,
    live: bool,
) -> touched.Touched:  # fmt: skip
    """By the start itself and, through each, by what was minted with it."""
    numbers, pks = [one.number for one in own], [one.pk for one in own]
    if start.kind != "identity":
        # A run's or address's keys have other uses too, which are not its own.
        mine = [] if start.by_events else list(start.actors)
        return touched.of_credentials(start, mine, list(follow), numbers=numbers, identities=pks)
    (one,) = own
    here = touched.of_identity(start, one.number, live=live)
    # What its own credentials did is attributed to it already.
    beyond = [actor for actor in follow if holders.get(actor) != one.pk]
    if not beyond:
        return here
    there = touched.of_credentials(start, [], beyond, numbers=numbers, identities=pks)
    return touched.Touched(
        [*here.rows, *there.rows],
        here.addresses | there.addresses,
        here.bounded or there.bounded,
    )
