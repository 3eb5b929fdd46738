"""The door for a receiver's word: who is let in, what is refused and why, and that nothing is lost."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from identities.actions.revocations import receiving
from identities.actions.revocations.claiming import LEASE
from identities.enforcers.contract import Target
from identities.models import Credential, Revocation
from tests.identities.enforcers.webhook_lab import NEXT, OURS, Crm, answered, stamp, webhook_lab
from tests.identities.webhook_rows import ADDRESS, SetUp, agent, crm, post, say, set_up, token

__all__ = ["agent", "crm", "set_up", "token", "webhook_lab"]

pytestmark = pytest.mark.django_db
FORGED = "The signature is not of a receiver that is set up here."


@pytest.fixture
def row(token: Credential, crm: Crm) -> Revocation:
    """A revocation that was sent, and waits for its proof."""
    now = datetime.now(UTC)
    assert token.identity is not None
    made = Revocation.objects.create(
        identity=token.identity,
        credential=token,
        step="revoke",
        system="webhook",
        target={"system": "webhook", "account": "crm", "kind": "api_token", "name": "svc-report",
                "extra": {"realm": "crm:example"}},
        words="Revoke api token svc-report",
        state="sent",
        requested_at=now,
        requested_by="test",
        sending_at=now,
        sent_at=now,
        not_before=now + timedelta(days=1),
    )  # fmt: skip
    made.refresh_from_db()
    return made


def kept(row: Revocation) -> int:
    return row.tries.filter(did="proof").count()


def test_a_word_is_kept_once_and_wakes_the_worker(row: Revocation) -> None:
    status, said = say(row, "effective")
    assert (status, said["new"], said["state"]) == (200, True, "sent")
    row.refresh_from_db()
    assert row.not_before <= datetime.now(UTC)
    status, said = say(row, "effective")
    assert (status, said["new"]) == (200, False)
    assert kept(row) == 1


@pytest.mark.parametrize("secret", [OURS, NEXT])
def test_a_word_that_another_secret_signed_is_refused(row: Revocation, secret: str) -> None:
    assert say(row, "effective", sent={"secret": secret}) == (401, {"problem": FORGED})
    assert kept(row) == 0


def test_a_word_that_was_changed_on_its_way_is_refused(row: Revocation) -> None:
    data = {"revocation": row.key, "step": "revoke", "outcome": "failed", "seen_at": stamp()}
    signed = answered(data | {"reason": "no"})
    signed["data"] = signed["data"].replace("failed", "effective")
    assert post(**signed) == (401, {"problem": FORGED})
    signed = answered(data | {"reason": "no"})
    for name, value in (
        ("webhook-id", "msg_2"),
        ("webhook-timestamp", str(int(time.time()) - 1)),
        ("webhook-timestamp", "soon"),
        ("webhook-signature", "v1"),
        ("webhook-signature", "v1,é"),
        ("webhook-signature", "v1,AAAA v2,AAAA"),
        ("webhook-signature", ""),
    ):
        changed = signed | {"headers": signed["headers"] | {name: value}}
        assert post(**changed) == (401, {"problem": FORGED})
    answer = Client().post("/api/enforcers/elsewhere/proofs/", **signed)
    assert (answer.status_code, answer.json()) == (401, {"problem": FORGED})
    assert kept(row) == 0


@pytest.mark.parametrize("seconds", [-301, 360])
def test_an_old_word_cannot_be_played_again(row: Revocation, seconds: int) -> None:
    status, said = say(row, "effective", sent={"at": time.time() + seconds})
    assert (status, said["problem"].startswith("It was signed more than five")) == (401, True)
    assert kept(row) == 0


def test_either_secret_holds_while_it_is_changed(
    row: Revocation, set_up: SetUp, tmp_path: Any
) -> None:
    set_up(answers=[f"file:{tmp_path / 'next'}", f"file:{tmp_path / 'theirs'}"])
    assert say(row, "confirmed", sent={"secret": NEXT})[0] == 200
    assert say(row, "effective", sent={"message": "msg_2"})[0] == 200
    set_up(answers=[f"file:{tmp_path / 'next'}"])
    assert say(row, "effective", sent={"message": "msg_3"})[0] == 401
    assert kept(row) == 2


@pytest.mark.parametrize(
    ("said", "status", "problem"),
    [
        ({"outcome": "done"}, 422, "data: outcome is none of confirmed, effective, residual"),
        ({"outcome": ["effective"]}, 422, "data: outcome is none of"),
        ({"outcome": "failed"}, 422, "data: reason is missing: say why"),
        ({"outcome": "failed", "reason": 7}, 422, "data: reason is no text"),
        ({"outcome": "residual"}, 422, "data: until is no time with its zone"),
        ({"seen_at": "2026-11-27T10:00:00"}, 422, "data: seen_at is no time with its zone"),
        ({"seen_at": 7}, 422, "data: seen_at is no time with its zone"),
        ({"seen_at": "0001-01-01T00:00:00+14:00"}, 422, "data: seen_at is no time"),
        ({"seen_at": "9999-01-01T00:00:00+00:00"}, 409, "seen_at lies ahead"),
        ({"seen_at": "2026-01-01T00:00:00+00:00"}, 409, "look again"),
        ({"step": "hold"}, 409, "is a revoke, not a hold"),
        ({"revocation": "REV-1"}, 404, "No revocation 'REV-1' was asked of crm"),
        ({"revocation": "REV-" + "9" * 40}, 404, "was asked of crm"),
        ({"revocation": "REV-²"}, 404, "was asked of crm"),
        ({"revocation": None}, 404, "No revocation 'None' was asked of crm"),
    ],
)
def test_a_word_that_cannot_be_is_refused_with_its_place(
    row: Revocation, said: dict[str, Any], status: int, problem: str
) -> None:
    data = {"revocation": row.key, "step": "revoke", "outcome": "effective", "seen_at": stamp()}
    found, answer = post(**answered(data | said))
    assert (found, problem in answer["problem"]) == (status, True), answer
    assert kept(row) == 0
    row.refresh_from_db()
    assert (row.state, row.not_before > datetime.now(UTC)) == ("sent", True)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        ("[]", "", 400),
        ("{", "", 400),
        ('{"type":"revocation.proof","data":[]}', "", 400),
        ({"outcome": "effective"}, "revocation.hold", 422),
        ("[" * 60_000, "", 400),
        ("x" * 70_000, "", 413),
    ],
)
def test_a_body_that_is_no_word_is_refused(
    crm: Crm, body: dict[str, Any] | str, kind: str, status: int
) -> None:
    assert post(**answered(body, kind=kind))[0] == status


def test_the_door_takes_posts_alone(crm: Crm) -> None:
    assert Client().get(ADDRESS).status_code == 405


def test_a_message_without_a_plain_name_is_refused(row: Revocation) -> None:
    status, said = say(row, "effective", sent={"message": "msg 1 says effective"})
    assert (status, said["problem"].startswith("webhook-id is not of")) == (422, True)


def test_our_own_wrong_settings_are_no_answer_about_the_word(
    row: Revocation, set_up: SetUp, tmp_path: Any
) -> None:
    (tmp_path / "theirs").write_text("no-base64-but-secret")
    status, said = say(row, "effective")
    assert (status, "secret" in json.dumps(said)) == (503, False)


@pytest.mark.parametrize(
    ("state", "outcome", "status", "becomes", "kept_too"),
    [
        ("requested", "effective", 409, "requested", 0),
        ("sending", "effective", 200, "sending", 1),
        ("sent", "failed", 200, "sent", 1),
        ("confirmed", "residual", 200, "confirmed", 1),
        ("confirmed", "failed", 200, "sent", 1),
        ("effective", "confirmed", 200, "effective", 1),
        ("effective", "residual", 200, "sent", 1),
        ("effective", "failed", 200, "sent", 1),
        ("failed", "failed", 200, "failed", 1),
        ("failed", "confirmed", 200, "sent", 1),
        ("undone", "effective", 200, "undone", 1),
    ],
)
def test_in_every_state_there_is_a_clear_answer(
    row: Revocation, state: str, outcome: str, status: int, becomes: str, kept_too: int
) -> None:
    Revocation.objects.update(state=state, effective_at=datetime.now(UTC))
    more: dict[str, Any] = {
        "until": stamp(datetime.now(UTC) + timedelta(hours=1)),
        "reason": "one is left",
    }
    found, said = say(row, outcome, **more)
    row.refresh_from_db()
    assert (found, row.state, kept(row)) == (status, becomes, kept_too)
    assert row.key in (said.get("detail") or said["problem"])
    opened = becomes == "sent" and state in ("confirmed", "effective")
    assert (bool(row.reopened), row.effective_at is None) == (opened, opened)


def test_words_that_arrive_in_the_wrong_order_do_not_undo_a_later_one(row: Revocation) -> None:
    now = datetime.now(UTC)
    Revocation.objects.update(state="failed", failed_why="crm says that it failed")
    assert say(row, "failed", seen=now, reason="no")[0] == 200
    earlier = now - timedelta(minutes=1)
    assert say(row, "effective", seen=earlier, sent={"message": "msg_2"})[0] == 200
    row.refresh_from_db()
    assert (row.state, kept(row)) == ("failed", 2)


def test_a_word_between_the_look_and_the_waiting_is_not_slept_over(row: Revocation) -> None:
    now = datetime.now(UTC)
    book, target = receiving.Kept(), Target.from_json(row.target)
    Revocation.objects.update(leased_until=now + LEASE)
    asked = book.asked(target, step="revoke", now=now)
    assert asked is not None
    assert (asked.key, list(asked.told)) == (row.key, [])
    assert book.asked(target, step="hold", now=now) is None
    assert say(row, "effective")[0] == 200
    # Whoever looked before it gives nothing back, and the row is due.
    Revocation.objects.update(leased_until=now + LEASE)
    until = now + timedelta(days=1)
    assert book.wait(asked, until=until, why="it waits", now=now) is False
    again = book.asked(target, step="revoke", now=now)
    assert again is not None
    assert [one.outcome for one in again.told] == ["effective"]
    assert book.wait(again, until=until, why="it waits", now=now) is True
    row.refresh_from_db()
    assert (row.not_before, row.leased_until, row.failed_why) == (until, None, "it waits")
