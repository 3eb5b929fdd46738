"""Conclusions: bound to events, as strong as the weakest of them, never changed; absence acquits nobody."""

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from evidence.models import LedgerEntry, Source
from evidence.vocabulary import EXACT, INFERRED, KEY
from identities.models import User
from identities.models.behaviour import BY_EXACT, BY_INFERENCE, BY_KEY, ONE_OF, Attribution
from identities.permissions import NotAllowed, NotPossible
from reviews.incidents import questions, rooms
from reviews.models import Case, Conclusion, ConclusionEvent, Question
from tests.reviews.conftest import ARN, DAY, HOUR, NOW, Told, ingest, make_user, record

from .conftest import MINUTE, conclude, fresh, refs

pytestmark = pytest.mark.django_db
NO_PART = (
    "Only a responder, who answers for the identity, who sits in {} or has a role in its room works"
    " in it."
)
OTHER = {
    "userIdentity": {
        "type": "IAMUser",
        "principalId": "AIDAOTHER",
        "arn": ARN.replace("svc-report", "mallory"),
        "accountId": "111122223333",
        "accessKeyId": "AKIAEXAMPLEOTHER0001",
        "userName": "mallory",
    }
}


def strengths_become(strength: int, place: int) -> None:
    at, event = refs(place + 1)[place]
    Attribution.objects.filter(at=at, event_id=event).update(strength=strength)


def test_conclusion_is_bound_to_its_events_and_answers(story: Told, incident: Case) -> None:
    row = conclude(incident, story.ines, events=refs(3))
    assert (row.certainty, row.strength) == ("answered", KEY)
    assert sorted(row.events.values_list("at", "event_id")) == refs(3)
    (said,) = LedgerEntry.objects.filter(subject=incident.key, act="question.concluded")
    assert said.words == (
        "Ines concluded on question 1 (answered, key, on 3 events): the key of svc-report"
    )
    assert len(said.data["events"]) == 3


@pytest.mark.parametrize(
    ("attributed", "strength", "certainty"),
    [
        (BY_EXACT, EXACT, "answered"),
        (BY_KEY, KEY, "answered"),
        (BY_INFERENCE, INFERRED, "hypothesis"),
        (ONE_OF, INFERRED, "hypothesis"),
    ],
    ids=["exact", "key", "inferred", "one of"],
)
def test_conclusion_is_as_strong_as_its_weakest_event(
    story: Told, incident: Case, attributed: int, strength: int, certainty: str
) -> None:
    Attribution.objects.update(strength=BY_EXACT)
    strengths_become(attributed, 2)
    row = conclude(incident, story.ines, events=refs(4))
    assert (row.strength, row.certainty) == (strength, certainty)


def test_event_of_nobody_known_is_no_stronger_than_who_says_so(story: Told, incident: Case) -> None:
    known = set(refs(100))
    ingest([record(70, "GetObject", "hr/1.csv", NOW - HOUR, **OTHER)])
    (stranger,) = set(refs(100)) - known
    rex = make_user("rex", "responder")
    row = conclude(incident, rex, events=[*refs(1), stranger])
    assert (row.strength, row.certainty) == (INFERRED, "hypothesis")
    # Who does not see it anyway cannot conclude on it, and is not told that it is there.
    with pytest.raises(NotPossible, match="There is no event"):
        conclude(incident, story.ines, number=2, events=[stranger])


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"events": []}, questions.NO_EVENTS),
        ({"events": [(NOW, 1)]}, "There is no event 1 at 2026-11-24 12:00:00 UTC."),
        ({"words": " "}, "Say what is concluded."),
        ({"certainty": "surely"}, "Say how sure it is: answered, partly, hypothesis."),
        (
            {"certainty": "partly"},
            "Say what is missing: an answer in part names what it lacks.",
        ),
        ({"number": 99}, "has no question 99."),
    ],
    ids=["no events", "no such event", "no words", "certainty", "partly", "question"],
)
def test_bad_conclusion_is_refused_and_nothing_is_lost(
    story: Told, incident: Case, more: dict[str, Any], why: str
) -> None:
    with pytest.raises(NotPossible) as refused:
        conclude(incident, story.ines, **more)
    assert why in str(refused.value)
    assert not Conclusion.objects.exists()


@pytest.mark.parametrize("wrong", ["no events", "stronger than its weakest"])
def test_database_refuses_what_stands_on_nothing(story: Told, incident: Case, wrong: str) -> None:
    question = Question.objects.get(room=incident.pk, number=1)
    with transaction.atomic():
        row = Conclusion.objects.create(
            question=question, words="x", certainty="answered", strength=EXACT, at=NOW, by="x"
        )
        if wrong != "no events":
            at, event = refs()[0]
            ConclusionEvent.objects.create(conclusion=row, at=at, event_id=event, strength=KEY)
        with (
            pytest.raises(IntegrityError, match="as strong as the weakest"),
            connection.cursor() as cursor,
        ):
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        transaction.set_rollback(True)


