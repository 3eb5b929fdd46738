"""What is in a campaign, row by row: the identities in scope, their reviews, and their items.

Owns what stands behind each number of a campaign (progress.py counts the same), as queries for
pages, files and the API; and what such a list may be narrowed by. Writes nothing. What is sealed
is absent for everybody but its members.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce

from evidence.parameters import checked, whole
from identities.models import User
from identities.permissions import NotAllowed, NotPossible
from reviews import visible
from reviews.actions import attention
from reviews.models import (
    Campaign,
    CampaignIdentity,
    Case,
    Decision,
    Item,
    Quarantine,
    Stage,
)
from reviews.models.cases import ANSWERS, STATES
from reviews.outcomes import WORDS
from reviews.permissions import SIGNING

OPEN = ("", "conflict")
NOBODY = "nobody"
BLIND = "You are asked without seeing earlier answers: where they differ is shown once you signed."
LONGEST = 200


class Asked(NamedTuple):
    """A list of one campaign: who asks, for what, and whether they must not learn what differs."""

    campaign: Campaign
    user: User
    said: Mapping[str, str]
    blind: bool
    now: datetime


# --- the identities in scope ---------------------------------------------------------------------

ROADS: dict[str, tuple[str, Q]] = {
    "reviewed": ("with a review", Q(case__isnull=False)),
    "joined": ("whose review was open before", Q(joined=True)),
    "left_out": ("not asked", ~Q(left_out="")),
    "waiting": ("waiting for their review", Q(case__isnull=True, left_out="")),
}
OF_IDENTITIES = {"road": tuple(ROADS), "why": (), "q": ()}


def identities(asked: Asked) -> QuerySet[CampaignIdentity]:
    """Who was in scope when it was launched: the review of each, or why there is none."""
    checked(asked.said, OF_IDENTITIES)
    rows = CampaignIdentity.objects.filter(campaign=asked.campaign)
    if asked.said.get("road"):
        rows = rows.filter(ROADS[asked.said["road"]][1])
    if asked.said.get("why"):
        rows = rows.filter(left_out=asked.said["why"])
    q = asked.said.get("q", "").strip()[:LONGEST]
    if q:
        rows = rows.filter(
            Q(identity__name__icontains=q) | _numbered("identity__number", q, "NHI-")
        )
    seen = Exists(_cases(asked).filter(pk=OuterRef("case")))
    rows = rows.select_related("identity", "case").annotate(seen=seen)
    return rows.order_by("identity__number")


def _numbered(field: str, q: str, prefix: str) -> Q:
    number = whole(q.upper().removeprefix(prefix), longest=15)
    return Q(pk__in=[]) if number is None else Q(**{field: number})


def _cases(asked: Asked) -> QuerySet[Case]:
    shown = visible.cases(asked.user, now=asked.now).order_by()
    return shown.filter(campaign=asked.campaign)


# --- who is asked --------------------------------------------------------------------------------

# A seat kind, and the party and person behind it, as the rows of progress.py are told apart.
OF_SEATS: dict[str, tuple[str, ...]] = {"seat": tuple(SIGNING), "party": (), "person": ()}


def _seated(rows: QuerySet[Any], asked: Asked, path: str) -> QuerySet[Any]:
    """The rows, once for each seat that is meant; `seated` is that seat. As they are where none is."""
    if not _meant(asked):
        return rows
    rows = rows.annotate(
        seated=F(f"{path}seats__pk"),
        seated_as=F(f"{path}seats__kind"),
        seated_turn=F(f"{path}seats__turn"),
        seated_party=F(f"{path}seats__party"),
        seated_person=Coalesce(f"{path}seats__person", f"{path}seats__party__person"),
    ).filter(seated_as__in=SIGNING)
    rows = rows.exclude(seated_turn="later")
    if asked.said.get("seat"):
        rows = rows.filter(seated_as=asked.said["seat"])
    for name in ("party", "person"):
        value = asked.said.get(name, "")
        if value == NOBODY:
            rows = rows.filter(**{f"seated_{name}__isnull": True})
        elif value:
            rows = rows.filter(**{f"seated_{name}": _uuid(name, value)})
    return rows


def _meant(asked: Asked) -> bool:
    return any(asked.said.get(name) for name in OF_SEATS)


def _uuid(name: str, value: str) -> UUID:
    try:
        return UUID(value)
    except ValueError:
        raise NotPossible(
            f"{name} is {value[:40]!r}; give its id, or {NOBODY} where nobody is named."
        ) from None


# --- the reviews ---------------------------------------------------------------------------------

STANDS: dict[str, tuple[str, Callable[[QuerySet[Stage]], QuerySet[Stage]]]] = {
    "asked": ("asked now", lambda rows: rows.filter(state="running", case__state="open")),
    "over": (
        "over",
        lambda rows: rows.filter(Q(state="done") | Q(state="running") & ~Q(case__state="open")),
    ),
    "to_come": ("to come", lambda rows: rows.filter(state="waiting", case__state="open")),
    "not_needed": (
        "not needed",
        lambda rows: rows.filter(state="waiting").exclude(case__state="open"),
    ),
}
YES_NO = ("yes", "no")
OF_REVIEWS = {
    "state": STATES,
    "stage": (),
    "stands": tuple(STANDS),
    "done": YES_NO,
    "looks": ("waiting",),
    "q": (),
    **OF_SEATS,
}


def reviews(asked: Asked) -> QuerySet[Case]:
    """Its reviews, once for each seat where a seat is meant."""
    checked(asked.said, OF_REVIEWS)
    said, rows = asked.said, _cases(asked)
    if said.get("state"):
        rows = rows.filter(state=said["state"])
    if said.get("stage") or said.get("stands"):
        stages = Stage.objects.filter(case=OuterRef("pk"))
        if said.get("stage"):
            stages = stages.filter(name=said["stage"])
        if said.get("stands"):
            stages = STANDS[said["stands"]][1](stages)
        rows = rows.filter(Exists(stages)).exclude(state="cancelled")
    if said.get("looks"):
        if asked.blind:
            raise NotAllowed(BLIND)
        rows = rows.filter(pk__in=attention.cases_of(asked.campaign.pk))
    q = said.get("q", "").strip()[:LONGEST]
    if q:
        rows = rows.filter(Q(title__icontains=q) | _numbered("number", q, "CS-"))
    counted = _counted(Item.objects.filter(case=OuterRef("pk")))
    if _meant(asked):
        rows = _seated(rows, asked, "").exclude(state="cancelled").filter(Exists(counted))
    if said.get("done"):
        left = counted.filter(outcome__in=OPEN)
        if _meant(asked):
            left = left.filter(~_given(OuterRef(OuterRef("seated"))))
        rows = rows.filter(~Exists(left) if said["done"] == "yes" else Exists(left))
    return rows.select_related("identity").order_by("number")


def _given(seat: Any) -> Exists:
    return Exists(
        Decision.objects.filter(item=OuterRef("pk"), seat=seat, superseded_at__isnull=True)
    )


# --- the items -----------------------------------------------------------------------------------

OUTCOMES = {"decided": "decided", "left": "left to decide", "conflict": "in conflict"} | {
    one: WORDS[one] for one in ANSWERS
}
OF_ITEMS = {"outcome": tuple(OUTCOMES), "answer": ("given", "missing"), "q": (), **OF_SEATS}


def _counted(rows: QuerySet[Item]) -> QuerySet[Item]:
    """Without what is asked about in another review since it was restored (progress.COUNTED)."""
    again = Quarantine.objects.filter(
        item=OuterRef("pk"), state="restored", settled_at=OuterRef("carried_out_at")
    )
    return rows.filter(~Exists(again))


def items(asked: Asked) -> QuerySet[Item]:
    """What is asked in its reviews, once for each seat where a seat is meant."""
    checked(asked.said, OF_ITEMS)
    said = asked.said
    rows = _counted(
        Item.objects.filter(case__in=_cases(asked).exclude(state="cancelled").values("pk"))
    )
    outcome = said.get("outcome", "")
    if outcome == "conflict" and asked.blind:
        raise NotAllowed(BLIND)
    if outcome == "left":
        rows = rows.filter(outcome__in=OPEN)
    elif outcome == "decided":
        rows = rows.exclude(outcome__in=OPEN)
    elif outcome:
        rows = rows.filter(outcome=outcome)
    q = said.get("q", "").strip()[:LONGEST]
    if q:
        rows = rows.filter(
            Q(title__icontains=q)
            | Q(case__identity__name__icontains=q)
            | _numbered("case__number", q, "CS-")
        )
    rows = _seated(rows, asked, "case__")
    if said.get("answer"):
        given = ~Q(outcome__in=OPEN)
        if _meant(asked):
            given |= Q(_given(OuterRef("seated")))
        rows = rows.filter(given if said["answer"] == "given" else ~given)
    return rows.select_related("case__identity").order_by("case__number", "position")
