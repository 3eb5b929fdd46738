"""Climbing the rungs that are due in some cases: told, done, moved, or held for a person.

The cases go one rung at a time, all together, so that cuts take as many statements in many cases as
in one. A stored moment decides, so the ledger carries the rung's own time whenever the sweep runs.
Time that did not count moves rungs (clock.py); what came due while Countersign was away and would
cut is held until a person releases it. What a cut does is silencing.py, what is written swept.py.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from reviews import ladder, policies
from reviews.ladder import CUTS
from reviews.models import HELD, Case, Rung, Seat

from . import braking, clock, entries, rungs, seats_of_owner, settling, silencing, stage_steps
from .asked import Asked
from .silencing import consequence, sentence
from .swept import NEWS, Swept


class Falls(NamedTuple):
    """What silence does in a case at a rung, and how the ledger and its people are told: each
    sentence begins with a `lead` and ends with what was done."""

    case: Case
    rung: Rung
    chosen: str
    at: datetime
    act: str
    lead: str  # of the ledger
    facts: dict[str, str]
    occasion: str
    subject: str
    does: str = ""  # of a later rung


class Climb(Swept):
    """One sweep over some locked cases: what it reads, and what it will write at the end.

    `refused`: why what silence would cut in them cannot be cut: a person has to look.
    """

    def __init__(self, cases: list[Case], *, now: datetime, refused: str = "") -> None:
        super().__init__(now=now)
        self.cases, self.refused = cases, refused
        self.asked = Asked(cases, now=now)
        self.rungs = rungs.of_cases(cases)
        self.steps = stage_steps.Steps(self)
        self.reads = clock.read_all(cases, self.asked, now=now)
        self.falling: list[Falls] = []
        self.overdue: list[tuple[Case, Rung]] = []
        cutting = [case for case in cases if self._cuts(case)]
        self.doubts = {one.pk: clock.doubt(one, self.reads[one.pk], now=now) for one in cutting}
        self.reasons = braking.Reasons(cutting, self.rungs, self.doubts, now=now)

    def _cuts(self, case: Case) -> bool:
        return case.silence in CUTS or any(one.does in CUTS for one in self.rungs[case.pk])

    def due(self, case: Case) -> list[Rung]:
        return [one for one in self.rungs[case.pk] if one.state == "waiting" and one.at <= self.now]

    # Before the answers are due.

    def remind(self) -> int:
        told = 0
        for case in self.cases:
            due = [
                one
                for one in self.due(case)
                if one.does in ladder.BEFORE
                # What was to be said before the answers were due is of no use afterwards.
                and (case.deadline_at > self.now or one.at > case.deadline_at)
            ]
            # Nobody is told a date that will not hold; the moved one reminds at its own time.
            if case.silence_done_at is None and self.move_case(case):
                continue
            newest = {one.does: one for one in due}
            self.over += [one for one in due if one is not newest[one.does]]
            for one in newest.values():
                self._tell(case, one)
            told += len(newest)
        self.write()
        return told

    def _tell(self, case: Case, rung: Rung) -> None:
        due = f"{case.deadline_at:%Y-%m-%d %H:%M} UTC"
        hours = round((case.deadline_at - rung.at) / timedelta(hours=1))
        # A deadline that has moved reminds anew.
        moved = f" before {case.deadline_at:%Y-%m-%d %H:%M}" if case.not_counted else ""
        self.climbed(rung)
        if rung.does == "remind":
            late = hours <= 0
            self.notify(
                case,
                self.asked.waiting_for(case),
                occasion=f"reminder {-hours} h late" if late else f"reminder {hours} h{moved}",
                subject="your answers are late" if late else "decide soon",
                body=f"Your answers {'were' if late else 'are'} due on {due}.",
            )
            return
        added = rung.does == "add"
        if added:
            case.backups_since = self.now
            self.changed.append(case)
            self.say(
                case, rung, "case.rung", f"The backups may sign in {case.key} beside the owners"
            )
        self.notify(
            case,
            self.asked.above(case),
            occasion=f"{'added' if added else 'escalation'}{moved}",
            subject="it is not decided yet",
            body=f"It is due on {due}." + (" The backups may sign as well." if added else ""),
        )

    # When the answers are due, and after.

    def climb(self) -> None:
        above = {
            case.pk: iter([one for one in self.due(case) if one.does not in ladder.BEFORE])
            for case in self.cases
        }
        going = self.cases
        while going:
            going = [case for case in going if self._goes_on(case, next(above[case.pk], None))]
            self._fall()
        self.write()
        self.steps.end()

    def _goes_on(self, case: Case, rung: Rung | None) -> bool:
        """Climb this rung; whether the next one that is due may be climbed now as well."""
        if rung is None or rung.does == ladder.GO_ON:
            return rung is not None and not self.steps.goes_on(case, rung)
        if case.next_stage:
            if self.steps.due(case, rung):
                self.overdue.append((case, rung))
            return False
        if rung.does == ladder.DUE:
            return self._answers_due(case, rung)
        # What follows it has its own time from then on.
        self._later(case, rung)
        return False

    def _answers_due(self, case: Case, rung: Rung) -> bool:
        """The deadline of the case itself; whether its silence has had its consequence."""
        if self.later_deadline(case, rung):
            return False
        lost = policies.away(rung.at, self.reads[case.pk].heard)
        if lost is not None and consequence(case) in CUTS:
            self._hold_silence(case, rung, braking.away(lost, rung.at))
        if self.move_case(case, come=True):
            return False
        if why := self._refusal(case) or self.reasons.why(case, rung):
            self._hold_silence(case, rung, why)
        self._silence(case, rung)
        return True

    def _hold_silence(self, case: Case, rung: Rung, why: braking.Why) -> None:
        """People still have their time; when it is over, it goes to those above."""
        if case.silence in CUTS:
            held = Rung(case=case, does=case.silence, after=rung.after, at=rung.at)
            self._hold(case, held, why)
        else:
            words = f"Not done in {case.key}: {sentence(case)}. {why.words}"
            self.say(case, rung, "case.rung_held", words, at=self.now)
        case.silence = "escalate"
        self.changed.append(case)

    def _refusal(self, case: Case, *, does: str = "") -> braking.Why | None:
        """Why it cannot be done at all, where anything would be cut or denied."""
        chosen = consequence(case, does=does, doubt=self.doubts.get(case.pk, ""))
        acts = self.refused and (chosen in CUTS or chosen == "deny")
        return braking.Why(self.refused) if acts else None

    def later_deadline(self, case: Case, rung: Rung) -> bool:
        """Whether somebody gave more time."""
        if case.silent_at <= rung.at:
            return False
        self.moved.append(rungs.Moved(case.pk, case.silent_at - rung.at))
        return True

    def move_case(self, case: Case, *, come: bool = False) -> bool:
        """Move the stored deadline, and all rungs, to where it is. `come`: silence would act now."""
        found = self.reads[case.pk]
        before, due = case.deadline_at, found.clock.due
        due += found.late.waits(before - due) if come else found.late.over
        if due <= before:
            return False
        why = " ".join(clock.sentences(case, found))
        case.deadline_at, case.not_counted = due, case.not_counted + (due - before)
        self.changed.append(case)
        self.moved.append(rungs.Moved(case.pk, due - before))
        self.said.append(
            entries.Said(
                case,
                "case.deadline_moved",
                f"The deadline of {case.key} moved from {clock.in_words(before)} to"
                f" {clock.in_words(due)}. {why}"[:1_000],
                {"from": before.isoformat(), "to": due.isoformat()},
            )
        )
        if due - before >= NEWS:
            above = self.asked.above(case) if found.clock.since is None else []
            self.notify(
                case,
                [*self.asked.waiting_for(case), *above],
                occasion=f"moved {due.isoformat()}",
                subject="there is more time to decide",
                body=f"Your answers are due on {clock.in_words(due)}. {why}",
            )
        return True

    def _silence(self, case: Case, rung: Rung) -> None:
        at, doubt = case.silent_at, self.doubts.get(case.pk, "")
        case.silence_done_at = self.now
        self.silent.append(case)
        self.climbed(rung)
        self.over += [one for one in self.due(case) if one.does in ladder.BEFORE and one.at <= at]
        self.falling.append(
            Falls(
                case,
                rung,
                consequence(case, doubt=doubt),
                at,
                "case.silence",
                silencing.undecided(case, self.asked, at),
                {"silence": case.silence, "doubt": doubt},
                "overdue",
                "the deadline has passed",
            )
        )

    def _fall(self) -> None:
        """Do what silence does in all cases that have come to it, and only then say what was done.
        What was cut or denied may have been all that was open, and then the case is decided."""
        falling, overdue = self.falling, self.overdue
        self.falling, self.overdue = [], []
        if overdue:
            self.steps.over(overdue)
        cuts = [
            silencing.Cut(one.case, one.chosen, one.at)
            for one in falling
            if one.chosen in CUTS or one.chosen == "deny"
        ]
        cutting = {cut.case.pk for cut in cuts}
        staged = [one.case for one in falling if one.case.stage and one.case.pk not in cutting]
        if staged:
            # What was answered in the last stage may decide the case.
            self.steps.add_up(staged)
            decided = self.decide(staged)
            falling = [one for one in falling if one.case.pk not in decided]
        done = silencing.do_all(cuts, asked=self.asked, now=self.now) if cuts else {}
        again = self.steps.ask_again([one.case for one in falling if one.case.stage])
        said = {
            one.case.pk: "; ".join(
                filter(None, [self._words(one, done.get(one.case.pk)), again.get(one.case.pk)])
            )
            for one in falling
        }
        for one in falling:
            came = done.get(one.case.pk)
            facts = one.facts | {"done": one.chosen if came is None else came.did}
            if words := said[one.case.pk]:
                self.say(one.case, one.rung, one.act, f"{one.lead}: {words}", at=one.at, **facts)
        decided = self.decide([cut.case for cut in cuts]) if cuts else set()
        for one in falling:
            if one.case.pk not in decided and (words := said[one.case.pk]):
                self.notify(
                    one.case,
                    [*self.asked.above(one.case), *self.asked.waiting_for(one.case)],
                    occasion=one.occasion,
                    subject=one.subject,
                    body=f"{one.lead}: {words}.",
                )

    def decide(self, cases: Sequence[Case]) -> set[UUID]:
        """What is decided of these now."""
        self.write()
        return settling.finish_all(cases, now=self.now)

    def _later(self, case: Case, rung: Rung) -> None:
        """A rung above the deadline: its time is counted from the rung below it."""
        found = self.reads[case.pk]
        below = [
            one
            for one in self.rungs[case.pk]
            if one.state == "done" and one.does not in ladder.BEFORE and one.after < rung.after
        ]
        since, within = (
            (below[-1].at, rung.after - below[-1].after)
            if below
            else (case.counts_from, case.silent_at - case.counts_from - case.not_counted)
        )
        cuts = consequence(case, does=rung.does) in CUTS
        counted, late = clock.between(found, since=since, within=within, cuts=cuts, now=self.now)
        due = max(counted.due + late.waits(rung.at - counted.due), rung.at)
        why = self.reasons.before(case, rung, self.reads[case.pk].heard, self.rungs[case.pk])
        if due > rung.at:
            self.moved.append(rungs.Moved(case.pk, due - rung.at, rung.after))
        if why:
            self._hold(case, rung, why)
        elif due > rung.at:
            self.say(
                case,
                rung,
                "case.rung_moved",
                f"What silence does next in {case.key} ({rungs.words(case, rung.does)}) moved from"
                f" {clock.in_words(rung.at)} to {clock.in_words(due)}:"
                f" {late.goes_on or 'not all of the time since the step before counts'}",
                at=self.now,
            )
        elif rung.does == "replace":
            self._replace(case, rung)
        elif why := (
            self._refusal(case, does=rung.does) or self.reasons.why(case, rung, does=rung.does)
        ):
            self._hold(case, rung, why)
        else:
            self._cut(case, rung)

    def _hold(self, case: Case, rung: Rung, why: braking.Why) -> None:
        braking.hold(rung, why, now=self.now)
        self.held.append(rung)
        said = f"{rungs.words(case, rung.does)} on {clock.in_words(rung.at)}"
        words = f"Held in {case.key}: {said}. {why.words}"
        self.say(case, rung, "case.rung_held", words, at=self.now)
        self.notify(
            case,
            [*why.asked, *self.asked.above(case)],
            occasion=f"held {rung.does} {rung.at.isoformat()}",
            subject=HELD,
            body=f"It would have happened: {said}. {why.words} Release it or drop it.",
        )

    def _replace(self, case: Case, rung: Rung) -> None:
        """The next who may sit takes the seat of each who has not signed in it: its backup, or who
        comes after where the backup sits in another seat already."""
        said, told = [], []
        for seat in self.asked.silent(case):
            if seat.person_id is not None:
                continue
            was = ", ".join(one.name for one in self.asked.of(case, seat)[:3]) or "nobody"
            if not self.asked.free(case, seat, seat.backup):
                sits = seats_of_owner.replace(case, seat, now=self.now)
                now_asked = self.asked.again(seat) if sits else []
            elif seat.backup is not None:
                seat.party, seat.backup = seat.backup, seat.party
                Seat.objects.filter(pk=seat.pk).update(party=seat.party_id, backup=seat.backup_id)
                now_asked = self.asked.of(case, seat)
            told += now_asked
            names = ", ".join(one.name for one in now_asked[:3])
            said.append(f"{names} in place of {was}" if names else f"nobody can for {was}")
        self.climbed(rung)
        self.changed.append(case)
        words = "; ".join(said) or "no seat is silent that nobody has signed in"
        self.say(case, rung, "case.rung", f"The backups take over in {case.key}: {words}")
        self.notify(
            case,
            told,
            occasion=f"in place {rung.at.isoformat()}",
            subject="your signature is needed in place of the owner",
            body=f"It was due {case.deadline_at:%Y-%m-%d %H:%M} UTC, so it is asked of you.",
        )

    def _cut(self, case: Case, rung: Rung) -> None:
        doubt = self.doubts.get(case.pk, "")
        self.climbed(rung)
        self.touched.append(case)
        self.falling.append(
            Falls(
                case,
                rung,
                consequence(case, does=rung.does, doubt=doubt),
                rung.at,
                "case.rung",
                silencing.undecided(case, self.asked, rung.at),
                {"doubt": doubt},
                f"{rung.does} {rung.at.isoformat()}",
                "it is still not decided",
                rung.does,
            )
        )

    def _words(self, one: Falls, came: silencing.Done | None) -> str:
        """What was done; where nothing was to be cut, to whom it goes."""
        if came is not None:
            return came.words
        case, does, doubt = one.case, one.does, one.facts["doubt"]
        said = sentence(case, does=does, doubt=doubt)
        if doubt and one.chosen != consequence(case, does=does):
            said = f"{said}; nothing is cut: {doubt}"
        if one.chosen == "escalate":
            names = ", ".join(person.name for person in self.asked.above(case)[:10])
            return f"{said}: {names or 'nobody is there, name a tie-breaker'}"
        return said
