"""The frame of every act on a case: its locked row, its next state, its ledger entry.

Owns the order that actions keep (lock, require, move, save, ledger, nudge) in three functions,
and `Case.version`, which grows with each act.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import F

from evidence import ledger, nudge
from identities.acting import By, acting
from identities.models import User
from identities.permissions import NotPossible
from reviews import states
from reviews.models import Case, Decision


def locked(pk: UUID) -> Case:
    """The case's row, locked until the transaction ends."""
    return (
        Case.objects.select_for_update(of=("self",))
        .select_related("identity__service", "policy")
        .get(pk=pk)
    )


def moved(case: Case, move: str) -> str:
    """The state after this move, or NotPossible with the sentence of the machine."""
    return states.after(case.state, move, door=case.door)


def fresh_enough(case: Case, version: int, *, by: User) -> None:
    """A form filled in against an older case is refused, naming who acted in between, or what of
    one's own did."""
    if case.version == version:
        return
    changed_since = f"{case.key} has changed since you opened it"
    last = (
        Decision.objects.filter(item__case=case)
        .select_related("person", "seat")
        .order_by("-at", "-pk")
        .first()
    )
    if last is None:
        raise NotPossible(f"{changed_since}: read it and decide again.")
    if last.person_id == by.person_id:
        marks = case.provisional.filter(settled_at__isnull=True, burst__person=by.person_id)
        why = " (your answers came so fast that somebody looks at them again)" * marks.exists()
        raise NotPossible(f"{changed_since}{why}: read it and decide again.")
    raise NotPossible(
        f"{last.person.name} signed at {last.at:%H:%M:%S} UTC: read it and decide again."
    )


def note(
    case: Case,
    *,
    act: str,
    words: str,
    by: By,
    now: datetime,
    at: datetime | None = None,
    data: dict[str, Any] | None = None,
) -> None:
    """One ledger entry of the case. `at`: the moment it counts from, for a deadline.

    The entry of a sealed case names it, so that everybody else meets a commitment only.
    """
    said = Said(case, act, words, data or {})
    ledger.append_all([_entry(said, by=by, now=now, at=at or now)])


class Said(NamedTuple):
    """What is noted of one case, where many are noted together."""

    case: Case
    act: str
    words: str
    data: dict[str, Any]
    at: datetime | None = None  # the moment it counts from, where that is not now


def note_all(acts: Iterable[Said], *, by: By, now: datetime) -> None:
    """One ledger entry for each of many cases, written at once."""
    ledger.append_all([_entry(said, by=by, now=now, at=said.at or now) for said in acts])


def _entry(said: Said, *, by: By, now: datetime, at: datetime) -> ledger.Said:
    case, who = said.case, acting(by)
    return ledger.Said(
        at=at,
        recorded_at=now,
        by=who.ref,
        by_name=who.name,
        act=said.act,
        subject=case.key,
        words=said.words,
        data={"case": str(case.pk)} | said.data,
        sealed_case=case.pk if case.sealed else None,
    )


def changed(case: Case, **fields: Any) -> None:
    """Save these fields and the next version, and say that the case has changed."""
    for name, value in fields.items():
        setattr(case, name, value)
    case.version += 1
    case.save(update_fields=[*fields, "version"])
    nudge.after_commit("case.changed")


def changed_all(cases: Collection[Case], **fields: Any) -> None:
    """The same of many cases, with the same values in all of them."""
    for case in cases:
        for name, value in fields.items():
            setattr(case, name, value)
        case.version += 1
    pks = [case.pk for case in cases]
    Case.objects.filter(pk__in=pks).update(**fields, version=F("version") + 1)
    nudge.after_commit("case.changed")


def touched(pk: UUID) -> None:
    """The next version without any other field: an item, seat or pin has changed."""
    Case.objects.filter(pk=pk).update(version=F("version") + 1)
    nudge.after_commit("case.changed")
