"""The outbox: mail and signed webhooks, with back-off and an address guard."""

import contextlib
import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection
from django.utils import timezone
from standardwebhooks.webhooks import Webhook

from config.addresses import mailers_of
from evidence.locks import Lock
from evidence.sources import outside as addresses
from reviews import checks, notices, tasks
from reviews.models import Notice
from reviews.notices import mail
from tests.conftest import owner_connection

from .conftest import HOUR, NOW, make_user

pytestmark = pytest.mark.django_db
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Receiver(ThreadingHTTPServer):
    status = 204

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.got: list[tuple[dict[str, str], bytes]] = []


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((dict(self.headers.items()), body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(timeout=60)


def notice(**said: Any) -> Notice:
    return Notice.objects.create(
        **{
            "subject": "CS-1: decide soon",
            "body": "see the link",
            "occasion": "CS-1 asked",
            "created_at": NOW,
            "not_before": NOW,
        }
        | said
    )


def test_mail_is_sent_once_in_one_line(mailoutbox: list[Any]) -> None:
    row = notice(person=make_user("ines").person, subject="CS-1:\r\nBcc: all@example.org")
    assert (notices.send_next(now=NOW), notices.send_next(now=NOW)) == (True, False)
    row.refresh_from_db()
    assert (row.sent_at, row.leased_until) == (NOW, None)
    assert [(mail.to, mail.subject) for mail in mailoutbox] == [
        (["ines@example.org"], "CS-1: Bcc: all@example.org")
    ]


def test_mail_without_an_address_waits_for_a_person(mailoutbox: list[Any]) -> None:
    row = notice()
    notices.send_next(now=NOW)
    row.refresh_from_db()
    assert (row.failed_why, notices.send_next(now=NOW + timedelta(days=365))) == (
        "there is no mail address",
        False,
    )


def test_mail_server_away_is_tried_again_later(settings: LazySettings) -> None:
    settings.MAILERS = {
        "default": {
            "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
            "OPTIONS": {"host": "127.0.0.1", "port": 1, "timeout": 2},
        }
    }
    row = notice(address="ines@example.org")
    notices.send_next(now=NOW)
    row.refresh_from_db()
    assert (row.attempts, row.not_before, row.sent_at) == (1, NOW + timedelta(seconds=30), None)
    notices.send_next(now=NOW + timedelta(seconds=30))
    row.refresh_from_db()
    assert row.not_before == NOW + timedelta(seconds=90)


@pytest.mark.begins_at(NOW + HOUR)  # it is overdue by then
def test_mail_that_nobody_said_where_to_send_is_not_sent(settings: LazySettings) -> None:
    """On a console it would count as delivered, and the silence after it as an answer."""
    settings.MAILERS = settings.UNNAMED_MAILERS = mailers_of("")
    row = notice(address="ines@example.org")
    assert notices.send_next(now=NOW)
    row.refresh_from_db()
    assert row.sent_at is None
    assert row.failed_why == mail.NOWHERE
    assert any(mail.NOWHERE in said for _, well, said, _ in checks.doctor() if not well)
    settings.UNNAMED_MAILERS = {}
    assert notices.send_next(now=row.not_before)
    row.refresh_from_db()
    assert row.sent_at == row.not_before


def test_lease_of_a_dead_worker_runs_out(mailoutbox: list[Any]) -> None:
    notice(address="ines@example.org", leased_until=NOW + timedelta(minutes=2))
    assert notices.send_next(now=NOW) is False
    assert notices.send_next(now=NOW + timedelta(minutes=3)) is True


def test_webhook_is_signed(receiver: Receiver, settings: LazySettings) -> None:
    settings.ALLOW_PRIVATE, settings.WEBHOOK_SECRET = True, SECRET
    now = timezone.now()
    row = notice(channel="webhook", address=f"http://127.0.0.1:{receiver.server_port}/hook?a=1")
    notices.send_next(now=now)
    row.refresh_from_db()
    assert (row.failed_why, row.sent_at) == ("", now)
    headers, body = receiver.got[0]
    data = Webhook(SECRET).verify(body, headers)
    assert data["data"]["occasion"] == "CS-1 asked"
    assert json.loads(body)["type"] == "notice"


@pytest.mark.parametrize(
    ("status", "again"), [(500, True), (429, True), (400, False), (302, False)]
)
def test_webhook_refused_by_its_receiver(
    receiver: Receiver, settings: LazySettings, status: int, again: bool
) -> None:
    settings.ALLOW_PRIVATE, settings.WEBHOOK_SECRET = True, SECRET
    receiver.status = status
    row = notice(channel="webhook", address=f"http://127.0.0.1:{receiver.server_port}/")
    notices.send_next(now=NOW)
    row.refresh_from_db()
    assert (row.failed_why, row.not_before < NOW + timedelta(days=1)) == (
        f"the receiver answered {status}",
        again,
    )


class Dripping(BaseHTTPRequestHandler):
    """Answers well, and then goes on for ever."""

    def do_POST(self) -> None:
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(b"x" * 65_536)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


def test_answer_of_a_receiver_is_not_read(receiver: Receiver, settings: LazySettings) -> None:
    settings.ALLOW_PRIVATE, settings.WEBHOOK_SECRET = True, SECRET
    receiver.RequestHandlerClass = Dripping
    row = notice(channel="webhook", address=f"http://127.0.0.1:{receiver.server_port}/")
    notices.send_next(now=NOW)
    row.refresh_from_db()
    assert (row.failed_why, row.sent_at) == ("", NOW)


def test_address_of_a_receiver_that_makes_no_sense_waits_for_a_person(
    settings: LazySettings,
) -> None:
    settings.ALLOW_PRIVATE, settings.WEBHOOK_SECRET = True, SECRET
    row = notice(channel="webhook", address="http://127.0.0.1:99999/")
    notices.send_next(now=NOW)
    row.refresh_from_db()
    assert row.failed_why.startswith("the address is refused: ")
    assert row.not_before > NOW + timedelta(days=365)


def test_mail_goes_before_webhooks(mailoutbox: list[Any], settings: LazySettings) -> None:
    settings.WEBHOOK_SECRET = ""
    notice(channel="webhook", address="https://192.0.2.1/", not_before=NOW - timedelta(days=1))
    notice(address="ines@example.org")
    notices.send_next(now=NOW)
    assert len(mailoutbox) == 1


def test_one_process_sends_at_a_time(mailoutbox: list[Any]) -> None:
    notice(address="ines@example.org", not_before=timezone.now())
    with owner_connection(connection.settings_dict["NAME"]) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [int(Lock.NOTICES)])
        assert (tasks.send_notices(), len(mailoutbox)) == (0, 0)
        other.execute("SELECT pg_advisory_unlock(%s)", [int(Lock.NOTICES)])
    assert (tasks.send_notices(), len(mailoutbox)) == (1, 1)
    with notices.turn() as again:
        assert again


def test_webhook_to_a_private_address_is_refused(
    receiver: Receiver, settings: LazySettings
) -> None:
    settings.ALLOW_PRIVATE, settings.WEBHOOK_SECRET = False, SECRET
    row = notice(channel="webhook", address=f"http://127.0.0.1:{receiver.server_port}/")
    notices.send_next(now=NOW)
    row.refresh_from_db()
    assert (row.failed_why, receiver.got) == (
        "the address is refused: it does not speak https",
        [],
    )


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://127.0.0.1/", "127.0.0.1 is not a public address"),
        ("https://[::1]/", "::1 is not a public address"),
        ("https://[::ffff:10.0.0.1]/", "10.0.0.1 is not a public address"),
        ("https://169.254.169.254/latest", "169.254.169.254 is not a public address"),
        ("https://10.1.2.3:8443/", "10.1.2.3 is not a public address"),
        ("https://224.0.0.1/", "224.0.0.1 is not a public address"),
        ("http://192.0.2.1/", "it does not speak https"),
        ("https://user:pw@192.0.2.1/", "it carries a user name or password"),
        ("ftp://192.0.2.1/", "it is not an http or https address"),
        ("https://192.0.2.1:99999/", "its port is not a number up to 65535"),
        ("https://192.0.2.1/#x", "it carries a fragment"),
    ],
)
def test_place_of_refuses(url: str, why: str) -> None:
    with pytest.raises(addresses.Refused, match=f"^{why.replace('.', '[.]')}$"):
        addresses.place_of(url)


def test_place_of_connects_to_the_address_it_looked_at() -> None:
    place = addresses.place_of("https://localhost:8443/hook?a=1", allow_private=True)
    assert (
        place.url.partition("/hook")[0] in ("https://127.0.0.1:8443", "https://[::1]:8443"),
        place.host,
        place.server_name,
    ) == (True, "localhost:8443", "localhost")
