"""Tickets that are looked up while somebody asks: there, unknown, or a tracker that is down."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from evidence.models import LedgerEntry
from identities.permissions import NotPossible
from reviews.break_glass import document, ending, owed_tickets
from reviews.models import BreakGlass, Case, Notice
from reviews.notices import tickets
from reviews.notices.failures import Permanent, Temporary
from reviews.policy_document import DocumentError
from tests.reviews.conftest import NOW

from .conftest import DOCUMENT, MINUTE, Company, asked, fresh, put_in_force

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


@pytest.fixture
def owed(company: Company, settings: Any, monkeypatch: pytest.MonkeyPatch, hook: str) -> Case:
    """Asked for while the tracker was down; it is asked at `hook` from then on."""
    settings.ALLOW_PRIVATE = True
    rule = {"how": "checked", "hook": "https://tracker.invalid/{ticket}", "hours": 2}
    put_in_force("tracked", company.rita, company.root, ticket=rule)
    case = asked(company, slug="tracked", ticket="OPS-1")
    look_up = tickets.look_up
    monkeypatch.setattr(tickets, "look_up", lambda _, ticket: look_up(hook, ticket))
    return case


def looked(case: Case, now: Any) -> tuple[int, str, bool, list[str]]:
    """What the sweep did, and what is known of the ticket afterwards."""
    many = 0
    while owed_tickets.look_next(now=now):
        many += 1
    glass = fresh(case).break_glass
    rows = LedgerEntry.objects.filter(subject=case.key, act="break_glass.ticket_looked_up")
    return (
        many,
        glass.ticket,
        glass.ticket_due_at is not None,
        list(rows.order_by("pk").values_list("words", flat=True)),
    )


@pytest.mark.django_db
def test_a_tracker_that_answers_again_is_asked_again_and_once(owed: Case) -> None:
    assert looked(owed, NOW) == (0, "OPS-1", True, [])
    said = ["Its tracker answers again: ticket OPS-1 is there"]
    assert looked(owed, NOW + owed_tickets.EVERY) == (1, "OPS-1", False, said)
    assert looked(owed, NOW + 2 * owed_tickets.EVERY) == (0, "OPS-1", False, said)


@pytest.mark.django_db
def test_a_tracker_that_is_still_down_is_asked_later(owed: Case, settings: Any) -> None:
    BreakGlass.objects.update(ticket="OPS-3")
    assert looked(owed, NOW + owed_tickets.EVERY) == (1, "OPS-3", True, [])
    BreakGlass.objects.update(ticket="OPS-1")
    assert looked(owed, NOW + 2 * owed_tickets.EVERY)[:3] == (1, "OPS-1", False)


@pytest.mark.django_db
def test_a_ticket_that_the_tracker_does_not_know_is_owed_again(
    owed: Case, company: Company
) -> None:
    BreakGlass.objects.update(ticket="OPS-2")
    many, ticket, due, said = looked(owed, NOW + owed_tickets.EVERY)
    assert (many, ticket, due) == (1, "", True)
    assert said == ["The ticket OPS-2 is not taken, and owed: its tracker knows no such ticket"]
    assert Notice.objects.filter(person=company.dana.person, subject__contains="name another")
    # What is named instead is looked up as well, before it counts.
    ending.name_ticket(case=owed, ticket="OPS-1", by=company.dana, now=NOW + MINUTE)
    assert fresh(owed).break_glass.ticket_due_at is not None
    assert looked(owed, NOW + owed_tickets.EVERY)[:3] == (1, "OPS-1", False)


@pytest.mark.django_db
def test_an_answer_about_another_ticket_than_the_one_named_meanwhile_is_nothing(
    owed: Case, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(_: str, ticket: str) -> str:
        ending.name_ticket(case=owed, ticket="OPS-4", by=company.dana, now=NOW)
        return "there"

    monkeypatch.setattr(tickets, "look_up", slow)
    assert owed_tickets.look_next(now=NOW + owed_tickets.EVERY)
    glass = fresh(owed).break_glass
    assert (glass.ticket, glass.ticket_due_at is not None) == ("OPS-4", True)


@pytest.mark.django_db
def test_whoever_dies_while_asking_is_followed(owed: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(*_: str) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tickets, "look_up", dies)
        with pytest.raises(KeyboardInterrupt):
            owed_tickets.look_next(now=NOW + owed_tickets.EVERY)
    assert looked(owed, NOW + owed_tickets.EVERY)[0] == 0
    assert looked(owed, NOW + 2 * owed_tickets.EVERY)[:3] == (1, "OPS-1", False)
