"""How signatures add up: AND and OR of teams and roles, with counts. Pure.

Owns the rule of who carries a request. One person fills one place, whatever logins and teams they
have; who asked fills none; and a request that only people of the asker's own team signed is not
carried. Knows no rows: whom it is given is read by rights.py at the moment of each signature.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from reviews.policy_reading import Problem, list_of, members, one_of, text, truth, whole

ROLES = ("reviewer", "responder", "administrator")
MOST_PLACES = 8  # in the whole expression
MOST_OF_ONE = 5  # signatures from one team or role
MOST_WAYS = 64
DEEPEST = 4


class Place(NamedTuple):
    """One signature that is wanted: `of` is "team" or "role"; `nth` tells several of one apart.
    `on_call`: only who is on call for the team fills it."""

    of: str
    name: str
    nth: int = 0
    on_call: bool = False


class Signer(NamedTuple):
    """Somebody, with the teams and roles they have at this moment. `on_call`: the teams for which
    they count as on call, where nobody is: each of theirs."""

    person: UUID
    teams: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    on_call: frozenset[str] = frozenset()

    def fits(self, place: Place) -> bool:
        return self.belongs(place) and (not place.on_call or place.name in self.on_call)

    def belongs(self, place: Place) -> bool:
        """Of its team or role, on call or not."""
        return place.name in (self.teams if place.of == "team" else self.roles)


@dataclass(frozen=True, slots=True)
class Rule:
    """`how` is "one" (then `place` and `n` say whose signatures) or "all_of", "any_of" of `parts`."""

    how: str
    of: str = ""
    name: str = ""
    n: int = 1
    on_call: bool = False
    parts: tuple["Rule", ...] = field(default=())

    def places(self) -> tuple[Place, ...]:
        """Every place of it, in the order in which it is written; two of one team stay two."""
        found: list[Place] = []
        for one in self.leaves():
            before = sum(place.of == one.of and place.name == one.name for place in found)
            found += [Place(one.of, one.name, before + nth, one.on_call) for nth in range(one.n)]
        return tuple(found)

    def teams_on_call(self) -> frozenset[str]:
        """The teams of which only who is on call fills a place."""
        return frozenset(one.name for one in self.leaves() if one.on_call)

    def leaves(self) -> Iterator["Rule"]:
        if self.how == "one":
            yield self
        for part in self.parts:
            yield from part.leaves()

    def ways(self) -> tuple[tuple[Place, ...], ...]:
        """The sets of places of which any one, filled, carries it."""
        return tuple(dict.fromkeys(tuple(_numbered(way)) for way in self._ways()))

    def _ways(self) -> list[tuple[tuple[str, str, bool], ...]]:
        if self.how == "one":
            return [((self.of, self.name, self.on_call),) * self.n]
        parts = [part._ways() for part in self.parts]
        if self.how == "any_of":
            return [way for ways in parts for way in ways]
        found: list[tuple[tuple[str, str, bool], ...]] = [()]
        for ways in parts:
            found = [(*before, *way) for before in found for way in ways]
            if len(found) > MOST_WAYS:
                break
        return found

    def words(self) -> str:
        """ "1 of Platform and 1 of Security"; what is mixed is in brackets."""
        if self.how == "one":
            on_call = " on call" if self.on_call else ""
            of = f"{self.n} of {self.name}{on_call}"
            return of if self.of == "team" else f"{self.n} {self.name}"
        said = [
            f"({part.words()})" if part.how not in ("one", self.how) else part.words()
            for part in self.parts
        ]
        return (" and " if self.how == "all_of" else " or ").join(said)


def _numbered(way: Iterable[tuple[str, str, bool]]) -> Iterator[Place]:
    met: dict[tuple[str, str], int] = {}
    for of, name, on_call in way:
        nth = met.get((of, name), 0)
        met[of, name] = nth + 1
        yield Place(of, name, nth, on_call)


def read(value: Any) -> Rule:
    """The rule that this JSON value is: {"team": "Platform", "n": 1, "on_call": true},
    {"role": "responder"}, {"all_of": […]} or {"any_of": […]}; or Problem with its place."""
    rule = _read(value, 1)
    if len(rule.places()) > MOST_PLACES:
        raise Problem(f"It asks for more than {MOST_PLACES} signatures.")
    if len(rule._ways()) > MOST_WAYS:
        raise Problem(f"It can be carried in more than {MOST_WAYS} ways: nobody can read that.")
    return rule


def _read(value: Any, depth: int) -> Rule:
    if not isinstance(value, dict):
        raise Problem(
            'Write an object: {"team": …}, {"role": …}, {"all_of": […]} or {"any_of": …}.'
        )
    if depth > DEEPEST:
        raise Problem(f"It is nested more than {DEEPEST} deep.")
    kinds = [one for one in ("team", "role", "all_of", "any_of") if one in value]
    if len(kinds) != 1:
        raise Problem("Say exactly one of: team, role, all_of, any_of.")
    kind = kinds[0]
    if kind in ("all_of", "any_of"):
        parts = members(value, {kind: lambda said: list_of(said, _part(depth), MOST_PLACES)})[kind]
        return Rule(kind, parts=parts)
    name = text if kind == "team" else one_of(ROLES)
    readers = {kind: name, "n": whole(1, MOST_OF_ONE)}
    if kind == "team":
        readers["on_call"] = truth
    found = members(value, readers)
    on_call = found.get("on_call", False)
    return Rule("one", of=kind, name=found[kind], n=found.get("n", 1), on_call=on_call)


def _part(depth: int) -> Any:
    return lambda said: _read(said, depth + 1)


def carried(
    rule: Rule, signers: Iterable[Signer], *, asker: Signer | None
) -> dict[Place, UUID] | None:
    """Who fills which place of the first way that is filled; None while none is.

    `signers`: who has signed (or who could, to learn whether it can be carried at all). Who asked
    is left out, and of a way at least one must be of none of the asker's teams.
    """
    free = _others(signers, asker)
    teams = asker.teams if asker is not None else frozenset()
    outside = [one for one in free if teams.isdisjoint(one.teams)]
    for way in rule.ways():
        for place in way:
            for one in outside:
                if not one.fits(place):
                    continue
                rest = [other for other in way if other != place]
                found = matched(rest, [other for other in free if other.person != one.person])
                if len(found) == len(rest):
                    return {place: one.person, **found}
    return None


def seated(rule: Rule, signers: Iterable[Signer], *, asker: Signer | None) -> dict[Place, UUID]:
    """The most places that these can fill together, for whoever looks at how far it is."""
    full = carried(rule, signers, asker=asker)
    return full if full is not None else matched(rule.places(), _others(signers, asker))


def _others(signers: Iterable[Signer], asker: Signer | None) -> list[Signer]:
    """Each person once, with all that their logins have, without who asked."""
    found: dict[UUID, Signer] = {}
    for one in signers:
        if asker is not None and one.person == asker.person:
            continue
        known = found.get(one.person, one)
        found[one.person] = Signer(
            one.person,
            known.teams | one.teams,
            known.roles | one.roles,
            known.on_call | one.on_call,
        )
    return list(found.values())


def matched(places: Sequence[Place], signers: Sequence[Signer]) -> dict[Place, UUID]:
    """The most of these places that different persons can fill, by augmenting paths."""
    held: dict[UUID, Place] = {}

    def seat(place: Place, tried: set[UUID]) -> bool:
        for one in signers:
            if one.person in tried or not one.fits(place):
                continue
            tried.add(one.person)
            if one.person not in held or seat(held[one.person], tried):
                held[one.person] = place
                return True
        return False

    for place in places:
        seat(place, set())
    return {place: person for person, place in held.items()}
