"""What a sweep does in cases that are asked in stages: going on, and what a stage's deadline means.

Owns the steps, for many cases in as many statements as for one; how they are told and written is
climbing.py, the next stage's turn going_on.py.
"""

from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING
from uuid import UUID

from reviews.models import Case, Provisional, Rung

from . import consequences, going_on, rungs, settling, stages

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

    def due(self, case: Case, rung: Rung) -> None:
        """The deadline of a stage that another one follows: what is missing is missing."""
        climb = self.climb
        if climb.later_deadline(case, rung) or climb.move_case(case):
            return
        climb.climbed(rung)
        self._add_up(case)
        climb.say(
            case,
            rung,
            "case.stage_due",
            f"{case.stage} was due in {case.key} by {case.deadline_at:%Y-%m-%d %H:%M} UTC",
            at=case.deadline_at,
        )
        if self.reading.complete(case):
            self.going.append(case)
            return
        if all(item.outcome not in stages.OPEN for item in self.reading.items[case.pk]):
            self._decided(case)
            return
        # Only a conflict keeps it: the tie-breaker decides, and then it goes on.
        case.silence_done_at = climb.now
        climb.silent.append(case)
        climb.notify(
            case,
            climb.asked.above(case),
            occasion=f"stage due {case.deadline_at.isoformat()}",
            subject="the seats differ, and the stage is over",
            body=f"{case.stage} was due by {case.deadline_at:%Y-%m-%d %H:%M} UTC."
            f" The tie-breaker decides; then {case.next_stage} is asked.",
        )

    def decided(self, case: Case) -> bool:
        """The deadline of the last stage; whether what was answered decides the case."""
        self._add_up(case)
        return self._decided(case)

    def end(self) -> None:
        """Write what the stages came to, and let the next ones begin."""
        self.reading.save()
        if self.going:
            going_on.go_on_all(self.going, now=self.climb.now)

    def _decided(self, case: Case) -> bool:
        self.reading.save()
        self.climb.write()
        return settling.finish(case, now=self.climb.now)

    def _add_up(self, case: Case) -> None:
        for item in self.reading.items[case.pk]:
            settling.settle(case, item, now=self.climb.now, due=True, reading=self.reading)
            consequences.at_once(case, item, now=self.climb.now)
