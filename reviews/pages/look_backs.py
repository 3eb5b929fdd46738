"""Uses that wait for somebody's look back, as rows of their queue and of all that is made of it.

Owns which they are: break-glass that has ended, and sealed credentials that evidence shows in use.
No seat is theirs, so they are not found by a walk along seats; few there are, so filters are asked
of the rows. Whether somebody may really look is judged again when they do. Constant queries.
"""

from datetime import datetime
from typing import Any

from django.db.models import Q

from identities.models import User
from identities.permissions import groups
from reviews import visible
from reviews.break_glass import rights as of_glass
from reviews.break_glass.quorum import Signer
from reviews.models import Case
from reviews.sealed import rights as of_sealed

# What a queue calls the part of whoever looks back (reviews/permissions.py, SEAT_WORDS).
KIND = "closer"
# Filters of a queue that none of these passes: a case's items, and what stands in them.
NONE_PASS = frozenset({"cases", "together"})


def for_user(user: User, *, now: datetime, **narrowed: Any) -> list[Case]:
    """The cases whose use this user may look back at now, the earliest deadline first. `narrowed`:
    as of a queue (waiting.FILTERS)."""
    given = {name: value for name, value in narrowed.items() if value}
    if user.person_id is None or not user.is_active or "auditor" in groups(user):
        return []
    if given.get("seat", KIND) != KIND or not NONE_PASS.isdisjoint(given):
        return []
    # Mostly nothing waits, which one step along an index tells; who may see it is dear to ask.
    waits = list(Case.objects.filter(door="break_glass", state="in_review").values_list("pk"))
    if not waits:
        return []
    rows = list(
        visible.cases(user, now=now)
        .filter(
            Q(sealed_use__reviewed_at=None, sealed_use__isnull=False)
            | Q(break_glass__reviewed_at=None, break_glass__isnull=False),
            pk__in=[pk for (pk,) in waits],
        )
        .select_related("identity__service", "sealed_use__drill", "break_glass__bundle")
        .order_by("deadline_at", "number")
    )
    if not rows:
        return []
    mine = of_glass.signers([user.person_id], now=now)
    return [
        one for one in rows if _passes(one, given, now=now) and _theirs(one, user, mine, now=now)
    ]


def _theirs(case: Case, user: User, mine: list[Signer], *, now: datetime) -> bool:
    if hasattr(case, "sealed_use"):
        return of_sealed.why_not_look_at_use(user, case.sealed_use, now=now) is None
    return of_glass.why_not_review(user, case, now=now, mine=mine) is None


def _passes(case: Case, given: dict[str, Any], *, now: datetime) -> bool:
    one, said = case.identity, str(given.get("q", "")).lower()
    if said and said not in f"{case.key} {case.title}".lower():
        return False
    if given.get("due") and case.deadline_at > now:
        return False
    if given.get("identity") and (one is None or one.number != given["identity"]):
        return False
    if given.get("system") and (
        one is None or one.service is None or one.service.slug != given["system"]
    ):
        return False
    return not given.get("person") or (one is not None and str(one.owner_id) == given["person"])
