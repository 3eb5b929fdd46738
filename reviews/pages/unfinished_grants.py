"""Grants that should be gone and are not shown to be, or wait for a person: a part of the wall.

Owns that part's context (templates/unfinished.html), how it is narrowed, and its rows that leave as
CSV and JSON. The sentences are identities/actions/grants'.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import batched
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet

from evidence.parameters import whole
from identities.actions import grants
from identities.models import Grant, User
from reviews import visible
from reviews.exports import moment

# How long something waits, by the word that is asked for.
AGES = {
    "hour": ("over an hour", timedelta(hours=1)),
    "day": ("over a day", timedelta(days=1)),
    "week": ("over a week", timedelta(days=7)),
}

MOST, CHUNK = 100, 500


def found(user: User, asked: Mapping[str, str], *, now: datetime) -> QuerySet[Grant]:
    """Those of cases that this user sees and asks for, the oldest first. Of the wall's states they
    have `failed` alone."""
    rows = grants.unfinished(now=now).filter(case__in=visible.cases(user, now=now).values("pk"))
    if asked.get("system"):
        rows = rows.filter(system=asked["system"])
    if asked.get("state"):
        rows = rows.filter(state="failed") if asked["state"] == "failed" else rows.none()
    if asked.get("age"):
        rows = rows.filter(asked_at__lte=now - AGES[asked["age"]][1])
    q = asked.get("q", "").strip()[:200]
    if q:
        number = whole(q.upper().removeprefix("GRT-"), longest=15)
        by_key = Q(pk__in=[]) if number is None else Q(number=number)
        named = Q(delegation__grantee__name__icontains=q)
        rows = rows.filter(Q(words__icontains=q) | named | by_key)
    return rows


def out(rows: QuerySet[Grant], *, now: datetime) -> Iterator[dict[str, Any]]:
    """All of these as files and the API say them, in the columns of what is asked to be stopped."""
    for some in batched(rows.iterator(chunk_size=CHUNK), CHUNK):
        yield from (as_data(one) for one in grants.seen(some, now=now))


def as_data(one: grants.GrantSeen) -> dict[str, Any]:
    row, owner = one.grant, one.grant.delegation.grantee
    return {
        "revocation": "",
        "identity": owner.key,
        "identity_name": owner.name,
        "system": row.system,
        "account": row.account,
        "step": "end" if row.ending_at is not None or not one.allows else "grant",
        "what": one.words,
        "state": one.state,
        "words": one.sentence,
        "must_act": one.must_act,
        "next_at": moment(row.not_before),
        "requested_at": moment(row.asked_at),
        "requested_by": row.asked_by_name or row.asked_by,
        "because": "",
        "case": row.case_key,
        "url": f"{settings.BASE_URL}/grants/{one.key}/",
        "grant": one.key,
    }


def shown(user: User, *, now: datetime) -> list[dict[str, Any]]:
    """Those of cases that this user sees, the oldest first."""
    rows = found(user, {}, now=now)
    return [
        {
            "key": one.key,
            "words": one.words,
            "place": f"{one.grant.system} {one.grant.account}",
            "url": f"/grants/{one.key}/",
            "identity": {
                "words": one.grant.delegation.grantee.name,
                "url": f"/identities/{one.grant.delegation.grantee.key}/",
            },
            "case": one.grant.case_key,
            "since": min(one.grant.ending_at or one.ends_at, one.ends_at),
            "over": one.grant.ending_at is not None or one.ends_at <= now,
            "how": one.sentence,
            "burning": one.burning,
            "must_act": one.must_act,
            "next_at": one.grant.not_before,
        }
        for one in grants.seen(rows[:MOST], now=now)
    ]
