"""How far containment is: each step's four moments, what lives on, and the clocks of the room.

Owns no row and writes nothing: what a target shows is its revocation's to say. A constant number of
queries, whatever the case holds.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q

from identities.models import Revocation
from reviews.models import Case, ContainmentStep, ContainmentTarget

# What stops something; the others let something go.
STOPPING = ("hold", "narrow", "suspend", "revoke")
STANDING = ("asked",)


class Far(NamedTuple):
    """The four moments of a thing or step, None where one has not come; what failed, how many times
    it was tried, what lives on, and how many targets there are and could not be asked for."""

    requested_at: datetime | None = None
    sent_at: datetime | None = None
    confirmed_at: datetime | None = None
    effective_at: datetime | None = None
    failed: tuple[Revocation, ...] = ()
    attempts: int = 0
    residual: tuple[dict[str, str], ...] = ()
    targets: int = 0
    refused: int = 0

    @property
    def moments(self) -> "Moments":
        """The four of them."""
        return self.requested_at, self.sent_at, self.confirmed_at, self.effective_at

    @property
    def reached(self) -> str:
        """The last of the four words that is true of all of it; "" where nothing was asked for."""
        found = ""
        for word, at in zip(
            ("requested", "sent", "confirmed", "effective"), self.moments, strict=True
        ):
            if at is None:
                break
            found = word
        return found


class State(NamedTuple):
    """Of a case: since when everything that its steps stop is held or dead, and since when every
    revocation is effective; None: not yet. Counted in revocations."""

    contained_at: datetime | None
    proved_at: datetime | None
    asked: int = 0
    effective: int = 0
    failed: int = 0


def revocations_of(rows: Iterable[ContainmentTarget]) -> dict[UUID, Revocation]:
    """What stands for these, and what it took along, by id."""
    wanted = {pk for row in rows for pk in (*row.revocations, *row.released)}
    found = Revocation.objects.prefetch_related("statements").select_related("identity")
    those = found.filter(Q(pk__in=wanted) | Q(cause__in=wanted)).order_by("number")
    return {one.pk: one for one in those}


def of_row(row: ContainmentTarget, known: Mapping[UUID, Revocation]) -> list[Revocation]:
    """What stands for one thing, and what that took along, the first of them first."""
    own = [known[pk] for pk in row.revocations if pk in known]
    return own + [one for one in known.values() if one.cause_id in row.revocations]


type Moments = tuple[datetime | None, datetime | None, datetime | None, datetime | None]


def of_target(row: ContainmentTarget, known: Mapping[UUID, Revocation]) -> Far:
    """How far one thing is."""
    made = of_row(row, known)
    if row.failed_why and not made:
        return Far(targets=1, refused=1)
    at: Moments = (row.done_at, row.done_at, row.done_at, row.done_at)
    if made:
        # Of what failed on the way the moments it had stay, and the next ones do not come.
        at = _together(
            [(one.requested_at, one.sent_at, one.confirmed_at, one.effective_at) for one in made]
        )
    return _far(
        at,
        failed=tuple(one for one in made if one.state == "failed"),
        attempts=sum(one.attempts for one in made),
        residual=tuple(found for one in made if one.state != "effective" for found in one.residual),
        targets=1,
        refused=int(bool(row.failed_why)),
    )


def of_step(rows: Sequence[ContainmentTarget], known: Mapping[UUID, Revocation]) -> Far:
    """How far all of a step is; what could not be asked for keeps it from being done."""
    each = [of_target(row, known) for row in rows]
    at = _together([one.moments for one in each])
    begun = [one.requested_at for one in each if one.requested_at is not None]
    return _far(
        (at[0] or max(begun, default=None), *at[1:]),
        failed=tuple(found for one in each for found in one.failed),
        attempts=sum(one.attempts for one in each),
        residual=tuple(found for one in each for found in one.residual),
        targets=len(each),
        refused=sum(one.refused for one in each),
    )


def _together(those: Sequence[Moments]) -> Moments:
    """The moments by which all of these have come so far."""
    found: list[datetime | None] = []
    for place in range(4):
        at = [one[place] for one in those]
        found.append(
            None if None in at else max((one for one in at if one is not None), default=None)
        )
    return found[0], found[1], found[2], found[3]


def _far(
    at: Moments,
    *,
    failed: tuple[Revocation, ...],
    attempts: int,
    residual: tuple[dict[str, str], ...],
    targets: int,
    refused: int,
) -> Far:
    return Far(at[0], at[1], at[2], at[3], failed, attempts, residual, targets, refused)


def state(case: Case, *, now: datetime) -> State:  # noqa: ARG001 - as everything that is asked of a room
    """The clocks: what every step and every other stop of the case has come to. Two queries."""
    steps = ContainmentStep.objects.filter(case=case).prefetch_related("targets")
    found = list(steps)
    undone = {pk for one in found if one.state == "undone" for row in one.targets.all()
              for pk in row.revocations}  # fmt: skip
    rows = [
        one
        for one in Revocation.objects.filter(case=case.pk, step__in=STOPPING)
        if one.state != "undone" and one.pk not in undone
    ]
    standing = [row for one in found if one.state in STANDING for row in one.targets.all()]
    own = {pk for row in standing for pk in row.revocations}
    missing = own - {one.pk for one in rows}
    if missing:
        # One that another case had asked for stands for it as well.
        rows += list(Revocation.objects.filter(pk__in=missing).exclude(state="undone"))
    here = [row.done_at for row in standing if row.done_at is not None]
    waits = any(one.state == "waiting" for one in found)
    proposed = any(one.state == "proposed" for one in found)
    refused = any(row.failed_why for row in standing)
    shown = [one.confirmed_at for one in rows]
    contained = None
    if (shown or here) and not waits and not refused and None not in shown:
        contained = max(at for at in (*shown, *here) if at is not None)
    if any(one.state == "failed" for one in rows):
        contained = None
    done = [one.effective_at for one in rows if one.state == "effective"]
    proved = None
    if contained is not None and len(done) == len(rows) and not proposed:
        proved = max(at for at in (*done, *here) if at is not None)
    return State(
        contained,
        proved,
        asked=len(rows),
        effective=len(done),
        failed=sum(one.state == "failed" for one in rows),
    )
