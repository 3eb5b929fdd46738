"""Pages of shared signals: who may see and change them, plain forms, the same queries for many."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from evidence.models import LedgerEntry, Source
from identities.acting import COMMAND
from identities.models import SignalEvent, SignalReceiver, SignalSet, SignalStream, User
from identities.signals import streams, telling
from reviews.pages import signals
from tests.evidence.sources import pulling
from tests.identities.signalling import SetUp, keyed

from .conftest import Told, make_user
from .test_api import token
from .test_pages import answered, as_user

__all__ = ["answered", "as_user", "keyed"]
pytestmark = pytest.mark.django_db
Sign = Callable[..., Client]
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def ada(db: None) -> User:
    return make_user("ada", "administrator")


def receiver(name: str = "gateway") -> SignalReceiver:
    return streams.register(
        name=name, user=make_user(f"{name}-login"), audience=f"https://{name}.example.com",
        default_subjects="ALL", named_by="key", by=COMMAND, now=timezone.now(),
    )  # fmt: skip


def stream(of: SignalReceiver, **said: Any) -> SignalStream:
    now = timezone.now()
    return SignalStream.objects.create(
        **{
            "receiver": of, "delivery": "push", "endpoint": "https://receiver.example.com/in",
            "created_at": now, "changed_at": now, "not_before": now,
        } | said
    )  # fmt: skip


def waits(row: SignalStream, many: int, story: Told, **said: Any) -> None:
    now = timezone.now()
    for number in range(many):
        event = SignalEvent.objects.create(
            cause=f"{row.pk} {number} {said}", kind="session-revoked", identity=story.identity,
            happened_at=now, made_at=now,
        )  # fmt: skip
        SignalSet.objects.create(stream=row, event=event, jti=telling.jti(row, event.cause), **said)


def test_receiver_is_registered_tested_paused_and_ended_in_plain_forms(
    story: Told, ada: User, as_user: Sign, keyed: SetUp
) -> None:
    make_user("gateway-login")
    client = as_user(ada)
    said = {
        "name": "gateway", "login": "gateway-login", "audience": "https://gateway.example.com",
        "default_subjects": "ALL", "named_by": "aliases",
    }  # fmt: skip
    wrong = client.post("/signals/receivers/new/", said | {"login": "nobody"})
    assert (wrong.status_code, "There is no such login" in wrong.content.decode()) == (400, True)
    assert client.post("/signals/receivers/new/", said).status_code == 302
    row = stream(SignalReceiver.objects.get())
    for act, more in (("test", {}), ("paused", {"reason": "a move"}), ("enabled", {"reason": "over"}),
                      ("disabled", {"reason": "broken"})):  # fmt: skip
        answer = client.post(f"{row.url}{act}/", more)
        assert (answer.status_code, answer["Location"]) == (302, row.url)
    row.refresh_from_db()
    assert (row.status, row.status_reason, row.asked_at is None) == ("disabled", "broken", False)
    again = client.post(f"{row.url}disabled/", {"reason": "again"}, follow=True)
    assert "The stream is disabled already." in again.content.decode()
    page = client.get("/signals/").content.decode()
    assert all(
        one in page for one in ("gateway", "receiver.example.com", "disabled", "all its names")
    )
    assert client.post(f"{row.url}remove/", {"reason": "no more"})["Location"] == "/signals/"
    assert client.get(row.url).status_code == 404
    end = f"/signals/receivers/{row.receiver.pk.hex}/end/"
    assert client.post(end, {"reason": "sold"}).status_code == 302
    assert client.post(end, {"reason": "sold"}).status_code == 404
    acts = LedgerEntry.objects.filter(act__startswith="signals.").order_by("id")
    assert [one.act.partition(".")[2] for one in acts] == [
        "receiver", "tested", "status", "status", "status", "deleted", "ended",
    ]  # fmt: skip
    assert {one.by_name for one in acts} == {"Ada"}


ACTS = ("test", "paused", "disabled", "remove")


def test_who_may_see_and_who_may_change(
    story: Told, ada: User, as_user: Sign, keyed: SetUp
) -> None:
    row = stream(receiver())
    end = f"/signals/receivers/{row.receiver.pk.hex}/end/"
    for one in (story.rita, story.otto):
        client = as_user(one)
        page = client.get(row.url)
        assert (page.status_code, client.get("/signals/").status_code) == (200, 200)
        why = "auditors read everything" if one == story.otto else "Only an administrator may do"
        assert why in page.content.decode()
        for url in (*(f"{row.url}{act}/" for act in ACTS), end):
            assert client.post(url, {"reason": "x"}).status_code == 403
        refused = client.post("/signals/receivers/new/", {
            "name": "x", "login": "ada", "audience": "x", "default_subjects": "ALL", "named_by": "key",
        })  # fmt: skip
        assert refused.status_code == 400
    waits(row, 1, story, state="refused", settled_at=timezone.now())
    owner = as_user(make_user("olga", "owner"))
    pages = [owner.get(url) for url in ("/signals/", row.url, "/signals/receivers/new/")]
    assert [one.status_code for one in pages] == [200, 200, 200]
    assert story.identity.name not in pages[1].content.decode()
    assert owner.post(end, {"reason": "x"}).status_code == 403
    assert Client().get("/signals/").status_code == 302
    assert SignalStream.objects.values_list("status", "deleted_at").get() == ("enabled", None)
    assert SignalReceiver.objects.count() == 1


def test_what_does_not_get_through_is_said_with_who_must_act(
    story: Told, ada: User, as_user: Sign, keyed: SetUp
) -> None:
    row = stream(receiver(), failures=3, failed_why=HOSTILE, who_must_act="whoever runs it",
                 description=HOSTILE, dropped=7)  # fmt: skip
    waits(row, 4, story)
    waits(row, 1, story, state="refused", err="invalid_request", said=HOSTILE,
          settled_at=timezone.now())  # fmt: skip
    client = as_user(ada)
    for url in ("/signals/", row.url):
        page = client.get(url).content.decode()
        assert HOSTILE not in page
        assert "&lt;img src=x onerror=alert(1)&gt;" in page
        assert "Whoever runs it must act." in page
        assert "does not get through" in page
    assert "invalid_request" in page
    assert story.identity.name in page
    answer = client.get("/api/signals/", headers=token(ada, "read"))
    (said,) = answer.json()["streams"]
    assert (said["backlog"], said["refused"], said["dropped"]) == (4, 1, 7)
    assert said["kinds"] == ["session-revoked", "credential-change", "risk-level-change"]


def test_api_is_for_tokens_that_read(story: Told, client: Client, keyed: SetUp) -> None:
    def status(user: User, scope: str) -> int:
        return client.get("/api/signals/", headers=token(user, scope)).status_code

    assert status(story.otto, "read") == 200
    assert (status(story.ines, "read"), status(story.rita, "decide")) == (200, 403)
    assert client.get("/api/signals/").status_code == 401
    headers = token(story.rita, "read")
    assert client.get("/api/signals/?x=1", headers=headers).status_code == 409


def test_without_a_key_the_page_says_what_to_do(story: Told, as_user: Sign, settings: Any) -> None:
    settings.ENFORCERS = ""
    page = as_user(story.rita).get("/signals/").content.decode()
    assert "Signals are not set up: name a key under signals" in page


def test_sources_of_signals_are_listed_with_their_last_verification(
    story: Told, as_user: Sign, settings: Any
) -> None:
    settings.ALLOW_PRIVATE = True
    row = Source.objects.create(
        name="idp", format="signals", created_at=timezone.now(), created_by="x"
    )
    said = {"issuer": "https://idp.example.com", "audience": "us"}
    pulling.connect(row, "signals", said)
    page = as_user(story.rita).get("/signals/").content.decode()
    assert "https://idp.example.com" in page
    assert signals.sources()[0] | {"url": ""} == {
        "name": "idp", "url": "", "issuer": "https://idp.example.com", "polled": False,
        "paused": False, "last_at": None, "verified_at": None, "failed_why": "",
    }  # fmt: skip


def test_many_streams_take_as_many_queries_as_one(
    story: Told, ada: User, as_user: Sign, keyed: SetUp
) -> None:
    client, counts = as_user(ada), []
    for many in (1, 20):
        for number in range(many):
            row = stream(receiver(f"r-{many}-{number}"))
            waits(row, 3, story)
        client.get("/signals/")
        found = []
        for url in ("/signals/", row.url):
            with CaptureQueriesContext(connection) as counted:
                assert client.get(url).status_code == 200
            found.append(len(counted))
        counts.append(found)
    assert counts[0] == counts[1]
