"""What becomes of what was held by itself: released or made final by people, or told to stand on
nothing any more.

Owns AutomaticHold.state. Releasing is one click and says what the finding was; an answer in the
incident does the same by the ordinary road. Nothing is ever made final by itself.
"""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from identities.acting import COUNTERSIGN, By, acting
from identities.actions import findings
from identities.models import User
from identities.permissions import NotPossible, require
from identities.reasons import reason_given
from reviews import automatic_permissions, row_states
from reviews.actions import entitled, entries, holds, reminders
from reviews.models import AutomaticHold, Case, Item, Quarantine

# Of a case in which what people decided has gone out, or goes out.
GOES_OUT = ("carrying_out", "in_review", "closed")
FINAL, GOES_ON = ("revoke", "narrow"), ("keep", "replace")


def release(
    *, hold: AutomaticHold, finding_was: str, reason: str, by: User, now: datetime
) -> AutomaticHold:
    """It works again, at once. `finding_was`: its disposition, asked for while it is open and
    nobody has proposed one; a second person signs it, unless it is confirmed."""
    with transaction.atomic():
        case, item, row = _locked(hold)
        require(automatic_permissions.why_not_release_hold(by, row, now=now))
        reason = reason_given(reason, what="why it may work again")
        if asks_what_it_was(row):
            if finding_was not in findings.DISPOSITIONS:
                raise NotPossible(
                    f"Say what {row.finding.key} was: {', '.join(findings.DISPOSITIONS)}."
                )
            findings.dispose(
                finding=row.finding, disposition=finding_was, reason=reason, by=by, now=now
            )
        said = _let_go(case, item, row.stopped, now=now)
        if said.startswith("could not"):
            raise NotPossible(f"{said.removesuffix('.')}.")
        words = f"{reason} ({said})" if said else reason
        _settle(row, "release", words, by=by, now=now)
        item.carried_words = f"released by {by.called}"
        item.save(update_fields=["snapshot", "carried_words"])
        entries.changed(case)
    return row


def asks_what_it_was(row: AutomaticHold) -> bool:
    """Whether nobody, and no later evidence, has said what its finding was."""
    key = row.finding.key
    return row.finding.state == "open" and not findings.proposed([key])


def follow_next(*, now: datetime) -> bool:
    """Write what people decided of one hold in its incident; False when none waits."""
    restored = Quarantine.objects.filter(item=OuterRef("item"), state="restored")
    kept = Q(item__outcome__in=GOES_ON) & Q(case__state__in=GOES_OUT)
    final = Q(item__outcome__in=FINAL) & Q(item__carried_out_at__isnull=False)
    rows = AutomaticHold.objects.filter(
        kept | final | Q(case__state="cancelled") | Q(Exists(restored)), state="held"
    )
    with transaction.atomic():
        found = rows.order_by("decided_at", "pk").first()
        if found is None:
            return False
        case, item, row = _locked(found)
        if not rows.filter(pk=row.pk).exists():
            return True  # another worker was here first
        if item.outcome in FINAL and item.carried_out_at is not None:
            said = f"{item.outcome}, decided in {case.key}"
            if item.kind == "entitlement":
                # It is narrowed there for good; what held it until now comes off after that.
                said = f"{said}: {_let_go(case, item, row.stopped, now=now)}"
            _settle(row, "make final", said, by=COUNTERSIGN, now=now)
        else:
            _settle(row, "release", _kept(case, item, row, now=now), by=COUNTERSIGN, now=now)
        item.save(update_fields=["snapshot"])
        entries.changed(case)
    return True


def _kept(case: Case, item: Item, row: AutomaticHold, *, now: datetime) -> str:
    """Let go what an answer has not let go already; a key goes by its own outcome."""
    why = "cancelled" if case.state == "cancelled" else (item.outcome or "restored")
    if item.kind == "credential" and case.state != "cancelled":
        return f"{why} in {case.key}"
    return f"{why} in {case.key}: {_let_go(case, item, row.stopped, now=now)}"


def tell_next(*, now: datetime) -> bool:
    """Say of one hold that its finding stands no more, and offer the release; False when none."""
    rows = AutomaticHold.objects.filter(
        state="held",
        told_at__isnull=True,
        finding__state__in=["withdrawn", "false", "expected"],
    )
    with transaction.atomic():
        found = rows.order_by("decided_at", "pk").first()
        if found is None:
            return False
        case, _, row = _locked(found)
        if not rows.filter(pk=row.pk).exists():
            return True
        row.told_at = now
        row.save(update_fields=["told_at"])
        finding = row.finding
        said = f"{finding.key} is {finding.state}"
        if finding.state_reason:
            said = f"{said}: {finding.state_reason}"
        entries.note(
            case,
            act="hold.stands_on_nothing",
            words=f"{row.key} holds {row.item.title}, but {said}"[:1_000],
            by=COUNTERSIGN,
            now=now,
            data={"hold": row.key, "finding": str(finding.pk)},
        )
        reminders.tell(
            case,
            [
                row.rule.asked,
                *reminders.waiting_for(case, now=now),
                *reminders.above(case, now=now),
            ],
            occasion=f"{row.key} stands on nothing",
            subject="what was held by itself may be released",
            body=f"{row.item.title} is held by {row.key}, but {said}. Release it here:"
            f" {settings.BASE_URL}{row.url}",
            now=now,
        )
        entries.touched(case.pk)
    return True


def _let_go(case: Case, item: Item, stopped: dict[str, Any], *, now: datetime) -> str:
    """Undo what was held, from what is to be known for it; the sentence of it."""
    if entitled.ALLOWED in stopped:
        return entitled.let_go(case, item, stopped[entitled.ALLOWED], now=now)
    item.snapshot |= stopped
    return holds.release(case, item, now=now)


def _locked(hold: AutomaticHold) -> tuple[Case, Item, AutomaticHold]:
    """Locked in one order: case, item, hold."""
    case = entries.locked(hold.case_id)
    item = case.items.select_for_update(of=("self",)).get(pk=hold.item_id)
    row = (
        AutomaticHold.objects.select_for_update(of=("self",))
        .select_related("finding__identity__service", "identity__service", "rule__asked")
        .get(pk=hold.pk)
    )
    item.case, row.case, row.item = case, case, item
    return case, item, row


def _settle(row: AutomaticHold, move: str, words: str, *, by: By, now: datetime) -> None:
    who = acting(by)
    row.state = row_states.AUTOMATIC_HOLD.after(row.state, move)
    row.settled_at, row.settled_by, row.settled_by_name = now, who.ref, who.name
    row.settled_person = None if who.user is None else who.user.person
    row.settled_reason = words[:2_000]
    row.save(
        update_fields=[
            "state",
            "settled_at",
            "settled_by",
            "settled_by_name",
            "settled_person",
            "settled_reason",
        ]
    )
    entries.note(
        row.case,
        act=f"hold.{row.state}",
        words=f"{who.name} {'released' if row.state == 'released' else 'made final'} {row.key}"
        f" ({row.item.title}): {words}"[:1_000],
        by=by,
        now=now,
        data={"hold": row.key, "finding": str(row.finding_id)},
    )
