"""The wall of what is not finished: everything asked for and not effective, the oldest first.

Owns the contexts of templates/unfinished.html and of the front page's part of it, and the rows that
leave as CSV and JSON. The words are identities/actions/revocations/by_hand.py's. Constant queries.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet

from evidence.parameters import Known, checked, understood, whole
from identities import visible
from identities.actions import batches, outgoing
from identities.actions.revocations import by_hand, not_answering, rights
from identities.actions.revocations.by_hand import Standing
from identities.models import Revocation, Rights, Statement, User
from reviews.exports import moment
from reviews.pages import lists, unfinished_grants

PATH = "/unfinished/"
AGES = unfinished_grants.AGES
WAITING = ("requested", "sending", "sent", "confirmed", "failed")
STATES = {
    "failed": "failed, waits for a person",
    "requested": "not sent yet",
    "sending": "being sent",
    "sent": "sent, not shown by the target",
    "confirmed": "shown by the target, something lives on",
}
KNOWN: Known = {
    "q": (),
    "system": (),
    "state": WAITING,
    "age": tuple(AGES),
    **lists.PAGES,
}
COLUMNS = [
    "revocation",
    "identity",
    "identity_name",
    "system",
    "account",
    "step",
    "what",
    "state",
    "words",
    "must_act",
    "next_at",
    "requested_at",
    "requested_by",
    "because",
    "case",
    "url",
    "grant",
]
# A list that is longer is taken out as a file.
MOST_SYSTEMS = 50
CHUNK = 500


class Around(NamedTuple):
    """What is true of many rows at once, asked for once."""

    silent: Mapping[tuple[str, str], str]
    stopped: bool


def around() -> Around:
    return Around(not_answering(), outgoing.stopped())


def proposed(rows: Sequence[Revocation]) -> dict[UUID, Statement]:
    """What is stated of these and waits for a second person."""
    found = Statement.objects.filter(revocation__in=rows, state="proposed")
    return {one.revocation_id: one for one in found}


def standings(rows: Sequence[Revocation], known: Around) -> list[tuple[Revocation, Standing]]:
    stated = proposed(rows)
    return [
        (
            one,
            by_hand.standing(
                one, silent=known.silent, stopped=known.stopped, proposed=stated.get(one.pk)
            ),
        )
        for one in rows
    ]


def found(user: User, asked: Mapping[str, str], *, now: datetime) -> QuerySet[Revocation]:
    """What this user may see of it and asks for, the oldest first."""
    rows = lists.not_effective(visible.revocations(user, now=now))
    if asked.get("system"):
        rows = rows.filter(system=asked["system"])
    if asked.get("state"):
        rows = rows.filter(state=asked["state"])
    if asked.get("age"):
        rows = rows.filter(requested_at__lte=now - AGES[asked["age"]][1])
    q = asked.get("q", "").strip()[:200]
    if q:
        number = whole(q.upper().removeprefix("REV-"), longest=15)
        by_key = Q(pk__in=[]) if number is None else Q(number=number)
        rows = rows.filter(Q(words__icontains=q) | Q(identity__name__icontains=q) | by_key)
    return rows.select_related("identity").order_by("requested_at", "number")


def context(user: User, asked: Mapping[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/unfinished.html."""
    kept, left_out = understood(asked, KNOWN)
    rows = found(user, kept, now=now)
    total = rows.count()
    shown, page = lists.page_of(rows, kept, PATH)
    mine = lists.not_effective(visible.revocations(user, now=now))
    systems = mine.order_by("system").values_list("system", flat=True).distinct()[:MOST_SYSTEMS]
    query = "&".join(
        f"{name}={kept[name]}" for name in ("system", "state", "age") if kept.get(name)
    )
    return {
        "section": "front",
        "title": "Not finished",
        "crumbs": [{"words": "Home", "url": "/"}],
        "left_out": left_out,
        "now": now,
        "q": kept.get("q", ""),
        "filters": [
            lists.choice("system", "System", list(systems), kept.get("system", "")),
            lists.choice("state", "State", STATES, kept.get("state", "")),
            lists.choice(
                "age",
                "Waits for",
                {one: said for one, (said, _) in AGES.items()},
                kept.get("age", ""),
            ),
        ],
        "narrowed": any(kept.get(name) for name in ("q", "system", "state", "age")),
        "rows": [_row(one, how) for one, how in standings(shown, around())],
        "page": page | {"total": total},
        "out": [
            {"words": shape.upper(), "url": f"/unfinished.{shape}{f'?{query}' if query else ''}"}
            for shape in ("csv", "json")
        ],
        "rights": accounts(user),
        "grants": unfinished_grants.shown(user, now=now),
        "acts": [
            {"words": "Signed for many", "url": "/batches/", "icon": "signature", "get": True},
            {
                "words": "Stop many at once",
                "url": "/batches/new/",
                "icon": "ban",
                "get": True,
                "why_not": batches.why_not_ask_many(user, now=now) or "",
            },
        ],
    }


