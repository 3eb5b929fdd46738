"""Links that somebody wants to make or take back, as one kind of row, and carrying them out.

Owns no rule of its own: what is done is deciding.py's, what is shown before foreseeing.py's.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from evidence.models import Actor
from identities.acting import By
from identities.models import Binding, Identity
from identities.permissions import NotAllowed, NotPossible

from . import deciding
from .deciding import Settled, Verdict


class Link(NamedTuple):
    """One link: made, or taken back (`ends`). `binding`: the proposal, or what is taken back."""

    identity: Identity
    actor: Actor
    binding: Binding | None = None
    shared: bool | None = None
    ends: bool = False


def of(rows: Iterable[Binding], *, shared: bool | None = None) -> list[Link]:
    """Proposals to be confirmed."""
    return [Link(row.identity, row.actor, row, shared) for row in rows]


def ending(row: Binding) -> Link:
    """A confirmed link to be taken back."""
    return Link(row.identity, row.actor, row, ends=True)


def carry(
    links: Sequence[Link], *, by: By, now: datetime, reason: str = "", signed: bool = False
) -> list[Settled]:
    """Do what these want, in their order; of each the row, or why it was refused. `signed`: whoever
    answers for the other identities of the actors has signed."""
    proposed = [one for one in links if one.binding is not None and not one.ends]
    settled: dict[int, Settled] = {}
    if proposed:
        verdicts = [
            Verdict(one.binding, "confirmed", _because(one.binding, reason), one.shared)
            for one in proposed
            if one.binding is not None
        ]
        made = deciding.settle_all(verdicts, by=by, now=now, signed=signed)
        settled = {one.binding.pk: row for one, row in zip(verdicts, made, strict=True)}
    found: list[Settled] = []
    for one in links:
        if one.binding is not None and not one.ends:
            found.append(settled[one.binding.pk])
            continue
        try:
            found.append(_by_hand(one, by=by, now=now, reason=reason, signed=signed))
        except (NotAllowed, NotPossible) as refused:
            found.append(refused)
    return found


def _by_hand(link: Link, *, by: By, now: datetime, reason: str, signed: bool) -> Binding:
    if link.ends and link.binding is not None:
        return deciding.unbind(binding=link.binding, by=by, now=now, reason=reason) or link.binding
    return deciding.bind(
        identity=link.identity,
        actor=link.actor,
        by=by,
        now=now,
        shared=bool(link.shared),
        reason=reason,
        signed=signed,
    )


def _because(proposal: Binding, reason: str) -> str:
    """What the proposal counted stays beside why it was confirmed."""
    if not proposal.reason or reason.startswith(proposal.reason):
        return reason
    return f"{proposal.reason}; {reason}" if reason else ""
