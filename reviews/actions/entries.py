"""The frame of every act on a case: its locked row, its next state, its ledger entry.

Owns the order that actions keep (lock, require, move, save, ledger, nudge) in three functions,
and `Case.version`, which grows with each act.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F

from evidence import ledger, nudge
from identities.acting import By, acting
from identities.permissions import NotPossible
from reviews import states
from reviews.models import Case, Decision

# Reasons are people's text; the ledger and the pages carry them whole, so they are bounded.
LONGEST_REASON = 2_000


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


def reason_given(reason: str, *, what: str) -> str:
    """A reason that other people can read, or NotPossible."""
    said = reason.strip()
    if not said:
        raise NotPossible(f"Say why: {what}.")
    if len(said) > LONGEST_REASON:
        raise NotPossible(f"The reason is longer than {LONGEST_REASON:,} characters: shorten it.")
    if "\0" in said:
        raise NotPossible("The reason holds a character that cannot be stored (NUL).")
    return said


def fresh_enough(case: Case, version: int) -> None:
    """A form filled in against an older case is refused, naming who acted in between."""
    if case.version == version:
        return
    last = (
        Decision.objects.filter(item__case=case)
        .select_related("person", "seat")
        .order_by("-at", "-pk")
        .first()
    )
    if last is None:
        raise NotPossible(f"{case.key} has changed since you opened it: read it and decide again.")
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
    who = acting(by)
    ledger.append(
        at=at or now,
        recorded_at=now,
        by=who.ref,
        by_name=who.name,
        act=act,
        subject=case.key,
        words=words,
        data={"case": str(case.pk)} | (data or {}),
        sealed_case=case.pk if case.sealed else None,
    )


def changed(case: Case, **fields: Any) -> None:
    """Save these fields and the next version, and say that the case has changed."""
    for name, value in fields.items():
        setattr(case, name, value)
    case.version += 1
    case.save(update_fields=[*fields, "version"])
    nudge.after_commit("case.changed")


def touched(pk: UUID) -> None:
    """The next version without any other field: an item, seat or pin has changed."""
    Case.objects.filter(pk=pk).update(version=F("version") + 1)
    nudge.after_commit("case.changed")
