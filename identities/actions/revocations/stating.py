"""Saying that a change was made by hand, with what shows it: effective, because people say so.

Owns Statement rows up to the moment from which they count, and who may. Whether two persons are
needed is the caller's to say, who knows the case; what the target shows afterwards is looking.py's.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import IntegrityError, transaction

from evidence import proofs
from identities.actions.identities import record
from identities.enforcers.contract import PermanentFailure, Target
from identities.models import Identity, Revocation, Statement, User
from identities.permissions import (
    AUDITOR,
    LEFT,
    NOBODY,
    NotAllowed,
    NotPossible,
    answers_for,
    cannot_decide,
    groups,
    require,
)
from identities.reasons import reason_given

from . import late, marking

ABLE = frozenset({"responder", "administrator"})
NOTHING = "No statement waits for a second person."
OPEN = ("requested", "sending", "sent", "confirmed", "failed")
LONGEST_NAME = 200
AHEAD, LONGEST_AGO = timedelta(minutes=5), timedelta(days=366)
# Targets show a change after a while; before, looking says nothing.
FIRST_LOOK = timedelta(minutes=1)


class File(NamedTuple):
    """What was sent to show it."""

    name: str
    body: bytes


def why_not_state(user: User, identity: Identity, *, now: datetime) -> str | None:
    """State that a change was made by hand."""
    if why := cannot_decide(user):
        return why
    mine = groups(user)
    if "auditor" in mine:
        return AUDITOR
    if mine.isdisjoint(ABLE) and not answers_for(user, identity, now=now):
        return (
            f"Only a responder, an administrator or who answers for {identity.name} may state that"
            " something was done by hand."
        )
    if user.person is None:
        return NOBODY
    if user.person.left_at is not None and user.person.left_at <= now:
        return LEFT
    return None


def why_not_sign_statement(
    user: User, identity: Identity, row: Statement | None, *, now: datetime
) -> str | None:
    """The second signature: of another person than who states it."""
    why = why_not_state(user, identity, now=now)
    if why is not None:
        return why
    if row is None or row.state != "proposed":
        return NOTHING
    if row.stated_person_id == user.person_id:
        return "You stated it: a second person signs."
    return None


def why_not_refuse_statement(
    user: User, identity: Identity, row: Statement | None, *, now: datetime
) -> str | None:
    """Refuse it; who stated it takes it back the same way."""
    why = why_not_state(user, identity, now=now)
    if why is None and (row is None or row.state != "proposed"):
        return NOTHING
    return why


def state(
    *,
    revocation: Revocation,
    done_by: str,
    done_at: datetime,
    note: str,
    file: File | None,
    two_needed: bool,
    by: User,
    now: datetime,
) -> Statement:
    """It was done by hand. Counts at once, or when a second person has signed."""
    require(why_not_state(by, revocation.identity, now=now))
    if by.person is None:
        raise NotAllowed(NOBODY)
    note = reason_given(note, what="what was done, and how you know")
    who = done_by.strip()
    if not who or len(who) > LONGEST_NAME or "\0" in who:
        raise NotPossible(f"Say who did it, in at most {LONGEST_NAME} characters.")
    if not now - LONGEST_AGO <= done_at <= now + AHEAD:
        raise NotPossible("Say when it was done: within the last year, and not in the future.")
    if file is None:
        raise NotPossible(f"{proofs.WHAT} that shows it: nothing is believed without.")
    _require_open(revocation)
    _require_alone(revocation, now)
    kept = proofs.keep(body=file.body, name=file.name, by=by.ref, now=now)
    try:
        with transaction.atomic():
            row = _locked(revocation)
            _require_open(row)
            _require_alone(row, now)
            made = Statement.objects.create(
                revocation=row,
                done_by=who,
                done_at=done_at,
                note=note,
                stated_at=now,
                stated_by=by.ref,
                stated_by_name=by.called,
                stated_person=by.person,
                two_needed=two_needed,
                deposit_id=kept.deposit,
                file_name=kept.name,
                content_type=kept.content_type,
                kept_bytes=kept.kept_bytes,
                kept_digest=kept.kept_digest,
            )
            said = f"stated as done by {who} at {done_at:%Y-%m-%d %H:%M} UTC: {note}"
            waits = "; a second person is missing" if two_needed else ""
            _note(made, "revocation.stated", f"{said}{waits}", by, now)
            if not two_needed:
                _count(made, by=by, now=now)
    except IntegrityError:
        raise NotPossible(f"Somebody has stated it of {revocation.key} already.") from None
    return made


def sign(*, revocation: Revocation, by: User, now: datetime) -> Statement:
    """The second person: it counts from now on."""
    with transaction.atomic():
        row = _locked(revocation)
        found = _proposed(row)
        require(why_not_sign_statement(by, row.identity, found, now=now))
        if found is None:
            raise NotPossible(NOTHING)
        _require_open(row)
        _require_alone(row, now)
        _settle(found, by, now)
        _count(found, by=by, now=now)
    return found


def refuse(*, revocation: Revocation, reason: str, by: User, now: datetime) -> Statement:
    """Not believed, or taken back: the revocation waits as before."""
    with transaction.atomic():
        row = _locked(revocation)
        found = _proposed(row)
        require(why_not_refuse_statement(by, row.identity, found, now=now))
        reason = reason_given(reason, what="why it is not believed")
        if found is None:
            raise NotPossible(NOTHING)
        _settle(found, by, now, reason)
        found.state = "refused"
        found.save()
        _note(found, "revocation.statement_refused", f"statement refused: {reason}", by, now)
    return found


def _locked(revocation: Revocation) -> Revocation:
    rows = Revocation.objects.select_for_update(of=("self",)).select_related("identity__service")
    return rows.get(pk=revocation.pk)


def _proposed(row: Revocation) -> Statement | None:
    return row.statements.select_for_update().filter(state="proposed").first()


def _require_open(row: Revocation) -> None:
    if row.state not in OPEN:
        raise NotPossible(f"{row.key} is {row.state}: only what is not effective yet is stated.")


def _require_alone(row: Revocation, now: datetime) -> None:
    """What lives of what it issued keeps it from being effective, whoever states it."""
    lives = late.known(row, now=now)
    if lives:
        named = ", ".join(one.words for one in lives[: late.MOST_NAMED])
        raise NotPossible(
            f"{row.key} is not effective while what was issued with it lives: {named}. End that first,"
            " or state of each of it that it was ended."
        )


def _settle(found: Statement, by: User, now: datetime, reason: str = "") -> None:
    found.settled_at, found.settled_by, found.settled_by_name = now, by.ref, by.called
    found.settled_person, found.settled_reason = by.person, reason


def _count(found: Statement, *, by: User, now: datetime) -> None:
    """Whoever carries it out meanwhile writes no more: the row is no longer where it was left."""
    row = found.revocation
    row.state, row.effective_at, row.leased_until = "effective", now, None
    row.failed_why, row.who_must_act, row.residual, row.residual_until = "", "", [], None
    row.save(
        update_fields=[
            "state",
            "effective_at",
            "leased_until",
            "failed_why",
            "who_must_act",
            "residual",
            "residual_until",
        ]
    )
    # A statement before it that something has overtaken since leaves its place.
    row.statements.filter(state="stands").exclude(pk=found.pk).update(state="over", look_at=None)
    found.state, found.counted_at, found.look_at = "stands", now, now + FIRST_LOOK
    found.save()
    _note(
        found, "revocation.effective", "effective, as people state it; nobody has seen it", by, now
    )
    if marking.STATES.get(row.step) in ("held", "revoked"):
        try:
            target = Target.from_json(row.target)
        except PermanentFailure:
            return
        because = f"{row.key}: {row.words}: stated by {found.stated_by_name}"
        # Held is what can be taken back, should the target show otherwise.
        marking.mark(row, target, now=now, because=because, as_="held")


def _note(found: Statement, act: str, said: str, by: User, now: datetime) -> None:
    row = found.revocation
    record(
        row.identity,
        by=by,
        now=now,
        act=act,
        words=f"{row.key}: {row.words}: {said}"[:3_000],
        data={
            "revocation": row.key,
            "case": row.case_key,
            "statement": found.pk,
            "deposit": found.deposit_id,
            "sha256": found.kept_digest,
        },
    )
