"""Containment as decisions: each step is an item of its incident, with who signed as what, and why.

Owns ContainmentStep rows. What can be taken back is done on one signature at once; what cannot, by
the incident lead, or by both seats in the case. What is done to things is stopping.py, how far it
is contained.py.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Max

from evidence import nudge
from evidence.words import counted
from identities import causes
from identities.acting import COUNTERSIGN, Acting
from identities.actions import identities as identity_actions
from identities.models import Credential, Delegation, User
from identities.permissions import NotPossible, require
from identities.reasons import reason_given
from reviews.actions import entries, reminders
from reviews.models import Case, ContainmentStep, ContainmentTarget, Item
from reviews.models.containment import DOES

from . import containment_rights as rights
from . import stopping
from .contained import State, state
from .stopping import Frame, Wanted

__all__ = [
    "Foreseen",
    "State",
    "Wanted",
    "begin",
    "contain",
    "frame_of",
    "propose",
    "settle",
    "state",
    "undo",
]

MOST = 1_000
# What a step is called, of one thing and of many.
WORDS = {
    "hold": "Hold",
    "suspend": "Suspend",
    "block": "Block at the decision endpoint",
    "narrow": "Narrow",
    "sessions": "End the sessions of",
    "revoke": "Revoke",
}
# What a step acts on: a credential, a delegation, or all of an identity.
TAKES = {
    "hold": ("credential", "identity"),
    "suspend": ("identity",),
    "block": ("identity",),
    "narrow": ("delegation",),
    "sessions": ("identity",),
    "revoke": ("credential",),
}
SEATS = "both seats"


class Foreseen(NamedTuple):
    """What was looked at before signing: what would happen and break, in sentences, and its digest;
    "" where it could not be told in time."""

    words: tuple[str, ...] = ()
    digest: str = ""


NOTHING = Foreseen()


def contain(
    *,
    case: Case,
    does: str,
    those: Sequence[Wanted],
    reason: str,
    by: User,
    now: datetime,
    left: dict[str, Any] | None = None,
    foreseen: Foreseen = NOTHING,
) -> ContainmentStep:
    """Do it at once, by one signature. Of several targets, those that are refused say so and hold
    up none. Raises NotAllowed, NotPossible; then nothing of it happened."""
    with transaction.atomic():
        case = entries.locked(case.pk)
        require(rights.why_not_contain(by, case, does, case.identity, now=now))
        those = checked(does, those)
        for one in those:
            require(rights.why_not_contain(by, case, does, one.identity, now=now))
        reason = reason_given(reason, what="why it is stopped")
        step = _made(case, does, those, reason, left, foreseen, now=now)
        step.by, step.by_name, step.person = by.ref, by.called, by.person
        step.signed_as = rights.signs_as(by, case, does, those[0].identity, now=now)
        step.state = "waiting"
        step.save(force_insert=True)
        step.refresh_from_db(fields=["number"])
        begin(step, those, Acting(by.ref, by.called), now=now)
        entries.touched(case.pk)
    return step


def propose(
    *,
    case: Case,
    does: str,
    those: Sequence[Wanted],
    reason: str,
    by: User,
    now: datetime,
    left: dict[str, Any] | None = None,
    foreseen: Foreseen = NOTHING,
) -> ContainmentStep:
    """Put it before both seats of the incident: it is done when they approve it."""
    with transaction.atomic():
        case = entries.locked(case.pk)
        require(rights.why_not_ask_seats(by, case, now=now))
        reason = reason_given(reason, what="why it is stopped")
        those = checked(does, those)
        step = _made(case, does, those, reason, left, foreseen, now=now)
        step.by, step.by_name, step.person = by.ref, by.called, by.person
        step.signed_as, step.state = SEATS, "proposed"
        step.save(force_insert=True)
        step.refresh_from_db(fields=["number"])
        step.item = _item(step, f"{by.called} asks for it: {step.reason}", outcome="", now=now)
        step.save(update_fields=["item"])
        # What it acts on is kept as it was asked for: what both sign is what is done.
        ContainmentTarget.objects.bulk_create(
            ContainmentTarget(
                step=step,
                place=place,
                identity=one.identity,
                credential=one.credential,
                delegation=one.delegation,
                title=one.title[:500],
            )
            for place, one in enumerate(those)
        )
        _note(step, "containment.proposed", f"{by.called} asks both seats: {step.title}", by, now)
        reminders.tell(
            case,
            reminders.waiting_for(case, now=now),
            occasion=f"{step.key} proposed",
            subject="a containment step waits for your signature",
            body=f"{step.title}: {step.reason}\n\n{settings.BASE_URL}/cases/{case.key}/",
            now=now,
        )
        entries.changed(case)
    return step


def settle(items: Sequence[tuple[Case, Item]], approved: bool, *, now: datetime) -> list[str]:
    """Both seats have answered: do these steps, or not; the sentence of each. Of locked cases."""
    said = []
    for case, item in items:
        step = ContainmentStep.objects.select_for_update().filter(item=item).first()
        if step is None or step.state != "proposed":
            said.append("nothing is left of it to do")
            continue
        step.case, step.item = case, item
        if not approved:
            step.state = "refused"
            step.save(update_fields=["state"])
            said.append(f"{step.key} is not done")
            continue
        rows = list(step.targets.order_by("place"))
        those = wanted_of(rows)
        step.targets.all().delete()
        made = begin(step, those, Acting(COUNTERSIGN.ref, COUNTERSIGN.name), now=now)
        said.append(_came(made))
    return said


def undo(*, step: ContainmentStep, reason: str, by: User, now: datetime) -> ContainmentStep:
    """Let go what it stopped, but for what something else stops as well."""
    with transaction.atomic():
        case = entries.locked(step.case_id)
        row = ContainmentStep.objects.select_for_update(of=("self",)).get(pk=step.pk)
        row.case = case
        require(rights.why_not_undo(by, case, row, now=now))
        rows = list(
            row.targets.select_related(
                "identity__service", "credential__actor", "delegation", "step"
            ).order_by("place")
        )
        for one in rows:
            require(rights.why_not_contain(by, case, "hold", one.identity, now=now))
        reason = reason_given(reason, what="why it may work again")
        frame = frame_of(case, f"{reason} ({row.key})", Acting(by.ref, by.called), now=now)
        stopping.let_go(row, rows, frame)
        row.state = "undone"
        row.undone_at, row.undone_by, row.undone_by_name = now, by.ref, by.called
        row.undone_reason = reason
        row.save(
            update_fields=["state", "undone_at", "undone_by", "undone_by_name", "undone_reason"]
        )
        words = "; ".join(dict.fromkeys(one.released_words for one in rows))
        if row.item is not None:
            row.item.carried_words = f"let go by {by.called}: {words}"[:2_000]
            row.item.save(update_fields=["carried_words"])
        said = f"{by.called} let go of {row.key} ({row.title}): {reason} ({words})"
        _note(row, "containment.undone", said, by, now)
        entries.touched(case.pk)
    return row


# --- For whoever begins a step: contain, both seats, a playbook ----------------------------------


def begin(
    step: ContainmentStep, those: Sequence[Wanted], by: Acting, *, now: datetime
) -> list[ContainmentTarget]:
    """Ask for all of it, of a locked case. Who signed has been asked whether they may."""
    case = step.case
    locked = identity_actions.locked_all({one.identity.pk for one in those})
    those = [one._replace(identity=locked[one.identity.pk]) for one in those]
    frame = frame_of(case, f"{step.reason} ({step.key})", by, now=now)
    rows = stopping.stop(step, those, frame)
    ContainmentTarget.objects.bulk_create(rows)
    step.state, step.begun_at = "asked", now
    words = _came(rows)
    if step.item is None:
        step.item = _item(step, step.reason, outcome="approve", now=now)
        step.item.carried_out_at, step.item.carried_words = now, words
        step.item.save(update_fields=["carried_out_at", "carried_words"])
    step.save(update_fields=["state", "begun_at", "item"])
    said = f"{step.by_name}, as {step.signed_as}: {step.key}: {step.title}: {step.reason} ({words})"
    _note(step, "containment.asked", said, by, now)
    nudge.after_commit("case.changed")
    return rows


def frame_of(case: Case, because: str, by: Acting, *, now: datetime) -> Frame:
    """What is said with each revocation of it: of a sealed case neither its key nor its reason."""
    said = causes.NEUTRAL if case.sealed else f"{because}, {case.key}"
    return Frame(case, said[:2_000], causes.RESPONDERS if case.sealed else by, now)


def wanted_of(rows: Sequence[ContainmentTarget]) -> list[Wanted]:
    """The things of stored targets, with what acting on them needs. Three queries."""
    keys = Credential.objects.select_related(
        "actor", "actor__parent", "issued_to", "seen_with", "identity"
    ).in_bulk([row.credential_id for row in rows if row.credential_id is not None])
    known = Delegation.objects.in_bulk(
        [row.delegation_id for row in rows if row.delegation_id is not None]
    )
    identities = identity_actions.locked_all({row.identity_id for row in rows})
    return [
        Wanted(
            identities[row.identity_id],
            _of(keys, row.credential_id),
            _of(known, row.delegation_id),
        )
        for row in rows
    ]


def _of[T](known: dict[UUID, T], pk: UUID | None) -> T | None:
    return None if pk is None else known[pk]


def checked(does: str, those: Sequence[Wanted]) -> list[Wanted]:
    """The same targets, each once; NotPossible where the step takes none such."""
    if does not in DOES:
        raise NotPossible(f"{does[:40]!r} is no step: choose one of {', '.join(DOES)}.")
    found = list(dict.fromkeys((one.identity.pk, one.key) for one in those))
    once = {(one.identity.pk, one.key): one for one in those}
    made = [once[key] for key in found]
    if not made:
        raise NotPossible("Name at least one thing that is stopped.")
    if len(made) > MOST:
        raise NotPossible(
            f"One signature acts on at most {MOST:,} targets: these are {len(made):,}."
        )
    for one in made:
        kind = "identity"
        if one.credential is not None:
            kind = "credential"
        elif one.delegation is not None:
            kind = "delegation"
        if kind not in TAKES[does]:
            what = " or ".join(f"a {name}" if name != "identity" else "an identity"
                               for name in TAKES[does])  # fmt: skip
            raise NotPossible(f"{WORDS[does]} takes {what}: {one.title} is none.")
    return made


def title_of(does: str, those: Sequence[Wanted]) -> str:
    """What a step is called."""
    if len(those) == 1:
        return f"{WORDS[does]} {those[0].title}"[:500]
    return f"{WORDS[does]}: {counted(len(those), 'target')}"


def _made(
    case: Case,
    does: str,
    those: Sequence[Wanted],
    reason: str,
    left: dict[str, Any] | None,
    foreseen: Foreseen,
    *,
    now: datetime,
) -> ContainmentStep:
    if left and does != "narrow":
        raise NotPossible("What is left is said of a delegation that is narrowed.")
    return ContainmentStep(
        case=case,
        does=does,
        title=title_of(does, those),
        reason=reason,
        made_at=now,
        digest=foreseen.digest,
        foreseen=list(foreseen.words),
        left=left or {},
    )


def _item(step: ContainmentStep, note: str, *, outcome: str, now: datetime) -> Item:
    case = step.case
    last = case.items.aggregate(last=Max("position"))["last"]
    return Item.objects.create(
        case=case,
        position=0 if last is None else last + 1,
        kind="step",
        ref=step.pk,
        title=step.title,
        note=note[:500],
        proposal={"containment": step.key},
        outcome=outcome,
        outcome_at=now if outcome else None,
    )


def _came(rows: Sequence[ContainmentTarget]) -> str:
    """What became of all of it, in one sentence."""
    refused = [row for row in rows if row.failed_why]
    if not rows:
        return "there was nothing to stop"
    if len(rows) == 1:
        return (rows[0].failed_why or rows[0].words)[:2_000]
    said = f"{counted(len(rows) - len(refused), 'target')} asked for"
    if refused:
        said += f", {len(refused):,} not: {refused[0].title}: {refused[0].failed_why}"
    return said[:2_000]


def _note(step: ContainmentStep, act: str, words: str, by: User | Acting, now: datetime) -> None:
    entries.note(
        step.case,
        act=act,
        words=words[:1_000],
        by=by,
        now=now,
        data={
            "step": step.key,
            "does": step.does,
            "signed_as": step.signed_as,
            "digest": step.digest,
            "foreseen": step.foreseen[:20],
            "reason": step.reason,
            "run": None if step.run is None else step.run.key,
        },
    )
