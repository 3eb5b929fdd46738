"""Custody on the pages: who may change what, and what is said of what is gone."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from evidence import custody, custody_pages, intake, partitions, retention, tasks
from evidence.models import (
    Deposit,
    Erasure,
    Event,
    FilteredOut,
    LedgerEntry,
    LegalHold,
    RetentionSaid,
    Source,
    Tombstone,
)
from evidence.permissions import COMMAND, NotPossible
from evidence.queries.events import ref_of
from identities.actions import changes
from identities.models import Person, ProposedChange, User
from tests.evidence.bodies import record, trail
from tests.evidence.test_retention import month_of, old, short
from tests.reviews.conftest import make_user
from tests.signed_in import sure, unsure

__all__ = ["short"]

PASSWORD = "correct horse battery"


@pytest.fixture
def signed_in(db: None) -> Callable[..., Client]:
    def make(name: str, *groups: str, person: Person | None = None) -> Client:
        row = User(username=name, person=person or Person.objects.create(name=name.title()))
        row.set_password(PASSWORD)
        row.save()
        for group in groups:
            row.groups.add(Group.objects.get_or_create(name=group)[0])
        client = Client()
        client.force_login(row)
        sure(client)
        return client

    return make


def take(source: Source, *numbers: int) -> Deposit:
    now = timezone.now()
    body = trail(*(record(one, at=now - timedelta(minutes=one)) for one in numbers))
    taken = intake.take(source=source, body=body, by="command", now=now)
    return Deposit.objects.get(pk=taken.deposit)


def words(response: Any) -> str:
    return " ".join(response.content.decode().split())


@pytest.mark.django_db(transaction=True)
def test_source_says_what_was_dropped_and_by_when(
    short: Callable[..., Source], signed_in: Callable[..., Client]
) -> None:
    short("trail", old(1, 2), old(3, days=5))
    event = Event.objects.order_by("at").first()
    assert event is not None
    retention.prune(now=timezone.now())
    client = signed_in("rita", "reviewer")
    ends = f"{partitions.bounds(month_of())[1]:%Y-%m-%d}"
    page = client.get("/sources/trail/")
    assert page.context["custody"]["dropped_events"] == 2
    assert "were dropped by retention: 2 events" in words(page)
    listed = client.get("/events/")
    assert listed.context["missing"].endswith(
        f"raw events of trail before {ends} were dropped by retention"
    )
    gone = client.get(f"/events/{ref_of((event.at, event.id))}/")
    assert gone.status_code == 410
    assert f"raw events of trail before {ends} were dropped by retention" in words(gone)
    assert client.get("/events/1-1/").status_code == 404
    deposit = Deposit.objects.order_by("pk").first()
    assert deposit is not None
    shown = client.get(f"/deposits/{deposit.pk}/")
    assert "<b>the whole deposit</b> dropped by retention" in words(shown)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("many", [1, 5])
def test_dropped_stretches_are_one_statement_and_neighbours_are_one(
    short: Callable[..., Source], many: int
) -> None:
    short("trail", *(old(one, days=100 + 30 * one) for one in range(many)))
    retention.prune(now=timezone.now())
    now = timezone.now()
    with CaptureQueriesContext(connection) as asked:
        found = custody_pages.dropped_stretches(since=now - timedelta(days=2_000), until=now)
    assert (len(asked), len(found)) == (1, 1)
    assert found[0][1] == partitions.bounds(month_of(100))[1]
    assert custody_pages.dropped_stretches(since=now - timedelta(days=9), until=now) == []


@pytest.mark.django_db
def test_period_is_changed_with_a_reason(
    source: Callable[..., Source], signed_in: Callable[..., Client]
) -> None:
    source()
    client = signed_in("anna", "administrator")
    said = {"days": "90", "reason": "data protection office"}
    assert client.post("/sources/trail/retention/", said).status_code == 302
    row = Source.objects.get()
    assert (row.retention_days, LedgerEntry.objects.get().words) == (
        90,
        "source trail is kept for 90 days from seven days on, not 3,650: data protection office",
    )
    from_ = custody.shorter_from(row, now=timezone.now())
    assert from_ == RetentionSaid.objects.latest("pk").said_at + custody.GRACE
    assert "the shorter period counts from" in words(client.get("/sources/trail/"))
    for wrong in ({"days": "90", "reason": "x"}, {"days": "0", "reason": "x"}, {"days": "9"}):
        assert client.post("/sources/trail/retention/", wrong).status_code == 409


@pytest.mark.django_db
def test_hold_is_placed_and_released(
    source: Callable[..., Source], signed_in: Callable[..., Client]
) -> None:
    take(source(), 1)
    client = signed_in("anna", "administrator")
    said = {"reason": "case 9", "actor": "AKIAIOSFODNN7EXAMPLE", "begins": "2026-01-01T00:00"}
    assert client.post("/sources/trail/holds/", said).status_code == 302
    hold = LegalHold.objects.get()
    assert custody.about(hold) == (
        "events of AKIAIOSFODNN7EXAMPLE, source trail, from 2026-01-01 00:00 UTC"
    )
    assert "case 9" in words(client.get("/sources/trail/"))
    address = f"/sources/trail/holds/{hold.pk}/release/"
    proposed = client.post(address, {"reason": "over"})
    assert proposed["Location"] == f"/changes/{ProposedChange.objects.get().key}/"
    ada = make_user("ada", "administrator")
    changes.sign(change=ProposedChange.objects.get(), by=ada, now=timezone.now())
    assert client.post(address, {"reason": "over"}).status_code == 409
    assert client.post("/sources/trail/holds/", {"reason": "x", "actor": "no"}).status_code == 409
    acts = list(LedgerEntry.objects.order_by("pk").values_list("act", flat=True))
    assert acts == ["hold.placed", "change.proposed", "change.signed", "hold.released"]


@pytest.mark.django_db
@pytest.mark.parametrize("group", ["reviewer", "responder", "auditor"])
@pytest.mark.parametrize(
    "path",
    ["/sources/trail/retention/", "/sources/trail/holds/", "/sources/trail/keep-filter/", "erase"],
)
def test_only_an_administrator_changes_custody(
    source: Callable[..., Source], signed_in: Callable[..., Client], group: str, path: str
) -> None:
    deposit = take(source(), 1)
    address = f"/deposits/{deposit.pk}/erase/" if path == "erase" else path
    said = {"days": "9", "reason": "r", "rules": "drop action *"}
    assert signed_in("ines", group).post(address, said).status_code == 403
    row = Source.objects.get()
    assert (row.retention_days, row.keep_rules, LegalHold.objects.count()) == (3650, [], 0)
    assert Erasure.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_two_people_erase_a_record_on_the_page(
    source: Callable[..., Source], signed_in: Callable[..., Client]
) -> None:
    deposit = take(source(), 1, 2)
    person = Person.objects.create(name="Anna")
    anna = signed_in("anna", "administrator", person=person)
    twin = signed_in("anna-two", "administrator", person=person)
    ben = signed_in("ben", "administrator")
    page = f"/deposits/{deposit.pk}/"
    said = {"ordinal": "1", "reason": "passport scan"}
    assert anna.post(f"{page}erase/", said).status_code == 302
    row = Erasure.objects.get()
    assert [act["why_not"] for act in anna.get(page).context["custody"]["erasures"][0]["acts"]] == [
        "You asked for it: somebody else has to confirm.", "",
    ]  # fmt: skip
    confirm = f"/erasures/{row.pk}/confirm/"
    # Who may not is told so first, and is not asked for a password.
    assert [one.post(confirm).status_code for one in (anna, twin)] == [403, 403]
    assert unsure(ben).post(confirm)["Location"].startswith("/accounts/reauthenticate/")
    for one in (anna, twin, ben):
        # Somebody who has just said who they are.
        one.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert [one.post(confirm).status_code for one in (anna, twin, ben)] == [403, 403, 302]
    tasks.erase()
    assert Tombstone.objects.get().ordinal == 1
    shown = words(ben.get(page))
    assert "<b>record 1</b> erased: anna asked, ben confirmed: passport scan" in shown.replace(
        "Anna", "anna"
    ).replace("Ben", "ben")
    assert "digest verified" in shown
    assert ben.post(f"/erasures/{row.pk}/refuse/", {"reason": "x"}).status_code == 409
    assert ben.post(f"{page}erase/", {"ordinal": "x", "reason": "y"}).status_code == 409


@pytest.mark.django_db
def test_keep_filter_is_set_and_counted_on_the_page(
    source: Callable[..., Source], signed_in: Callable[..., Client]
) -> None:
    source()
    client = signed_in("anna", "administrator")
    address = "/sources/trail/keep-filter/"
    assert client.post(address, {"rules": "forget action *"}).status_code == 409
    assert client.post(address, {"rules": "drop action s3:get*"}).status_code == 302
    take(Source.objects.get(), 1, 2)
    page = words(client.get("/sources/trail/"))
    assert "<code>drop action s3:get*</code>" in page
    assert FilteredOut.objects.get().records == 2
    assert "drop action s3:get*" in words(signed_in("rita", "reviewer").get("/sources/trail/"))


@pytest.mark.django_db
def test_hold_by_command_needs_something_to_hold() -> None:
    with pytest.raises(NotPossible, match="Say what is held"):
        custody.place_hold(reason="r", by=COMMAND, now=timezone.now())
