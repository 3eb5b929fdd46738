"""A source that holds evidence is changed by two people: its token, where it comes from, how it is read."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from evidence import actions, connecting, doors, intake, keeping, mappings, second_person
from evidence.models import Connection, Deposit, Source
from evidence.permissions import COMMAND, NotPossible, Reader, reader
from evidence.pull_views import form_of
from evidence.sources import CONNECTORS
from identities.actions import changes
from identities.models import ProposedChange, User
from identities.permissions import NotAllowed
from tests.evidence.readers import person, signed_in
from tests.reviews.conftest import make_user

__all__ = ["person", "signed_in"]

pytestmark = pytest.mark.django_db
MAPPING = 'mapping: portal\nrealm: "portal:x"\naction: act\n'


@pytest.fixture
def held(source: Callable[..., Source]) -> Source:
    """A source that holds evidence."""
    row = source("prod", realms=["aws:1"])
    now = timezone.now()
    intake.take(source=row, body=b"[]", by="source:prod", now=now, format="cloudtrail", name="x")
    assert Deposit.objects.filter(source=row).exists()
    return row


@pytest.fixture
def jonas(db: None) -> User:
    return make_user("jonas", "administrator")


@pytest.fixture
def ada(db: None) -> User:
    return make_user("ada", "administrator")


def as_reader(user: User) -> Reader:
    return reader(user, now=timezone.now())


def signed(by: User) -> None:
    changes.sign(change=ProposedChange.objects.get(), by=by, now=timezone.now())


def test_a_token_works_once_a_second_person_has_signed(
    held: Source, jonas: User, ada: User
) -> None:
    now = timezone.now()
    with pytest.raises(NotPossible, match="a second person signs this first"):
        actions.new_token(source=held, by=as_reader(jonas), now=now)
    key, token = actions.propose_token(source=held, by=as_reader(jonas), now=now, reason="lost")
    held.refresh_from_db()
    assert (held.token_digest, ProposedChange.objects.get().key) == (None, key)
    assert token not in str(list(ProposedChange.objects.values()))
    with pytest.raises(NotAllowed, match="a second person signs"):
        signed(jonas)
    signed(ada)
    held.refresh_from_db()
    assert bytes(held.token_digest or b"") == doors.digest_of(token)


def test_where_evidence_comes_from_is_changed_by_two(held: Source, jonas: User, ada: User) -> None:
    said: dict[str, Any] = {
        "source": held,
        "connector": "s3",
        "settings": {"bucket": "logs", "format": "cloudtrail"},
        "by": as_reader(jonas),
        "now": timezone.now(),
    }
    with pytest.raises(NotPossible, match="a second person signs this first"):
        connecting.connect(**said)
    connecting.propose(**said, reason="moved")
    row = ProposedChange.objects.get()
    assert ["source prod", "bucket: nothing → logs"] in row.lines
    assert not Connection.objects.exists()
    signed(ada)
    assert Connection.objects.get().settings["bucket"] == "logs"


def test_how_evidence_is_read_is_changed_by_two(held: Source, jonas: User, ada: User) -> None:
    by, now = as_reader(jonas), timezone.now()
    row = mappings.save(text=MAPPING, by=by, now=now)
    with pytest.raises(NotPossible, match="a second person signs this first"):
        mappings.use(source=held, name=row.name, by=by, now=now)
    mappings.propose(text=MAPPING, source=held, by=by, now=now, reason="tried")
    signed(ada)
    held.refresh_from_db()
    assert held.format == "mapping:portal"
    # And what such a source is read by takes two from then on.
    other = MAPPING.replace("action: act", "action: what")
    with pytest.raises(NotPossible, match="a second person signs this first"):
        mappings.save(text=other, by=by, now=now)


@pytest.mark.parametrize("realms", ["aws:1", "", "aws:2"])
@pytest.mark.parametrize("waits", [True, False])
def test_source_beside_others_that_hold_evidence_is_added_by_two(
    request: pytest.FixtureRequest,
    signed_in: Callable[..., Client],
    ada: User,
    realms: str,
    waits: bool,
) -> None:
    """For whatever realms: what it sends would be taken at its word. The first is one person's."""
    if waits:
        request.getfixturevalue("held")
    client = signed_in("jonas", "administrator")
    assert ("second person signs it" in client.get("/sources/new/").content.decode()) is waits
    form = {"name": "second", "lag_seconds": 60, "sampling": 1, "retention_days": 30,
            "realms": realms}  # fmt: skip
    response = client.post("/sources/new/", form)
    token = response.context["token"]
    assert (response.status_code, bool(response.context["waits"])) == (200, waits)
    assert Source.objects.filter(name="second").exists() is not waits
    if waits:
        signed(ada)
    row = Source.objects.get(name="second")
    assert bytes(row.token_digest or b"") == doors.digest_of(token)


def test_what_is_kept_of_a_source_is_changed_by_two(
    held: Source, jonas: User, ada: User, signed_in: Callable[..., Client]
) -> None:
    rules = "drop action s3:Get*"
    with pytest.raises(NotPossible, match="a second person signs this first"):
        keeping.change(source=held, text=rules, by=as_reader(jonas), now=timezone.now())
    client = signed_in("marek", "administrator")
    assert (
        "It counts once a second person has signed it"
        in client.get("/sources/prod/").content.decode()
    )
    client.post("/sources/prod/keep-filter/", {"rules": rules})
    held.refresh_from_db()
    row = ProposedChange.objects.get()
    assert (held.keep_rules, row.lines) == (
        [],
        [["source prod", "keep-filter: everything is kept → drop action s3:Get*"]],
    )
    signed(ada)
    held.refresh_from_db()
    assert held.keep_rules == [["drop", "action", "s3:Get*"]]


def test_what_is_signed_is_what_was_shown(held: Source, jonas: User, ada: User) -> None:
    by, now = as_reader(jonas), timezone.now()
    actions.propose_token(source=held, by=by, now=now, reason="lost")
    actions.new_token(source=held, by=COMMAND, now=now)
    with pytest.raises(NotPossible, match="propose it again"):
        signed(ada)


def test_pages_propose_where_it_takes_two(held: Source, signed_in: Callable[..., Client]) -> None:
    client = signed_in("jonas", "administrator")
    assert "Propose a new token" in client.get("/sources/prod/").content.decode()
    found = client.post("/sources/prod/token/")
    assert found.context["waits"] == ProposedChange.objects.get().key
    filled = {name: field.initial or "" for name, field in form_of(CONNECTORS["s3"]).fields.items()}
    form = filled | {"connector": "s3", "set_bucket": "logs"}
    assert client.post("/sources/prod/connect/", form)["Location"].startswith("/changes/CHG-")
    assert second_person.ACTS.keys() == {
        "add", "complete", "connection", "file", "filter", "inventory_pause", "mapping", "pause",
        "release", "retention", "token",
    }  # fmt: skip
