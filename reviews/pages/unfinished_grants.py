"""Grants that should be gone and are not shown to be, or wait for a person: a part of the wall.

Owns that part's context (templates/unfinished.html). The sentences are identities/actions/grants'.
"""

from datetime import datetime
from typing import Any

from identities.actions import grants
from identities.models import User
from reviews import visible

MOST = 100


def shown(user: User, *, now: datetime) -> list[dict[str, Any]]:
    """Those of cases that this user sees, the oldest first."""
    rows = grants.unfinished(now=now).filter(case__in=visible.cases(user, now=now).values("pk"))
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
