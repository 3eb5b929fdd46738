"""What a stop of a credential takes along: everything that evidence shows was issued with it.

Owns which credentials go along with which ask, read for all asks at once, before anything is locked.
Each goes along as a change of its own (together.py); what becomes known later is late.py's. Must not
know rows of cases.
"""

import itertools
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from identities import issued
from identities.actions import makings
from identities.issued import Below
from identities.models import Credential, Identity, Revocation

from .asks import Ask, takes

LONGEST_BECAUSE = 2_000

# What was held with these credentials, and that nobody has asked anything else of since.
HELD_WITH = """
SELECT k.credential_id, c.id, c.actor_id, c.identity_id
FROM identities_revocation k
JOIN identities_revocation r ON r.cause_id = k.id AND r.step = 'hold' AND r.state <> 'undone'
JOIN identities_credential c ON c.id = r.credential_id AND c.state IN ('active', 'held')
WHERE k.credential_id = ANY(%s) AND k.step = 'hold' AND NOT EXISTS (
    SELECT 1 FROM identities_revocation v WHERE v.credential_id = c.id AND v.number > r.number
      AND v.state <> 'undone')
ORDER BY k.credential_id, r.number
"""


class Child(NamedTuple):
    """A credential that goes along: its identity, its actor, and the actor that it was issued with;
    `endless`: no end of it is known."""

    credential: UUID
    identity: UUID | None
    actor: int
    above: int
    endless: bool


def standing(found: Sequence[Below], *, now: datetime) -> list[Below]:
    """The same, with a credential that stands for each principal among them."""
    bare = {one.actor for one in found if one.made and one.credential is None}
    rows = makings.stand_for(bare, now=now)
    return [
        one._replace(credential=rows[one.actor][0], identity=rows[one.actor][1])
        if one.actor in rows
        else one
        for one in found
    ]


class Along:
    """What goes along with each of these asks. A constant number of queries."""

    def __init__(self, asks: Sequence[Ask], *, now: datetime) -> None:
        self._of: dict[tuple[str, UUID], list[Child]] = {}
        both = (False, True)
        for step, spares_own, takes_made in itertools.product(issued.STOPS, both, both):
            roots = {
                ask.credential.actor_id: ask.credential.pk
                for ask in asks
                if ask.credential is not None
                and takes(ask)
                and (ask.step, ask.spares_own, ask.takes_made) == (step, spares_own, takes_made)
            }
            found = issued.below(
                list(roots.values()),
                step=step,
                spares_own=spares_own,
                takes_made=takes_made,
                now=now,
            )
            for one in standing(found, now=now):
                if one.credential is None:
                    continue  # late.py asks for it when there is a row of it
                child = Child(one.credential, one.identity, one.actor, one.above, one.ends is None)
                self._of.setdefault((step, roots[one.root]), []).append(child)
        released = {ask.credential.pk for ask in asks if ask.credential and ask.step == "release"}
        if released:
            self._release(released)

    def _release(self, released: set[UUID]) -> None:
        with connection.cursor() as cursor:
            cursor.execute(HELD_WITH, [list(released)])
            for root, credential, actor, identity in cursor.fetchall():
                child = Child(credential, identity, actor, 0, False)
                self._of.setdefault(("release", root), []).append(child)

    @property
    def credentials(self) -> set[UUID]:
        """Everything that goes along, to be locked with what is asked for."""
        return {one.credential for those in self._of.values() for one in those}

    def has(self, ask: Ask) -> bool:
        """Whether anything goes along with this."""
        return ask.credential is not None and (ask.step, ask.credential.pk) in self._of

    @property
    def identities(self) -> set[UUID]:
        """Whose it is."""
        whose = {one.identity for those in self._of.values() for one in those}
        return {pk for pk in whose if pk is not None}

    def of(
        self,
        ask: Ask,
        first: Revocation,
        *,
        credentials: dict[UUID, Credential],
        identities: dict[UUID, Identity],
    ) -> Iterator[tuple[Ask, int, int]]:
        """What is asked for with this, each with its actor and the actor above it, parents first.
        `first` is the row of what is asked for. Who may stop that may stop what it issued."""
        if ask.credential is None:
            return
        with_ = f" (issued with {ask.credential.short})"
        because = f"{ask.because[: LONGEST_BECAUSE - len(with_)]}{with_}"
        for one in self._of.get((ask.step, ask.credential.pk), ()):
            credential = credentials.get(one.credential)
            identity = identities.get(ask.identity.pk if one.identity is None else one.identity)
            if credential is None or identity is None:
                continue
            if identity.pk != ask.identity.pk and not ask.takes_others:
                continue
            child = ask._replace(
                identity=identity,
                credential=credential,
                because=because,
                # What ends by itself is listed with its end; what does not waits for people.
                by_hand=one.endless and ask.step != "release",
                cause=first,
            )
            yield child, one.actor, one.above
