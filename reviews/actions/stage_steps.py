"""What a sweep does in cases that are asked in stages: going on, and what a stage's deadline means.

Owns the steps, for many cases in as many statements as for one; how they are told and written is
climbing.py, the next stage's turn going_on.py.
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING
from uuid import UUID

from reviews.models import Case, Provisional, Rung

from . import consequences, going_on, rungs, settling, stages, staging

if TYPE_CHECKING:
    from .climbing import Climb

# What waits for a second look is looked at again so much later.
AGAIN = timedelta(minutes=1)


class Steps:
    """The stages of the cases of one sweep."""

    def __init__(self, climb: "Climb") -> None:
        self.climb = climb
        self.going: list[Case] = []

    @cached_property
    def reading(self) -> stages.Reading:
        return stages.Reading(self.climb.cases, now=self.climb.now, asked=self.climb.asked)

    @cached_property
    def provisional(self) -> set[UUID]:
        """The cases in which answers wait for a second look."""
        rows = Provisional.objects.filter(case__in=self.climb.cases, settled_at__isnull=True)
        return set(rows.values_list("case", flat=True))

    def goes_on(self, case: Case, rung: Rung) -> bool:
        """All has been answered, and no answer can be taken back any more: the next one begins."""
        climb = self.climb
        if case.pk in self.provisional:
            # Answers that were given too fast are looked at before anybody builds on them.
            climb.moved.append(rungs.Moved(case.pk, climb.now + AGAIN - rung.at, rung.after))
            return False
        climb.climbed(rung)
        if not self.reading.complete(case):
            return False
        self.going.append(case)
        return True

    def due(self, case: Case, rung: Rung) -> bool:
        """The deadline of a stage that another one follows; whether it is over (`over`)."""
        climb = self.climb
        if climb.later_deadline(case, rung) or climb.move_case(case):
            return False
        climb.climbed(rung)
        return True

    def over(self, those: Sequence[tuple[Case, Rung]]) -> None:
        """The stage of these is over, and another one follows: what is missing is missing."""
        climb = self.climb
        self.add_up([case for case, _ in those])
        decided, differ = [], []
        for case, rung in those:
            climb.say(
                case,
                rung,
                "case.stage_due",
                f"{case.stage} was due in {case.key} by {case.deadline_at:%Y-%m-%d %H:%M} UTC",
                at=case.deadline_at,
            )
            if self.reading.complete(case):
                self.going.append(case)
            elif all(item.outcome not in stages.OPEN for item in self.reading.items[case.pk]):
                decided.append(case)
            else:
                differ.append(case)
        if decided:
            climb.decide(decided)
        for case in differ:
            # Only a conflict keeps it: the tie-breaker decides, and then it goes on.
            case.silence_done_at = climb.now
            climb.silent.append(case)
            climb.notify(
                case,
                climb.asked.unasked(case),
                occasion=f"stage due {case.deadline_at.isoformat()}",
                subject="the seats differ, and the stage is over",
                body=f"{case.stage} was due by {case.deadline_at:%Y-%m-%d %H:%M} UTC."
                f" The tie-breaker decides; then {case.next_stage} is asked.",
            )

    def add_up(self, cases: Sequence[Case]) -> None:
        """What was answered in these comes to something now that it is due."""
        changed = [
            (case, item)
            for case in cases
            for item in self.reading.items[case.pk]
            if settling.add_up(
                case, item, self.reading.standing[item.pk], (), now=self.climb.now, due=True,
                reading=self.reading,
            )
        ]  # fmt: skip
        self.reading.save()
        settling.write([item for _, item in changed])
        consequences.at_once_all(changed, now=self.climb.now)

    def ask_again(self, cases: Sequence[Case]) -> dict[UUID, str]:
        """Ask those again who were silent in a stage before the last one, where something is left
        for lack of their answers; how it is said of each case."""
        found = going_on.ask_again_all(cases)
        for case in cases:
            if case.pk not in found:
                continue
            turned = {one.pk for one in found[case.pk]}
            for seat in self.climb.asked.seats[case.pk]:
                seat.turn = "now" if seat.stage_id in turned else seat.turn
            self.climb.changed.append(case)
        return {pk: f"{staging.names(rows)} is asked again" for pk, rows in found.items()}

    def end(self) -> None:
        """Write what the stages came to, and let the next ones begin."""
        self.reading.save()
        if self.going:
            going_on.go_on_all(self.going, now=self.climb.now)
