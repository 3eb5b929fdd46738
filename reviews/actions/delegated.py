"""What decided items do to delegations and to what is proposed of them, in sentences.

Owns the acts of the kinds `delegation` and `grant`; the version rows are versions.py. All of a set
are one after the other, each on what those before it left.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from identities.acting import By, acting
from identities.authority import phrases
from identities.models import DelegationVersion
from identities.permissions import NotPossible
from reviews.models import Decision

from . import entitled, holds, settling
from .carried import Came, Due, Waits, identity_of, plan_of
from .versions import Versions

MOST_SAID = 20
# These may change what was passed on from it as well.
WITH_BELOW = ("narrow", "replace", "revoke", "approve")


class _Set(NamedTuple):
    known: Versions
    standing: Mapping[UUID, Sequence[Decision]]


def carry_all(those: Sequence[Due], *, by: By, now: datetime) -> list[Came]:
    """Do what is decided of these."""
    for one in those:
        if one.does in ("narrow", "revoke"):
            holds.carried_out(one.item, now=now)
    whole: list[UUID] = []
    alone: list[UUID] = []
    for one in those:
        if one.item.ref is not None:
            (whole if one.does in WITH_BELOW else alone).append(one.item.ref)
    answered = [one.item for one in those if one.does in ("narrow", "replace")]
    these = _Set(
        Versions(whole, alone, by=acting(by).ref, now=now),
        settling.standing(answered) if answered else {},
    )
    said: list[Came] = []
    for one in those:
        try:
            said.append(_ACTS[one.does](one, these))
        except NotPossible as refused:
            said.append(refused)
    these.known.write()
    granted = [
        one
        for one, came in zip(those, said, strict=True)
        if one.does == "approve" and isinstance(came, str)
    ]
    there = entitled.follow(granted, by=by, now=now) if granted else {}
    return [
        f"{came}; {there[one.item.pk]}" if isinstance(came, str) and one.item.pk in there else came
        for one, came in zip(those, said, strict=True)
    ]


def _keep(one: Due, these: _Set) -> str:
    row = these.known.row(one.item.ref)
    current = these.known.in_force(row.pk)
    if current is None:
        return f"{row.key} is not in force; a proposal waits for its access request"
    unsigned = not current.signed
    these.known.attest(current, one.case)
    return f"{row.key} is signed by {one.case.key}" if unsigned else f"{row.key} is kept"


def _narrow(one: Due, these: _Set) -> str:
    row = these.known.row(one.item.ref)
    current = these.known.in_force(row.pk)
    if current is None:
        return f"{row.key} is not in force: nothing is left to narrow"
    left = settling.left_of(one.item, these.standing[one.item.pk])
    made, below = these.known.narrow(current, left, one.case)
    said = phrases.phrase(made.actions, made.resources)[:500]
    return "; ".join([f"{row.key} is narrowed to: {said}", *below[:MOST_SAID]])


def _replace(one: Due, these: _Set) -> Came:
    """It ends by itself on the date of the plan; what is critical, a person ends."""
    row = these.known.row(one.item.ref)
    plan = plan_of(these.standing[one.item.pk])
    if plan is None:
        raise NotPossible("No answer says by when it is replaced: answer again with a date.")
    current = these.known.in_force(row.pk)
    if current is None:
        return f"{row.key} is not in force: nothing is left to replace"
    words = f"{row.key} ends on {plan:%-d %b %Y %H:%M} UTC, when it has to be replaced"
    if identity_of(one.case).criticality == "critical":
        return Waits(f"{words}; critical, so a person ends it", plan)
    below = these.known.end_at(current, plan, one.case)
    return Waits("; ".join([words, *below[:MOST_SAID]]), plan)


def _revoke(one: Due, these: _Set) -> str:
    row = these.known.row(one.item.ref)
    keys = these.known.end(row.pk, one.case)
    if not keys and one.item.outcome == "replace":
        return f"{row.key} has ended as planned"
    return f"{' and '.join(keys)} ended" if keys else f"{row.key} was not in force"


def _approve(one: Due, these: _Set) -> str:
    proposal = _proposed(one, these)
    if proposal is None or proposal.version != one.item.proposal.get("version"):
        raise NotPossible("What was signed is no longer what is proposed: ask again.")
    made, below = these.known.bring_into_force(proposal, one.case)
    end = "" if made.during.upper is None else f" until {made.during.upper:%-d %b %Y %H:%M} UTC"
    return "; ".join([f"{made.delegation.key} is in force{end}", *below[:MOST_SAID]])


def _deny(one: Due, these: _Set) -> str:
    proposal = _proposed(one, these)
    if proposal is not None:
        these.known.reject(proposal.delegation_id, one.case)
    return "nothing is granted"


def _proposed(one: Due, these: _Set) -> DelegationVersion | None:
    return these.known.proposed(these.known.row(one.item.ref).pk)


_ACTS: dict[str, Callable[[Due, _Set], Came]] = {
    "keep": _keep,
    "narrow": _narrow,
    "replace": _replace,
    "revoke": _revoke,
    "approve": _approve,
    "deny": _deny,
}
