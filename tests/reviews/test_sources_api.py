"""Sources over the API: what a person's fresh session changes, and what one person alone proposes."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from evidence import connecting, doors, intake
from evidence.models import Connection, Deposit, LegalHold, PendingUpload, Pull, Source
from evidence.permissions import COMMAND
from identities.actions import changes
from identities.models import ProposedChange, User
from tests.evidence.bodies import record, trail
from tests.evidence.test_pulls import Shelf, shelf
from tests.signed_in import by_hand

from .conftest import NOW, make_user
from .test_api import token

__all__ = ["shelf"]
pytestmark = pytest.mark.django_db
FILTER = "drop action s3:Get*"
CONNECTED = {"connector": "shelf", "settings": {"token": "SHELF_TOKEN"}, "every_seconds": 60}


@pytest.fixture
def jonas(db: None) -> User:
    return make_user("jonas", "administrator")


@pytest.fixture
def ada(db: None) -> User:
    return make_user("ada", "administrator")


@pytest.fixture
def prod(db: None) -> Source:
    """A source that holds nothing yet."""
    return Source.objects.create(
        name="prod", realms=["aws:123456789012"], created_at=NOW, created_by="command"
    )


@pytest.fixture
def held(prod: Source) -> Source:
    """The same with evidence in it."""
    body = trail(record(1))
    intake.take(source=prod, body=body, by="source:prod", now=timezone.now(), format="cloudtrail")
    return prod


def call(
    by: User | dict[str, str], verb: str, address: str, body: Any = None
) -> tuple[int, dict[str, Any]]:
    """As a person who has just confirmed who they are, or with a token."""
    answer = Client().generic(
        verb,
        f"/api/sources/{address}",
        body if isinstance(body, bytes) else json.dumps(body or {}),
        "application/octet-stream" if isinstance(body, bytes) else "application/json",
        headers=by_hand(by) if isinstance(by, User) else by,
    )
    return answer.status_code, answer.json()


def signed(by: User) -> None:
    changes.sign(change=ProposedChange.objects.get(state="proposed"), by=by, now=timezone.now())


def test_a_source_is_added_and_says_its_token_once(jonas: User, ada: User) -> None:
    said = {"name": "first", "realms": ["aws:1"], "retention_days": 90, "keep_content": True}
    status, first = call(jonas, "POST", "", said)
    row = Source.objects.get()
    assert (status, first["waits"], row.retention_days, row.keep_content, row.realms) == (
        201, None, 90, True, ["aws:1"],
    )  # fmt: skip
    assert bytes(row.token_digest or b"") == doors.digest_of(first["token"])
    assert call(jonas, "POST", "", said)[0] == 409
    intake.take(source=row, body=b"[]", by="x", now=timezone.now(), format="cloudtrail", name="x")
    # Beside one that holds evidence of the same realm it takes two.
    status, second = call(jonas, "POST", "", {"name": "second", "realms": ["aws:1"]})
    assert (status, second["waits"]) == (202, ProposedChange.objects.get().key)
    assert not Source.objects.filter(name="second").exists()
    signed(ada)
    digest = Source.objects.get(name="second").token_digest
    assert bytes(digest or b"") == doors.digest_of(second["token"])


def test_token_and_webhook_secret_are_shown_once(prod: Source, jonas: User) -> None:
    status, made = call(jonas, "POST", "prod/token/")
    prod.refresh_from_db()
    assert (status, bytes(prod.token_digest or b"")) == (201, doors.digest_of(made["token"]))
    status, shown = call(jonas, "POST", "prod/webhook-secret/")
    assert (status, shown["webhook_secret"]) == (200, doors.webhook_secret(prod))
    status, again = call(jonas, "POST", "prod/webhook-secret/")
    assert (status, "shown once" in again["detail"]) == (409, True)


def test_token_of_a_source_that_holds_evidence_waits(held: Source, jonas: User, ada: User) -> None:
    status, made = call(jonas, "POST", "prod/token/")
    held.refresh_from_db()
    assert (status, held.token_digest, made["waits"]) == (
        202,
        None,
        ProposedChange.objects.get().key,
    )
    signed(ada)
    held.refresh_from_db()
    assert bytes(held.token_digest or b"") == doors.digest_of(made["token"])


def test_all_of_a_change_happens_or_nothing(prod: Source, shelf: Shelf, jonas: User) -> None:
    said = {"retention_days": 90, "keep_filter": FILTER, "connection": CONNECTED, "paused": True}
    assert call(jonas, "PATCH", "prod/", said) == (409, {"detail": "Say why the period changes."})
    wrong = said | {"reason": "new rules", "connection": {"connector": "none"}}
    status, refused = call(jonas, "PATCH", "prod/", wrong)
    assert (status, "no connector named 'none'" in refused["detail"]) == (409, True)
    prod.refresh_from_db()
    assert (prod.retention_days == 90, prod.keep_rules) == (False, [])
    status, done = call(jonas, "PATCH", "prod/", said | {"reason": "new rules"})
    assert (status, done) == (
        200,
        {
            "source": "prod",
            "retention_days": 90,
            "keep_filter": FILTER,
            "connector": "shelf",
            "paused": True,
            "complete_through": None,
            "waits": {},
        },
    )
    link = Connection.objects.get()
    assert (link.settings, link.every_seconds) == ({"token": "SHELF_TOKEN"}, 60)
    assert call(jonas, "PATCH", "prod/", {"paused": False})[1]["paused"] is False
    status, refused = call(jonas, "PATCH", "prod/", {"reason": "x"})
    assert (status, "Name what changes" in str(refused)) == (400, True)


def test_what_is_believed_of_a_source_with_evidence_waits_for_two(
    held: Source, shelf: Shelf, jonas: User, ada: User
) -> None:
    said = {
        "keep_filter": FILTER,
        "connection": CONNECTED,
        "complete_through": (timezone.now() - timedelta(hours=1)).isoformat(),
        "reason": "counted",
    }
    status, done = call(jonas, "PATCH", "prod/", said)
    held.refresh_from_db()
    keys = set(ProposedChange.objects.values_list("document__act", flat=True))
    assert (status, set(done["waits"]), keys) == (
        202,
        {"keep_filter", "connection", "complete_through"},
        {"filter", "connection", "complete"},
    )
    assert (held.keep_rules, held.watermark, Connection.objects.exists()) == ([], None, False)
    for change in ProposedChange.objects.all():
        changes.sign(change=change, by=ada, now=timezone.now())
    held.refresh_from_db()
    assert held.keep_rules == [["drop", "action", "s3:Get*"]]
    assert (held.completeness, Connection.objects.get().connector) == ("declared", "shelf")


def test_a_responder_pauses_and_changes_nothing_else(held: Source, shelf: Shelf) -> None:
    dora, link = make_user("dora", "responder"), Connection(
        source=held, connector="shelf", settings={"token": "SHELF_TOKEN"}, next_at=NOW
    )  # fmt: skip
    link.save()
    said = {"paused": True, "reason": "it floods us"}
    assert call(dora, "PATCH", "prod/", said | {"retention_days": 1})[0] == 403
    status, done = call(dora, "PATCH", "prod/", said)
    link.refresh_from_db()
    assert (status, done["waits"], link.paused) == (
        202, {"paused": ProposedChange.objects.get().key}, False,
    )  # fmt: skip
    assert link.next_at is not None
    assert link.next_at > timezone.now() + timedelta(minutes=50)


def test_evidence_is_held(held: Source, jonas: User) -> None:
    said = {"actor": "AKIAIOSFODNN7EXAMPLE", "begins": "2026-11-24T00:00:00Z", "reason": "court"}
    status, made = call(jonas, "POST", "prod/holds/", said)
    row = LegalHold.objects.get()
    assert (status, made["hold"], row.source, row.reason, row.placed_name) == (
        201, row.pk, held, "court", "Jonas",
    )  # fmt: skip
    assert (row.actor is not None and row.actor.value, row.ends) == ("AKIAIOSFODNN7EXAMPLE", None)
    assert call(jonas, "POST", "prod/holds/", said | {"actor": "nobody"})[0] == 409


def test_a_token_tests_and_pulls_and_a_person_ends_it(
    prod: Source, shelf: Shelf, jonas: User
) -> None:
    by_token = token(jonas, "act")
    assert call(by_token, "POST", "prod/check/")[0] == 409
    connecting.connect(
        source=prod, connector="shelf", settings={"token": "SHELF_TOKEN"}, by=COMMAND, now=NOW
    )
    status, checked = call(by_token, "POST", "prod/check/")
    assert (status, checked["checks"]) == (
        200, [{"name": "shelf", "ok": True, "said": "s", "fix": ""}],
    )  # fmt: skip
    status, pull = call(by_token, "POST", "prod/pulls/")
    assert (status, pull["state"], Pull.objects.get().asked_name) == (202, "waiting", "Jonas")
    status, refused = call(by_token, "POST", "prod/pulls/cancel/")
    assert (status, refused["code"]) == (403, "person_required")
    assert call(jonas, "POST", "prod/pulls/cancel/")[0] == 200
    assert Pull.objects.get().state == "cancelled"


@pytest.mark.parametrize(
    ("verb", "address", "body"),
    [
        ("POST", "", {"name": "second"}),
        ("PATCH", "prod/", {"retention_days": 1, "reason": "x"}),
        ("POST", "prod/token/", {}),
        ("POST", "prod/holds/", {"reason": "x"}),
        ("POST", "prod/files/", b"[]"),
    ],
)
def test_a_token_decides_nothing_of_a_source(
    prod: Source, jonas: User, verb: str, address: str, body: Any
) -> None:
    status, refused = call(token(jonas, "act"), verb, address, body)
    assert (status, refused["code"]) == (403, "person_required")


def test_a_file_is_taken_and_waits_where_evidence_is_held(prod: Source, jonas: User) -> None:
    rita = make_user("rita", "reviewer")
    status, first = call(rita, "POST", "prod/files/?file=a.json", trail(record(1), record(2)))
    deposit = Deposit.objects.get()
    assert (status, first["events"], deposit.name, deposit.received_by) == (
        201, 2, "a.json", rita.ref,
    )  # fmt: skip
    status, second = call(
        rita, "POST", "prod/files/?file=b.json&read_as=cloudtrail", trail(record(3))
    )
    assert (status, second["url"]) == (202, ProposedChange.objects.get().url)
    assert (Deposit.objects.count(), PendingUpload.objects.get().records) == (1, 1)
    signed(jonas)
    assert call(rita, "POST", "prod/files/", b"")[0] == 411
    strange = by_hand(rita) | {"Content-Encoding": "br"}
    assert call(strange, "POST", "prod/files/", b"x")[0] == 415
    assert call(rita, "POST", "prod/files/?read_as=none", b"x")[0] == 400
    assert call(make_user("gus", "owner"), "POST", "prod/files/", b"x")[0] == 403
