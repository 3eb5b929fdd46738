"""By what an identity is suspended, and since when: read from what was written when it happened.

Owns the sentence. Who may ask that it works again is resuming.py.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from identities.models import Identity, IdentityState, Revocation
from reviews.ladder import DUE
from reviews.models import Case, EndStep, Item, Rung

# A case in these states still says what becomes of what it suspended.
GOES_ON = ("draft", "open", "decided", "carrying_out")


class Suspension(NamedTuple):
    """`why`: a clause that goes on from "Suspended …". `case`: the one that did it, if one did."""

    since: datetime
    by: str
    why: str
    case: Case | None


def begun(identities: Iterable[UUID], *, now: datetime) -> dict[UUID, datetime]:
    """Since when each of these is suspended; those that are not are left out."""
    rows = IdentityState.objects.filter(
        identity__in=list(identities),
        state="suspended",
        superseded_at__isnull=True,
        during__contains=now,
    )
    return {row.identity_id: row.during.lower for row in rows}


def read(identity: Identity, *, now: datetime) -> Suspension | None:
    """By whom, when, by which rung of which case; None where it is not suspended."""
    if identity.state != "suspended":
        return None
    stretch = IdentityState.objects.filter(
        identity=identity, state="suspended", superseded_at__isnull=True, during__contains=now
    ).first()
    if stretch is None:
        return None
    since = stretch.during.lower
    # Whatever suspends asks for it at our own door in the same moment.
    row = (
        Revocation.objects.filter(identity=identity, step="suspend", requested_at=since)
        .order_by("number")
        .first()
    )
    case = None
    if row is not None and row.case is not None:
        case = Case.objects.filter(pk=row.case).first()
    by = "Countersign" if row is None else row.requested_by_name or row.requested_by
    return Suspension(since, by, _why(identity, since, case) or stretch.because, case)


def _why(identity: Identity, since: datetime, case: Case | None) -> str:
    """What stands behind it; "" where only the words say it that were written then."""
    if case is None:
        end = EndStep.objects.filter(
            identity=identity, did="suspended", days=0, done_at=since
        ).first()
        if end is None:
            return ""
        return f"its attestation ended on {_moment(end.ends_at)}, and nobody had renewed it"
    for rung in Rung.objects.filter(case=case, state="done", done_at=since).order_by("after"):
        if rung.does == "suspend":
            return (
                f"nobody had decided {case.key}, and the rung “suspend” of its ladder was due on"
                f" {_moment(rung.at)}"
            )
        if rung.does == DUE and case.silence == "suspend":
            return (
                f"nobody had decided {case.key} by its deadline, {_moment(rung.at)}, and its policy"
                " says that silence suspends"
            )
    decided = Item.objects.filter(case=case, kind="identity", outcome="revoke")
    if decided.filter(carried_out_at=since).exists():
        return f"its seats decided so in {case.key}"
    return ""


def _moment(at: datetime) -> str:
    return f"{at:%-d %b %Y %H:%M} UTC"
