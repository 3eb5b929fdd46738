"""Turning consequences on for a scope, and back: proposed by one, signed by another, then applied.

Owns ModeRule rows and, with them, `Identity.mode`: nothing else changes it. A rule stands: who
comes into its scope later gets its mode with the next sweep. A step back takes one signature and
is true when it is answered.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import F

from evidence import ledger, locks, nudge
from evidence.locks import Lock
from evidence.words import counted
from identities.acting import COUNTERSIGN, By, acting
from identities.actions import two_person
from identities.models import User
from identities.models.identity import MODES
from identities.permissions import NotPossible, require
from identities.reasons import LONGEST_REASON, reason_given
from reviews import mode_permissions, mode_rules, policy_words
from reviews.models import ModeRule
from reviews.policy_document import Scope

from . import modes_now, opening, policy_versions

# So many identities in one transaction: a second's work, which a killed worker loses.
BATCH = 2_000
# Each rule in force costs every sweep a question; scopes are wide, not many.
MOST_RULES = 50
MOVE = "UPDATE identities_identity SET mode = %s, mode_rule = %s WHERE id = ANY(%s)"


def words(rule: ModeRule) -> str:
    """ "kind agent: ask"."""
    said = mode_rules.document(rule.scope).scope or Scope()
    return f"{policy_words.of_scope(said)}: {rule.mode}"


def propose(*, scope: dict[str, Any], mode: str, reason: str, by: User, now: datetime) -> ModeRule:
    """Ask for a second person's signature on moving this scope. Nothing changes before it."""
    require(mode_permissions.why_not_propose_mode(by, now=now))
    reason = reason_given(reason, what="why this scope is ready for it")
    if mode not in MODES:
        raise NotPossible(f"{mode[:40]!r} is no mode; choose one of {', '.join(MODES)}.")
    policy_versions.require_known(mode_rules.document(scope))
    if ModeRule.objects.filter(state="in_force").count() >= MOST_RULES:
        raise NotPossible(f"{MOST_RULES} rules are in force: take one back, or widen one.")
    try:
        with transaction.atomic():
            row = _made(scope, mode, reason, by=by, now=now)
            _in_turn(row, now=now)
            _note(
                row, "mode.proposed", f"{by.called} proposed {row}: {words(row)}: {reason}", by, now
            )
    except IntegrityError:
        raise NotPossible(
            "A proposal for this scope waits for its second signature: sign or refuse that first."
        ) from None
    return row


def _in_turn(row: ModeRule, *, now: datetime) -> None:
    if why := mode_rules.why_not_yet(row.scope, row.mode, now=now):
        raise NotPossible(why)


def _made(
    scope: dict[str, Any], mode: str, reason: str, *, by: User, now: datetime, **more: Any
) -> ModeRule:
    row = ModeRule.objects.create(
        scope=scope,
        mode=mode,
        **two_person.proposal(by=by, now=now, reason=reason),
        **more,
    )
    row.refresh_from_db(fields=["number"])
    return row


def sign(*, rule: ModeRule, by: User, now: datetime) -> ModeRule:
    """The second signature: the worker moves the scope, and keeps it there."""
    with transaction.atomic():
        modes_now.after_what_cuts()
        row = ModeRule.objects.select_for_update().get(pk=rule.pk)
        require(mode_permissions.why_not_sign_mode(by, row, now=now))
        _in_turn(row, now=now)
        row.seen, row.since = mode_rules.look(row.scope, row.mode, now=now).as_json(), now
        two_person.settle(row, "in_force", by=by, now=now)
        _in_place_of_others(row, now=now)
        _note(row, "mode.signed", f"{by.called} signed {row}: {words(row)}", by, now, seen=row.seen)
        nudge.after_commit("mode.signed")
    return row


def refuse(*, rule: ModeRule, reason: str, by: User, now: datetime) -> ModeRule:
    """The scope stays as it is."""
    with transaction.atomic():
        row = ModeRule.objects.select_for_update().get(pk=rule.pk)
        require(mode_permissions.why_not_refuse_mode(by, row, now=now))
        reason = reason_given(reason, what="why this scope stays as it is")
        two_person.settle(row, "refused", by=by, now=now, reason=reason)
        _note(row, "mode.refused", f"{by.called} refused {row}: {reason}", by, now)
    return row


