"""Marks on events: who may, that two at once lose nothing, and what the ledger holds of each."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from evidence.models import LedgerEntry
from evidence.queries.events import ref_of
from identities.models import User
from identities.permissions import NotAllowed, NotPossible
from reviews.actions import closing, commenting
from reviews.incidents import marks, reading
from reviews.models import Case, CaseMember, Comment, Mark
from reviews.pages import timeline_rows
from tests import once
from tests.reviews.conftest import HOUR, NOW, Told, ingest, make_user, person_of, record

from .timelines import LATER, incident_of, keys, responder

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
@once.told
def rex(story: Told) -> User:
    return responder()


@pytest.fixture
@once.told
def room(story: Told, rex: User) -> Case:
    return incident_of(story, rex)


def said_of(case: Case) -> dict[str, Any]:
    key = keys()[0]
    return timeline_rows.marks_of(case, [key])[key]


def test_mark_is_kept_taken_off_and_put_on_again_and_each_is_in_the_ledger(
    room: Case, rex: User, story: Told
) -> None:
    key, version = keys()[0], Case.objects.get(pk=room.pk).version
    _, new = marks.put(case=room, key=key, label="", by=rex, now=NOW)
    row, again = marks.put(case=room, key=key, label="", by=story.ines, now=NOW)
    assert (new, again, row.by_name) == (True, False, "Rex")
    assert marks.put(case=room, key=key, label="  Data  LEFT ", by=story.ines, now=NOW)[1]
    assert said_of(room) == {
        "starred": True,
        "starred_by": "Rex",
        "labels": ["data left"],
        "pinned": False,
        "notes": 0,
    }
    assert marks.take_off(case=room, key=key, label="", by=story.ines, now=LATER)
    assert not marks.take_off(case=room, key=key, label="", by=rex, now=LATER)
    assert said_of(room)["starred"] is False
    assert marks.put(case=room, key=key, label="", by=rex, now=LATER)[1]
    rows = LedgerEntry.objects.filter(subject=room.key, act__startswith="timeline.")
    assert [(one.act, one.words, one.data["event"]) for one in rows.order_by("pk")] == [
        (act, f"{words} in {room.key}", ref_of(key))
        for act, words in (
            ("timeline.marked", "Rex starred an event"),
            ("timeline.marked", 'Ines labelled an event "data left"'),
            ("timeline.unmarked", "Ines took the star off an event"),
            ("timeline.marked", "Rex starred an event"),
        )
    ]
    # A form that somebody fills in meanwhile stays good.
    assert Case.objects.get(pk=room.pk).version == version


def test_pin_and_note_are_those_of_the_case(room: Case, rex: User) -> None:
    key = keys()[0]
    pinned = marks.pin(case=room, key=key, by=rex, now=NOW)
    assert marks.pin(case=room, key=key, by=rex, now=NOW) == pinned
    note = marks.note(case=room, key=key, text=f"{HOSTILE} for @ines", by=rex, now=NOW)
    assert Comment.objects.get(case=room) == note.comment
    assert note.comment.text == f"{HOSTILE} for @ines"
    assert (said_of(room)["pinned"], said_of(room)["notes"]) == (True, 1)
    acts = LedgerEntry.objects.filter(subject=room.key).order_by("pk").values_list("act", flat=True)
    assert list(acts.order_by("pk"))[-2:] == ["evidence.pinned", "comment.written"]


WRONG = {
    " ": "Write the label first",
    "x" * 41: "at most 40 characters",
    HOSTILE: "of letters, digits, spaces",
    "\u202eevil": "of letters, digits, spaces",
    "a\0b": "of letters, digits, spaces",
}


@pytest.mark.parametrize(("label", "words"), WRONG.items(), ids=repr)
def test_label_that_is_none_is_refused_and_leaves_nothing(
    room: Case, rex: User, label: str, words: str
) -> None:
    with pytest.raises(NotPossible, match=words):
        marks.put(case=room, key=keys()[0], label=label, by=rex, now=NOW)
    assert Mark.objects.count() == 0


def test_more_than_a_case_and_an_event_hold_is_refused(
    room: Case, rex: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marks, "MOST_LABELS", 1)
    monkeypatch.setattr(marks, "MOST_MARKS", 2)
    one, two, *_ = keys()
    marks.put(case=room, key=one, label="a", by=rex, now=NOW)
    with pytest.raises(NotPossible, match="at most 1 labels"):
        marks.put(case=room, key=one, label="b", by=rex, now=NOW)
    marks.put(case=room, key=two, label="a", by=rex, now=NOW)
    with pytest.raises(NotPossible, match="holds 2 stars and labels"):
        marks.put(case=room, key=two, label="", by=rex, now=NOW)


ACTS: dict[str, Callable[..., Any]] = {
    "star": lambda **said: marks.put(label="", **said),
    "label": lambda **said: marks.put(label="x", **said),
    "unstar": lambda **said: marks.take_off(label="", **said),
    "pin": marks.pin,
    "note": lambda **said: marks.note(text="x", **said),
}


@pytest.mark.parametrize("act", ACTS)
def test_who_does_not_work_in_the_room_marks_nothing(
    story: Told, room: Case, rex: User, act: str
) -> None:
    key = keys()[0]
    for user in (story.rita, story.otto, make_user("gus", "owner")):
        with pytest.raises(NotAllowed):
            ACTS[act](case=room, key=key, by=user, now=NOW)
    Case.objects.filter(pk=room.pk).update(sealed=True)
    with pytest.raises(NotAllowed, match="There is no such case"):
        ACTS[act](case=room, key=key, by=rex, now=NOW)
    CaseMember.objects.create(case=room, person=person_of(rex), since=NOW)
    ACTS[act](case=room, key=key, by=rex, now=NOW)
    Case.objects.filter(pk=room.pk).update(state="closed", closed_at=NOW)
    with pytest.raises(NotAllowed, match="is closed"):
        ACTS[act](case=room, key=key, by=rex, now=NOW)


@pytest.mark.parametrize("act", [one for one in ACTS if one != "unstar"])
def test_event_that_one_may_not_see_is_as_one_that_is_not_there(
    story: Told, room: Case, act: str
) -> None:
    """Else who works in the room would read any event by its number."""
    ingest([record(77, "GetObject", "x/y", NOW - HOUR, userIdentity={"type": "AWSService"})])
    (other,) = [key for key in keys() if not reading.belongs(room, key)]
    for key in (other, (NOW, 12)):
        with pytest.raises(NotPossible, match=r"There is no such event\."):
            ACTS[act](case=room, key=key, by=story.ines, now=NOW)
    assert Mark.objects.count() == Comment.objects.count() == room.pinned.count() == 0


def test_sealed_case_keeps_its_marks_in_the_ledger_as_commitments(room: Case, rex: User) -> None:
    Case.objects.filter(pk=room.pk).update(sealed=True)
    CaseMember.objects.create(case=room, person=person_of(rex), since=NOW)
    marks.put(case=room, key=keys()[0], label="secret word", by=rex, now=NOW)
    entry = LedgerEntry.objects.get(act="timeline.marked")
    assert entry.sealed_case == room.pk


def test_database_holds_one_mark_of_a_kind_and_no_label_without_words(room: Case) -> None:
    at, number = keys()[0]
    said: dict[str, Any] = {"case": room, "at": at, "event_id": number, "since": NOW, "by": "x"}
    Mark.objects.create(kind="star", **said)
    for kind, label in (("star", ""), ("star", "x"), ("label", ""), ("flag", "")):
        with pytest.raises(IntegrityError), transaction.atomic():
            Mark.objects.create(kind=kind, label=label, **said)


def test_limits_of_neighbours_are_said_too(
    room: Case, rex: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closing, "MOST_PINNED", 0)
    with pytest.raises(NotPossible, match="at most 0 pinned"):
        marks.pin(case=room, key=keys()[0], by=rex, now=NOW)
    monkeypatch.setattr(commenting, "MOST", 0)
    with pytest.raises(NotPossible, match="takes no more"):
        marks.note(case=room, key=keys()[0], text="x", by=rex, now=NOW)


class TestAtOnce:
    """Two people at the same moment."""

    pytestmark = pytest.mark.django_db(transaction=True)

    def test_no_mark_is_lost(self, story: Told) -> None:
        rex = responder()
        room = incident_of(story, rex)
        people, found = (rex, story.ines), keys()[:2]

        def mark(number: int) -> None:
            try:
                by = people[number % 2]
                for key in found:
                    marks.put(case=room, key=key, label=f"by {by.username}", by=by, now=NOW)
                    marks.put(case=room, key=key, label="", by=by, now=NOW)
                    marks.put(case=room, key=key, label="both", by=by, now=NOW)
            finally:
                connection.close()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(mark, range(4)))
        for key, said in timeline_rows.marks_of(room, found).items():
            assert said["labels"] == ["both", "by ines", "by rex"], key
            assert said["starred"]
        assert Mark.objects.count() == 8
        assert LedgerEntry.objects.filter(act="timeline.marked").count() == 8
