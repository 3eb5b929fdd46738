"""Held for some days before it is revoked for good: reversible, with a stored end.

Owns Quarantine rows: what the seats revoked under a policy with `quarantine_days` is stopped at
once, can be restored by one click inside the window, and is revoked when it is over
(carrying.py). What is critical is revoked at once: its end is not left to a clock.
"""

from datetime import datetime, timedelta

from django.db import transaction

from evidence.words import counted
from identities.acting import COUNTERSIGN
from identities.actions import revocations
from identities.models import Identity, User
from identities.permissions import AUDITOR, INACTIVE, NotPossible, groups, require
from reviews import attention, permissions
from reviews.models import Case, Decision, Item, Quarantine

from . import entries, grants, holds, opening, reminders, rungs, settling

KINDS = ("credential", "delegation")


def days(case: Case, item: Item) -> int:
    """For how long this item would be held before it is revoked; 0: not at all."""
    if case.policy is None or case.identity is None or item.kind not in KINDS:
        return 0
    if case.identity.criticality == "critical":
        return 0
    return int(case.policy.document.get("quarantine_days", 0))


def of_item(item: Item) -> Quarantine | None:
    """The newest quarantine of an item."""
    return item.quarantines.order_by("-since", "-pk").first()


def holds_it(case: Case, item: Item, *, now: datetime) -> bool:
    """Hold what is to be revoked; whether that is all that happens to it now. The case is locked."""
    identity = case.identity
    if item.outcome != "revoke" or identity is None:
        return False
    last = of_item(item)
    if last is not None and last.state == "held":
        if last.until > now:
            _say(item, f"held since {last.since:%-d %b %Y %H:%M} UTC", last.until)
        return last.until > now
    if last is not None and last.state == "revoked":
        return False  # its time was over
    many = days(case, item)
    if many == 0:
        return False
    until = now + timedelta(days=many)
    stopped, said = _stop(case, item, identity, until, now=now)
    if not said:
        return False
    Quarantine.objects.create(
        case=case, item=item, identity=identity, since=now, until=until, stopped=stopped
    )
    _say(item, said, until)
    return True


def _say(item: Item, said: str, until: datetime) -> None:
    item.due_at = until
    item.carried_words = f"{said}; revoked for good on {until:%-d %b %Y %H:%M} UTC"
    item.save(update_fields=["due_at", "carried_words"])


def _stop(
    case: Case, item: Item, identity: Identity, until: datetime, *, now: datetime
) -> tuple[dict[str, int], str]:
    """Stop it reversibly: what to come back to, and what was done; "" where nothing works."""
    if item.kind == "delegation":
        delegation = grants.locked(item.ref)
        current = grants.in_force(delegation, now=now)
        if current is None:
            return {}, ""
        return grants.stop(current, None, by=COUNTERSIGN.ref, now=now), f"{delegation.key} is held"
    credential = holds.credential_of(item)
    if credential.state in ("revoked", "expired"):
        return {}, ""
    if credential.state == "held":
        return {}, f"{credential.short} stays held"
    made = revocations.request(
        identity=identity,
        credential=credential,
        step="hold",
        by=COUNTERSIGN,
        now=now,
        because=f"revoked in {case.key}, held until {until:%Y-%m-%d %H:%M} UTC first",
        case=case.pk,
        case_key=case.key,
    )
    return {}, f"{made[0].key} requested: {made[0].words}"


def over(case: Case, item: Item, *, now: datetime) -> None:
    """The seats decided otherwise while it was held: what was stopped can go on."""
    row = of_item(item)
    if row is None or row.state != "held" or item.outcome == "revoke":
        return
    if row.stopped:
        grants.let_go(row.stopped, by=COUNTERSIGN.ref, now=now)
    _settle(row, "over", COUNTERSIGN.ref, COUNTERSIGN.name, f"decided otherwise in {case.key}", now)
    item.due_at = None


def end_due(row: Quarantine, *, now: datetime) -> None:
    """Its time is over: what was stopped is as it was, so that revoking it leaves a whole record."""
    if row.stopped:
        grants.let_go(row.stopped, by=COUNTERSIGN.ref, now=now)
    _settle(row, "revoked", COUNTERSIGN.ref, COUNTERSIGN.name, "its time was over", now)


