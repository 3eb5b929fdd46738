"""Pages of events and of the ledger: who sees what, and what a page says."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.test import Client
from django.utils import timezone

from evidence import ledger
from evidence.models import Actor, Deposit, Event, Gap, Looked, Source
from evidence.permissions import COMMAND
from evidence.queries import events, sources
from identities.models import Binding, Identity, Party, User
from reviews.models import Case
from tests.admin_site import admin_site
from tests.evidence.bodies import export, record, trail
from tests.evidence.readers import parts, person, recent, signed_in, stored, take

__all__ = ["person", "signed_in", "stored"]


def refs(page: Any) -> list[str]:
    return [row["ref"] for row in page.context["rows"]]


def test_events_page_goes_on_by_key(signed_in: Callable[..., Client], stored: None) -> None:
    client = signed_in("ines", "reviewer")
    first = client.get("/events/?source=trail")
    second = client.get(first.context["page"]["next_url"])
    assert (len(refs(first)), len(refs(second))) == (50, 11)
    assert len({*refs(first), *refs(second)}) == 61
    assert second.context["page"]["next_url"] == ""


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("q=s3:GetObject&source=trail", 50),
        ("q=AKIAELSE", 1),
        ("q=invoices/7.json", 1),
        (f"q=REQ{1:013}", 2),
        (f"request=REQ{2:013}", 1),
        (f"trace={1:032x}", 3),
        ("trace=zz", 0),
        ("source=nowhere", 0),
        ("deposit=999999", 0),
        ("deposit=x", 0),
        ("actor=x", 0),
        ("action=s3:Nothing", 0),
        ("identity=NHI-9999", 0),
        ("finding=F-9999", 0),
        ("from=2199-01-01T00:00:00", 0),
        ("to=1999-01-01T00:00:00", 0),
    ],
)
def test_events_page_filters(
    signed_in: Callable[..., Client], stored: None, query: str, count: int
) -> None:
    page = signed_in("ines", "reviewer").get(f"/events/?{query}")
    assert (page.status_code, len(page.context["rows"])) == (200, count)


def test_events_of_an_actor_hold_those_of_its_children(
    signed_in: Callable[..., Client], stored: None
) -> None:
    actor = Actor.objects.get(value="AKIAELSEEXAMPLE00000")
    page = signed_in("ines", "reviewer").get(f"/events/?actor={actor.pk}")
    assert len(page.context["rows"]) == 1


def bind(user: User, value: str) -> Identity:
    """An identity that this user owns, with this actor bound to it."""
    now = timezone.now()
    identity = Identity.objects.create(
        name="svc-else", kind="service_account", created_at=now,
        owner=Party.objects.get_or_create(person=user.person)[0],
    )  # fmt: skip
    Binding.objects.create(
        identity=identity, actor=Actor.objects.get(value=value), basis="declared",
        state="confirmed", during=(now - timedelta(days=9), None), recorded_at=now, by="test",
    )  # fmt: skip
    return identity


def test_owner_sees_the_events_of_what_is_bound_to_its_identities(
    person: Callable[..., User], stored: None
) -> None:
    samuel = person("samuel", "owner")
    bind(samuel, "AKIAELSEEXAMPLE00000")
    client = Client()
    client.force_login(samuel)
    page = client.get("/events/")
    (ref,) = refs(page)
    own = client.get(f"/events/{ref}/")
    assert (own.status_code, own.context["event"]["deposit_url"]) == (200, "")
    others = events.page(events.Filter(request=f"REQ{1:013}"), scope=None).keys
    for key in others:
        assert client.get(f"/events/{events.ref_of(key)}/").status_code == 404


def test_event_page_shows_the_record_its_actors_and_links(
    signed_in: Callable[..., Client], stored: None
) -> None:
    client = signed_in("ines", "reviewer")
    key = next(
        key
        for key in events.page(events.Filter(request=f"REQ{1:013}"), scope=None).keys
        if Event.objects.get(at=key[0], id=key[1]).plane == 1
    )
    page = client.get(f"/events/{events.ref_of(key)}/")
    shown = page.context
    assert page.status_code == 200
    assert orjson.loads(shown["event"]["excerpt"])["requestID"] == f"REQ{1:013}"
    assert [one["role"] for one in shown["event"]["actors"]] == ["credential", "principal"]
    assert [(one["strength"], one["direction"]) for one in shown["links"]] == [
        ("claimed", "caused by"),
        ("claimed", "caused by"),
    ]
    cause = client.get(shown["links"][0]["url"])
    assert orjson.loads(cause.context["event"]["excerpt"])["traceId"] == f"{1:032x}"
    assert Looked.objects.filter(kind="event").count() == 2


def test_record_after_rejects_and_repeats_is_found_again_by_its_place(
    source: Callable[..., Source],
) -> None:
    now = timezone.now()
    body = trail(
        record(1, at=now), {"eventName": "x"}, record(1, at=now),
        record(2, at=now + timedelta(days=9)), record(3, at=now),
    )  # fmt: skip
    deposit = Deposit.objects.get(pk=take(source(), body).deposit)
    (last,) = Event.objects.filter(request_id=f"REQ{3:013}")
    assert orjson.loads(sources.record_excerpt(deposit, last.ordinal))["eventID"][-1] == "3"


@pytest.mark.parametrize("ref", ["1-1", "x", "99999999999999999-1", "1-99999999999999999999"])
def test_event_that_is_none_is_not_found(signed_in: Callable[..., Client], ref: str) -> None:
    assert signed_in("ines", "reviewer").get(f"/events/{ref}/").status_code == 404


def write(words: str, *, sealed: Case | None = None) -> None:
    ledger.append(
        at=timezone.now(), by="user:1", by_name="Ines", act="item.answered", subject="CS-12",
        words=words, sealed_case=None if sealed is None else sealed.pk,
    )  # fmt: skip


def test_ledger_page_shows_a_sealed_case_as_a_commitment(
    signed_in: Callable[..., Client],
) -> None:
    case = Case.objects.create(
        door="incident", title="quiet", state="open", sealed=True, opened_at=timezone.now(),
        deadline_at=timezone.now() + timedelta(days=1), opened_by="user:1",
    )  # fmt: skip
    write("keeps the key")
    write("names the thief", sealed=case)
    client = signed_in("aisha", "auditor")
    rows = client.get("/ledger/").context["rows"]
    assert [row["words"] for row in rows] == ["sealed: a commitment only", "keeps the key"]
    assert rows[0]["digest"] != ""
    assert b"names the thief" not in client.get("/ledger/?q=Ines").content
    assert b"names the thief" not in parts(client.get("/ledger/export/"))


def test_ledger_page_goes_on_by_row(signed_in: Callable[..., Client]) -> None:
    for number in range(60):
        write(f"row {number}")
    client = signed_in("ines", "reviewer")
    first = client.get("/ledger/?subject=CS-12")
    second = client.get(first.context["page"]["next_url"])
    assert (len(first.context["rows"]), len(second.context["rows"])) == (50, 10)
    assert first.context["rows"][0]["subject_url"] == "/cases/CS-12/"


def test_gap_of_a_source_is_said_under_the_rows(
    signed_in: Callable[..., Client], stored: None
) -> None:
    now = timezone.now()
    Gap.objects.create(
        source=Source.objects.get(name="trail"), reason="maintenance", recorded_at=now,
        during=(now - timedelta(minutes=30), now - timedelta(minutes=20)),
    )  # fmt: skip
    page = signed_in("ines", "reviewer").get("/events/?source=trail")
    assert page.context["missing"].startswith("trail silent ")


def test_command_reads_everything_and_may_everything() -> None:
    assert (COMMAND.scope, COMMAND.why_not_send, COMMAND.why_not_administer) == (None, None, None)


def test_spans_are_shown_as_they_are_kept(source: Callable[..., Source]) -> None:
    body = export({"span": 5, "name": "chat"}).SerializeToString()
    deposit = Deposit.objects.get(pk=take(source("traces"), body, format="otlp").deposit)
    text = sources.record_excerpt(deposit, 0)
    assert (orjson.loads(text)["name"], orjson.loads(text)["spanId"]) == ("chat", f"{5:016x}")


@pytest.mark.parametrize("model", ["source", "deposit", "progress", "gap", "ledgerentry"])
def test_admin_shows_and_changes_nothing(
    person: Callable[..., User], source: Callable[..., Source], model: str, settings: Any
) -> None:
    take(source(), recent(1))
    root = person("root")
    root.is_superuser = root.is_staff = True
    root.save()
    client = Client()
    client.force_login(root)
    with admin_site(settings):
        assert client.get(f"/admin/evidence/{model}/").status_code == 200
        assert client.get(f"/admin/evidence/{model}/add/").status_code == 403
