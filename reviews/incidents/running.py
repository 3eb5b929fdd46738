"""Running a playbook in an incident: one signature, then each step when the one before has come far.

Owns PlaybookRun rows. A step and all that it asks for are one transaction: a worker that is killed
has begun nothing of it, and the next one begins it, once. What a step acts on is what there is when
it begins, so that what was minted since the signature is stopped as well.
"""

import json
import re
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

from django.db import IntegrityError, transaction

from evidence import nudge
from evidence.words import counted
from identities.acting import COUNTERSIGN, Acting, By, acting
from identities.models import Credential, Identity, Revocation, User
from identities.permissions import NotPossible, require
from identities.reasons import reason_given
from reviews.actions import entries, reminders
from reviews.models import Case, ContainmentStep, Playbook, PlaybookRun

from . import contained, containing, playbook_document, playbooks, targets
from . import containment_rights as rights
from .containing import NOTHING, Foreseen
from .stopping import Wanted

KEY = re.compile(r"[\x21-\x7e]{8,200}")
OVER = ("closed", "cancelled")


class Chosen(NamedTuple):
    """What the person chose beside the incident's identity: a credential, other identities."""

    credential: Credential | None = None
    others: tuple[Identity, ...] = ()


class Planned(NamedTuple):
    """One step as it would begin now, and what it would act on."""

    step: playbook_document.Step
    those: list[Wanted]


def plan(playbook: Playbook, case: Case, chosen: Chosen, *, now: datetime) -> list[Planned]:
    """What it would act on now, step by step; NotPossible where something has to be chosen, or
    there are too many."""
    said = playbooks.document_of(playbook)
    if "credential" in said.needs and chosen.credential is None:
        raise NotPossible(f"{playbook} stops one credential: choose which.")
    if "others" in said.needs and not chosen.others:
        raise NotPossible(f"{playbook} stops other identities as well: name them.")
    others = [one.pk for one in chosen.others]
    found = [
        Planned(
            step,
            targets.of_word(
                step.targets, case, credential=chosen.credential, others=others, now=now
            ),
        )
        for step in said.steps
    ]
    many = sum(len(one.those) for one in found)
    if many > containing.MOST:
        raise NotPossible(
            f"One signature acts on at most {containing.MOST:,} targets: these are {many:,}."
        )
    return found


def run(
    *,
    playbook: Playbook,
    case: Case,
    chosen: Chosen,
    reason: str,
    request_key: str,
    by: User,
    now: datetime,
    foreseen: Foreseen = NOTHING,
) -> PlaybookRun:
    """One signature: its first step begins at once. Sent again under the same key it is the same
    run. Raises NotAllowed, NotPossible."""
    if KEY.fullmatch(request_key) is None:
        raise NotPossible(
            "Give a request key of 8 to 200 printable characters: the same request is done once."
        )
    with transaction.atomic():
        case = entries.locked(case.pk)
        said = playbooks.document_of(playbook)
        require(rights.why_not_run(by, case, said.does, now=now))
        for one in (*chosen.others, *_whose(chosen)):
            for does in said.does:
                require(rights.why_not_contain(by, case, does, one, now=now))
        reason = reason_given(reason, what="why it is run")
        row = PlaybookRun(
            playbook=playbook,
            case=case,
            reason=reason,
            credential=chosen.credential,
            others=[one.pk for one in chosen.others],
            request_key=request_key,
            asked_digest=_digest(playbook, chosen, reason),
            digest=foreseen.digest,
            foreseen=list(foreseen.words),
            signed_at=now,
            signed_by=by,
            signed_by_name=by.called,
            person=by.person,
            signed_as=rights.signs_as(by, case, _hardest(said.does), case.identity, now=now),
        )
        before = _before(row)
        if before is not None:
            return before
        _check_in_force(playbook)
        plan(playbook, case, chosen, now=now)
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError:
            raise NotPossible("This request key was used a moment ago: look at its run.") from None
        row.refresh_from_db(fields=["number"])
        _steps(row, said, now=now)
        _note(row, "playbook.run", f"{by.called}, as {row.signed_as}, runs {playbook} as {row.key}:"
              f" {reason}", by=by, now=now)  # fmt: skip
        _begin_next(row, case, now=now)
        entries.touched(case.pk)
    return row


