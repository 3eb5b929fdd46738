"""Tasks of a room: what somebody has to do by when, and what came of it.

Owns Task rows. A late one is told once, to its owner and to whoever leads.
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Max

from evidence.words import counted
from identities.acting import COUNTERSIGN
from identities.models import Party, User
from identities.permissions import NotPossible, require
from identities.reasons import reason_given
from reviews.actions import entries, reminders
from reviews.incidents import rights, rooms
from reviews.models import Case, Task
from reviews.permissions import persons_of

MOST = 500
LONGEST_AHEAD = timedelta(days=366)
# So many late tasks are told in one turn of the sweep.
AT_ONCE = 50


def add(*, case: Case, words: str, owner: Party, due_at: datetime, by: User, now: datetime) -> Task:
    """Give somebody something to do; they are told."""
    with transaction.atomic():
        case, room = rooms.locked(case)
        require(rights.why_not_work(by, case, now=now))
        words = reason_given(words, what="what has to be done")
        if due_at <= now:
            raise NotPossible(f"{due_at:%-d %b %Y %H:%M} UTC is over: say a later time.")
        if due_at > now + LONGEST_AHEAD:
            raise NotPossible("A task is due within a year.")
        persons = [
            one for one in persons_of(owner, now=now) if one.left_at is None or one.left_at > now
        ]
        if not persons:
            raise NotPossible(f"{owner} has nobody who is here: name somebody else.")
        last = room.tasks.aggregate(last=Max("number"))["last"] or 0
        if last >= MOST:
            raise NotPossible(f"A room has at most {counted(MOST, 'task')}.")
        task = Task.objects.create(
            room=room,
            number=last + 1,
            words=words,
            owner=owner,
            due_at=due_at,
            made_at=now,
            made_by=by.ref,
            made_by_name=by.called,
        )
        entries.note(
            case,
            act="task.added",
            words=f"{by.called} gave {owner} {task.key}, due {due_at:%-d %b %Y %H:%M} UTC: {words}"[
                :1_000
            ],
            by=by,
            now=now,
            data={
                "task": task.key,
                "words": words,
                "owner": str(owner.pk),
                "due_at": due_at.isoformat(),
            },
        )
        reminders.tell(
            case,
            persons,
            occasion=f"task {task.pk}",
            subject=f"{task.key} is yours",
            body=f"{by.called} gave you a task of this incident, due"
            f" {due_at:%-d %b %Y %H:%M} UTC. Its room says what.",
            now=now,
        )
        entries.changed(case)
    return task


def end(*, case: Case, number: int, state: str, said: str, by: User, now: datetime) -> Task:
    """Say that a task is done, and what came of it; or that it is dropped, and why."""
    with transaction.atomic():
        case, room = rooms.locked(case)
        task = (
            room.tasks.select_related("owner__person", "owner__team").filter(number=number).first()
        )
        if task is None:
            raise NotPossible(f"{case.key} has no task T-{number}.")
        require(rights.why_not_end_task(by, case, task.owner_id, now=now))
        if state not in ("done", "dropped"):
            raise NotPossible("Say whether it is done or dropped.")
        what = "what came of it" if state == "done" else "why nobody has to do it"
        said = reason_given(said, what=what)
        if task.state != "open":
            raise NotPossible(f"{task.key} is {task.state} already, by {task.ended_by_name}.")
        task.state, task.said, task.ended_at = state, said, now
        task.ended_by, task.ended_by_name = by.ref, by.called
        task.save(update_fields=["state", "said", "ended_at", "ended_by", "ended_by_name"])
        entries.note(
            case,
            act=f"task.{state}",
            words=f"{by.called}: {task.key} is {state}: {said}"[:1_000],
            by=by,
            now=now,
            data={"task": task.key, "said": said},
        )
        entries.changed(case)
    return task


def tell_late_next(*, now: datetime) -> bool:
    """Tell of some tasks whose time is over, each once; False when none is left."""
    with transaction.atomic():
        late = list(
            Task.objects.select_for_update(of=("self",), skip_locked=True)
            .filter(state="open", told_at__isnull=True, due_at__lte=now)
            .exclude(room__case__state__in=rights.OVER)
            .select_related("room__case", "owner__person", "owner__team")
            .order_by("due_at", "pk")[:AT_ONCE]
        )
        for task in late:
            case = task.room.case
            lead = rooms.in_role(task.room, "lead")
            reminders.tell(
                case,
                [*persons_of(task.owner, now=now), *([] if lead is None else [lead.person])],
                occasion=f"task {task.pk} late",
                subject=f"{task.key} is late",
                body=f"{task.key} of {task.owner} was due {task.due_at:%-d %b %Y %H:%M} UTC.",
                now=now,
            )
            entries.note(
                case,
                act="task.late",
                words=f"{task.key} of {task.owner} was not done by"
                f" {task.due_at:%-d %b %Y %H:%M} UTC",
                by=COUNTERSIGN,
                now=now,
                at=task.due_at,
                data={"task": task.key},
            )
        Task.objects.filter(pk__in=[task.pk for task in late]).update(told_at=now)
    return bool(late)
