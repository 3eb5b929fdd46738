"""Held for some days before it is cut for good: reversible, with a stored end.

Owns Quarantine rows: what the seats revoked, and what a system allows that they narrowed, under a
policy with `quarantine_days` is stopped at once, can be restored by one click inside the window,
and is cut when it is over (carrying.py). What is critical is cut at once: its end is not left to a
clock.
"""

from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

from django.db import transaction
from django.db.models import Q

from evidence.words import counted
from identities.acting import COUNTERSIGN
from identities.models import Identity, User
from identities.permissions import AUDITOR, NotPossible, cannot_decide, groups, require
from reviews import attention, permissions, row_states
from reviews.models import Case, Decision, Item, Quarantine

from . import entitled, entries, grants, holds, opening, reminders, rungs, settling

# (kind of item, outcome) that is held first. A delegation that is narrowed has its own way back: it
# is in our rows, and a request widens it again.
HELD_FIRST = frozenset(
    {
        ("credential", "revoke"),
        ("delegation", "revoke"),
        ("entitlement", "narrow"),
        ("entitlement", "revoke"),
    }
)
KINDS = frozenset(kind for kind, _ in HELD_FIRST)
CUT = {"revoke": "revoked", "narrow": "narrowed"}
# What of it is cut when its time is over, as Quarantine rows.
ENDS = reduce(or_, (Q(item__kind=kind, item__outcome=said) for kind, said in HELD_FIRST))


def days(case: Case, item: Item) -> int:
    """For how long this item would be held before it is cut for good; 0: not at all."""
    if case.policy is None or case.identity is None or item.kind not in KINDS:
        return 0
    if case.identity.criticality == "critical":
        return 0
    return int(case.policy.document.get("quarantine_days", 0))


def cut(row: Quarantine) -> str:
    """What it was held for: revoked, or narrowed."""
    return CUT[row.stopped.get(entitled.FOR, "revoke")]


def of_item(item: Item) -> Quarantine | None:
    """The newest quarantine of an item."""
    return item.quarantines.order_by("-since", "-pk").first()


def holds_it(case: Case, item: Item, *, now: datetime) -> bool:
    """Hold on to what is held already, by itself or because its seats differed; whether that is all
    that happens to it now. The case is locked. Of what nothing is held yet: held_first.py."""
    identity = case.identity
    if (item.kind, item.outcome) not in HELD_FIRST or identity is None:
        return False
    last = of_item(item)
    if last is not None and last.state == "held":
        if last.until > now:
            _as_decided(case, item, last, now=now)
            _say(item, f"held since {last.since:%-d %b %Y %H:%M} UTC", last.until)
        return last.until > now
    if last is not None and last.state == "revoked":
        return False  # its time was over
    many = days(case, item)
    if many == 0:
        return False
    until = now + timedelta(days=many)
    stopped, said = _hold_allowed(case, item, until, now=now)
    Quarantine.objects.create(
        case=case, item=item, identity=identity, since=now, until=until, stopped=stopped
    )
    _say(item, said, until)
    return True


def _as_decided(case: Case, item: Item, row: Quarantine, *, now: datetime) -> None:
    """What a system allows is held as the seats decide now: the new hold first, then the old one
    comes off, so that nothing is open in between."""
    if item.kind != "entitlement":
        return
    differed = item.snapshot.pop(entitled.ALLOWED, None)
    if differed is not None:
        # They differed meanwhile, and agree again.
        item.save(update_fields=["snapshot"])
        entitled.let_go(case, item, differed, now=now)
    if row.stopped[entitled.FOR] == item.outcome:
        return
    before = row.stopped
    row.stopped, _ = entitled.hold(case, item, item.outcome, why(case, item, row.until), now=now)
    row.save(update_fields=["stopped"])
    entitled.let_go(case, item, before, now=now)


def _hold_allowed(
    case: Case, item: Item, until: datetime, *, now: datetime
) -> tuple[dict[str, Any], str]:
    """What a system allows; what the seats' difference has held already stays so, if it fits."""
    before = item.snapshot.pop(entitled.ALLOWED, None)
    if before is not None:
        item.save(update_fields=["snapshot"])
        if before[entitled.FOR] == item.outcome:
            return before, f"{before[entitled.HELD]} stays"
    made = entitled.hold(case, item, item.outcome, why(case, item, until), now=now)
    if before is not None:
        entitled.let_go(case, item, before, now=now)
    return made


