"""Asking for grants: begin, end early, extend, and what the first use does to the clock.

Owns Grant rows until a worker claims them (claiming.py), and what our own door allows meanwhile
(door.py). Who may is decided above: a case calls this in the transaction of its own move, and the
worker is woken once that is committed. A deadline itself is nobody's act: it is stored.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from evidence import ledger, nudge
from identities.acting import By, acting
from identities.models import DelegationVersion, Grant, Identity
from identities.permissions import NotPossible, require

from . import door, rights
from .systems import What, kind_of, longest, why_not

OPEN = ("asked", "granting", "usable")
LONGEST_WORDS, LONGEST_REASON = 500, 2_000


def begin(
    *,
    case: UUID,
    delegation_version: DelegationVersion,
    holder: Identity | None,
    person: str,
    what: What,
    starts_at: datetime,
    ends_at: datetime,
    clock: str,
    by: By,
    now: datetime,
    lasts: timedelta | None = None,
    case_key: str = "",
) -> Grant:
    """Give this from `starts_at` until `ends_at`; asked for again, it is the same grant.

    `delegation_version`: in force by this case, and true until `ends_at` at least. `person`: the
    login of the human who uses it. `clock` "first_use" wants `lasts`: `ends_at` is the latest end,
    and the first use brings it down to so long after it. Raises NotPossible with what is wrong;
    then nothing is written.
    """
    if ends_at <= now or ends_at <= starts_at:
        raise NotPossible(f"It would end at {ends_at:%Y-%m-%d %H:%M} UTC, before it begins.")
    if (clock == "first_use") != (lasts is not None):
        raise NotPossible("Only a clock that begins with the first use says how long it lasts.")
    _allowed(delegation_version, case, ends_at)
    if why := why_not(what, starts_at=max(starts_at, now), ends_at=ends_at):
        raise NotPossible(why)
    about, who = kind_of(what.system, what.kind), acting(by)
    place = {
        "delegation_id": delegation_version.delegation_id,
        "system": what.system,
        "account": what.account,
        "kind": what.kind,
        "name": what.name,
    }
    try:
        with transaction.atomic():
            row = Grant.objects.create(
                **place,
                case=case,
                case_key=case_key,
                holder=holder,
                person=person,
                bundle=what.bundle,
                bundle_version=what.bundle_version,
                extra=dict(what.extra),
                permissions=[
                    {"actions": list(one.actions), "resources": list(one.resources)}
                    for one in what.permissions
                ],
                words=(what.words or f"{what.kind} {what.name}")[:LONGEST_WORDS],
                starts_at=starts_at,
                ends_at=ends_at,
                clock=clock,
                lasts=lasts,
                target_ends_itself=about is not None and about.ends_itself,
                asked_at=now,
                asked_by=who.ref,
                asked_by_name=who.name,
                not_before=max(starts_at, now),
            )
    except IntegrityError:
        row = Grant.objects.exclude(state="ended").get(**place)
        if row.case != case:
            raise NotPossible(
                f"{row.key} of {row.case_key or 'another case'} gives it already."
            ) from None
        return row
    row.refresh_from_db(fields=["number"])
    note(row, "grant.asked", f"given until {_minute(ends_at)}", by=by, now=now)
    if starts_at <= now:
        nudge.after_commit("grants.changed")
    return row


def end(grant_pk: UUID, *, by: By, reason: str, now: datetime) -> Grant:
    """Give back or cut off: our own door denies from `now` on, the target follows at once. What has
    ended, or is being ended, stays as it is."""
    with transaction.atomic():
        row = locked(grant_pk)
        if row.state == "ended" or row.ending_at is not None:
            return row
        if not reason.strip():
            raise NotPossible("Say why it ends now: whoever reviews it reads it.")
        who = acting(by)
        door.end(row.delegation_id, by=who.ref, now=now)
        row.ended_by, row.ended_by_name, row.ended_reason = (
            who.ref,
            who.name,
            reason.strip()[:LONGEST_REASON],
        )
        if row.granting_at is None and row.leased_until is None:
            # Nothing ever went out.
            row.state, row.ending_at, row.ended_at, row.failed_why = "ended", now, now, ""
        else:
            # A worker that is giving it right now is waited for: its lease is not taken.
            row.state, row.ending_at, row.not_before = "ending", now, now
            row.attempts, row.failed_why, row.who_must_act = 0, "", ""
        row.save()
        note(row, "grant.ended_early", f"ended before its time: {row.ended_reason}", by=by, now=now)
        nudge.after_commit("grants.changed")
    return row


def extend(grant_pk: UUID, *, until: datetime, by: By, case: UUID, now: datetime) -> Grant:
    """It ends later, as `case` signed: at our own door at once, at the target by the worker. Where
    the target does not take it, what was given ends there as it was given. Raises NotPossible."""
    with transaction.atomic():
        row = locked(grant_pk)
        if row.state not in OPEN or row.ends_at <= now:
            raise NotPossible(f"{row.key} has ended or failed: ask for a new one.")
        if until <= row.ends_at:
            raise NotPossible(f"{row.key} lasts until {_minute(row.ends_at)} already.")
        cap = longest(row.system, row.kind)
        if cap is not None and until - now > cap:
            raise NotPossible(f"It is given for {cap.total_seconds() / 3600:g} hours at most.")
        if door.standing(row.delegation_id, now=now) is None:
            raise NotPossible(f"The delegation of {row.key} is not in force any more.")
        door.until(row.delegation_id, until, by=acting(by).ref, now=now, case=case)
        row.ends_at = until
        if row.state != "asked":
            row.not_before, row.attempts = now, 0
        row.save(update_fields=["ends_at", "not_before", "attempts"])
        note(row, "grant.extended", f"lasts until {_minute(until)}", by=by, now=now)
        nudge.after_commit("grants.changed")
    return row


def used(grant: Grant, at: datetime, *, now: datetime) -> bool:
    """It was used at `at`, as evidence shows or because we handed something out; True when that is
    its first use. With that clock it ends `lasts` after it, at our own door and at the target."""
    with transaction.atomic():
        row = locked(grant.pk)
        if row.first_used_at is not None and row.first_used_at <= at:
            return False
        row.first_used_at = at
        fields = ["first_used_at"]
        ends = row.ends_at if row.lasts is None else min(row.ends_at, at + row.lasts)
        if ends < row.ends_at and row.state in OPEN and at >= row.starts_at:
            door.until(row.delegation_id, ends, by="countersign", now=now, case=None)
            row.ends_at, row.not_before = ends, now
            fields += ["ends_at", "not_before"]
            nudge.after_commit("grants.changed")
        row.save(update_fields=fields)
        note(row, "grant.used", f"first used; lasts until {_minute(row.ends_at)}", by=None, now=now)
    grant.first_used_at, grant.ends_at = row.first_used_at, row.ends_at
    return True


def retry(grant_pk: UUID, *, by: By, now: datetime) -> Grant:
    """Try again what failed, after whoever had to act did."""
    with transaction.atomic():
        row = locked(grant_pk)
        if row.state != "failed":
            raise NotPossible(f"{row.key} has not failed.")
        require(rights.why_not_retry(by, row))
        row.state = (
            "ending" if row.ending_at is not None else "granting" if row.granting_at else "asked"
        )
        row.not_before, row.attempts, row.leased_until = now, 0, None
        row.failed_why = row.who_must_act = ""
        row.save()
        note(row, "grant.retried", "tried again", by=by, now=now)
        nudge.after_commit("grants.changed")
    return row


def note(row: Grant, act: str, said: str, *, by: By | None, now: datetime) -> None:
    """An entry of the ledger; `by` None: Countersign itself."""
    ledger.append_all([entry(row, act, said, by=by, now=now)])


def entry(row: Grant, act: str, said: str, *, by: By | None, now: datetime) -> ledger.Said:
    ref, name = ("countersign", "Countersign") if by is None else acting(by)[:2]
    data: dict[str, Any] = {"grant": row.key, "case": row.case_key, "person": row.person}
    return ledger.Said(
        at=now,
        by=ref,
        by_name=name,
        act=act,
        subject=row.delegation.grantee.key,
        words=f"{row.key}: {row.words}: {said}",
        data=data,
        recorded_at=now,
    )


def locked(pk: UUID) -> Grant:
    rows = Grant.objects.select_for_update(of=("self",)).select_related("delegation__grantee")
    return rows.get(pk=pk)


def _allowed(version: DelegationVersion, case: UUID, ends_at: datetime) -> None:
    """A grant is never more than what our own decision endpoint allows."""
    upper = version.during.upper
    if version.state != "in_force" or version.case != case or version.superseded_at is not None:
        raise NotPossible(
            "The delegation is not in force by this case: nothing is given at its target."
        )
    if upper is None or upper < ends_at:
        raise NotPossible("The delegation does not say an end, or ends before what is given.")


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