def test_changed_conclusion_takes_the_place_of_the_one_before(story: Told, incident: Case) -> None:
    first = conclude(incident, story.ines)
    with pytest.raises(NotPossible, match="Ines concluded on it at 12:01:00 UTC: read that first"):
        conclude(incident, story.samuel, words="another key", now=NOW + HOUR)
    second = conclude(incident, story.samuel, words="another", seen=first.pk, now=NOW + HOUR)
    first.refresh_from_db()
    assert (first.words, first.superseded_at) == ("the key of svc-report", NOW + HOUR)
    assert questions.current(first.question) == second
    assert first.events.count() == 1


def test_partly_names_what_is_missing(story: Told, incident: Case) -> None:
    row = conclude(
        incident, story.ines, number=4, certainty="partly", missing="S3 was silent for 13 min"
    )
    assert (row.certainty, row.missing) == ("partly", "S3 was silent for 13 min")


def test_sources_that_are_not_shown_to_be_complete_are_named(story: Told, incident: Case) -> None:
    row = conclude(incident, story.ines)
    assert row.unproven == ["whether evidence of cloudtrail is complete is not known"]
    Source.objects.update(watermark=NOW, completeness="declared")
    assert conclude(incident, story.ines, seen=row.pk).unproven == []


def test_absence_of_evidence_never_concludes_that_it_did_not_happen(
    story: Told, incident: Case
) -> None:
    said: dict[str, Any] = {"number": 5, "words": "it is over", "denies": True}
    with pytest.raises(NotPossible) as refused:
        conclude(incident, story.ines, **said)
    assert str(refused.value) == (
        "That something did not happen cannot be concluded: whether evidence of cloudtrail is"
        " complete is not known. Conclude in part, and name what is missing."
    )
    row = conclude(incident, story.ines, **said, certainty="partly", missing="CloudTrail may lag")
    assert (row.certainty, row.strength) == ("partly", INFERRED)
    Source.objects.update(watermark=NOW + DAY, completeness="declared")
    row = conclude(incident, story.ines, **said, seen=row.pk)
    # Shown to be complete, and still no more than a hypothesis.
    assert (row.certainty, row.strength) == ("hypothesis", INFERRED)


def test_first_answer_to_who_attributes_it(story: Told, incident: Case) -> None:
    conclude(incident, story.ines, number=1)
    assert rooms.room_of(incident).attributed_at is None
    strengths_become(BY_INFERENCE, 0)
    guess = conclude(incident, story.ines, number=2, now=NOW + MINUTE)
    assert rooms.room_of(incident).attributed_at is None
    strengths_become(BY_EXACT, 0)
    sure = conclude(incident, story.ines, number=2, seen=guess.pk, now=NOW + HOUR)
    conclude(incident, story.ines, number=2, seen=sure.pk, now=NOW + DAY)
    assert rooms.room_of(incident).attributed_at == NOW + HOUR


def test_question_is_asked_dropped_and_taken_up_again(story: Told, incident: Case) -> None:
    row = questions.ask(case=incident, words="Who was told?", by=story.ines, now=NOW)
    assert row.number == 6
    with pytest.raises(NotPossible, match="Say why it is not answered any further"):
        questions.drop(case=incident, number=6, reason="", by=story.ines, now=NOW)
    questions.drop(case=incident, number=6, reason="nobody", by=story.ines, now=NOW)
    with pytest.raises(NotPossible, match="Question 6 was dropped by Ines already"):
        questions.drop(case=incident, number=6, reason="again", by=story.ines, now=NOW)
    with pytest.raises(NotPossible, match="Question 6 is dropped: ask it again"):
        conclude(incident, story.ines, number=6)
    questions.take_up(case=incident, number=6, by=story.ines, now=NOW)
    assert conclude(incident, story.ines, number=6).question == row
    acts = LedgerEntry.objects.filter(subject=incident.key, act__startswith="question.")
    assert list(acts.order_by("id").values_list("act", flat=True)) == [
        "question.asked",
        "question.dropped",
        "question.taken_up",
        "question.concluded",
    ]


@pytest.mark.parametrize(
    ("who", "why"),
    [
        ("otto", "You are an auditor: auditors read everything and change nothing."),
        ("rita", NO_PART),
    ],
)
def test_who_has_no_part_in_it_concludes_nothing(
    story: Told, incident: Case, who: str, why: str
) -> None:
    user: User = getattr(story, who)
    with pytest.raises(NotAllowed) as refused:
        conclude(incident, user)
    assert str(refused.value) == why.format(incident.key)


def test_nothing_is_concluded_in_what_is_closed(story: Told, incident: Case) -> None:
    Case.objects.filter(pk=incident.pk).update(state="closed")
    with pytest.raises(NotAllowed, match="is closed: nothing is changed in it"):
        conclude(fresh(incident), story.ines)
