"""Capsules of what somebody chose: any selection of events, frozen with what it was chosen by.

Owns who may freeze and who sees what was frozen. A selection of a case is that case's, as every
capsule of it; one of no case belongs to whoever froze it, and those who see everything see it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from evidence import capsules, ledger
from evidence.models import Capsule
from evidence.permissions import Reader
from evidence.words import counted
from identities.models import User
from identities.permissions import INACTIVE, NotPossible, require
from identities.visible import sees_all
from reviews.actions import entries, policy_versions
from reviews.models import Bundle, Case, HoldRule

SUBJECT = "selection"
MOST = 5_000
LONGEST_TITLE = 300


def why_not_freeze(user: User) -> str | None:
    """Why this user may not freeze events at all; of which ones they see, the list says."""
    return None if user.is_active else INACTIVE


def seen(user: User) -> QuerySet[Capsule]:
    """The selections of no case that this user may see."""
    rows = Capsule.objects.filter(subject=SUBJECT)
    return rows if sees_all(user) else rows.filter(made_by=user.ref)


def freeze(
    *,
    events: Sequence[capsules.Ref],
    title: str,
    query: Mapping[str, Any],
    window: tuple[datetime | None, datetime | None],
    by: User,
    reader: Reader,
    now: datetime,
    case: Case | None = None,
) -> Capsule:
    """Freeze these events for good. `query` is what they were chosen by, as plain JSON.

    Raises NotPossible where there is none, or more than one capsule holds.
    """
    require(why_not_freeze(by))
    if not events:
        raise NotPossible("There is no event to freeze: choose others.")
    if len(events) > MOST:
        raise NotPossible(
            f"One capsule holds {MOST:,} events, and these are more: narrow them by time or source."
        )
    with transaction.atomic():
        capsule = capsules.freeze(
            subject=SUBJECT if case is None else case.key,
            events=events,
            query={"title": title.strip()[:LONGEST_TITLE], "asked": dict(query)},
            shown={"policies": _policies()},
            by=by.ref,
            now=now,
            window=window,
            most=MOST,
            all_sources=reader.scope is None,
        )
        named = {"capsule": capsule.key, "capsule_digest": bytes(capsule.digest).hex()}
        words = f"{by.called} froze {counted(len(capsule.body['events']), 'event')}"
        words += f" as {capsule.key}"
        if case is not None:
            entries.note(case, act="capsule.frozen", words=words, by=by, now=now, data=named)
        else:
            ledger.append(
                at=now, by=by.ref, by_name=by.called, act="capsule.frozen", subject=capsule.key,
                words=words, data=named,
            )  # fmt: skip
    return capsule


def _policies() -> list[str]:
    """What is in force when it is frozen, each with its version."""
    bundles = Bundle.objects.filter(state="in_force").order_by("slug", "version")
    rules = HoldRule.objects.filter(state="in_force").order_by("pk")
    return [
        *(f"review policy {one}" for one in policy_versions.all_signed()),
        *(f"break-glass bundle {one}" for one in bundles),
        *(f"automatic hold {one}" for one in rules),
    ]
