"""What is taken out of the queue, as other programs read it: a spreadsheet, a calendar, a script."""

import csv
import io
import json
import re
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client

from identities.models import User
from reviews.models import Case, Item
from reviews.pages import queue_out, waiting

from .conftest import NOW, Told, make_user, party
from .queues import fill
from .test_queue_out import body, feed_of, signed_in, unfolded

pytestmark = pytest.mark.django_db
ODD = 'Ωmega, "日本"; C:\\n\r\nEND:VEVENT\u2028BEGIN:VEVENT\u0085\tÄ ' + "長い" * 60


@pytest.fixture(autouse=True)
def base(settings: LazySettings) -> None:
    settings.BASE_URL = "https://countersign.example"


@pytest.fixture
def ines(db: None) -> User:
    return make_user("ines", "owner")


def calendar_of(user: User) -> str:
    return Client().get(feed_of(signed_in(user))).content.decode()


def events(text: str) -> list[dict[str, str]]:
    """As RFC 5545 is read: lines end in CRLF alone, a space or tab goes on, text is unescaped."""
    found: list[dict[str, str]] = []
    for line in re.sub(r"\r\n[ \t]", "", text).split("\r\n"):
        name, _, value = line.partition(":")
        if line == "BEGIN:VEVENT":
            found.append({})
        elif found:
            found[-1].setdefault(name, re.sub(r"\\(.)", r"\1", value))
    return found


def test_a_title_of_anything_is_one_line_of_a_calendar(ines: User) -> None:
    (case,) = fill(1, owners=[party(ines)], now=NOW, items=1)
    Case.objects.filter(pk=case.pk).update(title=ODD)
    text = calendar_of(ines)
    assert text.splitlines() == text.split("\r\n")[:-1]
    (event,) = events(text)
    # Whoever reads along in a calendar learns no more than that something is due.
    assert event["SUMMARY"] == f"{case.key}, access review"
    assert event["URL"] == event["DESCRIPTION"] == f"https://countersign.example/cases/{case.key}/"


def test_times_are_utc_and_keep_nobody_busy(ines: User) -> None:
    (case,) = fill(1, owners=[party(ines)], now=NOW, items=1)
    there = timezone(timedelta(hours=-7))
    due = datetime(2027, 3, 1, 23, 30, tzinfo=there)
    Case.objects.filter(pk=case.pk).update(deadline_at=due)
    user = User.objects.select_related("person").get(pk=ines.pk)
    answer = queue_out.calendar(user, now=NOW.astimezone(there))
    (event,) = events(answer.content.decode())
    assert (event["DTSTART"], event["DTEND"]) == ("20270302T063000Z", "20270302T064500Z")
    assert event["DTSTAMP"] == f"{NOW:%Y%m%dT%H%M%SZ}"
    assert event["TRANSP"] == "TRANSPARENT"


def test_what_is_decided_leaves_and_the_empty_calendar_is_one(ines: User) -> None:
    fill(1, owners=[party(ines)], now=NOW, items=1)
    uid = events(calendar_of(ines))[0]["UID"]
    assert re.fullmatch(r"CS-\d+@countersign\.example", uid)
    Case.objects.update(state="cancelled", closed_at=NOW)
    lines = unfolded(calendar_of(ines))
    begun = [line.partition(":")[2] for line in lines if line.startswith("BEGIN:")]
    assert begun == ["VCALENDAR", "VTIMEZONE", "STANDARD"]
    assert len(begun) == sum(line.startswith("END:") for line in lines)


def test_a_calendar_says_that_it_is_cut(ines: User, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(3, owners=[party(ines)], now=NOW, items=1)
    assert "X-WR-CALDESC" not in calendar_of(ines)
    monkeypatch.setattr(waiting, "MOST", 3)
    assert "X-WR-CALDESC:The first 3 deadlines of the queue." in unfolded(calendar_of(ines))


@pytest.mark.parametrize(
    ("title", "cell"),
    [
        ("plain; and -1 within", "plain; and -1 within"),
        ("=1+1", "'=1+1"),
        (" \t+1", "' \t'+1"),
        ("＝1+1", "'＝1+1"),
        # Opened where lists are cut at semicolons, or rows at a line within quotes.
        ("x;=cmd|' /C calc'!A0", "x;'=cmd|' /C calc'!A0"),
        ("x;\t @SUM(A1)", "x;\t '@SUM(A1)"),
        ("x\n-2+3", "x\n'-2+3"),
    ],
)
def test_no_cell_begins_a_formula_however_it_is_cut(ines: User, title: str, cell: str) -> None:
    (case,) = fill(1, owners=[party(ines)], now=NOW, items=1)
    Case.objects.filter(pk=case.pk).update(title=title)
    client = signed_in(ines)
    (row,) = csv.DictReader(io.StringIO(body(client.get("/queue.csv")), newline=""))
    assert row["title"] == cell
    (said,) = json.loads(body(client.get("/queue.json")))
    assert said["title"] == title


def test_every_time_of_a_file_is_written_alike(story: Told) -> None:
    (case,) = fill(1, owners=[party(story.ines)], now=NOW, items=2)
    first = Item.objects.filter(case=case).order_by("position").first()
    assert first is not None
    first.snapshot = {"last_at": "2026-11-20T10:00:00+00:00"}
    first.save()
    rows: list[dict[str, Any]] = json.loads(
        body(signed_in(story.ines).get(f"/queue.json?show=items&q={case.key}"))
    )
    assert [row["last_used_at"] for row in rows] == ["2026-11-20T10:00:00Z", None]
    assert all(row["due_at"].endswith("Z") for row in rows)