def why(case: Case, item: Item, until: datetime) -> str:
    """Why it is held, for the ledger and the target."""
    return f"{CUT[item.outcome]} in {case.key}, held until {until:%Y-%m-%d %H:%M} UTC first"


def words(item: Item, said: str, until: datetime) -> str:
    """What was done, and what comes of it."""
    return f"{said}; {CUT[item.outcome]} for good on {until:%-d %b %Y %H:%M} UTC"


def _say(item: Item, said: str, until: datetime) -> None:
    item.due_at, item.carried_words = until, words(item, said, until)
    item.save(update_fields=["due_at", "carried_words"])


def over(case: Case, item: Item, *, now: datetime) -> None:
    """The seats decided otherwise while it was held: what was stopped can go on."""
    row = of_item(item)
    if row is None or row.state != "held" or (item.kind, item.outcome) in HELD_FIRST:
        return
    _let_go(case, item, row, now=now)
    said = f"decided otherwise in {case.key}"
    _settle(row, "decide otherwise", COUNTERSIGN.ref, COUNTERSIGN.name, said, now)
    item.due_at = None


def _let_go(case: Case, item: Item, row: Quarantine, *, now: datetime) -> str:
    if item.kind == "entitlement":
        return entitled.let_go(case, item, row.stopped, now=now)
    if row.stopped:
        grants.let_go(row.stopped, by=COUNTERSIGN.ref, now=now)
    return "it is in force as before"


def why_not_restore(user: User, case: Case, row: Quarantine | None, *, now: datetime) -> str | None:
    """Restore what is held before it is cut for good: inside the window."""
    if why := why_not_touch(user, case, now=now):
        return why
    if row is None or row.state != "held":
        return "It is not held any more."
    if row.until <= now:
        return f"Its time was over on {row.until:%Y-%m-%d %H:%M} UTC: it is being cut for good."
    return None


def why_not_touch(user: User, case: Case, *, now: datetime) -> str | None:
    """Restore anything of a case: either seat, or a responder."""
    if why := cannot_decide(user):
        return why
    mine = groups(user)
    if "auditor" in mine:
        return AUDITOR
    if user.person_id is None:
        return permissions.NOBODY
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
        _settle(row, "restore", by.ref, by.called, said, now)
        item.due_at = None
        live = case.state in ("open", "decided")
        ask = _ask_here if live else _ask_anew
        asked = ask(case, item, by, cut(row), now=now)
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
    if item.kind in ("delegation", "entitlement"):
        return _let_go(case, item, row, now=now)
    said = holds.release_credential(case, identity, item, now=now)
    if said.startswith("could not"):
        raise NotPossible(f"{said.removesuffix('.')}.")
    return said


def _ask_here(case: Case, item: Item, by: User, cut: str, *, now: datetime) -> Case:
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
            why=f"{by.called} restored {item.title}, which you had {cut}: answer it again.",
            occasion=f"restored {item.pk} {now.isoformat()}",
            now=now,
        )
    return case


def _ask_anew(case: Case, item: Item, by: User, cut: str, *, now: datetime) -> Case:
    """The rest of the case has gone out: it is asked about in a review of its own, under the same
    version of the policy, and in the same campaign while that runs."""
    if case.identity is None:
        raise NotPossible(f"{case.key} names no identity.")
    campaign = case.campaign
    asked = opening.open_review(
        identity=case.identity,
        by=COUNTERSIGN,
        now=now,
        reason=f"{by.called} restored {item.title}, which {case.key} had {cut}",
        policy=case.policy,
        campaign=None if campaign is None or campaign.state == "closed" else campaign,
    )
    item.carried_out_at = now
    item.carried_words = f"restored by {by.called}, asked about again in {asked.key}"
    item.save(update_fields=["due_at", "carried_out_at", "carried_words"])
    return asked


def _settle(row: Quarantine, move: str, by: str, name: str, words: str, now: datetime) -> None:
    row.state = row_states.QUARANTINE.after(row.state, move)
    row.settled_at, row.settled_by, row.settled_by_name = now, by, name
    row.words = words
    row.save(update_fields=["state", "settled_at", "settled_by", "settled_by_name", "words"])
