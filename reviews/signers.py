"""Who signed the authority that is in force: by name, from the answers of its case.

Owns the words of a page's "by". Whoever is accountable for a delegation (its grantor) need not have
signed it: a break-glass request that was approved by who asked has one signer. Two queries.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from identities.models import DelegationVersion
from reviews.models import BreakGlass, Decision

GIVING = ("approve", "keep", "narrow", "replace")
NOBODY = "nobody named"


class Signed(NamedTuple):
    """`names`: who signed; empty where nobody did, as of an imported one."""

    words: str
    names: tuple[str, ...] = ()
    alone: bool = False


def of(rows: Sequence[DelegationVersion]) -> dict[int, Signed]:
    """By version (its id). Rows need their `delegation` with its grantor."""
    cases = {row.case for row in rows if row.case is not None}
    names: dict[tuple[UUID, UUID | None], list[str]] = {}
    alone: dict[tuple[UUID, UUID], str] = {}
    if cases:
        answers = Decision.objects.filter(
            item__case_id__in=cases,
            item__kind="grant",
            item__ref__in=[row.delegation_id for row in rows],
            answer__in=GIVING,
            superseded_at__isnull=True,
        ).order_by("at", "pk")
        for case, ref, name in answers.values_list("item__case_id", "item__ref", "person__name"):
            names.setdefault((case, ref), []).append(name)
        opened = BreakGlass.objects.filter(case_id__in=cases, bypassed_at__isnull=False)
        alone = {
            (case, ref): name
            for case, ref, name in opened.values_list("case_id", "delegation_id", "person__name")
        }
    return {row.pk: _signed(row, names, alone) for row in rows}


def _signed(
    row: DelegationVersion,
    names: dict[tuple[UUID, UUID | None], list[str]],
    alone: dict[tuple[UUID, UUID], str],
) -> Signed:
    if row.case is not None:
        about = (row.case, row.delegation_id)
        if about in alone:
            return Signed(f"{alone[about]}, self-approved", (alone[about],), alone=True)
        if about in names:
            signers = tuple(dict.fromkeys(names[about]))
            return Signed(" and ".join(signers), signers)
    grantor = row.delegation.grantor
    return Signed(str(grantor) if grantor else NOBODY)
