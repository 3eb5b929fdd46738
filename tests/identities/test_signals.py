"""What is stopped here is told to receivers: the whole life of each event, pushed and polled."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from evidence.models import LedgerEntry
from evidence.vocabulary import INFERRED
from identities.acting import COMMAND
from identities.actions import revocations
from identities.models import Finding, SignalSet, SignalStream
from identities.signals import streams, telling, vocabulary
from reviews.micro_reviews import SERIOUS, TRIGGERS
from tests.identities.signal_lab import CAEP, POLL, Receiver
from tests.identities.signalling import (
    EC,
    RSA,
    SetUp,
    bound,
    credential,
    found,
    keyed,
    receiving,
    went_out,
    work,
)

__all__ = ["keyed", "receiving"]

# Committed rows: the receiver asks over HTTP.
pytestmark = pytest.mark.django_db(transaction=True)

Make = Callable[..., Any]


def told(receiver: Receiver) -> list[tuple[str, dict[str, Any]]]:
    return [
        (next(iter(one["events"])).rpartition("/")[2], next(iter(one["events"].values())))
        for one in receiver.taken.values()
    ]


def test_revoked_credential_is_told_by_its_states(receiving: Make, active: Make) -> None:
    receiver, identity, case = receiving(), active(mode="enforce"), uuid4()
    receiver.pushes_to_me()
    now = datetime.now(UTC)
    stopped = credential(identity)
    row = went_out(identity, "revoke", now=now, credential=stopped, case=case)
    work()
    work()
    assert receiver.kinds() == ["session-revoked"]
    (claims,) = receiver.taken.values()
    key = {"format": "iss_sub", "iss": receiver.issuer, "sub": identity.key}
    assert (claims["sub_id"], claims["txn"]) == (key, str(case))
    assert claims["events"] == {
        f"{CAEP}session-revoked": {
            "event_timestamp": int(now.timestamp()),
            "initiating_entity": "admin",
            "reason_admin": {"en": f"A credential was revoked by Countersign, {row.key}, sent."},
            "friendly_name": f"{stopped.key} AKIA…MPLE",
        }
    }
    row.confirmed_at, row.state = datetime.now(UTC), "confirmed"
    row.save()
    work()
    row.effective_at, row.state = datetime.now(UTC), "effective"
    row.save()
    work()
    assert receiver.kinds() == ["session-revoked", "credential-change"]
    change = told(receiver)[1][1]
    assert (change["credential_type"], change["change_type"]) == ("api-key", "revoke")
    assert change["reason_admin"]["en"].endswith("confirmed.")
    assert {one["txn"] for one in receiver.taken.values()} == {str(case)}
    assert set(receiver.times.values()) == {1}
    assert set(SignalSet.objects.values_list("state", flat=True)) == {"taken"}


@pytest.mark.parametrize("step", ["hold", "suspend"])
def test_held_and_suspended_identities_lose_their_sessions(
    receiving: Make, active: Make, step: str
) -> None:
    receiver, identity = receiving(named_by="aliases"), active(mode="enforce")
    bound(identity, "aws:111122223333", "arn", "arn:aws:iam::111122223333:role/report")
    bound(identity, "okta:example", "app", "0oaBATCH")
    bound(identity, "github:example", "user", "report@example.com")
    receiver.pushes_to_me()
    now = datetime.now(UTC)
    # Our own decision endpoint: effective at once, and never sent anywhere.
    row = went_out(
        identity, step, now=now, sent_at=None, effective_at=now, state="effective",
        requested_by="countersign",
    )  # fmt: skip
    work()
    ((kind, event),) = told(receiver)
    assert (kind, event["initiating_entity"]) == ("session-revoked", "policy")
    (claims,) = receiver.taken.values()
    assert claims["txn"] == str(row.pk)
    assert claims["sub_id"] == {
        "format": "aliases",
        "identifiers": [
            {"format": "iss_sub", "iss": receiver.issuer, "sub": identity.key},
            {"format": "uri", "uri": "arn:aws:iam::111122223333:role/report"},
            {"format": "iss_sub", "iss": "https://example.okta.com", "sub": "0oaBATCH"},
            {"format": "email", "email": "report@example.com"},
        ],
    }
    assert receiver.sessions == {str(claims["sub_id"]): False}


def test_hold_that_a_responder_asks_for_is_told_without_its_reason(
    receiving: Make, active: Make, user: Make
) -> None:
    receiver, identity = receiving(), active(mode="enforce")
    receiver.pushes_to_me()
    rex = user("rex", "responder")
    revocations.request(
        identity=identity, step="hold", by=rex, now=datetime.now(UTC), because="a secret reason"
    )
    while revocations.enforce_next(now=datetime.now(UTC)):
        pass
    work()
    ((kind, event),) = told(receiver)
    assert (kind, event["initiating_entity"]) == ("session-revoked", "admin")
    assert "secret" not in str(receiver.taken)
    revocations.request(
        identity=identity, step="release", by=rex, now=datetime.now(UTC), because="over"
    )
    work()
    assert len(receiver.taken) == 1


def test_what_is_given_back_or_narrowed_is_not_told(receiving: Make, active: Make) -> None:
    receiver, identity = receiving(), active(mode="enforce")
    receiver.pushes_to_me()
    now = datetime.now(UTC)
    for step in ("release", "resume", "narrow"):
        went_out(identity, step, now=now)
    went_out(identity, "hold", now=now, entitlement=uuid4())
    went_out(identity, "revoke", now=now, state="requested", sent_at=None)
    assert (work(), receiver.taken) == (0, {})


def test_serious_findings_are_a_risk_and_their_end_is_told(receiving: Make, active: Make) -> None:
    receiver, identity = receiving(), active(mode="ask")
    other = active("svc-quiet", mode="observe")
    receiver.pushes_to_me()
    first = found(identity, "left_task", strength=INFERRED)
    found(identity, "no_authority")
    found(other, "no_run")
    work()
    second = found(identity, "no_run", family="x")
    work()
    work()
    Finding.objects.filter(pk__in=[first.pk, second.pk]).update(state="false")
    work()
    found(identity, "no_run", family="y", state="confirmed")
    work()
    levels = [(one["current_level"], one.get("previous_level")) for _, one in told(receiver)]
    assert levels == [("MEDIUM", None), ("HIGH", "MEDIUM"), ("LOW", "HIGH"), ("HIGH", "LOW")]
    reasons = [one["risk_reason"] for _, one in told(receiver)]
    assert reasons == ["LEFT_TASK", "NO_RUN", "NO_SERIOUS_FINDING", "NO_RUN"]
    assert {one["principal"] for _, one in told(receiver)} == {"USER"}
    assert TRIGGERS[SERIOUS].rules == telling.SERIOUS


def test_weak_event_does_not_lower_the_risk_that_strong_ones_tell(
    receiving: Make, active: Make
) -> None:
    receiver, identity = receiving(), active(mode="ask")
    receiver.pushes_to_me()
    found(identity, "left_task", strength=INFERRED, strengths={"exact": 4, "inferred": 1})
    work()
    assert [one["current_level"] for _, one in told(receiver)] == ["HIGH"]


def test_risk_of_what_is_only_observed_again_is_taken_back(receiving: Make, active: Make) -> None:
    receiver, identity = receiving(), active(mode="enforce")
    receiver.pushes_to_me()
    found(identity, "no_run")
    work()
    for mode in ("observe", "enforce"):
        type(identity).objects.filter(pk=identity.pk).update(mode=mode)
        work()
        work()
    levels = [(one["current_level"], one["risk_reason"]) for _, one in told(receiver)]
    assert levels == [("HIGH", "NO_RUN"), ("LOW", "OBSERVED_ONLY"), ("HIGH", "NO_RUN")]


def test_polled_events_stay_until_they_are_acknowledged(receiving: Make, active: Make) -> None:
    receiver, identity = receiving(), active(mode="enforce")
    receiver.creates(delivery={"method": POLL})
    now = datetime.now(UTC)
    for number in range(5):
        went_out(identity, "revoke", now=now + timedelta(seconds=number))
    assert work() == 0
    first = receiver.polls(settle=False, maxEvents=2)
    again = receiver.polls(settle=False, maxEvents=2)
    assert [one["jti"] for one in first] == [one["jti"] for one in again]
    assert len(first) == 2
    assert receiver.polls(settle=False, maxEvents=0) == []
    every = receiver.polls(maxEvents=2)
    assert (len(every), every[:2]) == (5, first)
    assert receiver.polls() == []
    # The ones that came twice are known by their jti.
    assert sorted(receiver.times.values()) == [1, 1, 1, 3, 3]
    assert set(SignalSet.objects.values_list("state", flat=True)) == {"taken"}


def test_refused_over_a_poll_is_settled_with_the_receivers_words(
    receiving: Make, active: Make
) -> None:
    receiver, identity = receiving(), active(mode="enforce")
    receiver.creates()
    went_out(identity, "hold", now=datetime.now(UTC))
    work()
    (one,) = receiver.polls(settle=False)
    wrong = {one["jti"]: {"err": "invalid_request", "description": "no\x07 such subject"}}
    assert receiver.polls(setErrs=wrong | {"unknown": {"err": "invalid_key"}}) == []
    row = SignalSet.objects.get()
    assert (row.state, row.err, row.said) == ("refused", "invalid_request", "no  such subject")


def test_poll_waits_for_what_comes_meanwhile(
    receiving: Make, active: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("identities.api.signals.LONGEST_WAIT", 0.3)
    monkeypatch.setattr("identities.api.signals.LOOK_EVERY", 0.05)
    receiver, began = receiving(), datetime.now(UTC)
    receiver.creates()
    assert receiver.polls(returnImmediately=False) == []
    assert datetime.now(UTC) - began >= timedelta(seconds=0.3)


def test_receiver_may_want_some_subjects_and_kinds_only(receiving: Make, active: Make) -> None:
    some, rest = receiving("some", default_subjects="NONE"), receiving("rest")
    one, other = active("svc-one", mode="enforce"), active("svc-two", mode="enforce")
    bound(one, "okta:example", "app", "0oaONE")
    subject = {"format": "iss_sub", "iss": "https://example.okta.com", "sub": "0oaONE"}
    narrow = some.pushes_to_me()
    wide = rest.pushes_to_me(events_requested=[f"{CAEP}session-revoked", "urn:unknown"])
    assert rest.stream["events_delivered"] == [f"{CAEP}session-revoked"]
    complex_ = {"format": "complex", "user": subject, "device": {"format": "opaque", "id": "x"}}
    added = some.asks("POST", "add_subject", json={"stream_id": narrow, "subject": complex_})
    assert (added.status_code, added.content) == (200, b"")
    gone = rest.asks("POST", "remove_subject", json={"stream_id": wide, "subject": subject})
    assert (gone.status_code, gone.content) == (204, b"")
    now = datetime.now(UTC)
    for identity in (one, other):
        went_out(identity, "revoke", now=now, credential=credential(identity, identity.name),
                 confirmed_at=now)  # fmt: skip
    work()
    assert some.kinds() == ["session-revoked", "credential-change"]
    assert rest.kinds() == ["session-revoked"]
    assert {c["sub_id"]["sub"] for c in some.taken.values()} == {one.key}
    assert {c["sub_id"]["sub"] for c in rest.taken.values()} == {other.key}
    assert set(some.taken).isdisjoint(rest.taken)


def test_paused_streams_keep_and_disabled_ones_count(receiving: Make, active: Make) -> None:
    receiver, identity = receiving(), active(mode="enforce")
    stream = receiver.pushes_to_me()
    row = SignalStream.objects.get()

    def says(status: str) -> None:
        answer = receiver.asks("POST", "status", json={"stream_id": stream, "status": status})
        assert answer.json() == {"stream_id": stream, "status": status}

    says("paused")
    went_out(identity, "hold", now=datetime.now(UTC))
    work()
    assert receiver.taken == {}
    says("enabled")
    work()
    assert receiver.kinds() == ["session-revoked"]
    says("paused")
    went_out(identity, "revoke", now=datetime.now(UTC))
    work()
    says("disabled")
    went_out(identity, "suspend", now=datetime.now(UTC))
    work()
    says("enabled")
    work()
    assert len(receiver.taken) == 1
    row.refresh_from_db()
    assert row.dropped == 2
    # What a person of ours changes, the receiver is told before it is obeyed.
    for status in ("paused", "enabled", "disabled"):
        streams.change_status(
            stream=row, status=status, reason="a test", by=COMMAND, now=datetime.now(UTC)
        )
        work()
    assert receiver.statuses == ["paused", "enabled", "disabled"]
    acts = LedgerEntry.objects.filter(act="signals.status").order_by("id")
    assert [one.words for one in acts][-1] == "signals to gateway: its stream is disabled: a test"
    assert acts.count() == 8


def test_verification_goes_round(receiving: Make) -> None:
    receiver = receiving()
    stream = receiver.pushes_to_me()
    asked = receiver.asks("POST", "verification", json={"stream_id": stream, "state": "abc"})
    assert (asked.status_code, asked.content) == (204, b"")
    often = receiver.asks("POST", "verification", json={"stream_id": stream})
    assert often.status_code == 429
    work()
    ((kind, event),) = told(receiver)
    (claims,) = receiver.taken.values()
    assert (kind, event) == ("verification", {"state": "abc"})
    assert claims["sub_id"] == {"format": "opaque", "id": stream}
    row = SignalStream.objects.get()
    assert row.verified_at is not None
    streams.test(stream=row, by=COMMAND, now=datetime.now(UTC) + timedelta(seconds=31))
    work(datetime.now(UTC) + timedelta(seconds=32))
    assert [event for _, event in told(receiver)] == [{"state": "abc"}, {}]


def test_keys_rotate_without_a_gap(receiving: Make, active: Make, keyed: SetUp) -> None:
    receiver, identity = receiving(), active(mode="enforce")
    receiver.creates()
    went_out(identity, "hold", now=datetime.now(UTC))
    work()
    (before,) = receiver.polls(settle=False)
    keyed(RSA, EC)
    (after,) = receiver.polls()
    assert before == after
    # What the old key signed is still checked with the keys of now.
    receiver.fetch_keys()
    assert len(receiver.keys.keys) == 2
    assert [one["alg"] for one in receiver.keys.as_dict()["keys"]] == ["RS256", "ES256"]
    assert not any("d" in one for one in receiver.http.get("/signals/jwks.json").json()["keys"])


def test_every_event_has_an_address_of_the_standard() -> None:
    assert [vocabulary.URIS[kind] for kind in vocabulary.TOLD] == [
        f"{CAEP}session-revoked",
        f"{CAEP}credential-change",
        f"{CAEP}risk-level-change",
    ]
