"""Outgoing signals clause by clause: what SSF 1.0, CAEP 1.0, RFC 8935 and RFC 8936 ask of a
transmitter, beside what test_signals_api.py and test_signals_faults.py show of it."""

import base64
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from identities.acting import COMMAND
from identities.models import SignalSet, SignalStream
from identities.permissions import NotPossible
from identities.signals import checks, streams, telling, vocabulary
from tests.evidence.sources.server import Answer, serving
from tests.identities.conftest import NOW
from tests.identities.signal_lab import CAEP, POLL, PUSH, SSF
from tests.identities.signalling import (
    AUDIENCE,
    SetUp,
    found,
    keyed,
    registered,
    went_out,
    work,
)
from tests.identities.test_signals_api import Caller, made

__all__ = ["keyed"]

pytestmark = pytest.mark.django_db

Make = Callable[..., Any]


@pytest.fixture
def asks(keyed: SetUp, user: Make, client: Client) -> Caller:
    _, token = registered(user("gateway"))
    return Caller(client, token)


@pytest.fixture
def waits(asks: Caller, active: Make) -> Callable[..., str]:
    """A polled stream on which so many SETs wait."""

    def make(many: int = 1, **said: Any) -> str:
        stream = made(asks, **said)
        identity = active(mode="enforce")
        for seconds in range(many):
            went_out(identity, "hold", now=datetime.now(UTC) + timedelta(seconds=seconds))
        telling.tell_next(now=datetime.now(UTC) + timedelta(seconds=many))
        return stream

    return make


def polled(asks: Caller, stream: str, **said: Any) -> Any:
    answer = asks("POST", f"streams/{stream}/poll", {"returnImmediately": True} | said)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    return answer.json()


# --- RFC 8936


def test_poll_that_only_acknowledges_gets_nothing_and_learns_whether_more_waits(
    asks: Caller, waits: Callable[..., str]
) -> None:
    stream = waits(2)
    assert polled(asks, stream, maxEvents=0) == {"sets": {}, "moreAvailable": True}
    every = list(polled(asks, stream)["sets"])
    assert polled(asks, stream, maxEvents=0, ack=every[:1])["moreAvailable"] is True
    assert polled(asks, stream, maxEvents=0, ack=every[1:]) == {"sets": {}, "moreAvailable": False}
    # Acknowledged again, and what never was there: nothing comes of it.
    assert polled(asks, stream, ack=[*every, "unknown"]) == {"sets": {}, "moreAvailable": False}


