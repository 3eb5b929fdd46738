"""Holding for some days, before it is cut for good, of many items that were decided together.

Owns the holds of items of which nothing is held yet, with as many statements as for one, and the
end of many whose time is over. One item that changes while it is held is quarantining.py.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from identities.acting import COUNTERSIGN
from identities.actions import revocations
from identities.models import Credential
from identities.permissions import NotAllowed, NotPossible
from reviews import row_states
from reviews.models import Quarantine

from . import entitled, quarantining
from .carried import Came, Due, Waits, identity_of
from .versions import Versions


class _Stopped(NamedTuple):
    """What to come back to, and what was done in words."""

    back: dict[str, Any]
    words: str


# None: nothing of it works, so nothing is to be held.
type _Tried = _Stopped | NotPossible | NotAllowed | None


def may_be(one: Due) -> bool:
    """Whether it is held for some days first, as far as nothing of it was held before."""
    first = (one.item.kind, one.does) in quarantining.HELD_FIRST
    return first and quarantining.days(one.case, one.item) > 0


def hold_all(those: Sequence[Due], *, now: datetime) -> list[Came | None]:
    """Hold these; of each until when, or why it could not be held. None: there is nothing to hold, so
    it is cut at once."""
    kinds = (("delegation", _delegations), ("entitlement", _allowed), ("credential", _keys))
    tried: dict[UUID, _Tried] = {}
    for kind, stop in kinds:
        some = [one for one in those if one.item.kind == kind]
        if some:
            found = stop(some, now=now)
            tried |= {one.item.pk: did for one, did in zip(some, found, strict=True)}
    rows, said = [], list[Came | None]()
    for one in those:
        did = tried.get(one.item.pk)
        if not isinstance(did, _Stopped):
            said.append(did)
            continue
        until = _until(one, now)
        rows.append(
            Quarantine(
                case=one.case, item=one.item, identity=identity_of(one.case), since=now,
                until=until, stopped=did.back,
            )
        )  # fmt: skip
        said.append(Waits(quarantining.words(one.item, did.words, until), until))
    Quarantine.objects.bulk_create(rows)
    return said


def _until(one: Due, now: datetime) -> datetime:
    return now + timedelta(days=quarantining.days(one.case, one.item))


def _because(one: Due, now: datetime) -> str:
    return quarantining.why(one.case, one.item, _until(one, now))


def _delegations(those: Sequence[Due], *, now: datetime) -> list[_Tried]:
    """Each with what was passed on from it."""
    refs = [one.item.ref for one in those if one.item.ref is not None]
    known = Versions(refs, by=COUNTERSIGN.ref, now=now)
    found: list[_Tried] = []
    for one in those:
        try:
            row = known.row(one.item.ref)
        except NotPossible as refused:
            found.append(refused)
            continue
        current = known.in_force(row.pk)
        if current is None:
            found.append(None)
        else:
            found.append(_Stopped(known.stop(current, None), f"{row.key} is held"))
    known.write()
    return found


def _keys(those: Sequence[Due], *, now: datetime) -> list[_Tried]:
    refs = [one.item.ref for one in those if one.item.ref is not None]
    known = Credential.objects.select_related("actor").in_bulk(refs)
    found: list[_Tried] = []
    asks: dict[int, revocations.Ask] = {}
    for place, one in enumerate(those):
        key = None if one.item.ref is None else known.get(one.item.ref)
        if key is None:
            found.append(NotPossible("Its credential is gone."))
        elif key.state in ("revoked", "expired"):
            found.append(None)
        elif key.state == "held":
            found.append(_Stopped({}, f"{key.short} stays held"))
        else:
            found.append(None)
            asks[place] = revocations.Ask(
                identity_of(one.case), "hold", _because(one, now), key, one.case.pk, one.case.key
            )
    made = revocations.request_all(list(asks.values()), by=COUNTERSIGN, now=now) if asks else []
    for place, did in zip(asks, made, strict=True):
        found[place] = did.refused or _Stopped({}, _requested(did))
    return found


def _allowed(those: Sequence[Due], *, now: datetime) -> list[_Tried]:
    asked = entitled.hold_all(those, [_because(one, now) for one in those], now=now)
    return [
        _Stopped({entitled.HELD: did.rows[0].key, entitled.FOR: one.item.outcome}, _requested(did))
        if did.refused is None
        else did.refused
        for one, did in zip(those, asked, strict=True)
    ]


def _requested(made: revocations.Made) -> str:
    return f"{made.rows[0].key} requested: {made.rows[0].words}{made.with_it()}"


def newest(items: Iterable[UUID]) -> dict[UUID, str]:
    """In which state the newest hold of each of these items is; those without one are left out."""
    rows = Quarantine.objects.filter(item__in=list(items)).order_by("since", "pk")
    return dict(rows.values_list("item", "state"))


def end_all(rows: Sequence[Quarantine], *, now: datetime) -> None:
    """Their time is over: what was stopped is as it was, so that ending it leaves a whole record. What
    is held at a target stays so until it is cut there."""
    stopped = [row.stopped for row in rows if row.item.kind == "delegation" and row.stopped]
    if stopped:
        pks = {UUID(pk) for one in stopped for pk in one}
        known = Versions(alone=pks, by=COUNTERSIGN.ref, now=now)
        known.let_go(*stopped)
        known.write()
    for row in rows:
        row.state = row_states.QUARANTINE.after(row.state, "end")
        row.settled_at, row.words = now, "its time was over"
        row.settled_by, row.settled_by_name = COUNTERSIGN.ref, COUNTERSIGN.name
    Quarantine.objects.bulk_update(
        rows, ["state", "settled_at", "settled_by", "settled_by_name", "words"]
    )