def step_back(*, rule: ModeRule, mode: str, reason: str, by: User, now: datetime) -> ModeRule:
    """Take what a rule holds back to a mode with fewer consequences: nothing is cut beyond it
    from now on, however many rows have to follow. The new rule."""
    with transaction.atomic():
        modes_now.after_what_cuts()
        old = ModeRule.objects.select_for_update().get(pk=rule.pk)
        require(mode_permissions.why_not_step_back(by, old, mode, now=now))
        reason = reason_given(reason, what="why its consequences are taken back")
        # It stands where the old one stood: what a later rule holds stays as that one says, so
        # that one signature never leads to more.
        # In force from its first moment: a proposal for this scope that waits keeps nobody from it.
        said = {"back": True, "since": old.since, "state": "in_force"}
        row = _made(old.scope, mode, reason, by=by, now=now, **said, **_settled(by, now=now))
        _in_place_of_others(row, now=now)
        _note(
            row,
            "mode.stepped_back",
            f"{by.called} took {words(old)} back to {mode}: {reason}",
            by,
            now,
        )
        nudge.after_commit("mode.signed")
    return row


def _settled(by: User, *, now: datetime) -> dict[str, Any]:
    return {
        "settled_at": now,
        "settled_by": by.ref,
        "settled_by_name": by.called,
        "settled_person": by.person,
    }


def _in_place_of_others(row: ModeRule, *, now: datetime) -> None:
    """Earlier rules of the same scope are over."""
    before = ModeRule.objects.filter(state="in_force", scope=row.scope).exclude(pk=row.pk)
    before.update(state="ended", ended_at=now)


def apply_next(*, now: datetime, most: int = BATCH) -> bool:
    """Give one batch of identities the mode of the newest rule about them; False: none waits."""
    with transaction.atomic():
        _one_at_a_time()
        rules = mode_rules.in_force()
        # What was taken back first, wherever it stands among the others.
        in_turn = sorted(enumerate(rules), key=lambda one: not one[1].back)
        for place, rule in in_turn:
            waits = mode_rules.waiting(rule, rules[:place], now=now)
            rows = waits.select_for_update(of=("self",), no_key=True, skip_locked=True)
            found = rows.order_by("pk").values_list("pk", "number", "name", "mode")
            batch = [Moving(*one) for one in found[:most]]
            if batch:
                _move(rule, batch, now=now)
                return True
            if rule.applied_at is None and not waits.exists():
                _applied(rule, now=now)
    return False


class Moving(NamedTuple):
    """An identity whose row is to follow: what its ledger entry says of it."""

    pk: UUID
    number: int
    name: str
    mode: str


def send_next(*, now: datetime) -> bool:
    """Send one review that was only proposed, now that its scope asks; False: none waits."""
    with transaction.atomic():
        case = (
            mode_rules.to_send()
            .select_for_update(of=("self",), skip_locked=True)
            .select_related("identity")
            .order_by("number")
            .first()
        )
        if case is None or case.identity is None or case.identity.mode_rule is None:
            return False
        rule = ModeRule.objects.get(pk=case.identity.mode_rule)
        reason = f"{case.reason} ({rule} asks about it since {rule.settled_at:%Y-%m-%d})"
        opening.start(case=case, by=COUNTERSIGN, now=now, reason=reason[:LONGEST_REASON])
    return True


def _one_at_a_time() -> None:
    """A sweep that read which rules hold never moves anybody after another has applied later ones."""
    with connection.cursor() as cursor:
        locks.take(cursor, Lock.MODE_SWEEP)


def _move(rule: ModeRule, batch: Sequence[Moving], *, now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(MOVE, [rule.mode, rule.pk, [one.pk for one in batch]])
    changed = [one for one in batch if one.mode != rule.mode]
    ModeRule.objects.filter(pk=rule.pk).update(moved=F("moved") + len(changed))
    ledger.append_all([_entry(rule, one, now=now) for one in changed])
    if changed:
        nudge.after_commit("mode.moved")


def _entry(rule: ModeRule, one: Moving, *, now: datetime) -> ledger.Said:
    return ledger.Said(
        at=now,
        recorded_at=now,
        by=COUNTERSIGN.ref,
        by_name=COUNTERSIGN.name,
        act="identity.mode",
        subject=f"NHI-{one.number:04d}",
        words=f"{one.name}: {one.mode} became {rule.mode}, by {rule.key}",
        data={"from": one.mode, "to": rule.mode, "rule": rule.key},
        sealed_case=None,
    )


def _applied(rule: ModeRule, *, now: datetime) -> None:
    """Everybody in the scope has it; said once, whoever is first."""
    waits = ModeRule.objects.filter(pk=rule.pk, applied_at__isnull=True)
    if waits.update(applied_at=now):
        rule.refresh_from_db(fields=["moved", "applied_at"])
        said = f"{rule} is applied: {counted(rule.moved, 'identity', 'identities')} changed"
        _note(rule, "mode.applied", said, COUNTERSIGN, now, moved=rule.moved)


def _note(rule: ModeRule, act: str, said: str, by: By, now: datetime, **data: Any) -> None:
    who = acting(by)
    ledger.append(
        at=now,
        by=who.ref,
        by_name=who.name,
        act=act,
        subject=rule.key,
        words=said[:1_000],
        data={"rule": str(rule.pk), "scope": rule.scope, "mode": rule.mode} | data,
    )
