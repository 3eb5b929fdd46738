"""What a pack may be of, who may take it out, and how far it reaches.

Owns the four kinds: a case (incidents and break-glass are cases), an identity, a campaign, and a
capsule that somebody froze by hand. What its taker may not see, or not see yet, is left out, and
nothing says that it was.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from evidence.models import Capsule
from identities import visible as identities_visible
from identities.models import Identity, User
from reviews import selections, sight, visible
from reviews.campaigns import rows
from reviews.models import Campaign, CampaignIdentity, Case, CaseMember

KEY = re.compile(r"(CS|NHI|CMP|CAP)-0*(\d{1,15})")
NOT_YOURS = "Reviewers, responders, auditors and administrators take packs out."

type Row = Case | Identity | Campaign | Capsule


@dataclass(frozen=True)
class Subject:
    """One thing that a pack is of."""

    kind: str  # case, identity, campaign, capsule
    key: str
    title: str
    url: str
    row: Any
    sealed_case: UUID | None = None


def of(row: Row) -> Subject:
    """This row as what a pack is of."""
    if isinstance(row, Case):
        door = "break-glass" if row.door == "break_glass" else "cases"
        url = f"/{door}/{row.key}/"
        return Subject("case", row.key, row.title, url, row, row.pk if row.sealed else None)
    if isinstance(row, Identity):
        return Subject("identity", row.key, row.name, f"/identities/{row.key}/", row)
    if isinstance(row, Campaign):
        return Subject("campaign", row.key, row.name, f"/campaigns/{row.key}/", row)
    title = str(row.body["query"].get("title", "")) or "Frozen events"
    return Subject("capsule", row.key, title, f"/capsules/{row.key}/", row)


def find(key: str, user: User, *, now: datetime) -> Subject | None:
    """The thing of this key, where this user may see it."""
    found = KEY.fullmatch(key)
    if found is None:
        return None
    number = int(found[2])
    looked: dict[str, Callable[[], Row | None]] = {
        "CS": lambda: visible.cases(user, now=now).filter(number=number).first(),
        "NHI": lambda: identities_visible.identities(user, now=now).filter(number=number).first(),
        "CMP": lambda: None if rows.why_not_see(user) else rows.by_key(key),
        "CAP": lambda: selections.seen(user).filter(number=number).first(),
    }
    row = looked[found[1]]()
    return None if row is None else of(row)


def why_not_take(user: User, subject: Subject, *, now: datetime) -> str | None:
    """Why somebody may not take this out, beyond seeing it at all."""
    if subject.kind == "capsule":
        return None  # whoever sees one froze it, or sees all
    if subject.sealed_case is not None:
        if not CaseMember.objects.filter(case=subject.row, person=user.person_id).exists():
            return NOT_YOURS
    elif not identities_visible.sees_all(user):
        return NOT_YOURS
    if subject.kind == "case":
        return sight.why_not_look_again(user, subject.row, now=now)
    return None


def cases(subject: Subject, user: User, *, now: datetime) -> QuerySet[Case]:
    """The cases that belong in it, of those whose every answer this user may read."""
    if subject.kind == "case":
        return Case.objects.filter(pk=subject.row.pk)
    if subject.kind == "capsule":
        return Case.objects.none()
    seen = visible.cases(user, now=now)
    if subject.kind == "identity":
        found = seen.filter(identity=subject.row)
    else:
        joined = CampaignIdentity.objects.filter(campaign=subject.row, case__isnull=False)
        found = seen.filter(Q(campaign=subject.row) | Q(pk__in=joined.values("case")))
    blind = sight.hidden(user, now=now)
    return found if blind is None else found.exclude(blind)
