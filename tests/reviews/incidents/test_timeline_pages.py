"""The timeline's page, its event pages, forms, files and doors for scripts: who sees what."""

import csv
import io
import json
from typing import Any

import pytest
from django.test import Client

from evidence.models import Looked
from evidence.queries.events import ref_of
from identities.models import User
from reviews.incidents import marks
from reviews.models import Case, CaseMember, Mark
from tests import once
from tests.reviews.conftest import HOUR, NOW, Told, ingest, make_user, person_of, record

from .timelines import client_of, incident_of, keys, responder

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
@once.told
def rex(story: Told) -> User:
    return responder()


@pytest.fixture
@once.told
def room(story: Told, rex: User) -> Case:
    ingest([record(50, "GetObject", f"invoices/{HOSTILE}", NOW - HOUR)])
    return incident_of(story, rex)


def path(case: Case, more: str = "/") -> str:
    return f"/cases/{case.key}/timeline{more}"


def test_page_shows_rows_forms_and_files_and_escapes_what_attackers_wrote(
    room: Case, rex: User
) -> None:
    answer = client_of(rex).get(path(room))
    text = answer.content.decode()
    assert answer.status_code == 200
    assert HOSTILE not in text
    assert "&lt;script&gt;alert(1)" in text
    assert text.count('name="do" value="star"') == 6
    assert f'href="{path(room, ".csv")}"' in text
    assert f'hx-get="{path(room)}"' in text
    assert Looked.objects.filter(case=room.pk, kind="case", ref=room.key).count() == 1


@pytest.mark.parametrize(
    ("query", "live"),
    [("", True), ("?show=identity", True), ("?to=2027-01-01T00:00:00", False)],
)
def test_only_the_newest_page_of_an_open_incident_asks_again(
    room: Case, rex: User, query: str, live: bool
) -> None:
    assert ("every 10s" in client_of(rex).get(path(room) + query).content.decode()) is live
    Case.objects.filter(pk=room.pk).update(state="closed", closed_at=NOW)
    assert "every 10s" not in client_of(rex).get(path(room) + query).content.decode()


def test_part_that_is_polled_is_the_section_alone_and_nobody_looked(room: Case, rex: User) -> None:
    answer = client_of(rex).get(path(room) + "?short=1", headers={"HX-Request": "true"})
    text = answer.content.decode().strip()
    assert text.startswith('<section class="cs-card" id="room_timeline"')
    assert f'hx-get="{path(room)}?short=1"' in text
    assert Looked.objects.filter(case=room.pk).count() == 0


def test_filters_and_places_that_are_none_are_said_and_narrow_nothing(
    room: Case, rex: User
) -> None:
    answer = client_of(rex).get(path(room) + "?show=evil&before=x&nonsense=1")
    text = answer.content.decode()
    assert "this list is not narrowed by it" in text
    assert text.count('name="do" value="star"') == 6


def doors(case: Case) -> list[str]:
    return [
        path(case),
        path(case, f"/events/{ref_of(keys()[0])}/"),
        path(case, ".csv"),
        path(case, ".json"),
        f"/api{path(case)}",
    ]


def test_who_does_not_see_the_case_finds_none_of_its_doors(
    story: Told, room: Case, rex: User
) -> None:
    stranger = client_of(make_user("gus", "owner"))
    for door in doors(room):
        assert stranger.get(door).status_code == 404, door
        assert Client().get(door).status_code in (302, 401, 403), door
        assert client_of(story.otto).get(door).status_code == 200, door
    Case.objects.filter(pk=room.pk).update(sealed=True)
    CaseMember.objects.create(case=room, person=person_of(rex), since=NOW)
    for door in doors(room):
        assert client_of(story.otto).get(door).status_code == 404, door
        assert client_of(rex).get(door).status_code == 200, door
    said = {"event": ref_of(keys()[0]), "do": "star"}
    for door in (path(room, "/mark/"), f"/api{path(room)}"):
        assert client_of(story.rita).post(door, said).status_code == 404
    assert Mark.objects.count() == 0


def test_case_that_is_no_incident_has_no_timeline(story: Told, case: Case) -> None:
    for door in doors(case):
        assert client_of(story.rita).get(door).status_code == 404, door


