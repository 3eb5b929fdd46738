"""Why a small review was opened, and what was noted of an identity without asking anybody."""

from datetime import datetime
from typing import Any

from evidence.words import counted
from identities.models import Identity
from reviews.actions import policy_versions
from reviews.micro_reviews import TRIGGERS
from reviews.models import Case, Trigger

MOST_SHOWN = 20
STATES = {"waiting": "waits", "asked": "new", "joined": "neutral", "over": "neutral"}


def of_case(case: Case) -> dict[str, Any]:
    """What opened a case, or came to it while it was open; newest last."""
    rows = case.triggers.order_by("found_at", "pk")[:MOST_SHOWN]
    return {
        "heading": "Why this is asked" if case.trigger else "What came to it since it was opened",
        "rows": [_row(one) for one in rows],
    }


def of_identity(identity: Identity, *, now: datetime) -> dict[str, Any]:
    """What was noted of an identity lately, and why what waits is not asked about."""
    rows = list(
        Trigger.objects.filter(identity=identity)
        .exclude(state="known")
        .select_related("case")
        .order_by("-found_at", "-pk")[:MOST_SHOWN]
    )
    waiting = sum(one.state == "waiting" for one in rows)
    return {"rows": [_row(one) for one in rows], "note": _why_waits(identity, waiting, now=now)}


def _why_waits(identity: Identity, waiting: int, *, now: datetime) -> str:
    if not waiting:
        return ""
    those = f"{counted(waiting, 'of these is', 'of these are')} counted and not asked about"
    if identity.mode == "observe":
        return f"{those}: {identity.name} is only observed. It is asked once its mode asks."
    alone = policy_versions.why_left_alone(identity, now=now)
    return f"{those}: {alone}." if alone else "What waits is asked about within a minute."


def _row(one: Trigger) -> dict[str, Any]:
    return {
        "kind": STATES.get(one.state, "neutral"),
        "badge": TRIGGERS[one.name].words,
        "why": TRIGGERS[one.name].why,
        "words": one.words,
        "links": one.links,
        "at": one.at,
        # A sealed case is absent, also here.
        "case": "" if one.case is None or one.case.sealed else one.case.key,
    }


def as_data(case: Case) -> list[dict[str, Any]]:
    """The same for the case as JSON."""
    return [
        {"trigger": one.name, "words": one.words, "at": one.at, "links": one.links}
        for one in case.triggers.order_by("found_at", "pk")[:MOST_SHOWN]
    ]
