"""Okta's System Log: the link decides where it goes on, never the length of a page."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from evidence.models import Event, Gap, Source
from evidence.sources.failures import Stopped
from evidence.sources.okta import CONNECTOR
from tests.connector_secrets import Kept
from tests.evidence.sources import pulling
from tests.evidence.sources.pulling import NOW
from tests.evidence.sources.server import Answer, Request, There, serving


class Org:
    """An org whose log is handed out `page` events at a time."""

    def __init__(self, there: There, *, page: int, ends: bool = False, worn: bool = False) -> None:
        self.there, self.page, self.ends, self.worn = there, page, ends, worn
        self.events = 0
        there.on("GET", "/api/v1/logs", self.answer)

    def settings(self) -> dict[str, str]:
        return {"url": self.there.url, "token": "OKTA_TOKEN"}

    def answer(self, request: Request) -> Answer:
        if self.worn and "after" in request.query:
            return Answer(400, {"errorCode": "E0000001", "errorSummary": "validation failed"})
        at = int(request.query.get("after", 0))
        if "after" not in request.query:
            since = request.query["since"]
            at = next((n for n in range(self.events) if event(n)["published"] >= since), 0)
        rows = [event(n) for n in range(at, min(at + self.page, self.events))]
        link = f'<{self.there.url}/api/v1/logs?after={at + len(rows)}>; rel="next"'
        last = self.ends and at + len(rows) == self.events
        return Answer(200, rows, {} if last else {"Link": link})


def event(number: int) -> dict[str, Any]:
    at = NOW - timedelta(hours=12) + timedelta(seconds=number)
    return {
        "uuid": f"event-{number}",
        "published": at.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "eventType": "user.session.start",
        "actor": {"id": "00u1", "type": "User", "alternateId": "ada@example.com"},
        "client": {"ipAddress": "198.51.100.7"},
        "outcome": {"result": "SUCCESS"},
        "target": [],
    }


@pytest.fixture(autouse=True)
def token(secret_file: Kept, settings: Any) -> None:
    secret_file("OKTA_TOKEN", "s3cret-token")
    settings.ALLOW_PRIVATE = True


def found(pages: list[Any]) -> list[str]:
    return [one["uuid"] for page in pages if page.body for one in json.loads(page.body)]


def test_short_pages_are_followed_to_the_empty_one() -> None:
    with serving() as there:
        org = Org(there, page=100)
        org.events = 350
        pages = pulling.pages(CONNECTOR, org.settings())
        assert found(pages) == [f"event-{n}" for n in range(350)]
        org.events = 360
        more = pulling.pages(CONNECTOR, org.settings(), cursor=pages[-1].cursor)
        assert found(more) == [f"event-{n}" for n in range(350, 360)]


def test_full_last_page_without_a_link_is_the_end() -> None:
    with serving() as there:
        org = Org(there, page=1000, ends=True)
        org.events = 1000
        pages = pulling.pages(CONNECTOR, org.settings())
        assert len(found(pages)) == 1000
        assert pages[-1].cursor == {"last": event(999)["published"]}
        org.events = 1003
        more = pulling.pages(CONNECTOR, org.settings(), cursor=pages[-1].cursor)
        assert found(more) == ["event-999", "event-1000", "event-1001", "event-1002"]


def test_link_that_leads_to_its_own_page_ends_the_pull() -> None:
    with serving() as there:
        link = f'<{there.url}/api/v1/logs?after=1>; rel="next"'
        there.on("GET", "/api/v1/logs", Answer(200, [event(0)], {"Link": link}))
        assert found(pulling.pages(CONNECTOR, {"url": there.url, "token": "OKTA_TOKEN"})) == [
            "event-0",
            "event-0",
        ]


@pytest.mark.django_db
def test_refused_cursor_begins_again_where_it_was_complete(
    source: Callable[..., Source],
) -> None:
    made = source("okta", plane="identity", lag_seconds=0)
    with serving() as there:
        org = Org(there, page=10)
        org.events = 25
        pulling.connect(made, "okta", org.settings())
        assert pulling.pull(made).state == "done"
        org.worn, org.page, org.events = True, 1000, 26
        row = pulling.pull(made, now=NOW + timedelta(minutes=5))
        # The first page alone has no cursor to refuse; the one after it is refused as any would be.
        assert (row.state, Event.objects.count()) == ("failed", 26)
        org.worn = False
        assert pulling.pull(made, now=NOW + timedelta(minutes=6)).state == "done"
    assert [str(gap.reason) for gap in Gap.objects.all()] == ["nothing had been received yet"]


@pytest.mark.parametrize("body", [b"{}", b"null", b"3", b"1]"])
def test_answer_that_is_no_list_is_said(body: bytes) -> None:
    with serving() as there:
        there.on("GET", "/api/v1/logs", Answer(200, body))
        with pytest.raises(Stopped, match="no list of events"):
            pulling.pages(CONNECTOR, {"url": there.url, "token": "OKTA_TOKEN"})
