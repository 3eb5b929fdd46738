"""The queue never shows a case that somebody may not see, whatever names them in a seat of it."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reviews.models import Case, CaseMember, Seat
from reviews.pages import waiting

from .conftest import NOW, Told, make_user, party, person_of
from .queues import fill
from .test_queue import again, keys, owned

pytestmark = pytest.mark.django_db


def test_seat_of_a_role_waits_only_for_whoever_sees_its_case(story: Told) -> None:
    (case,) = owned(story, 1)
    case.seats.update(party=None, role="on_call")
    paul = make_user("paul", "on_call")
    party(paul)  # in which they are named nowhere
    assert keys(paul) == []
    Case.objects.filter(pk=case.pk).update(opened_by=paul.ref)
    assert keys(paul) == [case.key]


def test_unseen_cases_take_no_place_before_the_bound(story: Told) -> None:
    cases = owned(story, 6)
    Case.objects.filter(pk__in=[one.pk for one in cases[:3]]).update(sealed=True)
    CaseMember.objects.create(case=cases[1], person=person_of(story.ines), since=NOW)
    found = waiting.for_user(again(story.ines), now=NOW, most=3)
    assert [one.key for one in found] == [cases[at].key for at in (1, 3, 4)]


def test_earlier_answers_of_a_seat_are_its_own(story: Told) -> None:
    """Of two seats in one case each counts what it has answered, and nothing of the other's."""
    (case,) = fill(1, owners=[party(story.ines)], now=NOW, ai_owner=party(story.marek), items=3)
    owner, other = Seat.objects.filter(case=case).order_by("position")
    item = case.items.get(position=0)
    item.decisions.create(
        seat=owner, answer="keep", reason="x", by=story.ines, person=person_of(story.ines),
        at=NOW, not_before=NOW,
    )  # fmt: skip
    item.decisions.create(
        seat=other, answer="keep", reason="x", by=story.marek, person=person_of(story.marek),
        at=NOW, not_before=NOW, superseded_at=NOW,
    )  # fmt: skip
    left = [waiting.for_user(again(user), now=NOW)[0].left for user in (story.ines, story.marek)]
    assert left == [2, 3]


def test_rule_of_what_is_seen_is_asked_only_where_a_seat_does_not_show_its_case(
    story: Told,
) -> None:
    def asked() -> int:
        user = again(story.ines)
        with CaptureQueriesContext(connection) as queries:
            waiting.for_user(user, now=NOW)
        return sum("DISTINCT ON" in one["sql"] for one in queries)

    cases = owned(story, 3)
    assert asked() == 1
    Case.objects.filter(pk=cases[0].pk).update(sealed=True)
    assert asked() == 2