def why_not_restore(user: User, case: Case, row: Quarantine | None, *, now: datetime) -> str | None:
    """Restore what is held before it is revoked: either seat, or a responder, inside the window."""
    if not user.is_active:
        return INACTIVE
    mine = groups(user)
    if "auditor" in mine:
        return AUDITOR
    if user.person_id is None:
        return permissions.NOBODY
    if row is None or row.state != "held":
        return "It is not held any more."
    if row.until <= now:
        return f"Its time was over on {row.until:%Y-%m-%d %H:%M} UTC: it is being revoked."
    if "responder" in mine:
        return None
    parties = permissions.mine(user, now=now)
    for seat in case.seats.all():
        if seat.kind in permissions.SIGNING and (
            seat.person_id == user.person_id or {seat.party_id, seat.backup_id} & parties
        ):
            return None
    return "Only who sits in this case or a responder may restore it."


def restore(*, case: Case, item: Item, by: User, now: datetime) -> Case:
    """It works again, and is asked about again; the case in which it is."""
    with transaction.atomic():
        case = entries.locked(case.pk)
        item = case.items.select_for_update(of=("self",)).get(pk=item.pk)
        item.case = case
        row = item.quarantines.select_for_update().filter(state="held").first()
        require(why_not_restore(by, case, row, now=now))
        if row is None or case.identity is None:
            raise NotPossible("It is not held any more.")
        said = _back(case, case.identity, item, row, now=now)
        left = counted(max(1, round((row.until - now) / timedelta(days=1))), "day")
        _settle(row, "restored", by.ref, by.called, said, now)
        item.due_at = None
        live = case.state in ("open", "decided")
        asked = _ask_here(case, item, by, now=now) if live else _ask_anew(case, item, by, now=now)
        entries.note(
            case,
            act="item.restored",
            words=f"{by.called} restored {item.title} with {left} left: {said}; it is asked about"
            f" again in {asked.key}"[:1_000],
            by=by,
            now=now,
            data={"item": str(item.pk), "quarantine": row.pk, "asked": asked.key},
        )
        entries.changed(case)
    return asked


def _back(case: Case, identity: Identity, item: Item, row: Quarantine, *, now: datetime) -> str:
    if item.kind == "delegation":
        grants.let_go(row.stopped, by=COUNTERSIGN.ref, now=now)
        return "it is in force as before"
    said = holds.release_credential(case, identity, item, now=now)
    if said.startswith("could not"):
        raise NotPossible(f"{said.removesuffix('.')}.")
    return said


def _ask_here(case: Case, item: Item, by: User, *, now: datetime) -> Case:
    """The answers are taken back and their seats asked anew, with time to answer."""
    if case.state == "decided":
        entries.changed(case, state=entries.moved(case, "reopen"), decided_at=None)
    more = now + attention.AGAIN_WITHIN - case.deadline_at
    if case.silence_done_at is None and more > timedelta():
        entries.changed(
            case, deadline_at=case.deadline_at + more, not_counted=case.not_counted + more
        )
        rungs.move([rungs.Moved(case.pk, more)], now=now)
    given = settling.current(item)
    Decision.objects.filter(pk__in=[one.pk for one in given]).update(superseded_at=now)
    settling.settle(case, item, now=now)
    item.carried_words = f"restored by {by.called}"
    item.save(update_fields=["due_at", "carried_words"])
    for person in {one.person_id: one.person for one in given}.values():
        reminders.ask_again(
            case,
            person,
            why=f"{by.called} restored {item.title}, which you had revoked: answer it again.",
            occasion=f"restored {item.pk} {now.isoformat()}",
            now=now,
        )
    return case


def _ask_anew(case: Case, item: Item, by: User, *, now: datetime) -> Case:
    """The rest of the case has gone out: it is asked about in a review of its own."""
    if case.identity is None:
        raise NotPossible(f"{case.key} names no identity.")
    asked = opening.open_review(
        identity=case.identity,
        by=COUNTERSIGN,
        now=now,
        reason=f"{by.called} restored {item.title}, which {case.key} had revoked",
    )
    item.carried_out_at = now
    item.carried_words = f"restored by {by.called}, asked about again in {asked.key}"
    item.save(update_fields=["due_at", "carried_out_at", "carried_words"])
    return asked


def _settle(row: Quarantine, state: str, by: str, name: str, words: str, now: datetime) -> None:
    row.state, row.settled_at, row.settled_by, row.settled_by_name = state, now, by, name
    row.words = words
    row.save(update_fields=["state", "settled_at", "settled_by", "settled_by_name", "words"])
