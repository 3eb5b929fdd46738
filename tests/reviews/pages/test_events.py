"""The rows behind a number and one event, over the story: whose, judged how, and for whom."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from evidence import looked
from evidence.models import Actor, Looked
from evidence.queries import events
from identities.models import Attribution, Binding, Credential, Finding, Identity, Party, User
from reviews.pages import judged
from tests.planted import Planted

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_remembered(planted: Planted) -> None:
    cache.clear()


def signed_in(name: str) -> Client:
    client = Client()
    client.force_login(
        User.objects.get(username=name), backend="django.contrib.auth.backends.ModelBackend"
    )
    return client


def agent() -> Identity:
    return Identity.objects.get(name="report-agent")


def verdicts(rows: list[dict[str, Any]]) -> dict[str, str]:
    return {row["ref"]: row["verdict"] for row in rows if row["plane"] == "identity"}


def outside() -> events.Key:
    """The newest event outside report-agent's authority: the stranger's, with no run behind it."""
    row = Attribution.objects.filter(identity_no=agent().number, verdict=2).latest("at")
    return row.at, row.event_id


def test_list_of_all_says_the_verdict_that_the_identity_says() -> None:
    client = signed_in("jonas")
    own = verdicts(client.get(f"/events/?identity={agent().key}").context["rows"])
    everybody = verdicts(client.get("/events/?source=finance-prod").context["rows"])
    both = own.keys() & everybody.keys()
    assert {ref: everybody[ref] for ref in both} == {ref: own[ref] for ref in both}
    assert {"outside", "inside"} <= set(everybody.values())


def test_list_asks_the_same_number_of_questions_for_any_number_of_rows() -> None:
    client = signed_in("jonas")
    counts = []
    (one, *_), many = (
        events.page(events.Filter(source="finance-prod"), scope=None, limit=limit).keys
        for limit in (1, 50)
    )
    assert len(many) == 50
    for query in (f"q={events.ref_of(one)}", "q=s3:GetObject"):
        client.get(f"/events/?{query}")
        with CaptureQueriesContext(connection) as asked:
            client.get(f"/events/?{query}")
        counts.append(len(asked))
    # The search for words itself asks for terms and actors, which a reference does not.
    assert counts[1] - counts[0] <= 8
    with CaptureQueriesContext(connection) as few:
        judged.verdicts([one])
    with CaptureQueriesContext(connection) as lots:
        judged.verdicts(many)
    assert len(lots) <= len(few) + 2


def test_key_of_an_identity_is_not_shown_as_unclaimed() -> None:
    page = signed_in("jonas").get(f"/events/{events.ref_of(outside())}/")
    shown = {one["role"]: one for one in page.context["event"]["actors"]}
    for role in ("credential", "principal"):
        assert shown[role]["identity"] == {
            "words": "report-agent",
            "url": f"/identities/{agent().key}/",
        }
    assert page.context["event"]["verdict"] == "no_run"


def test_actor_that_several_share_is_not_given_to_one_of_them() -> None:
    finding = Finding.objects.get(rule="shared_credential")
    key = Credential.objects.get(actor__value=finding.details["credential"])
    event = Attribution.objects.filter(
        event_id__in=[one.event_id for one in finding.events.all()]
    ).latest("at")
    known = (event.at, event.event_id)
    others = [
        Identity.objects.create(
            name=name, kind="agent", created_at=event.at - timedelta(days=9), state="draft"
        )
        for name in ("one", "two")
    ]
    Binding.objects.filter(actor=key.actor).delete()
    for identity in others:
        Binding.objects.create(
            identity=identity, actor=key.actor, basis="declared", state="confirmed", shared=True,
            during=(event.at - timedelta(days=9), None), recorded_at=event.at, by="test",
        )  # fmt: skip
    for row in others:
        row.refresh_from_db()
    mine = frozenset({others[0].number})
    found = judged.holders_of(known, [key.actor.pk], visible=mine)
    assert found == {key.actor.pk: judged.Holder("one of one, an identity of others", "", "")}


def test_owner_opens_events_of_own_identities_only_and_no_bodies() -> None:
    owner = User.objects.get(username="elena")
    client = signed_in("elena")
    rows = client.get("/events/").context["rows"]
    assert {row["deposit_url"] for row in rows} <= {""}
    mine = set(
        Identity.objects.filter(owner__in=Party.objects.filter(person=owner.person)).values_list(
            "number", flat=True
        )
    )
    key = outside()
    whose = {one.identity for one in judged.attributions([key])[key]}
    expected = 200 if whose & mine else 404
    assert client.get(f"/events/{events.ref_of(key)}/").status_code == expected


def test_event_looked_at_says_by_whom() -> None:
    key = outside()
    ref = events.ref_of(key)
    before = Looked.objects.filter(ref=ref).count()
    signed_in("jonas").get(f"/events/{ref}/")
    assert Looked.objects.filter(ref=ref).count() == before + 1
    assert looked.names("event", [ref])[ref][-1] == "Jonas Weber"
    rows = signed_in("jonas").get(f"/events/?q={ref}").context["rows"]
    assert [row["looked_by"] for row in rows] == [", ".join(looked.names("event", [ref])[ref])]


@pytest.mark.parametrize("name", ["identity", "verdict", "action", "family", "from", "to"])
def test_filter_narrows_and_can_be_cleared(name: str) -> None:
    client = signed_in("jonas")
    said = {"identity": agent().key, name: _value(name)}
    page = client.get("/events/", said)
    shown = {one["name"]: one for one in page.context["filters"]}
    assert set(shown) == set(said)
    cleared = client.get(shown[name]["clear_url"])
    assert name not in {one["name"] for one in cleared.context["filters"]}
    assert len(page.context["rows"]) <= len(cleared.context["rows"])


def _value(name: str) -> str:
    key = outside()
    row = events.one(key, scope=None)
    assert row is not None
    moment: datetime = key[0]
    return {
        "identity": agent().key,
        "verdict": "outside",
        "action": str(row["action"]),
        "family": "hr-records/*",
        "from": moment.isoformat(),
        "to": moment.isoformat(),
    }[name]


def test_rows_behind_a_finding_are_its_events() -> None:
    client = signed_in("jonas")
    for finding in Finding.objects.order_by("number"):
        rows = client.get(f"/events/?finding={finding.key}").context["rows"]
        under = finding.events.order_by("-at", "-event_id").values_list("at", "event_id")[:50]
        assert [row["ref"] for row in rows] == [events.ref_of(key) for key in under]


def test_actor_of_nobody_stays_unclaimed() -> None:
    key = outside()
    stranger = Actor.objects.create(
        key="00000000-0000-4000-8000-00000000000a", realm="aws", kind="access_key",
        value="AKIASTRANGER00000000", created_at=key[0],
    )  # fmt: skip
    assert judged.holders_of(key, [stranger.pk], visible=frozenset()) == {}


def test_event_names_the_case_that_its_finding_is_asked_in() -> None:
    found = Finding.objects.filter(identity=agent(), state="open", cases__isnull=False)
    finding = found.earliest("number")
    event = finding.events.earliest("at", "event_id")
    ref = events.ref_of((event.at, event.event_id))
    answer = signed_in("jonas").get(f"/events/{ref}/")
    asked = {row["key"]: row["case_url"] for row in answer.context["findings"]}
    case = finding.cases.get()
    assert asked[finding.key] == f"/cases/{case.key}/"
    assert f'<a href="/cases/{case.key}/">{case.key}</a>' in answer.content.decode()
