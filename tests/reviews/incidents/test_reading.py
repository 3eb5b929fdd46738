"""One timeline of an incident: every kind of row, in one order, whole by any pages."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from evidence.models import Gap, Source
from identities.models import Finding, Revocation, User
from reviews import actions
from reviews.incidents import around, marks, places, reading
from reviews.incidents.reading import ACT, EVENT, FINDING, NOTE, REVOCATION, Place
from reviews.models import Case
from reviews.pages import room_timeline
from tests import once
from tests.reviews.conftest import HOUR, NOW, Told, ingest, record

from .timelines import LATER, asked, drawn, incident_of, keys, responder

pytestmark = pytest.mark.django_db


@pytest.fixture
@once.told
def rex(story: Told) -> User:
    return responder()


@pytest.fixture
@once.told
def room(story: Told, rex: User) -> Case:
    """Five events, a finding, a revocation of two moments, two acts, a comment."""
    found = incident_of(story, rex)
    finding = Finding.objects.create(
        identity=story.identity,
        rule="no_run",
        strength=3,
        words="3 calls with no run",
        count=3,
        first_at=NOW - HOUR,
        last_at=NOW,
        opened_at=NOW,
        state_at=NOW,
    )
    found.findings.add(finding)
    Revocation.objects.create(
        identity=story.identity,
        step="hold",
        system="aws",
        target={},
        words="Hold the key",
        case=found.pk,
        case_key=found.key,
        requested_at=NOW + timedelta(minutes=1),
        requested_by="x",
        sent_at=NOW + timedelta(minutes=2),
        not_before=NOW,
    )
    actions.comment(case=found, text="who is it", by=rex, now=NOW + timedelta(minutes=1))
    return found


def all_of(case: Case, **said: str) -> list[reading.Row]:
    return list(reading.every(case, asked(case, **said)))


def test_rows_of_every_kind_stand_in_one_order_of_time(room: Case) -> None:
    rows = all_of(room)
    assert [row.place for row in rows] == sorted(row.place for row in rows)
    kinds = [row.place.kind for row in rows]
    # The acts: the incident was opened, Rex leads it.
    assert kinds == [EVENT] * 5 + [FINDING, ACT, ACT, REVOCATION, NOTE, REVOCATION]
    said = [one["words"] or one["action"] for one in drawn(room, rows)]
    assert said[0] == "s3:GetObject"
    assert said[5] == "3 calls with no run (3 events)"
    assert "REV-" in said[8]
    assert said[9] == "who is it"


@pytest.mark.parametrize("size", [1, 2, 3, 50])
@pytest.mark.parametrize("up", [True, False], ids=["up", "down"])
def test_pages_of_any_size_give_every_row_once(room: Case, size: int, *, up: bool) -> None:
    found: list[Place] = []
    place: Place | None = None
    while rows := reading.beyond(room, asked(room), place, size, up=up):
        found += [row.place for row in rows]
        place = rows[-1].place
    whole = [row.place for row in all_of(room)]
    assert found == (whole if up else whole[::-1])


def test_place_is_written_and_read_back_and_nonsense_is_none(room: Case) -> None:
    for row in all_of(room):
        assert places.place_in(places.text_of(row.place)) == row.place
    for text in ("", "1-0", "1-6-1", "x-0-1", "1-0-9223372036854775808", f"1-5-{2**128}", "9" * 40):
        assert places.place_in(text) is None


def test_events_of_others_come_in_when_somebody_chose_them(room: Case, rex: User) -> None:
    """Rex sees everything; the event is nobody's whom we know."""
    ingest([record(77, "GetObject", "x/y", NOW - HOUR, userIdentity={"type": "AWSService"})])
    (other,) = [key for key in keys() if not reading.belongs(room, key)]
    assert other not in [row.place[::2] for row in all_of(room)]
    marks.put(case=room, key=other, label="strange", by=rex, now=LATER)
    assert other in [row.place[::2] for row in all_of(room)]
    assert [row.place[::2] for row in all_of(room, label="Strange")] == [other]
    assert all_of(room, label="nothing") == []


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ({"show": "acts"}, 6),
        ({"show": "identity"}, 5),
        ({"show": "ai"}, 0),
        ({"show": "pinned"}, 1),
        ({"show": "starred"}, 2),
        ({"show": "starred", "label": "odd"}, 1),
        ({"label": "odd"}, 1),
        ({"strength": "key"}, 5),
        ({"strength": "exact"}, 0),
        ({"show": "pinned", "strength": "key"}, 1),
        ({"from": (NOW - HOUR / 2).isoformat()}, 9),
    ],
)
def test_filters_narrow_and_marked_rows_stay_whatever_the_time(
    room: Case, rex: User, said: dict[str, str], wanted: int
) -> None:
    one, two, three, *_ = keys()
    marks.put(case=room, key=one, label="", by=rex, now=LATER)
    marks.put(case=room, key=two, label="", by=rex, now=LATER)
    marks.put(case=room, key=two, label="odd", by=rex, now=LATER)
    marks.pin(case=room, key=three, by=rex, now=LATER)
    assert len(all_of(room, **said)) == wanted


