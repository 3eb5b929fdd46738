"""The Stream Management API as SSF 1.0, 8.1 answers it: every status, and nobody else's stream."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from evidence.models import LedgerEntry
from identities.acting import COMMAND
from identities.actions import tokens
from identities.models import SignalReceiver, SignalStream, SignalSubject, User
from identities.permissions import NotAllowed, NotPossible
from identities.signals import checks, polling, reading, streams, vocabulary
from identities.signals.vocabulary import Wrong
from tests.identities.signalling import AUDIENCE, SetUp, keyed, registered

__all__ = ["keyed"]

pytestmark = pytest.mark.django_db

Make = Callable[..., Any]
PUSH, POLL = "urn:ietf:rfc:8935", "urn:ietf:rfc:8936"
CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
TO_ME = {"method": PUSH, "endpoint_url": "https://receiver.example.com/in?x=1"}
EMAIL = {"format": "email", "email": "ana@example.org"}


class Caller:
    """Asks with one token, and says nothing of a content type unless asked to."""

    def __init__(self, client: Client, token: str) -> None:
        self.client, self.token = client, token

    def __call__(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        return self.client.generic(
            method,
            f"/signals/{path}",
            "" if body is None else json.dumps(body),
            content_type=more.pop("content_type", "application/json"),
            headers={"Authorization": f"Bearer {self.token}"},
        )


@pytest.fixture
def asks(keyed: SetUp, user: Make, client: Client) -> Caller:
    _, token = registered(user("gateway"))
    return Caller(client, token)


def made(asks: Caller, **said: Any) -> str:
    answer = asks("POST", "streams", said)
    assert answer.status_code == 201, answer.content
    return str(answer.json()["stream_id"])


def test_transmitter_describes_itself(asks: Caller, client: Client, settings: Any) -> None:
    base = settings.BASE_URL
    answer = client.get("/.well-known/ssf-configuration")
    assert answer.json() == {
        "spec_version": "1_0",
        "issuer": base,
        "jwks_uri": f"{base}/signals/jwks.json",
        "delivery_methods_supported": [PUSH, POLL],
        "configuration_endpoint": f"{base}/signals/streams",
        "status_endpoint": f"{base}/signals/status",
        "add_subject_endpoint": f"{base}/signals/subjects/add",
        "remove_subject_endpoint": f"{base}/signals/subjects/remove",
        "verification_endpoint": f"{base}/signals/verify",
        "authorization_schemes": [{"spec_urn": "urn:ietf:rfc:6750"}],
    }
    (key,) = client.get("/signals/jwks.json").json()["keys"]
    assert (key["alg"], key["use"], "d" in key) == ("ES256", "sig", False)
    settings.ENFORCERS = ""
    for path in ("/.well-known/ssf-configuration", "/signals/jwks.json"):
        assert client.get(path).status_code == 404
    assert asks("POST", "streams", {}).status_code == 503


def test_stream_is_made_read_changed_replaced_and_deleted(asks: Caller, settings: Any) -> None:
    assert asks("GET", "streams").json() == []
    header = {"authorization_header": "Bearer s3cret"}
    stream = made(asks, delivery=TO_ME | header, description="one",
                  events_requested=[f"{CAEP}session-revoked", "urn:x"])  # fmt: skip
    found = asks("GET", f"streams?stream_id={stream}")
    assert (found.status_code, found["Cache-Control"]) == (200, "no-store, private")
    assert found.json() == {
        "stream_id": stream,
        "iss": settings.BASE_URL,
        "aud": AUDIENCE,
        "events_supported": list(vocabulary.SUPPORTED),
        "events_requested": [f"{CAEP}session-revoked", "urn:x"],
        "events_delivered": [f"{CAEP}session-revoked"],
        "delivery": TO_ME,
        "min_verification_interval": 30,
        "description": "one",
    }
    assert asks("GET", "streams").json() == [found.json()]
    changed = asks("PATCH", "streams", {"stream_id": stream, "description": "two"})
    assert changed.json() == found.json() | {"description": "two"}
    # What is ours may be sent back as it is.
    assert asks("PATCH", "streams", changed.json()).status_code == 200
    mine: list[dict[str, Any]] = [{"aud": "x"}, {"iss": "x"}, {"events_delivered": []}]
    for wrong in mine:
        answer = asks("PATCH", "streams", {"stream_id": stream} | wrong)
        assert (answer.status_code, next(iter(wrong)) in answer.json()["detail"]) == (400, True)
    row = SignalStream.objects.get()
    assert row.authorization != ""
    # The header goes to the host it was said for, and to no other.
    same = TO_ME | {"endpoint_url": "https://receiver.example.com/other"}
    asks("PATCH", "streams", {"stream_id": stream, "delivery": same})
    row.refresh_from_db()
    assert row.authorization != ""
    other = TO_ME | {"endpoint_url": "https://elsewhere.example.com/"}
    asks("PATCH", "streams", {"stream_id": stream, "delivery": other})
    row.refresh_from_db()
    assert (row.authorization, row.endpoint) == ("", "https://elsewhere.example.com/")
    replaced = asks("PUT", "streams", {"stream_id": stream})
    poll = f"{settings.BASE_URL}/signals/streams/{stream}/poll"
    assert replaced.json()["delivery"] == {"method": POLL, "endpoint_url": poll}
    assert {"description", "events_requested"}.isdisjoint(replaced.json())
    gone = asks("DELETE", f"streams?stream_id={stream}")
    assert (gone.status_code, gone.content) == (204, b"")
    assert asks("GET", f"streams?stream_id={stream}").status_code == 404
    written = LedgerEntry.objects.filter(act__startswith="signals.").order_by("id")
    acts = [*written.values_list("act", flat=True)]
    assert acts == ["signals.receiver", "signals.created", *["signals.changed"] * 5,
                    "signals.deleted"]  # fmt: skip
    assert "s3cret" not in str([*LedgerEntry.objects.values_list("words", "data")])


WRONG = [
    ("POST", "streams", []),
    ("POST", "streams", {"delivery": 7}),
    ("POST", "streams", {"delivery": {"method": "urn:ietf:rfc:9999"}}),
    ("POST", "streams", {"delivery": {"method": PUSH}}),
    ("POST", "streams", {"delivery": TO_ME | {"endpoint_url": "ftp://x"}}),
    ("POST", "streams", {"delivery": TO_ME | {"endpoint_url": "https://a:b@x/"}}),
    ("POST", "streams", {"delivery": TO_ME | {"endpoint_url": "https://x:port/"}}),
    ("POST", "streams", {"delivery": TO_ME | {"authorization_header": "a\nb"}}),
    ("POST", "streams", {"events_requested": []}),
    ("POST", "streams", {"events_requested": [7]}),
    ("POST", "streams", {"description": 7}),
    ("PATCH", "streams", {}),
    ("DELETE", "streams", None),
    ("GET", "status", None),
    ("POST", "status", {"stream_id": "@", "status": "off"}),
    ("POST", "status", {"stream_id": "@", "status": "paused", "reason": 7}),
    ("POST", "subjects/add", {"stream_id": "@"}),
    ("POST", "subjects/add", {"stream_id": "@", "subject": {"format": "ip"}}),
    ("POST", "subjects/add", {"stream_id": "@", "subject": {"format": "email"}}),
    ("POST", "subjects/add", {"stream_id": "@", "subject": {"format": "complex", "tenant": EMAIL}}),
    ("POST", "subjects/add", {"stream_id": "@", "subject": EMAIL, "verified": "yes"}),
    ("POST", "verify", {"stream_id": "@", "state": 7}),
    ("POST", "verify", {"stream_id": "@", "state": "x" * 2_000}),
    ("POST", "streams/@/poll", {"maxEvents": -1}),
    ("POST", "streams/@/poll", {"returnImmediately": "no"}),
    ("POST", "streams/@/poll", {"ack": [7]}),
    ("POST", "streams/@/poll", {"setErrs": {"x": {}}}),
    ("POST", "streams/@/poll", {"ack": ["x"] * 10_001}),
]


@pytest.mark.parametrize(("method", "path", "body"), WRONG)
def test_what_cannot_be_meant_is_400_and_changes_nothing(
    asks: Caller, method: str, path: str, body: Any
) -> None:
    stream = made(asks)
    if type(body) is dict and "stream_id" in body:
        body = body | {"stream_id": stream}
    before = SignalStream.objects.values().get()
    answer = asks(method, path.replace("@", stream), body)
    assert (answer.status_code, bool(answer.json()["detail"])) == (400, True)
    assert (SignalStream.objects.values().get(), SignalSubject.objects.count()) == (before, 0)


def test_what_is_no_json_is_400_and_a_missing_content_type_is_none(asks: Caller) -> None:
    broken = asks.client.post(
        "/signals/verify", "{", content_type="application/json",
        headers={"Authorization": f"Bearer {asks.token}"},
    )  # fmt: skip
    assert broken.status_code == 400
    answer = asks("POST", "streams", {"description": "x"}, content_type="text/plain")
    assert answer.status_code == 201


ADDRESSES = [
    ("GET", "streams?stream_id=@", None),
    ("PATCH", "streams", {"stream_id": "@"}),
    ("PUT", "streams", {"stream_id": "@"}),
    ("DELETE", "streams?stream_id=@", None),
    ("GET", "status?stream_id=@", None),
    ("POST", "status", {"stream_id": "@", "status": "paused"}),
    ("POST", "subjects/add", {"stream_id": "@", "subject": EMAIL}),
    ("POST", "subjects/remove", {"stream_id": "@", "subject": EMAIL}),
    ("POST", "verify", {"stream_id": "@"}),
    ("POST", "streams/@/poll", {"returnImmediately": True}),
]


@pytest.mark.parametrize(("method", "path", "body"), ADDRESSES)
def test_nobody_reaches_another_ones_stream(
    asks: Caller, user: Make, method: str, path: str, body: Any
) -> None:
    stream = made(asks)
    said = body and {name: stream if value == "@" else value for name, value in body.items()}

    def status(token: str, **client: Any) -> int:
        return int(Caller(asks.client, token)(method, path.replace("@", stream), said).status_code)

    _, other = registered(user("other"))
    assert status(other) == 404
    stranger, now = user("stranger", "administrator"), datetime.now(UTC)
    tokens_of: dict[str, str] = {}
    for name, scope in (("none", "signals"), ("read", "read"), ("act", "act")):
        _, tokens_of[name] = tokens.create(
            user=stranger, name=name, scopes=[scope], lasts=timedelta(days=1), by=COMMAND, now=now
        )
    assert [status(tokens_of[name]) for name in ("none", "read", "act")] == [403, 403, 403]
    assert status("cst_unknown") == 401
    # Nor does a person who is signed in.
    asks.client.force_login(stranger, backend="django.contrib.auth.backends.ModelBackend")
    answer = asks.client.generic(method, f"/signals/{path.replace('@', stream)}")
    assert answer.status_code == 401
    row = SignalStream.objects.get()
    assert (row.status, row.deleted_at, SignalSubject.objects.count()) == ("enabled", None, 0)
    streams.end(receiver=row.receiver, reason="over", by=COMMAND, now=now)
    assert status(asks.token) == 403


def test_bounds_are_said_with_their_status(asks: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MOST_STREAMS", 2)
    monkeypatch.setattr(streams, "MOST_SUBJECTS", 1)
    stream, _ = made(asks), made(asks)
    assert asks("POST", "streams", {}).status_code == 409
    body = {"stream_id": stream, "subject": EMAIL}
    assert asks("POST", "subjects/add", body).status_code == 200
    # Again, and the other way: it is there already.
    assert asks("POST", "subjects/remove", body).status_code == 204
    more = body | {"subject": {"format": "opaque", "id": "x"}}
    assert asks("POST", "subjects/add", more).status_code == 429
    assert asks("POST", "verify", {"stream_id": stream}).status_code == 204
    assert asks("POST", "verify", {"stream_id": stream}).status_code == 429
    pushed = asks("PATCH", "streams", {"stream_id": stream, "delivery": TO_ME})
    assert pushed.status_code == 200
    assert asks("POST", f"streams/{stream}/poll", {}).status_code == 404


def test_receivers_are_registered_by_administrators(keyed: SetUp, user: Make) -> None:
    said: dict[str, Any] = {
        "name": "gateway", "user": user("gateway"), "audience": "x", "default_subjects": "ALL",
        "named_by": "key", "now": datetime.now(UTC),
    }  # fmt: skip
    with pytest.raises(NotAllowed, match="Only an administrator"):
        streams.register(**said, by=user("rita", "reviewer"))
    admin = user("root", "administrator")
    for wrong in ({"name": " "}, {"audience": ""}, {"default_subjects": "SOME"}, {"named_by": "x"}):
        with pytest.raises(NotPossible):
            streams.register(**said | wrong, by=admin)
    row = streams.register(**said, by=admin)
    with pytest.raises(NotPossible, match="There is a receiver again, or one of this login"):
        streams.register(**said | {"name": "again"}, by=admin)
    for act in ("test", "remove", "change_status"):
        stream = SignalStream.objects.create(
            receiver=row, delivery="poll", created_at=said["now"], changed_at=said["now"],
            not_before=said["now"],
        )  # fmt: skip
        more = {
            "test": {},
            "remove": {"reason": "x"},
            "change_status": {"reason": "x", "status": "paused"},
        }
        with pytest.raises(NotAllowed):
            getattr(streams, act)(stream=stream, by=User.objects.get(username="rita"),
                                  now=said["now"], **more[act])  # fmt: skip
    with pytest.raises(NotPossible, match="Say why"):
        streams.end(receiver=row, reason=" ", by=admin, now=said["now"])
    streams.end(receiver=row, reason="over", by=admin, now=said["now"])
    with pytest.raises(NotPossible, match="receives nothing any more"):
        streams.end(receiver=row, reason="over", by=admin, now=said["now"])
    assert SignalReceiver.objects.get().streams.filter(deleted_at=None).count() == 0


def test_reading_of_polls_and_endpoints(settings: Any) -> None:
    settings.ALLOW_PRIVATE = False
    assert polling.read({}) == polling.Poll(100, False, [], {})
    assert polling.read({"maxEvents": 10**6, "returnImmediately": True}).most == 100
    with pytest.raises(Wrong, match="must begin with https://"):
        reading.delivery({"method": PUSH, "endpoint_url": "http://receiver.example.com/"})


def test_doctor_says_which_stream_does_not_get_through(asks: Caller, settings: Any) -> None:
    assert checks.doctor() == [("signals", True, "1 receiver told", "")]
    made(asks, delivery=TO_ME)
    SignalStream.objects.update(failures=3, failed_why="x answered 401.", who_must_act="whoever")
    assert checks.doctor() == [
        (
            "signals to gateway",
            False,
            "x answered 401.",
            "whoever must act, then it goes on by itself",
        )
    ]
    settings.ENFORCERS = ""
    ((name, well, said, fix),) = checks.doctor()
    assert (name, well, fix) == ("signals", False, "the administrator of Countersign must act")
    assert said.startswith("Signals are not set up")
    SignalReceiver.objects.update(ended_at=datetime.now(UTC))
    assert checks.doctor() == []
