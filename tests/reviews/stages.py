"""Policies with stages, and cases opened under them, for the tests of stages."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from identities.models import Membership, Party, Team, User
from reviews import actions
from reviews.actions import answers
from reviews.models import Case, Decision, Notice, ReviewPolicy, Seat
from reviews.policy_document import parse

from .conftest import DAY, NOW, Told, everything_counts, item_of, person_of

type Answer = Callable[..., Decision]

FIRST: dict[str, Any] = {"name": "Owners", "hours": 48}
SECOND: dict[str, Any] = {
    "name": "Second look",
    "hours": 24,
    "seats": {"identity_owner": ["team:IAM"], "ai_owner": ["team:AI risk"]},
}


def policy(*stages: dict[str, Any], name: str = "staged", **fields: Any) -> ReviewPolicy:
    """A signed version with these stages, read as the form reads it."""
    hours = sum(one["hours"] for one in stages if one.get("order") != "parallel")
    document: dict[str, Any] = {
        "stages": list(stages),
        "decide_within_hours": hours or 168,
        "remind_before_hours": [4],
        "escalate_before_hours": 2,
    } | fields
    if not stages:
        del document["stages"]
    parse(document, name=name)
    return ReviewPolicy.objects.create(
        name=name,
        state="signed",
        document=document,
        decide_within_hours=document["decide_within_hours"],
        remind_before_hours=document["remind_before_hours"],
        escalate_before_hours=document["escalate_before_hours"],
        silence=document.get("silence", "escalate"),
        recorded_at=NOW,
        recorded_by="countersign",
    )


def team(name: str, *users: User) -> Party:
    made = Team.objects.create(name=name)
    for user in users:
        Membership.objects.create(
            team=made, person=person_of(user), during=(NOW - DAY, None), recorded_at=NOW
        )
    return Party.objects.create(team=made)


def opened(story: Told, *stages: dict[str, Any], **fields: Any) -> Case:
    """A review under such a policy; everybody is told, and all time counts."""
    case = actions.open_review(
        identity=story.identity,
        by=story.rita,
        now=NOW,
        reason="yearly",
        policy=policy(*stages, **fields),
    )
    everything_counts(case, until=NOW + 60 * DAY)
    return fresh(case)


def fresh(case: Case) -> Case:
    return Case.objects.select_related("identity__service", "policy", "campaign").get(pk=case.pk)


def seat(case: Case, kind: str, stage: str, place: int = 0) -> Seat:
    return Seat.objects.select_related("stage", "party", "backup", "person").get(
        case=case, kind=kind, stage__name=stage, place=place
    )


def say(
    case: Case,
    user: User,
    said: str,
    seat_: Seat,
    *,
    kind: str = "credential",
    now: datetime = NOW,
    **more: Any,
) -> Decision:
    """Answer one item in one seat, against the case as it is now."""
    return actions.decide(
        case=case,
        item=item_of(case, kind),
        seat=seat_,
        answer=said,
        reason=f"{user.username} says so",
        by=user,
        now=now,
        version=Case.objects.get(pk=case.pk).version,
        **more,
    )


def both(case: Case, story: Told, said: str, *, now: datetime = NOW, stage: str = "Owners") -> None:
    """The owners agree on every item of their stage."""
    for kind in ("delegation", "credential"):
        say(case, story.ines, said, seat(case, "identity_owner", stage), kind=kind, now=now)
        say(case, story.samuel, said, seat(case, "ai_owner", stage), kind=kind, now=now)


def sweep(now: datetime) -> None:
    """The worker's sweeps; what they write goes out at once."""
    while actions.remind_due(now=now):
        pass
    while actions.deadlines_next(now=now):
        pass
    Notice.objects.filter(sent_at=None).update(sent_at=now)


def after_undo(now: datetime) -> datetime:
    return now + answers.UNDO
