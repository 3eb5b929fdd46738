"""Climbing the rungs that are due in some cases: told, done, moved, or held for a person.

A stored moment decides, so the ledger carries the rung's own time whenever the sweep runs. Time
that did not count moves rungs (clock.py); what came due while Countersign was away and would cut
is held until a person releases it. What a cut does is silencing.py.
"""

from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import F

from evidence import nudge
from identities.acting import COUNTERSIGN
from identities.models import Person
from reviews import ladder, policies
from reviews.ladder import CUTS
from reviews.models import Case, Notice, Rung, Seat

from . import braking, clock, entries, reminders, rungs, settling, silencing, stage_steps
from .asked import Asked
from .silencing import consequence, sentence

# What a sweep writes of a case.
WRITTEN = ["deadline_at", "not_counted", "silence", "silence_done_at", "backups_since", "version"]


class Climb:
    """One sweep over some locked cases: what it reads, and what it will write at the end."""

    def __init__(self, cases: list[Case], *, now: datetime) -> None:
        self.cases, self.now = cases, now
        self.asked = Asked(cases, now=now)
        self.rungs = rungs.of_cases(cases)
        self.steps = stage_steps.Steps(self)
        self.reads = clock.read_all(cases, self.asked, now=now)
        self.moved: list[rungs.Moved] = []
        self.done: list[Rung] = []
        self.over: list[Rung] = []
        self.silent: list[Case] = []
        self.changed: list[Case] = []
        self.said: list[entries.Said] = []
        self.notices: list[Notice] = []
        cutting = [case for case in cases if self._cuts(case)]
        self.doubts: dict[UUID, str] = clock.doubts(cutting, self.reads, now=now) if cutting else {}

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
            subject="nobody has decided yet",
            body=f"It is due on {due} and answers are missing."
            + (" The backups may sign as well." if added else ""),
        )

    # When the answers are due, and after.

    def climb(self) -> None:
        for case in self.cases:
            for rung in self.due(case):
                if rung.does in ladder.BEFORE:
                    continue
                if rung.does == ladder.GO_ON:
                    if self.steps.goes_on(case, rung):
                        break
                elif case.next_stage:
                    self.steps.due(case, rung)
                    break
                elif rung.does == ladder.DUE:
                    if not self._answers_due(case, rung):
                        break
                else:
                    # What follows it has its own time from then on.
                    self._later(case, rung)
                    break
        self.write()
        self.steps.end()

    def _answers_due(self, case: Case, rung: Rung) -> bool:
        """The deadline of the case itself; whether its silence has had its consequence."""
        if self.later_deadline(case, rung):
            return False
        lost = policies.away(rung.at, self.reads[case.pk].heard)
        if lost is not None and consequence(case) in CUTS:
            self._hold_silence(case, rung, braking.away(lost))
        if self.move_case(case):
            return False
        if why := braking.why(case, rung, self.doubts, now=self.now):
            self._hold_silence(case, rung, why)
        self._silence(case, rung)
        return True

    def _hold_silence(self, case: Case, rung: Rung, why: str) -> None:
        """People still have their time; when it is over, it goes to those above."""
        self._hold(case, Rung(case=case, does=case.silence, after=rung.after, at=rung.at), why)
        case.silence = "escalate"
        self.changed.append(case)

    def later_deadline(self, case: Case, rung: Rung) -> bool:
        """Whether somebody gave more time."""
        if case.silent_at <= rung.at:
            return False
        self.moved.append(rungs.Moved(case.pk, case.silent_at - rung.at))
        return True

    def move_case(self, case: Case) -> bool:
        """Move the stored deadline, and all rungs, to where the clock says it is."""
        found = self.reads[case.pk]
        before, due = case.deadline_at, found.clock.due
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
        chosen, said = consequence(case, doubt=doubt), self._words(case, "", doubt)
        case.silence_done_at = self.now
        self.silent.append(case)
        self.climbed(rung)
        self.over += [one for one in self.due(case) if one.does in ladder.BEFORE and one.at <= at]
        if case.stage and self.steps.decided(case):
            return
        done = ""
        if chosen in CUTS or chosen == "deny":
            done = silencing.do(case, chosen, at=at, now=self.now)
        self.say(
            case,
            rung,
            "case.silence",
            f"Nobody decided {case.key} by {at:%Y-%m-%d %H:%M} UTC: {said}"
            + (f"; {done}" if done else ""),
            at=at,
            silence=case.silence,
            done=chosen,
            doubt=doubt,
        )
        if self._finished(case, chosen):
            return
        self.notify(
            case,
            [*self.asked.above(case), *self.asked.waiting_for(case)],
            occasion="overdue",
            subject="the deadline has passed",
            body=f"Nobody decided by {at:%Y-%m-%d %H:%M} UTC: {sentence(case, doubt=doubt)}.",
        )

    def climbed(self, rung: Rung) -> None:
        rung.state = "done"
        self.done.append(rung)

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
        due = clock.between(found, since=since, within=within, now=self.now).due
        due = max(due, rung.at)
        why = self._why_held(case, rung)
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
                f" {clock.in_words(rung.at)} to {clock.in_words(due)}: not all of the time since"
                " the step before counts",
                at=self.now,
            )
        elif rung.does == "replace":
            self._replace(case, rung)
        elif why := braking.why(case, rung, self.doubts, does=rung.does, now=self.now):
            self._hold(case, rung, why)
        else:
            self._cut(case, rung)

    def _why_held(self, case: Case, rung: Rung) -> str:
        """Why a person has to release this rung; "" when it may be climbed."""
        if consequence(case, does=rung.does) not in CUTS or rung.settled_at is not None:
            return ""
        lost = policies.away(rung.at, self.reads[case.pk].heard)
        if lost is not None:
            return braking.away(lost)
        for one in self.rungs[case.pk]:
            if one.state == "held" and one.after <= rung.after:
                return f"A step before it is held ({rungs.words(case, one.does)})."
        return ""

    def _hold(self, case: Case, rung: Rung, why: str) -> None:
        rung.state, rung.held_at, rung.held_why = "held", self.now, why
        rung.save()
        said = f"{rungs.words(case, rung.does)} on {clock.in_words(rung.at)}"
        self.say(case, rung, "case.rung_held", f"Held in {case.key}: {said}. {why}", at=self.now)
        self.notify(
            case,
            self.asked.above(case),
            occasion=f"held {rung.does} {rung.at.isoformat()}",
            subject="what silence would have done waits to be released",
            body=f"It would have happened: {said}. {why} Release it or drop it.",
        )

    def _replace(self, case: Case, rung: Rung) -> None:
        """The backups take the seats of those who have not signed in them."""
        said, told = [], []
        for seat in self.asked.silent(case):
            if seat.person_id is None and seat.backup is not None:
                was = ", ".join(one.name for one in self.asked.of(case, seat)[:3]) or "nobody"
                seat.party, seat.backup = seat.backup, seat.party
                Seat.objects.filter(pk=seat.pk).update(party=seat.party_id, backup=seat.backup_id)
                now_asked = self.asked.of(case, seat)
                told += now_asked
                names = ", ".join(one.name for one in now_asked[:3]) or "nobody"
                said.append(f"{names} in place of {was}")
        self.climbed(rung)
        self.changed.append(case)
        words = "; ".join(said) or "no silent seat has a backup"
        self.say(case, rung, "case.rung", f"The backups take over in {case.key}: {words}")
        self.notify(
            case,
            told,
            occasion=f"in place {rung.at.isoformat()}",
            subject="your signature is needed in place of the owner",
            body=f"Nobody decided by {case.deadline_at:%Y-%m-%d %H:%M} UTC, so it is asked of you.",
        )

    def _cut(self, case: Case, rung: Rung) -> None:
        doubt = self.doubts.get(case.pk, "")
        chosen, said = consequence(case, does=rung.does, doubt=doubt), ""
        self.climbed(rung)
        self.changed.append(case)
        if chosen in CUTS:
            said = silencing.do(case, chosen, at=rung.at, now=self.now)
        self.say(
            case,
            rung,
            "case.rung",
            f"Still nobody decided {case.key} by {rung.at:%Y-%m-%d %H:%M} UTC:"
            f" {self._words(case, rung.does, doubt)}" + (f"; {said}" if said else ""),
            done=chosen,
            doubt=doubt,
        )
        if self._finished(case, chosen):
            return
        words = sentence(case, does=rung.does, doubt=doubt)
        self.notify(
            case,
            [*self.asked.above(case), *self.asked.waiting_for(case)],
            occasion=f"{rung.does} {rung.at.isoformat()}",
            subject="still nobody has decided",
            body=f"Nobody decided by {rung.at:%Y-%m-%d %H:%M} UTC: {words}.",
        )

    def _words(self, case: Case, does: str, doubt: str) -> str:
        chosen, said = (
            consequence(case, does=does, doubt=doubt),
            sentence(case, does=does, doubt=doubt),
        )
        if doubt and chosen != consequence(case, does=does):
            said = f"{said}; nothing is cut: {doubt}"
        if chosen == "escalate":
            names = ", ".join(person.name for person in self.asked.above(case)[:10])
            said = f"{said}: {names or 'nobody is there, name a tie-breaker'}"
        return said

    def _finished(self, case: Case, chosen: str) -> bool:
        """What was cut or denied may have been all that was open: then the case is decided."""
        if chosen not in CUTS and chosen != "deny":
            return False
        self.write()
        return settling.finish(case, now=self.now)

    # What is written.

    def say(
        self,
        case: Case,
        rung: Rung,
        act: str,
        words: str,
        *,
        at: datetime | None = None,
        **data: str,
    ) -> None:
        said = {"does": rung.does, "at": rung.at.isoformat(), **data}
        self.said.append(entries.Said(case, act, words[:1_000], said, at or rung.at))

    def notify(self, case: Case, persons: list[Person], **said: str) -> None:
        self.notices += reminders.notices(case, persons, now=self.now, **said)

    def write(self) -> None:
        """Everything of this sweep so far, in as many statements for many cases as for one."""
        changed = {case.pk: case for case in self.changed}
        silent = [case for case in self.silent if case.pk not in changed]
        for case in [*changed.values(), *silent]:
            case.version += 1
        if silent:
            pks = [case.pk for case in silent]
            Case.objects.filter(pk__in=pks).update(
                silence_done_at=self.now, version=F("version") + 1
            )
        Case.objects.bulk_update(changed.values(), WRITTEN)
        if changed or silent:
            nudge.after_commit("case.changed")
        for rows, to in ((self.done, "done"), (self.over, "over")):
            if rows:
                pks_of = [one.pk for one in rows]
                Rung.objects.filter(pk__in=pks_of).update(state=to, done_at=self.now)
        rungs.move(self.moved, now=self.now)
        entries.note_all(self.said, by=COUNTERSIGN, now=self.now)
        reminders.send(self.notices)
        self.moved, self.done, self.over, self.said, self.notices = [], [], [], [], []
        self.silent, self.changed = [], []
