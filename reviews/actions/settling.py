"""From answers to an item's outcome, and from outcomes to a decided case.

Owns `Item.outcome` and `Item.held`. How answers add up is reviews/outcomes.py; this module only
reads the current decisions, writes what the table says, and holds or releases.
"""

from datetime import datetime

from identities.acting import COUNTERSIGN
from reviews import outcomes
from reviews.models import Case, Decision, Item
from reviews.permissions import SIGNING

from . import answers, entries, holds, reminders

CONFLICT = "conflict"


def current(item: Item) -> list[Decision]:
    """The decisions that stand on an item, in the order they were made."""
    return list(
        item.decisions.filter(superseded_at__isnull=True)
        .select_related("seat", "person", "by")
        .order_by("at", "pk")
    )


def settle(case: Case, item: Item, *, now: datetime, due: bool = False) -> str:
    """Compute the outcome again and write it; the item's outcome, "" while it waits."""
    standing = current(item)
    by_seat = {row.seat_id: row for row in standing}
    given: dict[str, str | None] = {}
    tie_break = None
    for seat in case.seats.order_by("position"):
        row = by_seat.get(seat.pk)
        if seat.kind in SIGNING:
            given[str(seat.pk)] = None if row is None else row.answer
        elif seat.kind == "tie_breaker" and row is not None:
            tie_break = row.answer
    if tie_break not in given.values():
        # The answer it chose is no longer given: there is nothing between which it decides.
        tie_break = None
    found = outcomes.between_seats(given, due=due, tie_break=tie_break)
    answer, held = found.answer or "", found.held or ""
    if answer == "narrow" and item.kind == "delegation" and _left(item, standing) is None:
        # Both narrow, but to things that share nothing: they do not agree.
        answer, held = "", "narrow"
    if not answer and held:
        answer = CONFLICT
    _write(case, item, answer, held if answer == CONFLICT else "", now=now)
    return item.outcome


def _write(case: Case, item: Item, outcome: str, held: str, *, now: datetime) -> None:
    before, held_before = item.outcome, item.held
    if (outcome, held) == (before, held_before):
        return
    item.outcome, item.held = outcome, held
    item.outcome_at = now if outcome else None
    said = ""
    if held_before and held != held_before:
        # What is decided for good takes over from the hold when it is as strict.
        stays = outcome == "revoke" and item.kind == "credential"
        said = "" if stays else holds.release(case, item, now=now)
    if held and held != held_before:
        said = holds.hold(case, item, held, now=now) or said
    item.carried_words = said
    item.save(update_fields=["outcome", "held", "outcome_at", "snapshot", "carried_words"])
    if outcome == CONFLICT:
        _tell_conflict(case, item, said, now=now)
    elif outcome == "dont_know":
        reminders.tell(
            case,
            reminders.above(case, now=now),
            occasion=f"nobody knows {item.pk}",
            subject="nobody stands behind it",
            body="Its owners do not know whether it is still needed.",
            now=now,
        )


def _tell_conflict(case: Case, item: Item, said: str, *, now: datetime) -> None:
    entries.note(
        case,
        act="item.conflict",
        words=f"{item.title}: the seats differ; {answers.WORDS[item.held].lower()} is held until"
        f" it is settled{f' ({said})' if said else ''}",
        by=COUNTERSIGN,
        now=now,
        data={"item": str(item.pk), "held": item.held},
    )
    signed = [row for row in current(item) if row.seat.kind in SIGNING]
    for row in signed[:-1]:
        reminders.ask_again(
            case,
            row.person,
            why=(
                "Another seat answered differently from you. You may change your answer until"
                f" {case.deadline_at:%Y-%m-%d %H:%M} UTC; then the tie-breaker decides."
            ),
            occasion=f"conflict {item.pk} {signed[-1].pk}",
            now=now,
        )


def left_of(item: Item) -> dict[str, object]:
    """What an agreed narrowing leaves: what all narrowing seats leave."""
    return _left(item, current(item)) or dict(item.proposal)


def _left(item: Item, standing: list[Decision]) -> dict[str, object] | None:
    rows = [row for row in standing if row.answer == "narrow"]
    tie = [row for row in rows if row.seat.kind == "tie_breaker"]
    rows = tie or rows
    if not rows:
        return dict(item.proposal)
    left: dict[str, object] | None = dict(rows[0].proposal)
    for row in rows[1:]:
        left = answers.common(left or {}, row.proposal)
        if left is None:
            return None
    return left


def finish(case: Case, *, now: datetime) -> bool:
    """Move the case to decided when every item has its outcome; whether it did."""
    if case.state != "open" or not case.items.exists():
        return False
    if case.items.filter(outcome__in=["", CONFLICT]).exists():
        return False
    entries.changed(case, state=entries.moved(case, "decide"), decided_at=now)
    entries.note(
        case,
        act="case.decided",
        words=f"{case.key} is decided: {summary(case)}",
        by=COUNTERSIGN,
        now=now,
        data={
            "outcomes": {
                str(pk): outcome for pk, outcome in case.items.values_list("pk", "outcome")
            }
        },
    )
    return True


def summary(case: Case) -> str:
    """How many items got which outcome, in words."""
    counts: dict[str, int] = {}
    for outcome in case.items.values_list("outcome", flat=True):
        counts[outcome] = counts.get(outcome, 0) + 1
    return ", ".join(
        f"{number} {answers.WORDS.get(outcome, outcome).lower()}"
        for outcome, number in sorted(counts.items())
    )
