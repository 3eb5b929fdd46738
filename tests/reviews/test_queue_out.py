"""The queue outside its page: CSV, JSON, a calendar by a secret address, one mail a day."""

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.conf import LazySettings, settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from evidence.models import LedgerEntry
from identities.models import User
from reviews import digest
from reviews.models import Case, CaseMember, Item, Notice, QueueSetting
from reviews.notices import send_next
from reviews.pages import queue_out, waiting
from tests.signed_in import sure

from .conftest import HOUR, NOW, Told, make_user, party, person_of
from .queues import fill

pytestmark = pytest.mark.django_db
MORNING = datetime(2026, 11, 25, 7, 0, tzinfo=UTC)
HOSTILE = '=HYPERLINK("http://evil.example")\r\nATTENDEE:x,y;z'


@pytest.fixture(autouse=True)
def base(settings: LazySettings) -> None:
    settings.BASE_URL = "https://countersign.example"


def signed_in(user: User) -> Client:
    found = Client()
    found.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    sure(found)
    return found


def body(response: Any) -> str:
    return b"".join(response.streaming_content).decode()


def lines(response: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body(response), newline="")))


@pytest.mark.parametrize("show", ["", "items"])
@pytest.mark.parametrize("name", ["queue", "cases"])
def test_csv_and_json_hold_the_same_rows(story: Told, name: str, show: str) -> None:
    cases = fill(3, owners=[party(story.ines)], now=NOW, items=2)
    client = signed_in(story.ines)
    said = {"q": cases[1].key} | ({"show": show} if name == "queue" else {})
    table = lines(client.get(f"/{name}.csv", said))
    rows = json.loads(body(client.get(f"/{name}.json", said)))
    assert [row["case"] for row in rows] == [cases[1].key] * (
        2 if (name, show) == ("queue", "items") else 1
    )
    assert [{key: "" if value is None else str(value) for key, value in row.items()} for row in rows] == table  # fmt: skip
    assert rows[0]["url"].startswith(f"https://countersign.example/cases/{cases[1].key}/")
    assert json.loads(body(client.get(f"/{name}.json", {"q": "nothing so called"}))) == []