def test_forms_mark_and_lead_back_to_where_they_stood(room: Case, rex: User) -> None:
    browser, ref = client_of(rex), ref_of(keys()[0])
    mark = path(room, "/mark/")
    back = browser.post(
        mark,
        {"event": ref, "do": "star", "back": "list", "here": "show=identity&evil=1&before=1-0-1"},
    )
    assert back["Location"] == f"{path(room)}?show=identity&before=1-0-1#event-{ref}"
    here = path(room, f"/events/{ref}/")
    for does, more in (
        ("label", {"label": "Odd one"}),
        ("pin", {}),
        ("note", {"text": f"{HOSTILE} why"}),
    ):
        found = browser.post(mark, {"event": ref, "do": does, "back": "event"} | more)
        assert found["Location"] == here, does
    text = browser.get(here).content.decode()
    assert HOSTILE not in text
    for words in (
        "odd one",
        "Pinned as evidence",
        "Take the star off",
        "alert(1)&lt;/script&gt; why",
    ):
        assert words in text, words
    room_ = browser.post(mark, {"event": ref, "do": "unstar", "back": "room"})
    assert room_["Location"] == f"/cases/{room.key}/room/#timeline"


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"event": "x", "do": "star"}, 409),
        ({"event": "1-1", "do": "star"}, 409),
        ({"do": "burn"}, 409),
        ({"do": "label", "label": ""}, 409),
        ({"do": "note", "text": ""}, 409),
    ],
)
def test_form_that_says_nothing_right_is_refused_and_leaves_nothing(
    room: Case, rex: User, said: dict[str, str], status: int
) -> None:
    said = {"event": ref_of(keys()[0])} | said
    assert client_of(rex).post(path(room, "/mark/"), said).status_code == status
    assert (Mark.objects.count(), room.comments.count(), room.pinned.count()) == (0, 0, 0)


def test_who_only_reads_is_told_why_nothing_can_be_marked(story: Told, room: Case) -> None:
    browser, said = client_of(story.otto), {"event": ref_of(keys()[0]), "do": "star"}
    assert "auditors read everything" in browser.get(path(room)).content.decode()
    assert browser.post(path(room, "/mark/"), said).status_code == 403
    assert client_of(story.rita).post(path(room, "/mark/"), said).status_code == 403
    assert Mark.objects.count() == 0


def test_event_page_shows_what_stood_around_it_and_hides_what_is_of_others(
    story: Told, room: Case, rex: User
) -> None:
    here = path(room, f"/events/{ref_of(keys()[2])}/")
    ingest([record(77, "PutObject", "x/y", NOW - HOUR, userIdentity={"type": "AWSService"})])
    everything = f"{here}?whose=all"
    assert "PutObject" not in client_of(rex).get(here).content.decode()
    assert "PutObject" in client_of(rex).get(everything).content.decode()
    # Ines answers for the identity of the case, and for nothing else.
    assert "PutObject" not in client_of(story.ines).get(everything).content.decode()
    for wrong in ("x", "1-1", f"{2**70}-1"):
        assert client_of(rex).get(path(room, f"/events/{wrong}/")).status_code == 404


def test_files_hold_every_row_with_its_marks_and_no_formula(room: Case, rex: User) -> None:
    key = keys()[0]
    marks.put(case=room, key=key, label="odd", by=rex, now=NOW)
    marks.put(case=room, key=key, label="left", by=rex, now=NOW)
    marks.note(case=room, key=key, text="=1+1", by=rex, now=NOW)
    answer = client_of(rex).get(path(room, ".csv"))
    body = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]  # a streamed answer
    rows = list(csv.DictReader(io.StringIO(body)))
    assert [row["kind"] for row in rows] == ["event"] * 6 + ["act", "act", "note"]
    assert (rows[0]["labels"], rows[0]["notes"], rows[0]["event"]) == (
        "left, odd",
        "1",
        ref_of(key),
    )
    assert rows[-1]["words"] == "'=1+1"
    answer = client_of(rex).get(path(room, ".json") + "?label=odd")
    (only,) = json.loads(answer.getvalue())
    assert only["labels"] == ["left", "odd"]
    assert client_of(rex).get(path(room, ".csv") + "?before=1-0-1").status_code == 409


def test_api_gives_pages_and_takes_marks(room: Case, rex: User) -> None:
    browser, door = client_of(rex), f"/api{path(room)}"
    first = browser.get(door, {"limit": "3"}).json()
    assert [row["kind"] for row in first["rows"]] == ["event", "act", "act"]
    assert first["after"] is None
    second = browser.get(door, {"limit": "3", "before": first["before"]}).json()
    assert [row["kind"] for row in second["rows"]] == ["event"] * 3
    again = browser.get(door, {"limit": "3", "after": second["after"]}).json()
    assert again["rows"] == first["rows"]
    said: dict[str, Any] = {"event": second["rows"][0]["event"], "do": "label", "label": "api"}
    assert browser.post(door, said, content_type="application/json").status_code == 201
    assert browser.get(door, {"label": "api"}).json()["rows"][0]["labels"] == ["api"]
    for wrong in ({"do": "x"}, {"event": "1-1"}):
        found = browser.post(door, said | wrong, content_type="application/json")
        assert found.status_code in (400, 409), found.content
    assert browser.get(door, {"show": "evil"}).status_code == 409
