"""Stopping all writes to other systems, and letting them go on: always two people.

Owns OutgoingSwitch rows and who may. The worker reads the switch where it claims what is due
(actions/revocations/carrying.py): what has been sent is still looked at, nothing more is sent.
Our own decision endpoint is not a write: what is held there is held at once.
"""

from datetime import datetime

from django.db import IntegrityError, transaction

from evidence import ledger, nudge
from identities.actions import two_person
from identities.models import OutgoingSwitch, User
from identities.permissions import NotPossible, cannot_sign, require
from identities.reasons import reason_given

CHANGING = frozenset({"reviewer", "responder", "administrator"})
SUBJECT = "outgoing writes"
NOTHING = "Nothing waits for a signature."
WORDS = {"stopped": "stop all outgoing writes", "open": "let outgoing writes go on"}


def current() -> OutgoingSwitch | None:
    """The switch that is in force, if anybody ever used it."""
    return OutgoingSwitch.objects.filter(state="in_force").first()


def proposed() -> OutgoingSwitch | None:
    """What waits for a second signature."""
    return OutgoingSwitch.objects.filter(state="proposed").first()


def stopped() -> bool:
    """Whether nothing goes out now."""
    found = current()
    return found is not None and found.to == "stopped"


def why_not_propose_switch(user: User, *, now: datetime) -> str | None:
    """Ask for the other position of the switch."""
    said = "Only a reviewer, a responder or an administrator may stop outgoing writes."
    return cannot_sign(user, CHANGING, said, now=now)


def why_not_sign_switch(user: User, row: OutgoingSwitch | None, *, now: datetime) -> str | None:
    """Throw the switch that is proposed: somebody else than who proposed it."""
    why = why_not_propose_switch(user, now=now)
    if why is not None:
        return why
    if row is None or row.state != "proposed":
        return NOTHING
    if row.proposed_person_id == user.person_id:
        return "You proposed it: a second person signs."
    return None


def why_not_refuse_switch(user: User, row: OutgoingSwitch | None, *, now: datetime) -> str | None:
    """Refuse what is proposed; who proposed it may take it back the same way."""
    why = why_not_propose_switch(user, now=now)
    if why is None and (row is None or row.state != "proposed"):
        return NOTHING
    return why


def propose(*, to: str, reason: str, by: User, now: datetime) -> OutgoingSwitch:
    """Ask for a second person's signature. Nothing changes before it."""
    require(why_not_propose_switch(by, now=now))
    reason = reason_given(reason, what="whoever signs reads it")
    if to not in WORDS:
        raise NotPossible(f"{to[:40]!r} is no position; choose one of {', '.join(WORDS)}.")
    if stopped() == (to == "stopped"):
        raise NotPossible("Nothing goes out now already." if stopped() else "They go out already.")
    try:
        with transaction.atomic():
            row = OutgoingSwitch.objects.create(
                to=to,
                **two_person.proposal(by=by, now=now, reason=reason),
            )
            _note(row, "outgoing.proposed", f"proposed to {WORDS[to]}: {reason}", by, now)
    except IntegrityError:
        raise NotPossible("Somebody has proposed it already: sign or refuse that first.") from None
    return row


def sign(*, by: User, now: datetime) -> OutgoingSwitch:
    """The second signature: from the next claim on the worker obeys."""
    with transaction.atomic():
        row = OutgoingSwitch.objects.select_for_update().filter(state="proposed").first()
        require(why_not_sign_switch(by, row, now=now))
        if row is None:
            raise NotPossible(NOTHING)
        OutgoingSwitch.objects.filter(state="in_force").update(state="ended")
        two_person.settle(row, "in_force", by=by, now=now)
        _note(row, f"outgoing.{row.to}", f"signed to {WORDS[row.to]}: {row.reason}", by, now)
        nudge.after_commit("revocation.requested")
    return row


def refuse(*, reason: str, by: User, now: datetime) -> OutgoingSwitch:
    """It stays as it is."""
    with transaction.atomic():
        row = OutgoingSwitch.objects.select_for_update().filter(state="proposed").first()
        require(why_not_refuse_switch(by, row, now=now))
        reason = reason_given(reason, what="whoever signs reads it")
        if row is None:
            raise NotPossible(NOTHING)
        two_person.settle(row, "refused", by=by, now=now, reason=reason)
        _note(row, "outgoing.refused", f"refused to {WORDS[row.to]}: {reason}", by, now)
    return row


def _note(row: OutgoingSwitch, act: str, said: str, by: User, now: datetime) -> None:
    ledger.append(
        at=now,
        by=by.ref,
        by_name=by.called,
        act=act,
        subject=SUBJECT,
        words=f"{by.called} {said}"[:1_000],
        data={"switch": row.pk, "to": row.to},
    )