def _row(one: Revocation, how: Standing) -> dict[str, Any]:
    return {
        "key": one.key,
        "url": f"/revocations/{one.key}/",
        "words": one.words,
        "system": by_hand.place_of(one),
        "identity": {"words": one.identity.name, "url": f"/identities/{one.identity.key}/"},
        "case": {"key": one.case_key, "url": f"/cases/{one.case_key}/"} if one.case_key else None,
        "state": one.state,
        "how": how.words,
        "must_act": how.must_act,
        "waits_for_person": how.next_at is None,
        "next_at": how.next_at,
        "requested_at": one.requested_at,
    }


def accounts(user: User) -> list[dict[str, Any]]:
    """What the enforcers said last night that they may not do; for whoever sees all."""
    if not visible.sees_all(user):
        return []
    rows = Rights.objects.exclude(missing=[], unstoppable=[], failed_why="")
    return [rights.as_row(one) for one in rows.order_by("system", "account")]


def burning(user: User, *, now: datetime, most: int) -> dict[str, Any]:
    """The front page's part of it (templates/front.html)."""
    rows = found(user, {}, now=now)
    shown = standings(list(rows[:most]), around())
    return {
        "title": "Revocations requested, not effective",
        "icon": "ban",
        "n": rows.count(),
        "url": PATH,
        "rows": [
            {
                "words": one.words,
                "sub": f"{one.key}, {one.identity.name}: {how.words}",
                "must_act": how.must_act,
                "next_at": how.next_at,
                "url": f"/revocations/{one.key}/",
                "state": one.state,
                "when": one.requested_at,
                "when_words": "",
                "share": None,
            }
            for one, how in shown
        ],
    }


def out(user: User, asked: Mapping[str, str], *, now: datetime) -> Iterator[dict[str, Any]]:
    """Every row of this view of the wall, then its grants; what cannot be asked for is refused here."""
    checked(asked, KNOWN)
    rows = found(user, asked, now=now)
    given = unfinished_grants.found(user, asked, now=now)
    return chain(_out(rows, around()), unfinished_grants.out(given, now=now))


def _out(rows: QuerySet[Revocation], known: Around) -> Iterator[dict[str, Any]]:
    some: list[Revocation] = []
    for one in rows.iterator(chunk_size=CHUNK):
        some.append(one)
        if len(some) == CHUNK:
            yield from (as_data(row, how) for row, how in standings(some, known))
            some = []
    yield from (as_data(row, how) for row, how in standings(some, known))


def as_data(one: Revocation, how: Standing) -> dict[str, Any]:
    """One row as files and the API say it."""
    return {
        "revocation": one.key,
        "identity": one.identity.key,
        "identity_name": one.identity.name,
        "system": one.system,
        "account": str(one.target.get("account", "")),
        "step": one.step,
        "what": one.words,
        "state": one.state,
        "words": how.words,
        "must_act": how.must_act,
        "next_at": moment(how.next_at),
        "requested_at": moment(one.requested_at),
        "requested_by": one.requested_by_name or one.requested_by,
        "because": one.because,
        "case": one.case_key,
        "url": f"{settings.BASE_URL}/revocations/{one.key}/",
        "grant": "",
    }
