"""Rooms on PostgreSQL, several at once: one incident of an identity, one answer, one closing."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction

from evidence.models import LedgerEntry
from identities.models import User
from identities.permissions import NotPossible
from reviews.incidents import closing, questions, rooms, tasks
from reviews.models import Case, Conclusion, Notice, Room, RoomRole, Task
from tests.reviews.conftest import DAY, HOUR, NOW, Told, make_user, party, tell_story
from tests.reviews.test_races import together

from .conftest import conclude, finish, fresh, opened

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def told() -> tuple[Told, Case, User]:
    story = tell_story()
    return story, opened(story)[0], make_user("rex", "responder")


def test_ten_openers_open_one_incident_and_lose_nothing() -> None:
    story = tell_story()
    openers = [story.ines, story.samuel, make_user("rex", "responder")]

    def open_it(number: int) -> Callable[[], Any]:
        return partial(
            opened, story, by=openers[number % 3], reason=f"report {number}", now=NOW + HOUR
        )

    made = together(*(open_it(number) for number in range(10)))
    assert sorted(new for _, new in made) == [False] * 9 + [True]
    assert {case.pk for case, _ in made} == {Case.objects.get(door="incident").pk}
    assert Room.objects.get().takes == story.identity

    words = " ".join(
        LedgerEntry.objects.filter(act__in=["case.opened", "incident.joined"])
        .order_by("pk")
        .values_list("words", flat=True)
    )
    assert all(f"report {number}" in words for number in range(10))


def opened_and_died(story: Told) -> None:
    with transaction.atomic():
        opened(story)
        raise ZeroDivisionError


def test_opener_that_dies_half_way_leaves_nothing(told: tuple[Told, Case, User]) -> None:
    story, case, _ = told
    Case.objects.filter(pk=case.pk).update(state="closed")
    with pytest.raises(ZeroDivisionError):
        opened_and_died(story)
    assert Case.objects.filter(door="incident").count() == 1
    assert opened(story)[1]


def test_two_conclude_at_once_and_one_is_told(told: tuple[Told, Case, User]) -> None:
    story, case, rex = told
    results = together(*(partial(conclude, case, by) for by in (story.ines, story.samuel, rex)))
    refused = [one for one in results if isinstance(one, NotPossible)]
    assert len(refused) == 2
    assert all("read that first" in str(one) for one in refused)
    assert Conclusion.objects.count() == 1


def test_roles_tasks_and_questions_given_at_once_are_all_kept(
    told: tuple[Told, Case, User],
) -> None:
    story, case, rex = told

    def task(by: User) -> Callable[[], Any]:
        return partial(
            tasks.add, case=case, words="x", owner=party(rex), due_at=NOW + DAY, by=by, now=NOW
        )

    together(
        task(story.ines),
        task(story.samuel),
        task(rex),
        partial(questions.ask, case=case, words="a?", by=story.ines, now=NOW),
        partial(questions.ask, case=case, words="b?", by=story.samuel, now=NOW),
        partial(rooms.name_role, case=case, role="scribe", to="Rex", by=story.ines, now=NOW),
        partial(rooms.name_role, case=case, role="scribe", to="Samuel", by=rex, now=NOW),
    )
    assert list(Task.objects.order_by("number").values_list("number", flat=True)) == [1, 2, 3]
    assert Room.objects.get().questions.count() == 7
    assert RoomRole.objects.filter(role="scribe").count() == 2
    assert RoomRole.objects.filter(role="scribe", until__isnull=True).count() == 1


def test_two_sweeps_tell_a_late_task_once(told: tuple[Told, Case, User]) -> None:
    story, case, rex = told
    tasks.add(case=case, words="x", owner=party(rex), due_at=NOW + HOUR, by=story.ines, now=NOW)
    together(*(partial(tasks.tell_late_next, now=NOW + DAY) for _ in range(3)))
    told_of = Notice.objects.filter(subject__endswith="T-1 is late")
    assert sorted(told_of.values_list("person__name", flat=True)) == ["Ines", "Rex"]


def test_closed_once_and_never_over_what_came_meanwhile(told: tuple[Told, Case, User]) -> None:
    story, case, rex = told
    finish(case, story, rex)
    version = fresh(case).version
    close = partial(closing.close, case=case, words="x", by=rex, now=NOW + DAY, version=version)
    results = together(
        close,
        close,
        partial(questions.ask, case=case, words="and?", by=story.ines, now=NOW + DAY),
    )
    closed = [one for one in results[:2] if isinstance(one, Case)]
    asked = not isinstance(results[2], Exception)
    # Either it was closed before the question came, or the question keeps it open.
    assert (len(closed), fresh(case).state) == ((0, "open") if asked else (1, "closed"))
    connection.close()
