"""Rules of automatic holds: proposed by one with a dry replay, signed by another, off by one.

Owns HoldRule rows. A rule is never changed in place: it ends, or another one is signed. What it
has held stays held until people release it or make it final (settling.py).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import IntegrityError, OperationalError, connection, transaction

from evidence import ledger, locks, nudge
from evidence.locks import Lock
from identities.acting import By, acting
from identities.actions import two_person
from identities.models import Person, User
from identities.permissions import NotPossible, require
from identities.reasons import reason_given
from reviews import automatic_permissions
from reviews.actions import freezing, policy_versions
from reviews.models import HoldRule
from reviews.models.automatic import MOST_IN_AN_HOUR

from . import classes as may_be
from . import replay, scopes

# Each is asked for every finding that is new.
MOST_RULES = 20
MOST_SECONDS = 2
DAYS = 30


def one_at_a_time() -> None:
    """Limits are counted, and rules switched off, by one transaction after the other."""
    with connection.cursor() as cursor:
        locks.take(cursor, Lock.AUTOMATIC_HOLDS)


def in_force() -> list[HoldRule]:
    """The rules that hold by themselves now, the one signed first first."""
    rows = HoldRule.objects.filter(state="in_force").select_related("asked")
    return list(rows.order_by("settled_at", "number"))


def words(rule: HoldRule) -> str:
    """What it says in one sentence, without its end."""
    return (
        f"{may_be.words(rule.classes)} of {scopes.words(rule.scope)}: held by itself, at most"
        f" {rule.per_hour:,} in an hour and {rule.per_day:,} in a day"
    )


def checked(
    *, scope: dict[str, Any], classes: Sequence[str], per_hour: int, per_day: int, days: int
) -> None:
    """NotPossible with what is wrong with a rule that is proposed or tried."""
    policy_versions.require_known(scopes.document(scope))
    if not classes:
        raise NotPossible("Choose at least one class of findings.")
    for name in classes:
        if why := may_be.why_not(name):
            raise NotPossible(why)
    if not 1 <= per_hour <= MOST_IN_AN_HOUR:
        raise NotPossible(f"In an hour it holds between 1 and {MOST_IN_AN_HOUR}.")
    if not per_hour <= per_day <= 24 * MOST_IN_AN_HOUR:
        raise NotPossible("In a day it holds at least as many as in an hour.")
    if not 1 <= days <= replay.LONGEST_DAYS:
        raise NotPossible(f"The replay looks back between 1 and {replay.LONGEST_DAYS} days.")


def propose(
    *,
    scope: dict[str, Any],
    classes: Sequence[str],
    per_hour: int,
    per_day: int,
    asked: Person,
    reason: str,
    by: User,
    now: datetime,
    days: int = DAYS,
) -> HoldRule:
    """Ask for a second person's signature, with the replay as it is now. Nothing is held before."""
    require(automatic_permissions.why_not_propose_hold_rule(by, now=now))
    reason = reason_given(reason, what="why these findings cannot wait for a person")
    classes = [one for one in may_be.MAY_HOLD if one in classes] + [
        one for one in classes if one not in may_be.MAY_HOLD
    ]
    checked(scope=scope, classes=classes, per_hour=per_hour, per_day=per_day, days=days)
    _check_asked(asked, now=now)
    row = HoldRule(
        scope=scope,
        classes=classes,
        per_hour=per_hour,
        per_day=per_day,
        asked=asked,
        replayed_days=days,
        **two_person.proposal(by=by, now=now, reason=reason),
    )
    row.replayed = replayed(row, now=now).as_json()
    try:
        with transaction.atomic():
            row.save(force_insert=True)
            row.refresh_from_db(fields=["number"])
            _note(row, "hold_rule.proposed", f"{by.called} proposed {row}: {_said(row)}", by, now)
    except IntegrityError:
        raise NotPossible("This rule waits for its second signature already.") from None
    return row