@pytest.mark.parametrize("most", [0, 5])
def test_poll_that_may_wait_is_answered_at_once_where_something_waits(
    asks: Caller, waits: Callable[..., str], monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr("identities.api.signals.LONGEST_WAIT", 0.3)
    monkeypatch.setattr("identities.api.signals.LOOK_EVERY", 0.05)
    stream, began = waits(1), time.monotonic()
    answer = polled(asks, stream, maxEvents=most, returnImmediately=False)
    assert (len(answer["sets"]), answer["moreAvailable"]) == (min(most, 1), most == 0)
    assert time.monotonic() - began < 0.3
    # Nothing waits any more: this one does, until its time is over (2.5, and 2.4.2 for most = 0).
    SignalSet.objects.update(state="taken")
    began = time.monotonic()
    answer = polled(asks, stream, maxEvents=most, returnImmediately=False)
    assert (answer, time.monotonic() - began >= 0.3) == ({"sets": {}, "moreAvailable": False}, True)


def test_default_poll_is_an_empty_object_and_one_without_credentials_is_told_which(
    asks: Caller, waits: Callable[..., str]
) -> None:
    stream = waits(1)
    assert len(asks("POST", f"streams/{stream}/poll", {}).json()["sets"]) == 1
    nobody = Caller(asks.client, "cst_wrong")("POST", f"streams/{stream}/poll", {})
    assert (nobody.status_code, nobody["WWW-Authenticate"]) == (401, 'Bearer realm="countersign"')
    # RFC 6750, 2.3 (CAEP interoperability profile): a token in the address is no credential.
    answer = asks.client.post(f"/signals/streams/{stream}/poll?access_token={asks.token}", "{}",
                              content_type="application/json")  # fmt: skip
    assert answer.status_code == 401


def test_order_of_one_subject_is_the_order_of_time(asks: Caller, waits: Callable[..., str]) -> None:
    stream = waits(5)
    SignalStream.objects.update(status="paused")
    assert polled(asks, stream) == {"sets": {}, "moreAvailable": False}
    SignalStream.objects.update(status="enabled")
    events = [one.event.happened_at for one in SignalSet.objects.select_related("event").filter(
        jti__in=polled(asks, stream)["sets"]).order_by("id")]  # fmt: skip
    assert (len(events), events) == (5, sorted(events))


# --- RFC 8935


@pytest.mark.parametrize("status", [200, 201, 204])
def test_only_202_says_that_a_signal_was_taken(
    keyed: SetUp, active: Make, user: Make, status: int
) -> None:
    receiver, _ = registered(user("gateway"))
    with serving() as there:
        there.on("POST", "/in", Answer(status, b""))
        stream = streams.create(
            receiver=receiver, by=receiver.user, now=NOW,
            body={"delivery": {"method": PUSH, "endpoint_url": f"{there.url}/in"}},
        )  # fmt: skip
        went_out(active(mode="enforce"), "hold", now=datetime.now(UTC))
        work()
        stream.refresh_from_db()
        assert stream.failed_why.startswith(f"The receiver answered {status}: only 202 says")
        assert stream.who_must_act == "whoever runs the receiver"
        there.on("POST", "/in", Answer(202, b""))
        work(datetime.now(UTC) + timedelta(hours=1))
        # The body is the SET and nothing else.
        assert {one.body.count(b".") for one in there.asked} == {2}
    assert SignalSet.objects.get().state == "taken"


# --- SSF 1.0: the configuration of a stream


def test_events_delivered_are_those_asked_for_that_are_supported(asks: Caller) -> None:
    one, unknown = f"{CAEP}risk-level-change", "urn:example:unknown"
    for asked, delivered in (
        ({}, set(vocabulary.SUPPORTED)),
        ({"events_requested": [one, unknown, one]}, {one}),
        ({"events_requested": [unknown]}, set()),
    ):
        answer = asks("POST", "streams", asked).json()
        assert set(answer["events_delivered"]) == delivered
        assert delivered <= set(answer["events_supported"])
        assert answer.get("events_requested", []) == list(
            dict.fromkeys(asked.get("events_requested", []))
        )


def test_stream_without_an_event_that_is_supported_carries_none(
    asks: Caller, waits: Callable[..., str]
) -> None:
    stream = waits(1, events_requested=["urn:example:unknown"])
    assert polled(asks, stream)["sets"] == {}
    # But what is said of the stream itself (8.1.4.1, 8.1.5).
    assert asks("POST", "verify", {"stream_id": stream}).status_code == 204
    assert len(polled(asks, stream)["sets"]) == 1


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize(
    "said",
    [
        {"delivery": {"method": POLL, "endpoint_url": "https://elsewhere.example.com/"}},
        {"inactivity_timeout": 60},
        {"min_verification_interval": 1},
        {"events_supported": []},
    ],
)
def test_what_the_transmitter_says_of_a_stream_has_to_be_what_it_said(
    asks: Caller, method: str, said: dict[str, Any]
) -> None:
    stream = made(asks)
    answer = asks(method, "streams", {"stream_id": stream} | said)
    assert (answer.status_code, "is ours to say" in answer.json()["detail"]) == (400, True)
    # Sent back as it was read, all of it is right.
    found = asks("GET", f"streams?stream_id={stream}").json()
    assert asks(method, "streams", found).json() == found


def test_each_stream_has_its_own_id_and_its_own_address_of_a_poll(asks: Caller) -> None:
    (one, other) = (asks("POST", "streams", {}).json() for _ in range(2))
    assert one["stream_id"] != other["stream_id"]
    assert one["stream_id"].isalnum()  # RFC 3986, 2.3: unreserved characters alone
    urls = {each["delivery"]["endpoint_url"] for each in (one, other)}
    assert (len(urls), {each["delivery"]["method"] for each in (one, other)}) == (2, {POLL})


# --- SSF 1.0: status and verification


def test_paused_stream_sends_no_verification_until_it_is_enabled(asks: Caller) -> None:
    stream = made(asks)

    def status(value: str, **said: str) -> Any:
        return asks("POST", "status", {"stream_id": stream, "status": value} | said).json()

    assert status("paused", reason="Maintenance.") == {
        "stream_id": stream, "status": "paused", "reason": "Maintenance.",
    }  # fmt: skip
    assert asks("POST", "verify", {"stream_id": stream, "state": "x"}).status_code == 204
    assert polled(asks, stream)["sets"] == {}
    row = SignalStream.objects.get()
    with pytest.raises(NotPossible, match="is paused and sends nothing"):
        streams.test(stream=row, by=COMMAND, now=NOW)
    assert status("enabled") == {"stream_id": stream, "status": "enabled"}
    (token,) = polled(asks, stream)["sets"].values()
    assert claims(token)["events"] == {f"{SSF}verification": {"state": "x"}}
    status("disabled")
    answer = asks("POST", "verify", {"stream_id": stream})
    assert (answer.status_code, "is disabled" in answer.json()["detail"]) == (400, True)
    assert asks("GET", f"status?stream_id={stream}").json()["status"] == "disabled"


def claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


# --- SSF 1.0 and CAEP 1.0: what a SET says


def test_every_set_has_the_claims_of_the_profile_and_a_txn_of_its_cause(
    asks: Caller, active: Make, settings: Any
) -> None:
    stream = made(asks)
    identity = active(mode="enforce")
    row = went_out(identity, "hold", now=datetime.now(UTC))
    finding = found(identity, "no_run")
    telling.tell_next(now=datetime.now(UTC))
    finding.state = "false"
    finding.save()
    telling.tell_next(now=datetime.now(UTC))
    found(identity, "no_run", family="x")
    telling.tell_next(now=datetime.now(UTC))
    asks("POST", "verify", {"stream_id": stream})
    sets = [claims(token) for token in polled(asks, stream)["sets"].values()]
    kinds = [next(iter(one["events"])).rpartition("/")[2] for one in sets]
    assert kinds == ["session-revoked", *["risk-level-change"] * 3, "verification"]
    for one in sets:
        assert set(one) == {"iss", "jti", "iat", "aud", "sub_id", "txn", "events"}
        assert (one["iss"], one["aud"], len(one["events"])) == (settings.BASE_URL, AUDIENCE, 1)
    # Unique to what caused it: no level of risk has the txn of the one before.
    assert (sets[0]["txn"], len({one["txn"] for one in sets})) == (str(row.pk), 5)
    assert len({one["jti"] for one in sets}) == 5
    assert sets[4]["sub_id"] == {"format": "opaque", "id": stream}
    for one in sets[:4]:
        (event,) = one["events"].values()
        assert event["initiating_entity"] in {"admin", "user", "policy", "system"}
        assert event["reason_admin"]["en"]
        assert type(event["event_timestamp"]) is int
    levels = [next(iter(one["events"].values())) for one in sets[1:4]]
    assert [one["current_level"] for one in levels] == ["HIGH", "LOW", "HIGH"]
    assert [one.get("previous_level") for one in levels] == [None, "HIGH", "LOW"]


def test_doctor_wants_an_issuer_that_receivers_may_take(asks: Caller, settings: Any) -> None:
    settings.ALLOW_PRIVATE, settings.BASE_URL = False, "http://countersign.example.com"
    ((name, well, said, fix),) = checks.doctor()
    assert (name, well, "https" in said, "COUNTERSIGN_BASE_URL" in fix) == (
        "signals", False, True, True,
    )  # fmt: skip
    settings.BASE_URL = "https://countersign.example.com"
    assert checks.doctor() == [("signals", True, "1 receiver told", "")]