def test_everything_is_taken_out_and_not_one_page(
    story: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(7, owners=[party(story.ines)], now=NOW, items=2)
    monkeypatch.setattr(queue_out, "CHUNK", 2)
    monkeypatch.setattr(waiting, "MOST", 3)
    client = signed_in(story.ines)
    rows = json.loads(body(client.get("/queue.json", {"group": "identity"})))
    assert [row["group"] for row in rows] == [f"agent-{at:05d}" for at in range(7)]
    assert len(lines(client.get("/queue.csv", {"show": "items"}))) == 14


def test_no_title_becomes_a_formula(story: Told) -> None:
    (case,) = fill(1, owners=[party(story.ines)], now=NOW, items=1)
    Case.objects.filter(pk=case.pk).update(title=HOSTILE)
    (row,) = lines(signed_in(story.ines).get("/queue.csv"))
    assert row["title"] == f"'{HOSTILE}"


@pytest.mark.parametrize("path", ["/queue.csv", "/cases.json", "/queue/outside/"])
def test_a_login_is_needed(path: str) -> None:
    assert Client().get(path).status_code == 302


def test_sealed_case_is_in_no_file(story: Told) -> None:
    (case,) = fill(1, owners=[party(story.ines)], now=NOW)
    Case.objects.update(sealed=True)
    for who in (story.ines, story.rita, story.otto):
        for path in ("/queue.csv", "/cases.csv", "/cases.json"):
            assert case.key not in body(signed_in(who).get(path))


def feed_of(client: Client) -> str:
    page = client.post("/queue/outside/", {"do": "renew"})
    assert page.headers["Cache-Control"] == "no-store, private"
    return str(page.context["feed"]).removeprefix("http://testserver")


def unfolded(text: str) -> list[str]:
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    return text.replace("\r\n ", "").split("\r\n")


def test_calendar_carries_keys_kinds_and_links_only(story: Told) -> None:
    (case,) = fill(1, owners=[party(story.ines)], now=NOW, items=1)
    Item.objects.update(title="secret evidence", note="secret evidence")
    Case.objects.filter(pk=case.pk).update(title=f"Ünter {HOSTILE} {'long ' * 30}")
    address = feed_of(signed_in(story.ines))
    answer = Client().get(address)
    found = unfolded(answer.content.decode())
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/calendar; charset=utf-8")
    assert found[0] == "BEGIN:VCALENDAR"
    assert found[-2:] == ["END:VCALENDAR", ""]
    assert f"DTSTART:{case.deadline_at:%Y%m%dT%H%M%SZ}" in found
    assert f"URL:https://countersign.example/cases/{case.key}/" in found
    (summary,) = [one for one in found if one.startswith("SUMMARY")]
    assert summary == f"SUMMARY:{case.key}\\, access review"
    assert "Ünter" not in answer.content.decode()
    assert [one for one in found if one.startswith("ATTENDEE")] == []
    assert "secret" not in answer.content.decode()


def test_calendar_names_a_sealed_case_by_its_key(story: Told) -> None:
    (case,) = fill(1, owners=[party(story.ines)], now=NOW, items=1)
    Case.objects.filter(pk=case.pk).update(sealed=True)
    CaseMember.objects.create(case=case, person=person_of(story.ines), since=NOW)
    text = Client().get(feed_of(signed_in(story.ines))).content.decode()
    assert f"SUMMARY:{case.key}\r\n" in text
    assert "agent-00000" not in text


def test_address_is_renewed_and_ended(story: Told) -> None:
    client = signed_in(story.ines)
    first = feed_of(client)
    second = feed_of(client)
    assert [Client().get(one).status_code for one in (first, second)] == [404, 200]
    secret = second.rsplit("/", 1)[-1].removesuffix(".ics")
    assert QueueSetting.objects.get().digest not in (None, secret.encode())
    assert secret not in client.get("/queue/outside/").content.decode()
    assert not LedgerEntry.objects.filter(words__contains=secret).exists()
    client.post("/queue/outside/", {"do": "stop"})
    assert Client().get(second).status_code == 404
    acts = (
        LedgerEntry.objects.filter(act__startswith="queue.")
        .order_by("pk")
        .values_list("act", flat=True)
    )
    assert sorted(acts) == ["queue.feed_ended", "queue.feed_made", "queue.feed_made"]


def test_address_of_a_switched_off_login_ends(story: Told) -> None:
    address = feed_of(signed_in(story.ines))
    User.objects.filter(pk=story.ines.pk).update(is_active=False)
    assert Client().get(address).status_code == 404


def test_auditor_and_nobody_have_no_address(story: Told) -> None:
    nobody = User.objects.create(username="nobody")
    for who, words in ((story.otto, "auditors read everything"), (nobody, "is nobody")):
        answer = signed_in(who).post("/queue/outside/", {"do": "renew"})
        assert (answer.status_code, words in answer.content.decode()) == (403, True)
        assert words in signed_in(who).get("/queue/outside/").content.decode()
    assert signed_in(story.ines).post("/queue/outside/", {"do": "x"}).status_code == 409


def mails() -> list[Notice]:
    return list(Notice.objects.filter(occasion__startswith="digest").order_by("created_at"))


def write(now: datetime) -> int:
    steps = 0
    while digest.write_next(now=now):
        steps += 1
    return steps


def test_one_mail_a_day_for_whom_something_waits(story: Told, mailoutbox: list[Any]) -> None:
    (case,) = fill(1, owners=[party(story.ines)], now=NOW, items=2)
    assert write(MORNING.replace(hour=5)) == 0
    write(MORNING)
    assert write(MORNING + HOUR) == 0
    (notice,) = mails()
    assert (notice.person, notice.subject) == (story.ines.person, "1 case waits for you")
    assert notice.body.startswith(f"{case.key}, access review, 2 items left for you, is due ")
    assert f"https://countersign.example/cases/{case.key}/" in notice.body
    assert "agent-00000" not in notice.body
    while send_next(now=MORNING):
        pass
    assert [one.to for one in mailoutbox] == [["ines@example.org"]]
    write(MORNING + timedelta(days=1))
    assert [one.occasion for one in mails()] == ["digest 2026-11-25", "digest 2026-11-26"]


def test_mail_names_the_first_and_counts_the_rest(story: Told) -> None:
    cases = fill(digest.NAMED + 3, owners=[party(story.ines)], now=NOW, items=1)
    Case.objects.filter(pk=cases[5].pk).update(deadline_at=NOW)
    write(MORNING)
    (notice,) = mails()
    assert notice.subject == "23 cases wait for you, 1 overdue"
    assert notice.body.startswith(f"{cases[5].key}, access review, 1 item left for you, was due ")
    assert "And 3 more." in notice.body


def test_mail_is_turned_off_and_on(story: Told) -> None:
    fill(1, owners=[party(story.ines)], now=NOW)
    client = signed_in(story.ines)
    client.post("/queue/outside/", {"do": "mail_off"})
    write(MORNING)
    assert mails() == []
    assert "Turn it on" in client.get("/queue/outside/").content.decode()
    client.post("/queue/outside/", {"do": "mail_on"})
    write(MORNING)
    assert len(mails()) == 1


def test_two_logins_of_one_person_get_one_mail(story: Told) -> None:
    fill(1, owners=[party(story.ines)], now=NOW)
    make_user("ines-admin", "owner", person=person_of(story.ines))
    write(MORNING)
    assert len(mails()) == 1


@pytest.fixture
def asked() -> Callable[[Callable[[], Any]], int]:
    def count(run: Callable[[], Any]) -> int:
        with CaptureQueriesContext(connection) as seen:
            run()
        return len(seen)

    return count


def test_calendar_asks_the_same_for_one_and_for_thirty(
    story: Told, asked: Callable[[Callable[[], Any]], int]
) -> None:
    now = timezone.now()
    found = []
    for first, many in ((0, 1), (100, 30)):
        fill(many, owners=[party(story.ines)], now=now, first=first)
        user = User.objects.select_related("person").get(pk=story.ines.pk)
        found.append(asked(partial(queue_out.calendar, user, now=now)))
    assert found[0] == found[1]
    assert settings.BASE_URL.startswith("https")


@pytest.mark.parametrize("address", ["/queue.csv", "/queue.json", "/cases.csv", "/cases.json"])
@pytest.mark.parametrize("wrong", ["foo=1", "seat=nope", "page=1²", "version=²", "state=opn"])
def test_a_file_is_refused_before_it_begins(story: Told, address: str, wrong: str) -> None:
    fill(1, owners=[party(story.ines)], now=NOW)
    found = signed_in(story.ines).get(f"{address}?{wrong}")
    assert (found.status_code, found.streaming) == (409, False)
    assert wrong.partition("=")[0] in found.content.decode()


@pytest.mark.parametrize("group", ["", "identity"])
@pytest.mark.parametrize(("name", "show"), [("queue", ""), ("queue", "items"), ("cases", "")])
def test_a_file_without_rows_has_the_header_of_one_with_rows(
    story: Told, name: str, show: str, group: str
) -> None:
    fill(1, owners=[party(story.ines)], now=NOW)
    asked = {"show": show, "group": group} if name == "queue" else {}
    client = signed_in(story.ines)
    rows = json.loads(body(client.get(f"/{name}.json", asked)))
    empty = body(client.get(f"/{name}.csv", asked | {"q": "nothing so called"}))
    assert empty == ",".join(rows[0]) + "\r\n"
    assert json.loads(body(client.get(f"/{name}.json", asked | {"q": "no such"}))) == []
