"""Cases in others' trackers: told in order and never lost, heard once, and nothing decided by it."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client
from django.utils import timezone
from standardwebhooks.webhooks import Webhook

from evidence.models import LedgerEntry
from reviews.incidents import rooms, tickets
from reviews.models import Case, CaseMember, CaseTicket, TicketMessage, TicketWord
from reviews.notices import trackers
from reviews.pages import containment
from tests.reviews.conftest import NOW, Told, person_of
from tests.reviews.test_notices import Receiver, receiver
from tests.reviews.test_pages import as_user

from .conftest import MINUTE, opened

__all__ = ["as_user", "receiver"]
pytestmark = pytest.mark.django_db
OURS = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
THEIRS = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def tracker(
    receiver: Receiver, tmp_path: Path, settings: LazySettings
) -> Iterator[Callable[..., None]]:
    """A tracker at the receiver; called with more, its entry says that as well."""
    for name, secret in (("ours", OURS), ("theirs", THEIRS)):
        (tmp_path / name).write_text(secret)
    file = tmp_path / "tickets.yaml"
    settings.TICKETS, settings.ALLOW_PRIVATE = str(file), True

    def write(**more: Any) -> None:
        entry = {
            "name": "servicenow",
            "url": f"http://127.0.0.1:{receiver.server_address[1]}/case",
            "secrets": [f"file:{tmp_path / 'ours'}"],
            "answers": [f"file:{tmp_path / 'theirs'}"],
        } | more
        file.write_text(json.dumps({"trackers": [entry]}))

    write()
    yield write
    trackers._read.cache_clear()


def drain(now: datetime) -> None:
    while tickets.write_next(now=now):
        pass
    while tickets.send_next(now=now):
        pass


def told(receiver: Receiver) -> list[tuple[str, str, int]]:
    found = []
    for headers, body in receiver.got:
        # Verified as its receiver would; raises where it is not ours.
        Webhook(OURS).verify(body, headers)
        said = json.loads(body)
        found.append((said["type"], said["data"]["state"], said["data"]["number"]))
    return found


def test_case_is_told_on_opening_on_each_change_and_on_closing_in_order(
    story: Told, tracker: Any, receiver: Receiver
) -> None:
    now = timezone.now()
    case, _ = opened(story, now=now)
    drain(now)
    rooms.set_severity(case=case, severity="critical", reason="worse", by=story.ines, now=now)
    drain(now)
    drain(now)
    Case.objects.filter(pk=case.pk).update(state="in_review")
    drain(now)
    Case.objects.filter(pk=case.pk).update(state="closed", closed_at=now)
    drain(now)
    assert told(receiver) == [
        ("case.opened", "open", 1),
        ("case.changed", "open", 2),
        ("case.changed", "in_review", 3),
        ("case.closed", "closed", 4),
    ]
    said = json.loads(receiver.got[1][1])["data"]
    assert (said["case"], said["severity"], said["url"].endswith(f"/cases/{case.key}/")) == (
        case.key,
        "critical",
        True,
    )
    names = [headers["webhook-id"] for headers, _ in receiver.got]
    assert names == [f"{case.key}.servicenow.{number}" for number in range(1, 5)]


def test_nothing_is_lost_while_it_does_not_answer_and_later_ones_wait_their_turn(
    story: Told, tracker: Any, receiver: Receiver
) -> None:
    now = timezone.now()
    case, _ = opened(story, now=now)
    receiver.status = 503
    drain(now)
    row = CaseTicket.objects.get()
    assert (row.failed_why, row.attempts) == ("it answered 503", 1)
    Case.objects.filter(pk=case.pk).update(state="closed", closed_at=now)
    drain(now + timedelta(seconds=5))
    assert len(receiver.got) == 1  # not before its time
    receiver.status, receiver.got[:] = 204, []
    drain(now + MINUTE)
    assert told(receiver) == [("case.opened", "open", 1), ("case.closed", "closed", 2)]
    row.refresh_from_db()
    assert (row.failed_why, row.attempts, row.leased_until) == ("", 0, None)
    assert TicketMessage.objects.filter(sent_at=None).count() == 0


def test_worker_that_died_while_sending_is_followed_under_the_same_id(
    story: Told, tracker: Any, receiver: Receiver
) -> None:
    now = timezone.now()
    opened(story, now=now)
    tickets.write_next(now=now)
    # As a worker leaves it that was killed in the middle.
    CaseTicket.objects.update(leased_until=now + tickets.LEASE, attempts=1)
    assert not tickets.send_next(now=now + MINUTE)
    assert tickets.send_next(now=now + 3 * MINUTE)
    assert told(receiver) == [("case.opened", "open", 1)]


def test_sealed_case_is_never_told_and_what_waits_of_it_is_dropped(
    story: Told, tracker: Any, receiver: Receiver, as_user: Any
) -> None:
    now = timezone.now()
    case, _ = opened(story, now=now)
    tickets.write_next(now=now)
    Case.objects.filter(pk=case.pk).update(sealed=True)
    CaseMember.objects.create(case=case, person=person_of(story.ines), since=now)
    drain(now)
    assert receiver.got == []
    assert TicketMessage.objects.get().dropped_at == now
    # It answers as one that is not there.
    assert [answer.status_code for answer in (say(case.key), say("CS-999999"))] == [404, 404]
    assert say(case.key).json() == {"problem": f"No case '{case.key}' is told to servicenow."}
    assert TicketWord.objects.count() == 0


def say(case: str, message: str = "msg-1", *, secret: str = THEIRS, **more: Any) -> Any:
    said = {"case": case, "ticket": "INC0012345", "state": "In Progress"} | more
    body = json.dumps({"type": "ticket.changed", "data": said})
    now = timezone.now()
    return Client().post(
        "/api/tickets/servicenow/",
        body,
        "application/json",
        headers={
            "webhook-id": message,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(secret).sign(message, now, body),
        },
    )


def test_word_is_noted_once_and_decides_nothing(story: Told, tracker: Any, as_user: Any) -> None:
    case, _ = opened(story, now=timezone.now())
    more: dict[str, Any] = {
        "comment": HOSTILE,
        "by": "Nora",
        "close": True,
        "url": "https://it.example/1",
    }
    first, again = say(case.key, **more), say(case.key, **more)
    assert (first.status_code, first.json()["new"], again.json()["new"]) == (200, True, False)
    other = say(case.key, comment="something else")
    assert (other.status_code, "was used for another word" in other.json()["problem"]) == (
        422,
        True,
    )
    entry = LedgerEntry.objects.get(act="ticket.said")
    assert (entry.subject, entry.by, entry.data["close"]) == (case.key, "tracker:servicenow", True)
    case.refresh_from_db()
    assert (case.state, TicketWord.objects.count()) == ("open", 1)
    page = as_user(story.ines).get(containment.path_of(case)).content.decode()
    assert (HOSTILE in page, "INC0012345" in page, "asks that the case is closed" in page) == (
        False,
        True,
        True,
    )


def test_older_word_does_not_take_back_what_a_newer_one_said(story: Told, tracker: Any) -> None:
    case, _ = opened(story, now=timezone.now())
    early = (timezone.now() - timedelta(hours=1)).isoformat()
    say(case.key, "msg-2", state="Resolved", at=timezone.now().isoformat())
    say(case.key, "msg-1", state="New", at=early)
    assert (CaseTicket.objects.get().state, TicketWord.objects.count()) == ("Resolved", 2)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"ticket": ""}, "data: ticket is missing."),
        ({"ticket": 7}, "data: ticket is no text."),
        ({"state": "x" * 101}, "data: state has more than 100 characters."),
        ({"close": "yes"}, "data: close is neither true nor false."),
        ({"url": "javascript:alert(1)"}, "data: url is no http or https address."),
        ({"at": "soon"}, "data: at is no time with its zone (RFC 3339)."),
        ({"at": "2999-01-01T00:00:00Z"}, "data: at lies ahead."),
        ({"state": None}, "data: it says neither state, comment, url nor close."),
    ],
)
def test_unclear_word_is_refused_with_its_member(
    story: Told, tracker: Any, more: dict[str, Any], said: str
) -> None:
    case, _ = opened(story, now=timezone.now())
    answer = say(case.key, **more)
    assert (answer.status_code, answer.json()["problem"]) == (422, said)
    assert TicketWord.objects.count() == 0


def test_what_nobody_signed_is_refused_alike_whatever_it_names(story: Told, tracker: Any) -> None:
    case, _ = opened(story, now=timezone.now())
    wrong = [say(case.key, secret=OURS), say("CS-999999", secret=OURS)]
    assert {(one.status_code, one.json()["problem"]) for one in wrong} == {
        (401, "The signature is not of a tracker that is set up here.")
    }
    tracker(answers=[])
    assert say(case.key).status_code == 401
    tracker(answers=["file:/nowhere/at/all"])
    assert say(case.key).status_code == 503


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"name": "Service Now"}, "name is not of small letters"),
        ({"url": "ftp://x"}, "url is no http or https address"),
        ({"secrets": []}, "nothing is told unsigned"),
        ({"secrets": ["hunter2"]}, "a secret is named, not given"),
        ({"doors": ["window"]}, "doors are some of incident"),
        ({"colour": "red"}, "there is no colour"),
        ({"url": "", "answers": []}, "neither url nor answers"),
    ],
)
def test_file_says_what_is_wrong_with_it_and_nothing_is_told(
    story: Told, tracker: Any, receiver: Receiver, more: dict[str, Any], said: str
) -> None:
    tracker(**more)
    with pytest.raises(trackers.NotRead, match=said):
        trackers.entries()
    opened(story, now=NOW)
    drain(NOW)
    assert receiver.got == []
