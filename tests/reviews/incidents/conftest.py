"""An incident of the story's identity with its room, and the few acts that many tests begin with."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from evidence.models import Event, Source
from identities.models import User
from reviews.incidents import closing, freezing, opening, questions, rooms, tasks
from reviews.models import Case, Conclusion
from tests import once
from tests.reviews.conftest import DAY, HOUR, NOW, Told, make_user, party, person_of

MINUTE = timedelta(minutes=1)


def opened(story: Told, **more: Any) -> tuple[Case, bool]:
    """An incident by its identity's owner, or the one that this joins."""
    said: dict[str, Any] = {
        "identity": story.identity,
        "title": "key used from an unknown address",
        "reason": "a call from an address nobody knows",
        "by": story.ines,
        "now": NOW,
    }
    return opening.open_or_join(**(said | more))


@pytest.fixture
@once.told
def incident(story: Told) -> Case:
    """Opened and led by Ines."""
    return opened(story)[0]


@pytest.fixture
@once.told
def rex(story: Told) -> User:
    """A responder who has not acted in it."""
    return make_user("rex", "responder")


def named(case: Case, by: User, lead: str = "Ines", *, now: datetime = NOW) -> Case:
    """Another person says that she leads, so that she may revoke."""
    rooms.name_role(case=case, role="lead", to=lead, by=by, now=now)
    return fresh(case)


def refs(most: int = 1) -> list[tuple[Any, int]]:
    """The first events of the story."""
    return list(Event.objects.order_by("at", "id").values_list("at", "id")[:most])


def conclude(case: Case, by: User, number: int = 1, **more: Any) -> Conclusion:
    said: dict[str, Any] = {
        "words": "the key of svc-report",
        "certainty": "answered",
        "events": refs(),
        "seen": None,
        "now": NOW + MINUTE,
    }
    return questions.conclude(case=case, number=number, by=by, **(said | more))


def fresh(case: Case) -> Case:
    return Case.objects.get(pk=case.pk)


def finish(case: Case, story: Told, closer: User, *, but: str = "") -> None:
    """Everything that the gate asks for, without the one that is named."""
    now = NOW + HOUR
    Source.objects.update(watermark=NOW + DAY, completeness="declared")
    for number in range(1, 6):
        if but != "questions" or number > 1:
            questions.drop(case=case, number=number, reason="not asked", by=story.ines, now=now)
    task = tasks.add(
        case=case, words="tell", owner=party(story.ines), due_at=NOW + DAY, by=story.ines, now=now
    )
    if but != "tasks":
        tasks.end(case=case, number=task.number, state="done", said="told", by=story.ines, now=now)
    if but != "review":
        closing.open_review(case=case, by=story.ines, now=now)
    if but != "outcome":
        rooms.write_outcome(case=case, words="a drill", by=story.ines, now=now)
    if but != "lessons":
        rooms.note_lessons(case=case, words="rotate", by=story.ines, now=now)
    if but != "closer":
        rooms.name_role(case=case, role="closer", to=person_of(closer).name, by=story.ines, now=now)
    if but != "sealed":
        pin(case, story.ines)
        freezing.freeze(case=case, by=story.ines, now=now)


def pin(case: Case, by: User, place: int = 0) -> None:
    from reviews import actions

    at, event = refs(place + 1)[place]
    actions.pin(case=case, at=at, event_id=event, by=by, now=NOW + HOUR)