def go_on_next(*, now: datetime) -> bool:
    """Begin the next step of one run whose time has come, or end a run; False when none is due.
    Two workers begin it once: the run is locked, and whoever is second finds it begun."""
    for pk in PlaybookRun.objects.filter(state="running").order_by("number").values_list("pk", flat=True):  # fmt: skip
        with transaction.atomic():
            # In the order of every act: the case, then what hangs on it.
            found = PlaybookRun.objects.filter(pk=pk).values_list("case_id", flat=True).first()
            if found is None or not _free(found):
                continue
            case = entries.locked(found)
            row = PlaybookRun.objects.select_for_update(of=("self",)).get(pk=pk)
            if row.state == "running" and _begin_next(row, case, now=now):
                entries.touched(case.pk)
                return True
    return False


def stop(*, run: PlaybookRun, reason: str, by: User, now: datetime) -> PlaybookRun:
    """What has not begun does not begin; what was asked for stays as it is."""
    with transaction.atomic():
        case = entries.locked(run.case_id)
        row = PlaybookRun.objects.select_for_update(of=("self",)).get(pk=run.pk)
        require(rights.why_not_stop_run(by, case, now=now))
        reason = reason_given(reason, what="why it is stopped")
        if row.state != "running":
            raise NotPossible(f"{row.key} is {row.state}: nothing of it waits.")
        _end(row, case, "stopped", reason, by=by, now=now)
        entries.touched(case.pk)
    return row


def waits_for(row: PlaybookRun, steps: Sequence[ContainmentStep]) -> str:
    """What the next step of a run waits for, in a sentence; "" where nothing is left or it is due."""
    last = _last(steps)
    if row.state != "running" or last is None:
        return ""
    far = contained.of_step(list(last.targets.all()), _known(last))
    if _far_enough(last, far):
        return ""
    if far.refused:
        return (
            f"{last.key}: {counted(far.refused, 'target')} could not be stopped: see to them, or"
            " stop this run and do the rest by hand"
        )
    if far.failed:
        one = far.failed[0]
        return f"{one.key} has failed: {one.who_must_act or 'somebody'} must act"
    return f"{last.key} has to be {last.go_on} first"


# --- Steps ---------------------------------------------------------------------------------------


def _begin_next(row: PlaybookRun, case: Case, *, now: datetime) -> bool:
    """Begin the step that is due, with those right behind it that wait for nothing; whether
    anything happened. The case and the run are locked."""
    did = False
    if case.state in OVER:
        _end(row, case, "stopped", f"{case.key} is {case.state}", by=COUNTERSIGN, now=now)
        return True
    while True:
        steps = list(row.steps.prefetch_related("targets").order_by("place"))
        waiting = next((one for one in steps if one.state == "waiting"), None)
        last = _last(steps)
        due = last is None or _far_enough(
            last, contained.of_step(list(last.targets.all()), _known(last))
        )
        if not due:
            return did
        if waiting is None:
            _end(row, case, "done", "", by=COUNTERSIGN, now=now)
            return True
        _begin(row, waiting, case, now=now)
        did = True


def _last(steps: Sequence[ContainmentStep]) -> ContainmentStep | None:
    """The step that began last; one that was let go again holds up nothing."""
    begun = [one for one in steps if one.state in ("asked", "undone")]
    return begun[-1] if begun else None


def _far_enough(step: ContainmentStep, far: contained.Far) -> bool:
    if step.go_on == "regardless" or step.state == "undone" or not far.targets:
        return True
    at = far.effective_at if step.go_on == "effective" else far.confirmed_at
    return at is not None and not far.refused


def _known(step: ContainmentStep) -> dict[UUID, Revocation]:
    return contained.revocations_of(step.targets.all())


