"""What an identity was given in an emergency, and what it did under that: as its page tells it.

Owns the reading. Which calls count under a break-glass grant is reviews/break_glass/comparing.py;
at most MOST_SHOWN grants are looked at, the newest first.
"""

from collections import Counter
from datetime import datetime
from typing import NamedTuple

from evidence.words import counted
from identities.findings import family
from identities.models import DelegationVersion, Identity
from reviews import signers
from reviews.break_glass import comparing
from reviews.models import BreakGlass

MOST_SHOWN = 3


class Given(NamedTuple):
    """One break-glass grant. `until`: its end, None where none is known; `done`: the calls inside
    what was given, by action and resource family; `beyond`: calls in its time that were not."""

    row: DelegationVersion
    case: str
    signed: signers.Signed
    since: datetime
    until: datetime | None
    over: bool
    done: dict[tuple[str, str], int]
    beyond: int
    missing: str  # why calls may be missing, ""

    @property
    def words(self) -> str:
        """ "4 calls under it, 1 call beside it"."""
        said = f"{counted(sum(self.done.values()), 'call')} under it"
        return f"{said}, {counted(self.beyond, 'call')} beside it" if self.beyond else said


def of(identity: Identity, *, at: datetime) -> list[Given]:
    """The newest that were open at the moment or before."""
    opened = list(
        BreakGlass.objects.filter(
            delegation__grantee=identity, opened_at__lte=at, case__sealed=False
        )
        .select_related("case__identity", "bundle", "delegation__grantor")
        .order_by("-opened_at")[:MOST_SHOWN]
    )
    newest: dict[object, DelegationVersion] = {}
    for row in (
        DelegationVersion.objects.filter(
            delegation__in=[one.delegation_id for one in opened],
            state="in_force",
            superseded_at__isnull=True,
        )
        .select_related("delegation__grantor")
        .order_by("version")
    ):
        newest[row.delegation_id] = row
    signed = signers.of(list(newest.values()))
    return [
        _given(one, newest[one.delegation_id], signed, at)
        for one in opened
        if one.delegation_id in newest
    ]


def _given(
    one: BreakGlass, row: DelegationVersion, signed: dict[int, signers.Signed], at: datetime
) -> Given:
    found = comparing.compare(one, now=at)
    in_scope = [call for call in found.calls if call.scope == comparing.IN_SCOPE]
    # What it may do anyway is done under that.
    inside = [call for call in in_scope if call.why != comparing.ANYWAY]
    ends = [when for when in (row.during.upper, row.revoked_at) if when is not None]
    until = min(ends) if ends else None
    return Given(
        row=row,
        case=one.case.key,
        signed=signed[row.pk],
        since=one.opened_at or row.during.lower,
        until=until,
        over=until is not None and until <= at,
        done=dict(Counter((call.action, family(call.resource)) for call in inside)),
        beyond=len(found.calls) - len(in_scope),
        missing=found.missing,
    )
