"""From answers to an item's outcome, and from outcomes to a decided case.

Owns `Item.outcome` and `Item.held`. How answers add up is reviews/outcomes.py; this module only
reads the current decisions, writes what the table says, and holds or releases. Many items and
cases take as many statements as one.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from uuid import UUID

from django.db import connection

from identities.acting import COUNTERSIGN
from reviews import outcomes
from reviews.models import Case, Decision, Item, Seat
from reviews.permissions import SIGNING

from . import answers, disclosing, entries, holds, reminders, rungs, stages

CONFLICT = "conflict"


# What a decision or its carrying out changes in an item, of many items at once.
WRITE = """
UPDATE reviews_item i SET outcome = n.outcome, held = n.held, outcome_at = n.outcome_at,
    due_at = n.due_at, carried_out_at = n.carried_out_at, carried_words = n.carried_words
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[],
    %s::timestamptz[], %s::text[])
    AS n(id, outcome, held, outcome_at, due_at, carried_out_at, carried_words)
WHERE i.id = n.id
"""


def current(item: Item) -> list[Decision]:
    """The decisions that stand on an item, in the order they were made."""
    return standing([item])[item.pk]


def standing(items: Iterable[Item]) -> dict[UUID, list[Decision]]:
    """The same of many items."""
    found: dict[UUID, list[Decision]] = {item.pk: [] for item in items}
    for row in (
        Decision.objects.filter(item__in=found, superseded_at__isnull=True)
        .select_related("seat", "person", "by")
        .order_by("at", "pk")
    ):
        found[row.item_id].append(row)
    return found


def by_answers(items: Sequence[Item]) -> set[UUID]:
    """Which of these have their outcome by what people answered, and not by anybody's silence: of
    every seat that signs, of the tie-breaker, or of whom a stage asks (docs/outcomes.md)."""
    if not items:
        return set()
    signing: dict[UUID, set[UUID]] = {one.case_id: set() for one in items}
    rows = Seat.objects.filter(case__in=signing, stage__isnull=True, kind__in=SIGNING)
    for case, seat in rows.values_list("case", "pk"):
        signing[case].add(seat)
    given = standing(items)
    return {
        one.pk
        for one in items
        if given[one.pk]
        and (
            signing[one.case_id] <= {row.seat_id for row in given[one.pk]}
            or any(row.seat.kind == "tie_breaker" for row in given[one.pk])
        )
    }


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
    answered = current(item) if reading is None else reading.standing[item.pk]
    seats = () if case.stage else case.seats.order_by("position")
    if add_up(case, item, answered, seats, now=now, due=due, reading=reading):
        write([item])
    return item.outcome


def add_up(
    case: Case,
    item: Item,
    answered: Sequence[Decision],
    seats: Iterable[Seat],
    *,
    now: datetime,
    due: bool,
    reading: stages.Reading | None = None,
) -> bool:
    """Compute the outcome from what stands on the item and hold or release what it asks for;
    whether there is something of it to `write`. `seats`: all of a case without stages."""
    if not case.stage:
        found = _between_seats(seats, answered, due=due)
    else:
        together = reading or stages.Reading([case], now=now)
        found, said = stages.add_up(case, item, answered, together, due=due)
        if said != item.stage_outcomes:
            item.stage_outcomes = said
            together.changed.append(item)
        if reading is None:
            together.save()
    answer, held = found.answer or "", found.held or ""
    if answer == "narrow" and item.kind == "delegation" and _left(item, answered) is None:
        # Both narrow, but to things that share nothing: they do not agree.
        answer, held = "", "narrow"
    if not answer and held:
        answer = CONFLICT
    return _take(case, item, answer, held if answer == CONFLICT else "", now=now)


def write(items: Collection[Item]) -> None:
    """Save what these items came to, and what was carried out of it."""
    if not items:
        return
    rows = [
        (
            one.pk,
            one.outcome,
            one.held,
            one.outcome_at,
            one.due_at,
            one.carried_out_at,
            one.carried_words,
        )
        for one in items
    ]
    with connection.cursor() as cursor:
        cursor.execute(WRITE, [list(column) for column in zip(*rows, strict=True)])


def _between_seats(
    seats: Iterable[Seat], answered: Sequence[Decision], *, due: bool
) -> outcomes.Outcome:
    by_seat = {row.seat_id: row for row in answered}
    given: dict[str, str | None] = {}
    tie_break = None
    for seat in seats:
        row = by_seat.get(seat.pk)
        if seat.kind in SIGNING:
            given[str(seat.pk)] = None if row is None else row.answer
        elif seat.kind == "tie_breaker" and row is not None:
            tie_break = row.answer
    if tie_break not in given.values():
        # The answer it chose is no longer given: there is nothing between which it decides.
        tie_break = None
    return outcomes.between_seats(given, due=due, tie_break=tie_break)


def come_to(case: Case, item: Item, outcome: str, *, now: datetime) -> bool:
    """What becomes of an item without all answers ("": it stays open), whatever they came to;
    whether there is something of it to `write`."""
    return _take(case, item, outcome, "", now=now)


def _take(case: Case, item: Item, outcome: str, held: str, *, now: datetime) -> bool:
    held_before, stopped = item.held, holds.STOPPED in item.snapshot
    narrows = item.kind == "delegation" and "narrow" in (outcome, held)
    left = _meanwhile(item) if narrows and (held or stopped) else None
    if (outcome, held) == (item.outcome, held_before) and (
        left is None or not stopped or holds.leaves(item, left, now=now)
    ):
        return False
    item.outcome, item.held = outcome, held
    item.outcome_at = now if outcome else None
    said = ""
    if stopped or (held_before and held != held_before):
        stays = (item.kind, held or outcome) in holds.STAYS
        said = "" if stays else holds.release(case, item, now=now)
    if held and (stopped or held != held_before):
        said = holds.hold(case, item, held, left, now=now) or said
    elif stopped and outcome == "narrow":
        # Agreed by now: nothing is wider than that until it has gone out, maybe with a campaign.
        said = f"{holds.leave(item, left, now=now)} until it is carried out"
    if stopped or held != held_before:
        item.save(update_fields=["snapshot"])
    item.carried_words = said
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
    return True


def _meanwhile(item: Item) -> dict[str, object]:
    """What works of a delegation that is narrowed, until it has gone out or the seats agree: what
    all who narrow it leave; where they share nothing, what the first of them leaves."""
    answered = current(item)
    first = next((dict(row.proposal) for row in answered if row.answer == "narrow"), item.proposal)
    return _left(item, answered) or first


def _tell_conflict(case: Case, item: Item, said: str, *, now: datetime) -> None:
    words = f"{answers.WORDS[item.held].lower()} is held until it is settled"
    words += f" ({said})" if said else ""
    # That answers differ, a later stage must not read: it follows from them when they are told.
    if not stages.withholds(case):
        entries.note(
            case,
            act="item.conflict",
            words=f"{item.title}: the seats differ; {words}",
            by=COUNTERSIGN,
            now=now,
            data={"item": str(item.pk), "held": item.held},
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


def left_of(item: Item, answered: Sequence[Decision]) -> dict[str, object]:
    """What an agreed narrowing leaves: what all narrowing seats leave of it, by their answers."""
    return _left(item, answered) or dict(item.proposal)


def _left(item: Item, answered: Sequence[Decision]) -> dict[str, object] | None:
    rows = [row for row in answered if row.answer == "narrow"]
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
    return bool(finish_all([case], now=now))


def finish_all(cases: Sequence[Case], *, now: datetime) -> set[UUID]:
    """The same of many locked cases; those that are decided now."""
    live = [case for case in cases if case.state == "open"]
    found: dict[UUID, dict[UUID, str]] = {}
    # What is stopped in an incident decides nothing about it.
    asked = {case.pk for case in live if case.door != "incident"}
    rows = Item.objects.filter(case__in=live).order_by("position")
    for pk, item, outcome, kind in rows.values_list("case", "pk", "outcome", "kind"):
        found.setdefault(pk, {})[item] = outcome
        asked |= {pk} if kind != "step" else set()
    reading = stages.Reading(live, now=now)
    done = []
    for case in live:
        if case.pk not in found or case.pk not in asked:
            continue
        if case.next_stage and reading.complete(case):
            # The last answer can be taken back for a while, as every other one.
            rungs.go_on(case, at=now + answers.UNDO)
        elif not {"", CONFLICT} & set(found[case.pk].values()):
            done.append(case)
    if not done:
        return set()
    for to in {entries.moved(case, "decide") for case in done}:
        entries.changed_all(done, state=to, decided_at=now)
    for case in done:
        disclosing.disclose(case, now=now)
    entries.note_all(
        [
            entries.Said(
                case,
                "case.decided",
                f"{case.key} is decided: {in_words(found[case.pk].values())}",
                {"outcomes": {str(pk): outcome for pk, outcome in found[case.pk].items()}},
            )
            for case in done
        ],
        by=COUNTERSIGN,
        now=now,
    )
    return {case.pk for case in done}


def in_words(found: Iterable[str]) -> str:
    """How many items got which outcome."""
    return ", ".join(
        f"{number} {answers.WORDS.get(outcome, outcome).lower()}"
        for outcome, number in sorted(Counter(found).items())
    )