def _begin(row: PlaybookRun, step: ContainmentStep, case: Case, *, now: datetime) -> None:
    step.case, step.run = case, row
    those = targets.of_word(
        step.targets_said, case, credential=row.credential, others=row.others, now=now
    )
    room = containing.MOST - sum(
        one.targets.count() for one in row.steps.filter(state__in=["asked", "undone"])
    )
    left_out = max(0, len(those) - room)
    step.title = containing.title_of(step.does, those) if those else step.title
    step.save(update_fields=["title"])
    containing.begin(step, those[:room], Acting(row.signed_by.ref, row.signed_by_name), now=now)
    if left_out:
        _note(row, "playbook.left_out", f"{step.key}: {counted(left_out, 'target')} beyond the"
              f" {containing.MOST:,} of one signature: run it again for them",
              by=COUNTERSIGN, now=now)  # fmt: skip


def _steps(row: PlaybookRun, said: playbook_document.Document, *, now: datetime) -> None:
    ContainmentStep.objects.bulk_create(
        ContainmentStep(
            case=row.case,
            does=step.does,
            title=playbook_document.sentence(step)[:500],
            state="waiting",
            reason=row.reason,
            made_at=now,
            by=row.signed_by.ref,
            by_name=row.signed_by_name,
            person=row.person,
            signed_as=row.signed_as,
            digest=row.digest,
            left={name: list(those) for name, those in (step.leave or {}).items()},
            run=row,
            place=place,
            targets_said=step.targets,
            go_on=step.then,
        )
        for place, step in enumerate(said.steps)
    )


def _end(row: PlaybookRun, case: Case, state: str, reason: str, *, by: By, now: datetime) -> None:
    who = acting(by)
    row.state, row.ended_at, row.ended_reason = state, now, reason
    row.ended_by, row.ended_by_name = who.ref, who.name
    row.save(update_fields=["state", "ended_at", "ended_reason", "ended_by", "ended_by_name"])
    row.steps.filter(state="waiting").update(state="dropped")
    words = f"{row.key} ({row.playbook}) has done all its steps"
    if state == "stopped":
        words = f"{who.name} stopped {row.key} ({row.playbook}): {reason}"
    row.case = case
    _note(row, f"playbook.{state}", words, by=by, now=now)
    if row.signed_by.person is not None:
        reminders.tell(
            case,
            [row.signed_by.person],
            occasion=f"{row.key} {state}",
            subject=f"a playbook is {state}",
            body=f"{words}.",
            now=now,
        )


# --- The signature -------------------------------------------------------------------------------


def _digest(playbook: Playbook, chosen: Chosen, reason: str) -> str:
    key = None if chosen.credential is None else str(chosen.credential.pk)
    said = [str(playbook.pk), key, sorted(str(one.pk) for one in chosen.others), reason]
    return sha256(json.dumps(said).encode()).hexdigest()


def _before(row: PlaybookRun) -> PlaybookRun | None:
    """The run that was signed under this key; NotPossible where it is another one's."""
    found = PlaybookRun.objects.filter(
        case=row.case, signed_by=row.signed_by, request_key=row.request_key
    ).first()
    if found is not None and found.asked_digest != row.asked_digest:
        raise NotPossible(f"This request key was used for {found.key}, which was something else.")
    return found


def _check_in_force(playbook: Playbook) -> None:
    state = Playbook.objects.filter(pk=playbook.pk).values_list("state", flat=True).first()
    if state != "in_force":
        raise NotPossible(f"{playbook} is not in force: two people sign a playbook first.")


def _hardest(does: frozenset[str]) -> str:
    order = (*rights.FOR_GOOD, "suspend", *rights.LIGHT)
    return min(does, key=order.index)


def _whose(chosen: Chosen) -> list[Identity]:
    key = chosen.credential
    return [key.identity] if key is not None and key.identity is not None else []


def _free(case: UUID) -> bool:
    """Whether nobody acts in this case just now; whoever does is followed by the next turn."""
    rows = Case.objects.select_for_update(of=("self",), skip_locked=True)
    return rows.filter(pk=case).exists()


def _note(row: PlaybookRun, act: str, words: str, *, by: By, now: datetime) -> None:
    entries.note(
        row.case,
        act=act,
        words=words[:1_000],
        by=by,
        now=now,
        data={"run": row.key, "playbook": row.playbook.subject, "version": row.playbook.version,
              "digest": row.digest},
    )  # fmt: skip
    nudge.after_commit("case.changed")