def replayed(rule: HoldRule, *, now: datetime) -> replay.Replay:
    """What it would have held in the days that its proposal looks back; NotPossible where that
    cannot be counted in time, because nobody signs what they could not see."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {MOST_SECONDS * 1000}")
            found = replay.run(
                scope=rule.scope,
                classes=rule.classes,
                per_hour=rule.per_hour,
                per_day=rule.per_day,
                days=rule.replayed_days,
                now=now,
            )
            cursor.execute("SET LOCAL statement_timeout = 0")
    except OperationalError:
        raise NotPossible(
            f"The replay took longer than {MOST_SECONDS} seconds: look back fewer days, or narrow"
            " the scope."
        ) from None
    return found


def sign(*, rule: HoldRule, by: User, now: datetime) -> HoldRule:
    """The second signature: what happens from now on and is found in time is held by itself."""
    with transaction.atomic():
        one_at_a_time()
        row = _locked(rule)
        require(automatic_permissions.why_not_sign_hold_rule(by, row, now=now))
        _check_asked(row.asked, now=now)
        live = in_force()
        if len(live) >= MOST_RULES:
            raise NotPossible(f"{MOST_RULES} rules are in force: switch one off, or widen one.")
        for one in live:
            if one.scope == row.scope and set(one.classes) & set(row.classes):
                raise NotPossible(
                    f"{one} marks {may_be.words([*set(one.classes) & set(row.classes)])} for the same"
                    " scope: switch it off first."
                )
        row.seen = replayed(row, now=now).as_json()
        two_person.settle(row, "in_force", by=by, now=now)
        _note(row, "hold_rule.signed", f"{by.called} signed {row}: {_said(row)}", by, now)
        nudge.after_commit("identities.judged")
    return row


def refuse(*, rule: HoldRule, reason: str, by: User, now: datetime) -> HoldRule:
    """It never holds anything."""
    with transaction.atomic():
        row = _locked(rule)
        require(automatic_permissions.why_not_refuse_hold_rule(by, row, now=now))
        reason = reason_given(reason, what="why nothing is held by itself")
        two_person.settle(row, "refused", by=by, now=now, reason=reason)
        _note(row, "hold_rule.refused", f"{by.called} refused {row}: {reason}", by, now)
    return row


def end(*, rule: HoldRule, reason: str, by: User, now: datetime) -> HoldRule:
    """Switched off: nothing more is held by it once this is answered."""
    with transaction.atomic():
        one_at_a_time()
        row = _locked(rule)
        require(automatic_permissions.why_not_end_hold_rule(by, row, now=now))
        reason = reason_given(reason, what="why it is switched off")
        over(row, reason, by=by, now=now)
    return row


def over(row: HoldRule, reason: str, *, by: By, now: datetime) -> None:
    """End a rule of this transaction's turn: by a person, or by its own limit."""
    who = acting(by)
    row.state, row.ended_at, row.ended_reason = "ended", now, reason
    row.ended_by, row.ended_by_name = who.ref, who.name
    row.save(update_fields=["state", "ended_at", "ended_by", "ended_by_name", "ended_reason"])
    _note(row, "hold_rule.ended", f"{who.name} switched {row} off: {reason}", by, now)


class Room(NamedTuple):
    """How many it may hold yet, and the sentence once it may hold no more."""

    left: int
    words: str


def room(row: HoldRule, *, now: datetime) -> Room:
    """What its limits leave, having counted what it held; of both the one that is nearer."""
    found = []
    for most, within, name in (
        (row.per_hour, replay.HOUR, "an hour"),
        (row.per_day, replay.DAY, "a day"),
    ):
        many = row.holds.filter(decided_at__gt=now - within).exclude(state="asked").count()
        words = (
            f"{row} has held {max(many, most):,} within {name}, which is its limit: it is off. Look"
            " what is wrong; two people sign it again."
        )
        found.append(Room(max(0, most - many), words))
    return min(found, key=lambda one: one.left)


def _check_asked(person: Person, *, now: datetime) -> None:
    if not freezing.may_be_asked(now=now).filter(pk=person.pk).exists():
        raise NotPossible(
            f"{person.name} may not release what is held: name a reviewer, a responder or an"
            " administrator who is there."
        )


def _said(row: HoldRule) -> str:
    return f"{words(row)}; {row.asked.name} is asked where it may not: {row.reason}"


def _locked(rule: HoldRule) -> HoldRule:
    rows = HoldRule.objects.select_for_update(of=("self",)).select_related("asked")
    return rows.get(pk=rule.pk)


def _note(row: HoldRule, act: str, said: str, by: By, now: datetime) -> None:
    who = acting(by)
    ledger.append(
        at=now,
        by=who.ref,
        by_name=who.name,
        act=act,
        subject=row.key,
        words=said[:1_000],
        data={
            "rule": str(row.pk),
            "scope": row.scope,
            "classes": row.classes,
            "per_hour": row.per_hour,
            "per_day": row.per_day,
            "asked": str(row.asked_id),
            "replay": row.seen or row.replayed,
        },
    )