def test_window_begins_a_day_before_what_is_known_and_ends_with_the_case(room: Case) -> None:
    assert reading.window(room, now=LATER) == (NOW - HOUR - 24 * HOUR, LATER)
    room.closed_at = NOW + HOUR
    assert reading.window(room, now=NOW + 9 * HOUR)[1] == NOW + HOUR


def test_counts_end_where_they_say(room: Case, monkeypatch: pytest.MonkeyPatch, rex: User) -> None:
    marks.put(case=room, key=keys()[0], label="", by=rex, now=LATER)
    assert reading.counts(room, asked(room)) == {"all": 11, "pinned": 0, "starred": 1, "acts": 6}
    monkeypatch.setattr(reading, "MOST_COUNTED", 3)
    said = room_timeline.context(room, rex, {}, now=LATER)
    assert said["tabs"][0]["words"] == "All over 3"
    assert said["tabs"][0]["n"] is None


def test_gaps_and_long_silences_are_rows_between_the_others(room: Case, rex: User) -> None:
    source = Source.objects.get(name="cloudtrail")
    other = Source.objects.create(name="elsewhere", created_at=NOW, created_by="x")
    for one, words in ((source, "CloudTrail was off"), (other, "not ours")):
        Gap.objects.create(
            source=one,
            during=(NOW - HOUR / 2, NOW - HOUR / 4),
            reason=words,
            recorded_at=NOW,
        )
    ingest([record(9, "GetObject", "invoices/9.pdf", NOW - 20 * HOUR)])
    rows = room_timeline.context(room, rex, {}, now=LATER)["rows"]
    kinds = [row["kind"] for row in rows]
    assert kinds[:2] == ["event", "quiet"]
    gap = next(row for row in rows if row["kind"] == "gap")
    assert (gap["words"], gap["at"]) == ("CloudTrail was off", NOW - HOUR / 2)
    assert kinds.count("gap") == 1
    assert kinds.index("gap") == kinds.index("finding") + 1


def test_what_stands_around_an_event_is_of_the_identity_or_of_all_that_one_sees(
    room: Case,
) -> None:
    ingest(
        [
            record(78, "PutObject", "x/z", NOW - HOUR, userIdentity={"type": "AWSService"}),
            record(79, "GetObject", "invoices/79", NOW - 3 * HOUR),
        ]
    )
    found = [key for key in keys() if key[0] == NOW - HOUR]
    assert room.identity is not None
    number = room.identity.number
    mine = [key for key in found if reading.belongs(room, key)]
    assert (len(found), len(mine)) == (6, 5)
    here = mine[2]
    near = around.around(here, rows=50, minutes=60, identity=number)
    assert [*near.before, here, *near.after] == mine
    near = around.around(here, rows=50, minutes=60, identity=None, scope=None)
    assert [*near.before, here, *near.after] == found
    # Two rows on either side, and further than an hour where that is asked for.
    assert len(around.around(here, rows=1, minutes=60, identity=None, scope=None).before) == 1
    wide = around.around(here, rows=50, minutes=180, identity=number)
    assert wide.before[0][0] == NOW - 3 * HOUR
    # Who sees nobody's events sees none of them around.
    nobody = around.around(here, rows=50, minutes=60, identity=None, scope=frozenset())
    assert (nobody.before, nobody.after) == ([], [])


@pytest.mark.parametrize("said", [{}, {"show": "pinned"}, {"label": "odd"}], ids=str)
def test_page_takes_as_many_queries_for_one_row_as_for_thirty(
    room: Case, rex: User, said: dict[str, str]
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as counted:
            room_timeline.context(
                Case.objects.select_related("identity").get(pk=room.pk),
                rex,
                dict(said),
                now=LATER,
            )
        return len(counted)

    def mark(key: Any) -> None:
        marks.put(case=room, key=key, label="odd", by=rex, now=LATER)
        marks.pin(case=room, key=key, by=rex, now=LATER)

    mark(keys()[0])
    before = queries()
    ingest([record(100 + n, "GetObject", f"invoices/{n}", NOW - HOUR) for n in range(30)])
    for key in keys()[:8]:
        mark(key)
    assert queries() == before
