"""Tickets that are looked up while somebody asks: there, unknown, or a tracker that is down."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from identities.permissions import NotPossible
from reviews.break_glass import document
from reviews.notices import tickets
from reviews.notices.failures import Permanent, Temporary
from reviews.policy_document import DocumentError
from tests.reviews.conftest import NOW

from .conftest import DOCUMENT, Company, asked, fresh, put_in_force

STATUS = {"OPS-1": 200, "OPS-2": 404, "OPS-3": 503, "OPS-4": 401, "OPS%2F..%2Fx": 200, "OPS-5": 302}


class Tracker(BaseHTTPRequestHandler):
    """Answers by the ticket's number, as it stands in the address."""

    def do_GET(self) -> None:
        self.send_response(STATUS.get(self.path.removeprefix("/t/"), 500))
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def hook() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Tracker)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/t/{{ticket}}"
    server.shutdown()
    server.server_close()
    thread.join(timeout=60)


@pytest.mark.parametrize("ticket", ["OPS-1", "OPS/../x"])
def test_a_ticket_that_is_there(hook: str, settings: Any, ticket: str) -> None:
    settings.ALLOW_PRIVATE = True
    assert tickets.look_up(hook, ticket) == "there"


@pytest.mark.parametrize(
    ("ticket", "error", "says"),
    [
        ("OPS-2", Permanent, "knows no such ticket"),
        ("OPS-5", Permanent, "answered 302"),
        ("OPS-3", Temporary, "answered 503"),
        ("OPS-4", Temporary, "answered 401"),
    ],
)
def test_a_ticket_that_is_not(
    hook: str, settings: Any, ticket: str, error: type[Exception], says: str
) -> None:
    settings.ALLOW_PRIVATE = True
    with pytest.raises(error, match=says):
        tickets.look_up(hook, ticket)


def test_an_address_inside_is_asked_for_nobody(hook: str, settings: Any) -> None:
    settings.ALLOW_PRIVATE = False
    with pytest.raises(Permanent, match="refused"):
        tickets.look_up(hook, "OPS-1")


@pytest.mark.parametrize(
    ("ticket", "place"),
    [
        ({"how": "checked"}, "ticket"),
        ({"how": "checked", "hook": "http://tracker/{ticket}"}, "ticket.hook"),
        ({"how": "checked", "hook": "https://tracker/"}, "ticket.hook"),
        ({"how": "none", "hook": "https://tracker/{ticket}"}, "ticket"),
        ({"hours": 3}, "ticket.how"),
    ],
)
def test_a_rule_of_tickets_that_cannot_be_is_refused(ticket: dict[str, Any], place: str) -> None:
    with pytest.raises(DocumentError) as refused:
        document.parse(DOCUMENT | {"ticket": ticket})
    assert [at for at, _ in refused.value.problems] == [place]


@pytest.mark.django_db
def test_a_tracker_that_is_down_bolts_no_door(company: Company) -> None:
    rule = {"how": "checked", "hook": "https://tracker.invalid/{ticket}", "hours": 2}
    put_in_force("tracked", company.rita, company.root, ticket=rule)
    with pytest.raises(NotPossible, match="Name its ticket"):
        asked(company, slug="tracked")
    case = asked(company, slug="tracked", ticket="OPS-1")
    glass = fresh(case).break_glass
    assert glass.ticket_due_at is not None
    assert (glass.ticket, (glass.ticket_due_at - NOW).total_seconds()) == ("OPS-1", 7_200)
