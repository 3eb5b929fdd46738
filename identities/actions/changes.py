"""Changing what exists takes two people: one proposes, another sees what it would do and signs.

Owns ProposedChange rows. What a kind of change does, and who may be the second person, is said by
whoever knows that kind (`kind`). It is applied in the transaction that signs it, and only if it
still does exactly what both were shown.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

import orjson
from django.db import transaction

from evidence import ledger
from identities.acting import COUNTERSIGN, Acting, By, acting
from identities.actions import two_person
from identities.models import ProposedChange, User
from identities.models.changes import LASTS
from identities.permissions import (
    AUDITOR,
    LEFT,
    NOBODY,
    NotPossible,
    cannot_decide,
    groups,
    require,
)
from identities.reasons import reason_given

STALE = (
    "{} does not change what it would have changed when it was proposed, because something else"
    " changed since. Refuse it, and propose it again."
)


class Line(NamedTuple):
    """One thing that changes: what, and how."""

    about: str
    words: str


class Kind(Protocol):
    """What one kind of change does, and who may sign it."""

    def why_not_sign(self, user: User, row: ProposedChange, *, now: datetime) -> str | None:
        """Why this person, who did not propose it, may not be the second one."""

    def apply(self, row: ProposedChange, *, by: Acting, now: datetime) -> Sequence[Line]:
        """Do it, inside the transaction that signs it; what has changed."""


_KINDS: dict[str, Kind] = {}


def kind(name: str, of: Kind) -> None:
    """Say once, when the applications are ready, what a kind of change does."""
    _KINDS[name] = of


def why_not_take_part(user: User, *, now: datetime) -> str | None:
    """Why a login neither proposes nor signs anything."""
    if why := cannot_decide(user):
        return why
    if "auditor" in groups(user):
        return AUDITOR
    if user.person is None:
        return NOBODY
    if user.person.left_at is not None and user.person.left_at <= now:
        return LEFT
    return None


def why_not_sign_change(user: User, row: ProposedChange, *, now: datetime) -> str | None:
    """Sign a change, which applies it: somebody else than who proposed it."""
    why = why_not_take_part(user, now=now) or two_person.why_not_second(user, row)
    if why is not None:
        return why
    if row.lapses_at <= now:
        return f"{row} is over: nobody signed it within {LASTS.days} days. Propose it again."
    return _KINDS[row.kind].why_not_sign(user, row, now=now)


def why_not_refuse_change(user: User, row: ProposedChange, *, now: datetime) -> str | None:
    """Refuse a change; who proposed it may take it back the same way."""
    why = why_not_take_part(user, now=now) or two_person.why_not_open(row)
    if why is not None or row.proposed_person_id == user.person_id:
        return why
    return _KINDS[row.kind].why_not_sign(user, row, now=now)


def propose(
    *,
    kind: str,
    subject: str,
    title: str,
    document: dict[str, Any],
    lines: Sequence[Line],
    reason: str,
    by: User,
    now: datetime,
) -> ProposedChange:
    """Ask for a second person's signature; nothing changes before it. The same again is the same
    proposal, and another one of the same person about the same thing takes its place."""
    require(why_not_take_part(by, now=now))
    reason = reason_given(reason, what="what changes, and what for")
    said = [list(one) for one in lines]
    digest = hashlib.sha256(orjson.dumps([kind, subject, document, said])).hexdigest()
    with transaction.atomic():
        waiting = ProposedChange.objects.select_for_update(of=("self",)).filter(
            state="proposed", kind=kind, subject=subject, title=title, proposed_person=by.person
        )
        for one in waiting.order_by("number"):
            if one.digest == digest and one.lapses_at > now:
                return one
            _refuse(one, "another proposal of the same person takes its place", by=by, now=now)
        row = ProposedChange.objects.filter(state="proposed", digest=digest).first()
        if row is not None:
            raise NotPossible(f"{row} says this already: it waits for a second person.")
        row = ProposedChange.objects.create(
            kind=kind,
            subject=subject,
            title=title,
            document=document,
            lines=said,
            digest=digest,
            **two_person.proposal(by=by, now=now, reason=reason),
        )
        row.refresh_from_db(fields=["number"])
        _note(row, "change.proposed", f"{by.called} proposed {_said(row)}", by=by, now=now)
    return row


def sign(*, change: ProposedChange, by: User, now: datetime) -> ProposedChange:
    """The second signature: it is applied. NotPossible where it does not do any more what both
    were shown; then nothing is changed."""
    with transaction.atomic():
        row = _locked(change)
        require(why_not_sign_change(by, row, now=now))
        two_person.settle(row, "in_force", by=by, now=now)
        _note(row, "change.signed", f"{by.called} signed {_said(row)}", by=by, now=now)
        # Two people stand behind what follows, so no permission of one of them is asked again.
        both = Acting(by.ref, f"{row.proposed_by_name} and {by.called}")
        done = _KINDS[row.kind].apply(row, by=both, now=now)
        if [list(one) for one in done] != row.lines:
            raise NotPossible(STALE.format(row))
    return row


def refuse(*, change: ProposedChange, reason: str, by: User, now: datetime) -> ProposedChange:
    """It is never applied."""
    with transaction.atomic():
        row = _locked(change)
        require(why_not_refuse_change(by, row, now=now))
        _refuse(row, reason_given(reason, what="why it stays as it is"), by=by, now=now)
    return row


def lapse_next(*, now: datetime) -> bool:
    """Refuse one that nobody signed in time; False when there is none."""
    with transaction.atomic():
        row = (
            ProposedChange.objects.select_for_update(of=("self",), skip_locked=True)
            .filter(state="proposed", proposed_at__lte=now - LASTS)
            .order_by("proposed_at")
            .first()
        )
        if row is None:
            return False
        _refuse(row, f"nobody signed it within {LASTS.days} days", by=COUNTERSIGN, now=now)
    return True


def _locked(change: ProposedChange) -> ProposedChange:
    return ProposedChange.objects.select_for_update(of=("self",)).get(pk=change.pk)


def _refuse(row: ProposedChange, reason: str, *, by: By, now: datetime) -> None:
    two_person.settle(row, "refused", by=by, now=now, reason=reason)
    _note(row, "change.refused", f"{acting(by).name} refused {row}: {reason}", by=by, now=now)


def _said(row: ProposedChange) -> str:
    lines = "; ".join(f"{about}: {words}" for about, words in row.lines)
    return f"{row}: {lines}. {row.reason}"


def _note(row: ProposedChange, act: str, words: str, *, by: By, now: datetime) -> None:
    who = acting(by)
    ledger.append(
        at=now,
        by=who.ref,
        by_name=who.name,
        act=act,
        subject=row.subject,
        words=words[:1_000],
        data={"change": row.key, "digest": row.digest, "document": row.document},
    )
