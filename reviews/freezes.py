"""Which change freezes hold, and of whom: sets that the database finds, in two queries for a sweep.

Owns the scope of a freeze and the sentence that it holds. Signs none (reviews/actions/freezing.py)
and holds no rung (reviews/actions/braking.py).
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet

from identities.models import Identity
from identities.permissions import NotPossible
from reviews import policy_scope
from reviews.mode_rules import STEADY
from reviews.models import Freeze
from reviews.policy_document import Document, DocumentError, parse

SIGNED = ("in_force", "ended")


def document(scope: dict[str, Any]) -> Document:
    """The scope as a document, or NotPossible with what is wrong with it."""
    for name in scope:
        if name not in STEADY:
            raise NotPossible(f"A freeze is about what stays true: {', '.join(STEADY)}.")
    try:
        return parse({"scope": scope}, name="freeze")
    except DocumentError as problem:
        raise NotPossible(str(problem)) from problem


def population(freeze: Freeze, *, now: datetime) -> QuerySet[Identity]:
    """Everybody it is about; retired identities never."""
    return policy_scope.in_scope(document(freeze.scope), now=now)


def between(since: datetime, until: datetime) -> list[Freeze]:
    """The signed freezes that hold in some of this time, the one that holds longest first."""
    rows = Freeze.objects.filter(state__in=SIGNED, since__lte=until, until__gt=since)
    found = rows.select_related("asked").order_by("-until", "number")
    return [one for one in found if one.since < one.over_at and one.over_at > since]


def of(
    identities: Collection[UUID], freezes: Collection[Freeze], *, now: datetime
) -> dict[UUID, list[Freeze]]:
    """Which of these freezes are about each of these identities, in one query."""
    if not identities or not freezes:
        return {}
    inside = {
        f"in_{one.number}": Exists(population(one, now=now).filter(pk=OuterRef("pk")))
        for one in freezes
    }
    rows = Identity.objects.filter(pk__in=identities).annotate(**inside).values("pk", *inside)
    return {
        row["pk"]: [one for one in freezes if row[f"in_{one.number}"]]
        for row in rows
        if any(row[name] for name in inside)
    }


def ahead(identity: Identity | None, *, now: datetime) -> list[Freeze]:
    """The freezes that hold for an identity now or will, the one that begins first first."""
    if identity is None:
        return []
    rows = Freeze.objects.filter(state="in_force", until__gt=now).select_related("asked")
    found = of([identity.pk], list(rows.order_by("since", "number")), now=now)
    return found.get(identity.pk, [])


def words(freeze: Freeze) -> str:
    """ "FRZ-3 holds until 4 Jan 2027 06:00 UTC (year end)": the beginning of a sentence."""
    return f"{freeze.key} holds until {freeze.over_at:%-d %b %Y %H:%M} UTC ({freeze.reason[:200]})"
