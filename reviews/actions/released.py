"""Several held rungs of several cases, released or dropped together: each for itself.

Owns the bound, and that what cannot be settled keeps nothing else from it. What becomes of one is
rungs.py's.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from identities.models import User
from identities.permissions import NotAllowed, NotPossible, require
from identities.reasons import reason_given
from reviews import permissions, visible
from reviews.models import Case, Rung

from . import rungs

MOST = 100
GONE = "Somebody has released or dropped this already: look again."


class Settled(NamedTuple):
    """What became of what was selected in one case; `why`: why nothing did."""

    case: Case
    rungs: list[Rung]
    why: str


def selected(by: User, wanted: Sequence[int], *, now: datetime) -> list[tuple[Case, list[Rung]]]:
    """The held rungs of these that this user sees, by case, the smallest number first."""
    if len(wanted) > MOST:
        raise NotPossible(
            f"At most {MOST} steps are settled at once: you selected {len(wanted):,}."
        )
    rows = Rung.objects.filter(
        pk__in=wanted, state="held", case__in=visible.cases(by, now=now).values("pk")
    ).select_related("case__identity")
    found: dict[Case, list[Rung]] = {}
    for one in rows.order_by("case__number", "after", "pk"):
        found.setdefault(one.case, []).append(one)
    return list(found.items())


def why_none(by: User, wanted: Sequence[int], *, now: datetime) -> str | None:
    """Why this user may settle nothing of it, where that is so for all of it alike."""
    found = selected(by, wanted, now=now)
    said = [permissions.why_not_release(by, case) for case, _ in found]
    return said[0] if said and None not in said else None


def settle(
    *, wanted: Sequence[int], release: bool, by: User, now: datetime, reason: str
) -> list[Settled]:
    """Release or drop each of these; raises NotPossible without a reason or where none is held."""
    require(why_none(by, wanted, now=now))
    reason = reason_given(reason, what="what was looked at, and what it rests on")
    found = selected(by, wanted, now=now)
    if not found:
        raise NotPossible(GONE if wanted else "Select what is to be released or dropped.")
    act = rungs.release if release else rungs.drop
    done = []
    for case, those in found:
        try:
            act(case=case, rungs=[one.pk for one in those], by=by, now=now, reason=reason)
        except (NotAllowed, NotPossible) as refused:
            done.append(Settled(case, those, str(refused)))
        else:
            done.append(Settled(case, those, ""))
    return done
