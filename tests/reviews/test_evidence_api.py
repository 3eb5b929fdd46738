"""Deposits, erasures, mappings, events and receivers of signals over the API."""

import json
from typing import Any

import pytest
from django.test import Client

from evidence.models import Deposit, Erasure, Event, MappingVersion, Rereading, Source
from evidence.queries.events import ref_of
from identities.models import ProposedChange, SignalReceiver, SignalSet, SignalStream, User
from reviews.models import Case, Pinned
from tests.identities.signalling import keyed
from tests.signed_in import by_hand

from .conftest import NOW, Told, make_user
from .test_api import token

__all__ = ["keyed"]
pytestmark = pytest.mark.django_db
MAPPING = 'mapping: portal\nrealm: "portal:x"\naction: act\n'


@pytest.fixture
def jonas(db: None) -> User:
    return make_user("jonas", "administrator")


def call(
    by: User | dict[str, str], address: str, body: Any = None, verb: str = "POST"
) -> tuple[int, dict[str, Any]]:
    """As a person who has just confirmed who they are, or with a token."""
    answer = Client().generic(
        verb,
        f"/api/{address}",
        json.dumps(body or {}),
        "application/json",
        headers=by_hand(by) if isinstance(by, User) else by,
    )
    return answer.status_code, answer.json()


def test_a_deposit_is_read_again_as_another_format(story: Told, jonas: User) -> None:
    deposit = Deposit.objects.get()
    status, said = call(jonas, f"deposits/{deposit.pk}/reread/", {"format": "okta"})
    row = Rereading.objects.get()
    assert (status, said["rereading"], row.deposit, row.to_format, row.asked_name) == (
        202, row.pk, deposit, "okta", "Jonas",
    )  # fmt: skip
    assert call(jonas, f"deposits/{deposit.pk}/reread/", {"format": "none"})[0] == 409
    assert call(token(jonas, "act"), f"deposits/{deposit.pk}/reread/")[0] == 403


def test_a_token_asks_for_an_erasure_and_two_people_decide(story: Told, jonas: User) -> None:
    deposit, ada = Deposit.objects.get(), make_user("ada", "administrator")
    said = {"ordinal": 1, "names": True, "reason": "a passport", "pieces": ["invoices/2.pdf"]}
    status, asked = call(token(jonas, "act"), f"deposits/{deposit.pk}/erase/", said)
    row = Erasure.objects.get()
    assert (status, asked["erasure"], row.ordinal, row.names, row.pieces) == (
        202, str(row.pk), 1, True, ["invoices/2.pdf"],
    )  # fmt: skip
    address = f"erasures/{row.pk}"
    status, refused = call(token(ada, "act"), f"{address}/confirm/")
    assert (status, refused["code"]) == (403, "person_required")
    assert call(jonas, f"{address}/confirm/")[0] == 403
    assert call(ada, f"{address}/refuse/") == (409, {"detail": "Say why it stays."})
    status, kept = call(ada, f"{address}/refuse/", {"reason": "court"})
    assert (status, kept["state"]) == (200, "refused")
    call(jonas, f"deposits/{deposit.pk}/erase/", said)
    again = Erasure.objects.get(state="asked")
    status, gone = call(ada, f"erasures/{again.pk}/confirm/")
    again.refresh_from_db()
    assert (status, gone["state"], again.settled_name) == (200, "confirmed", "Ada")


def test_a_mapping_is_tried_by_a_token_and_saved_by_a_person(story: Told, jonas: User) -> None:
    by_token, said = token(jonas, "act"), {"mapping": MAPPING, "sample": '{"act": "read"}'}
    status, tried = call(by_token, "mappings/", said | {"dry_run": True})
    assert (status, tried["records"], tried["rows"][0]["action"]) == (200, 1, "read")
    assert call(by_token, "mappings/", said)[1]["code"] == "person_required"
    status, wrong = call(jonas, "mappings/", {"mapping": "mapping: [", "dry_run": True})
    assert (status, bool(wrong["problems"])) == (422, True)
    Source.objects.create(name="portal", created_at=NOW, created_by="command")
    status, saved = call(jonas, "mappings/", said | {"source": "portal"})
    assert (status, saved, Source.objects.get(name="portal").format) == (
        201, {"mapping": "portal", "version": 1}, "mapping:portal",
    )  # fmt: skip
    assert call(jonas, "mappings/", said | {"source": "none"})[0] == 404
    # The source of the story holds evidence.
    status, waits = call(jonas, "mappings/", said | {"source": "cloudtrail"})
    assert (status, waits["waits"]) == (202, ProposedChange.objects.get().key)
    assert Source.objects.get(name="cloudtrail").format == ""
    assert MappingVersion.objects.count() == 1


def test_an_event_is_pinned_once(story: Told, case: Case) -> None:
    event = Event.objects.all()[0]
    address, said = f"events/{ref_of((event.at, event.id))}/pin/", {"case": case.key, "note": "n"}
    for _ in range(2):
        assert call(token(story.rita, f"act{_}", "act"), address, said) == (
            201, {"case": case.key, "pinned": 1},
        )  # fmt: skip
    row = Pinned.objects.get()
    assert (row.case, row.event_id, row.note) == (case, event.id, "n")
    assert call(make_user("gus", "owner"), address, said)[0] == 404
    assert call(story.rita, address, {"case": "CS-9999"})[0] == 404


def test_receivers_and_streams_of_signals(story: Told, jonas: User, keyed: Any) -> None:
    bot = make_user("bot")
    said = {
        "name": "gateway",
        "login": "bot",
        "audience": "https://gateway.example.com",
        "default_subjects": "ALL",
        "named_by": "key",
    }
    status, made = call(jonas, "signals/receivers/", said)
    receiver = SignalReceiver.objects.get()
    assert (status, made["receiver"], receiver.user) == (201, str(receiver.pk), bot)
    assert call(jonas, "signals/receivers/", said | {"login": "none"})[0] == 409
    row = SignalStream.objects.create(
        receiver=receiver, delivery="push", endpoint="https://receiver.example.com/in",
        created_at=NOW, changed_at=NOW, not_before=NOW,
    )  # fmt: skip
    address = f"signals/streams/{row.stream_id}/"
    assert call(token(jonas, "act"), f"{address}test/")[0] == 202
    assert SignalSet.objects.filter(stream=row).count() == 1
    for wanted in ("paused", "disabled", "enabled"):
        change = {"status": wanted, "reason": "moves"}
        assert call(jonas, address, change, "PATCH")[0] == 200
        row.refresh_from_db()
        assert row.status == wanted
    removed = {"status": "removed", "reason": "moves"}
    assert call(token(jonas, "act2", "act"), address, removed, "PATCH")[0] == 403
    assert call(jonas, address, removed, "PATCH")[1]["status"] == "removed"
    row.refresh_from_db()
    assert row.deleted_at is not None
    assert call(jonas, f"signals/receivers/{receiver.pk}/end/", {"reason": "moved"})[0] == 200
    receiver.refresh_from_db()
    assert receiver.ended_at is not None
