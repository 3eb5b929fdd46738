"""Grants as pages and the API show them: where each stands, in words, and who must act.

Owns the sentences. Reads rows only: what the target shows was written by the worker.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Q, QuerySet

from identities.actions import outgoing
from identities.actions.revocations import not_answering
from identities.models import Grant

# A removal that the target does not show this long after its time is red.
GRACE = timedelta(seconds=30)


class GrantSeen(NamedTuple):
    """One grant. `burning`: it should be gone and the target does not show it, or a person must act.
    `allows`: our own decision endpoint allows it now, as far as its time goes."""

    grant: Grant
    key: str
    words: str
    state: str
    sentence: str
    person: str
    starts_at: datetime
    ends_at: datetime
    allows: bool
    burning: bool
    must_act: str
    only_while_running: bool
    residual: list[dict[str, Any]]
    residual_until: datetime | None
    sessions: list[dict[str, Any]]


def of_case(case: UUID) -> QuerySet[Grant]:
    rows = Grant.objects.filter(case=case).select_related("delegation__grantee", "holder")
    return rows.prefetch_related("sessions").order_by("number")


def state_of(case: UUID, *, now: datetime) -> list[GrantSeen]:
    """Every grant of a case, the oldest first."""
    return seen(of_case(case), now=now)


def unfinished(*, now: datetime) -> QuerySet[Grant]:
    """What should be gone and is not shown to be, and what waits for a person; the oldest first."""
    due = Q(removed_at__isnull=True, state__in=["granting", "usable", "ending"])
    late = Q(ends_at__lte=now - GRACE) | Q(ending_at__lte=now - GRACE)
    rows = Grant.objects.filter(Q(state="failed") | ~Q(who_must_act="") | (due & late))
    rows = rows.exclude(state="ended").select_related("delegation__grantee", "holder")
    return rows.prefetch_related("sessions").order_by("ends_at", "number")


def seen(rows: Iterable[Grant], *, now: datetime) -> list[GrantSeen]:
    silent, stopped = not_answering(), outgoing.stopped()
    return [_seen(row, silent.get((row.system, row.account), ""), stopped, now) for row in rows]


def _seen(row: Grant, silent: str, stopped: bool, now: datetime) -> GrantSeen:
    over = row.ending_at is not None or row.ends_at <= now
    waits = row.state not in ("ended", "usable") or (over and row.state != "ended")
    sentence = _sentence(row, over)
    if waits and silent and row.removed_at is None:
        sentence += f" {silent}"
    if waits and stopped and row.removed_at is None:
        sentence += " All outgoing writes are stopped: two people can let them go on."
    since = min(row.ending_at or row.ends_at, row.ends_at)
    late = over and row.removed_at is None and row.state != "ended" and now - since > GRACE
    return GrantSeen(
        grant=row,
        key=row.key,
        words=row.words,
        state=row.state,
        sentence=sentence,
        person=row.person,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        allows=row.starts_at <= now and not over,
        burning=(late and row.granting_at is not None) or row.state == "failed",
        must_act=row.who_must_act,
        only_while_running=not row.target_ends_itself,
        residual=row.residual,
        residual_until=row.residual_until,
        sessions=[
            {
                "name": one.name,
                "credential": one.credential,
                "minted_at": one.minted_at,
                "minted_by": one.minted_by_name,
                "lives_until": one.lives_until,
            }
            for one in row.sessions.all()
        ],
    )


def _sentence(row: Grant, over: bool) -> str:
    at = f"{row.system} {row.account}"
    match row.state:
        case "ended" if row.granting_at is None:
            said = "Ended before anything was given."
        case "ended":
            said = f"Ended: {at} shows that it is gone, and nothing of it lives on."
        case "failed" if over:
            said = f"{at} does not show that it is gone: {row.failed_why}"
        case "failed":
            said = f"It could not be given: {row.failed_why}"
        case "asked":
            said = f"It begins at {_minute(row.starts_at)}." if not over else "Its time is over."
        case "granting":
            said = f"Being given at {at}."
        case "usable" if not over:
            said = f"{at} shows it. It ends at {_minute(row.ends_at)}."
        case _ if row.removed_at is not None and row.residual_until is not None:
            said = (
                f"{at} shows that it is gone. Until {_minute(row.residual_until)} tokens live on."
            )
        case _ if row.removed_at is not None:
            said = f"{at} shows that it is gone. What lives on has no known end."
        case _:
            said = f"Being taken away at {at}."
    if row.state in ("granting", "usable", "ending") and row.failed_why and row.removed_at is None:
        said += f" {row.failed_why}"
    return said


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
