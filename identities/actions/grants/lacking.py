"""What could not be given or taken away today: asked at night with the enforcers' own rights.

Owns which grants are asked about (what bundles offer, and what is or will be given) and the question
to each account. The rows that keep the answers are actions/revocations/rights.py's.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from identities.enforcers.contract import MissingRight, Permission, plain
from identities.enforcers.grants import Given
from identities.models import Grant

from . import systems
from .systems import What

# Of one account so many are asked about.
MOST = 50

type Place = tuple[str, str]

_offering: list[Callable[[], Iterable[What]]] = []


def offered_by(offers: Callable[[], Iterable[What]]) -> None:
    """Tell this layer, which knows no bundles, what may be given any night."""
    _offering[:] = [offers]


def wanted(*, now: datetime) -> dict[Place, list[Given]]:
    """By system and account: what may have to be given or taken away, each once."""
    rows = Grant.objects.exclude(state="ended").order_by("number")
    whats = [what for offers in _offering for what in offers()]
    whats += [
        What(
            system=row.system,
            account=row.account,
            kind=row.kind,
            name=row.name,
            permissions=tuple(
                Permission(tuple(one["actions"]), tuple(one["resources"]))
                for one in row.permissions
            ),
            extra=row.extra,
        )
        for row in rows
    ]
    found: dict[Place, dict[str, Given]] = {}
    for what in whats:
        if systems.kind_of(what.system, what.kind) is None:
            continue
        those = found.setdefault((what.system, what.account), {})
        if len(those) < MOST:
            given = Given("GRT-0", what.target, what.permissions, now, now + timedelta(hours=1))
            those.setdefault(repr(what.target), given)
    return {place: list(those.values()) for place, those in found.items()}


def missing(place: Place, given: Sequence[Given]) -> list[MissingRight]:
    """What its granter lacks for these. Raises TemporaryFailure, PermanentFailure."""
    if not given:
        return []
    found = systems.granter(*place).own_rights(given)
    return [
        replace(one, sentence=plain(f"To give access for a while: {one.sentence}")) for one in found
    ]
