"""From answers to an item's outcome, and from outcomes to a decided case.

Owns `Item.outcome` and `Item.held`. How answers add up is reviews/outcomes.py; this module only
reads the current decisions, writes what the table says, and holds or releases.
"""

from datetime import datetime

from identities.acting import COUNTERSIGN
from reviews import outcomes
from reviews.models import Case, Decision, Item
from reviews.permissions import SIGNING

from . import answers, disclosing, entries, holds, reminders, rungs, stages

CONFLICT = "conflict"


def current(item: Item) -> list[Decision]:
    """The decisions that stand on an item, in the order they were made."""
    return list(
        item.decisions.filter(superseded_at__isnull=True)
        .select_related("seat", "person", "by")
        .order_by("at", "pk")
    )


def settle(
    case: Case,
    item: Item,
    *,
    now: datetime,
    due: bool = False,
    reading: stages.Reading | None = None,
) -> str:
    """Compute the outcome again and write it; the item's outcome, "" while it waits.

    `due`: the deadline has passed. `reading`: of many items that are settled together; it saves
    what their stages came to.
    """
    standing = current(item) if reading is None else reading.standing[item.pk]
    if not case.stage:
        found = _between_seats(case, standing, due=due)
    else:
        together = reading or stages.Reading([case], now=now)
        found, said = stages.add_up(case, item, standing, together, due=due)
        if said != item.stage_outcomes:
            item.stage_outcomes = said
            together.changed.append(item)
        if reading is None:
            together.save()
    answer, held = found.answer or "", found.held or ""
    if answer == "narrow" and item.kind == "delegation" and _left(item, standing) is None:
        # Both narrow, but to things that share nothing: they do not agree.
        answer, held = "", "narrow"
    if not answer and held:
        answer = CONFLICT
    _write(case, item, answer, held if answer == CONFLICT else "", now=now)
    return item.outcome


def _between_seats(case: Case, standing: list[Decision], *, due: bool) -> outcomes.Outcome:
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
    return outcomes.between_seats(given, due=due, tie_break=tie_break)


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
    words = f"{answers.WORDS[item.held].lower()} is held until it is settled"
    words += f" ({said})" if said else ""
    data = {"item": str(item.pk), "held": item.held}
    running = case.stages.filter(state="running").first() if case.stage else None
    if stages.withholds(case, running):
        # Which of the answers it is, a later stage must not read.
        words, data = "the stricter is held until it is settled", {"item": str(item.pk)}
    entries.note(
        case,
        act="item.conflict",
        words=f"{item.title}: the seats differ; {words}",
        by=COUNTERSIGN,
        now=now,
        data=data,
    )
    signed = [row for row in current(item) if row.seat.kind in SIGNING and row.seat.turn == "now"]
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
    if stages.complete(case, now=now):
        # The last answer can be taken back for a while, as every other one.
        rungs.go_on(case, at=now + answers.UNDO)
        return False
    if case.items.filter(outcome__in=["", CONFLICT]).exists():
        return False
    entries.changed(case, state=entries.moved(case, "decide"), decided_at=now)
    disclosing.disclose(case, now=now)
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
