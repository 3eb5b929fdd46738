"""Webhooks by the worker's road: sent stays sent until the receiver has said what became of it."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from evidence.models import LedgerEntry
from identities import checks
from identities.acting import COUNTERSIGN
from identities.actions import revocations
from identities.actions.revocations import receiving
from identities.enforcers import web
from identities.models import Circuit, Credential, Identity, Revocation
from identities.permissions import NotPossible
from tests.evidence.sources.server import Answer, Request
from tests.identities.enforcers.webhook_lab import NEXT, OURS, Crm, stamp, webhook_lab
from tests.identities.revoking import ask, work, work_at_once
from tests.identities.webhook_rows import WHO, SetUp, agent, crm, say, set_up, token

__all__ = ["agent", "crm", "set_up", "token", "webhook_lab"]

# Committed rows: the worker uses connections of its own.
pytestmark = pytest.mark.django_db(transaction=True)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def now() -> datetime:
    return datetime.now(UTC)


def fresh(row: Revocation) -> Revocation:
    row.refresh_from_db()
    return row


def test_a_message_that_was_taken_proves_nothing(crm: Crm, token: Credential) -> None:
    crm.lies = True
    assert token.identity is not None
    row = ask(token.identity, "revoke", now=now(), credential=token)
    began = now()
    work(began)
    assert fresh(row).state == "sent"
    for minutes in (1, 30, 600):
        work(began + timedelta(minutes=minutes))
    assert (fresh(row).state, row.attempts) == ("sent", 0)
    assert not Circuit.objects.exists()  # waiting is no failure to answer
    assert row.failed_why.startswith("crm took the message; its word is waited for until ")
    assert crm.told == [row.key]
    # Nor does its silence: then somebody over there must act.
    work(began + DAY + HOUR)
    assert (fresh(row).state, row.who_must_act) == ("failed", WHO)
    assert row.failed_why.startswith("crm took the message and has not said until ")
    token.refresh_from_db()
    assert token.state == "active"


def test_the_whole_life_of_a_token_by_its_receivers_word(crm: Crm, token: Credential) -> None:
    assert token.identity is not None
    row = ask(token.identity, "revoke", now=now(), credential=token)
    work(now())
    (message,) = crm.messages[row.key]
    data = message["data"]
    assert (message["type"], data["step"], data["delete"]) == ("revocation.revoke", "revoke", True)
    assert data["target"] == {"realm": "crm:example", "kind": "api_token", "name": "svc-report"}
    assert data["reason_url"].endswith(f"/revocations/?q={row.key}")
    assert data["answer_url"].endswith("/api/enforcers/crm/proofs/")
    assert datetime.fromisoformat(data["deadline"]) - now() > DAY - HOUR
    assert say(row, "confirmed", sent={"message": "msg_1"})[0] == 200
    assert work(now()) == ["confirmed", "confirmed"]
    assert fresh(row).residual == [{"what": "what crm has not yet said to be dead", "until": None}]
    token.refresh_from_db()
    assert token.state == "revoked"
    until = now() + HOUR
    said: dict[str, Any] = {"until": stamp(until), "reason": "sessions at the mobile app"}
    assert say(row, "residual", sent={"message": "msg_2"}, **said)[0] == 200
    assert work(now()) == ["confirmed"]
    assert fresh(row).residual_until == until
    assert row.residual[0]["what"] == "sessions at the mobile app, as crm says in msg_2,"
    assert work(until + timedelta(seconds=1)) == ["effective"]
    words = [one.words for one in LedgerEntry.objects.filter(act="revocation.proved")]
    assert [one.partition(" says ")[2].partition(" in ")[0] for one in words] == [
        "confirmed",
        "residual",
    ]


@pytest.mark.parametrize(("stop", "start"), [("hold", "release"), ("suspend", "resume")])
def test_a_stop_is_let_go_again(crm: Crm, agent: Identity, stop: str, start: str) -> None:
    for number, step in enumerate((stop, start)):
        rows = revocations.request(
            identity=agent, step=step, by=COUNTERSIGN, now=now(), because="test"
        )
        (row,) = (one for one in rows if one.system == "webhook")
        assert row.words == f"{step.capitalize()} user svc-report"
        work(now())
        assert (fresh(row).state, list(crm.messages)[-1]) == ("sent", row.key)
        assert say(row, "effective", sent={"message": f"msg_{number}"})[0] == 200
        work(now())
        assert fresh(row).state == "effective"
    assert crm.states == {"svc-report": "active"}


def test_a_step_that_the_receiver_does_not_take_cannot_be_asked_for(
    crm: Crm, agent: Identity
) -> None:
    with pytest.raises(NotPossible, match="crm takes no narrow of a user: have it done there by"):
        ask(agent, "narrow", now=now())
    assert crm.told == []


def test_a_failure_names_who_must_act_and_is_sent_again_under_the_same_name(
    crm: Crm, token: Credential
) -> None:
    assert token.identity is not None
    row = ask(token.identity, "revoke", now=now(), credential=token)
    work(now())
    assert say(row, "failed", reason="no such account")[0] == 200
    work(now())
    assert (fresh(row).state, row.who_must_act) == ("failed", WHO)
    assert row.failed_why == "crm says that it failed: no such account (in msg_1)."
    revocations.retry(revocation=row, by=COUNTERSIGN, now=now())
    work(now())
    assert (fresh(row).state, crm.told) == ("sent", [row.key, row.key])
    # The old word does not come back, not with its old message either.
    assert say(row, "failed", reason="no such account")[1]["new"] is False
    work(now() + timedelta(seconds=30))
    assert (fresh(row).state, row.failed_why.startswith("crm took the message")) == ("sent", True)
    say(row, "effective", sent={"message": "msg_2"})
    assert work(now()) == ["confirmed", "effective"]


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        (Answer(429, {}, {"Retry-After": "7"}), "sending"),
        (Answer(500, "<html>"), "sending"),
        (Answer(400, {"message": "bad"}), "failed"),
        (Answer(410), "failed"),
        (Answer(302, "", {"Location": "https://evil.example.org/"}), "failed"),
    ],
)
def test_an_answer_that_is_no_success_is_tried_again_or_waits_for_a_person(
    crm: Crm, token: Credential, fault: Answer, state: str
) -> None:
    assert token.identity is not None
    row = ask(token.identity, "revoke", now=now(), credential=token)
    crm.faults = [fault]
    began = now()
    work(began)
    assert fresh(row).state == state
    assert f"answered {fault.status}" in row.failed_why
    if state == "failed":
        assert row.who_must_act == "the administrator of Countersign"
        return
    work(began + HOUR)
    assert (fresh(row).state, crm.told) == ("sent", [row.key, row.key])
    assert crm.states == {"svc-report": "gone"}


def test_a_message_that_was_not_answered_in_time_is_one_message(
    crm: Crm, token: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(asked: Request) -> Answer:
        done = crm.take(asked)
        crm.there.on("POST", "/steps", crm.take)
        time.sleep(0.8)
        return done

    assert token.identity is not None
    row, began = ask(token.identity, "revoke", now=now(), credential=token), now()
    crm.there.on("POST", "/steps", late)
    monkeypatch.setattr(web, "TIMEOUT", 0.4)
    work(began)
    assert (fresh(row).state, "did not answer" in row.failed_why) == ("sending", True)
    monkeypatch.undo()
    work(began + HOUR)
    assert (fresh(row).state, list(crm.messages), len(crm.told)) == ("sent", [row.key], 2)


def test_our_secret_stands_in_no_text(crm: Crm, token: Credential) -> None:
    assert token.identity is not None
    row = ask(token.identity, "revoke", now=now(), credential=token)
    crm.faults = [Answer(400, {"message": f"what is {OURS}?"})]
    work(now())
    assert (fresh(row).state, "[a secret of this source]" in row.failed_why) == ("failed", True)
    assert OURS.removeprefix("whsec_") not in row.failed_why


def test_a_word_that_comes_while_the_message_is_under_way_is_not_lost(
    crm: Crm, token: Credential
) -> None:
    assert token.identity is not None
    began = now() - timedelta(seconds=1)
    row = ask(token.identity, "revoke", now=began, credential=token)
    said = []

    def at_once(asked: Request) -> Answer:
        def word() -> None:
            try:
                said.append(say(row, "effective")[0])
            finally:
                connections.close_all()

        done = crm.take(asked)
        other = threading.Thread(target=word)
        other.start()
        other.join(20)
        return done

    crm.there.on("POST", "/steps", at_once)
    assert work(began)[-1:] == ["effective"]
    assert (said, crm.told) == ([200], [row.key])


def test_a_worker_that_died_finds_the_word_and_sends_nothing_twice(
    crm: Crm, token: Credential
) -> None:
    assert token.identity is not None
    row = ask(token.identity, "revoke", now=now(), credential=token)
    sent = now()
    Revocation.objects.update(state="sending", sending_at=sent, leased_until=sent + HOUR / 12)
    assert say(row, "effective")[0] == 200
    assert work(sent + HOUR)[-1:] == ["effective"]
    assert crm.told == []


def test_two_workers_tell_it_once(crm: Crm, token: Credential) -> None:
    assert token.identity is not None
    row = ask(token.identity, "revoke", now=now(), credential=token)
    work_at_once(3, now())
    assert (fresh(row).state, crm.told) == ("sent", [row.key])


def test_one_word_that_comes_four_times_at_once_is_kept_once(crm: Crm, token: Credential) -> None:
    assert token.identity is not None
    row = ask(token.identity, "revoke", now=now(), credential=token)
    work(now())

    def word(_: int) -> tuple[int, bool]:
        try:
            status, said = say(row, "effective")
            return status, said["new"]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        answers = sorted(pool.map(word, range(4)))
    assert answers == [(200, False), (200, False), (200, False), (200, True)]
    assert row.tries.filter(did="proof").count() == 1


def test_two_secrets_both_sign_while_one_is_changed(
    crm: Crm, token: Credential, set_up: SetUp, tmp_path: Path
) -> None:
    set_up(secrets=[f"file:{tmp_path / 'next'}", f"file:{tmp_path / 'ours'}"])
    assert token.identity is not None
    for knows in ("ours", "next"):
        crm.knows = [(tmp_path / knows).read_text()]
        Revocation.objects.all().delete()
        row = ask(token.identity, "revoke", now=now(), credential=token)
        work(now())
        assert fresh(row).state == "sent"
    assert crm.knows == [NEXT]


def test_a_status_address_is_asked_until_it_says_so(
    crm: Crm, token: Credential, set_up: SetUp
) -> None:
    set_up(answers=None, status=f"{crm.url}/status")
    crm.lies = True
    assert token.identity is not None
    row = ask(token.identity, "revoke", now=now(), credential=token)
    began = now()
    work(began)
    assert "answer_url" not in crm.messages[row.key][0]["data"]
    for minutes in (1, 5, 60, 240):
        work(began + timedelta(minutes=minutes))
    assert fresh(row).state == "sent"
    asked = [one.json()["type"] for one in crm.there.asked if one.path == "/status"]
    assert asked == ["revocation.status"] * 5
    for hours, garbage in enumerate(
        (
            lambda _: {"outcome": "done"},
            lambda _: {"outcome": "effective"},
            lambda _: {"outcome": "effective", "seen_at": "2026-11-27"},
            lambda _: {"outcome": "effective", "seen_at": stamp(), "revocation": "REV-0"},
        ),
        5,
    ):
        crm.status = garbage
        work(began + timedelta(hours=hours))
        assert fresh(row).state == "sent"
    assert "at its status address" in row.failed_why
    crm.status = None
    crm.states["svc-report"] = "gone"
    assert work(began + timedelta(hours=12)) == ["confirmed", "effective"]


def test_a_late_word_is_taken_and_one_that_is_taken_back_opens_it_again(
    crm: Crm, token: Credential
) -> None:
    assert token.identity is not None
    began = now()
    row = ask(token.identity, "revoke", now=began, credential=token)
    work(began)
    work(began + DAY + HOUR)
    assert fresh(row).state == "failed"
    assert say(row, "effective")[0] == 200
    assert work(now()) == ["confirmed", "effective"]
    word = {"message": "msg_2"}
    assert say(row, "failed", reason="a second account was left", sent=word)[0] == 200
    assert fresh(row).state == "sent"
    assert "crm took back its word" in row.reopened[0]
    work(now())
    assert (fresh(row).state, row.who_must_act) == ("failed", WHO)


def test_doctor_says_what_is_wrong_and_tells_nobody(
    crm: Crm, token: Credential, set_up: SetUp, tmp_path: Path
) -> None:
    def said() -> tuple[bool, str, str]:
        ((_, well, what, fix),) = [one for one in checks.doctor() if one[0].endswith("webhook crm")]
        return well, what, fix

    assert said() == (True, "may do everything it needs", "")
    set_up(steps=["release"])
    assert said()[:2] == (False, "may not stop anything")
    set_up()
    (tmp_path / "ours").write_text("not base64 at all!")
    well, what, fix = said()
    assert (well, fix) == (False, "the administrator of Countersign must act")
    assert "is no base64" in what
    assert "not base64 at all" not in what
    (tmp_path / "ours").unlink()
    assert "cannot be read" in said()[1]
    assert crm.told == []


def test_words_beyond_a_bound_are_not_kept(
    crm: Crm, token: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiving, "MOST_KEPT", 2)
    assert token.identity is not None
    row = ask(token.identity, "revoke", now=now(), credential=token)
    work(now())
    answers: list[Any] = [
        say(row, "confirmed", sent={"message": f"msg_{one}"})[0] for one in range(3)
    ]
    assert answers == [200, 200, 409]
    assert row.tries.filter(did="proof").count() == 2
