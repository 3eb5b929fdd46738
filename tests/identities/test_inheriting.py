"""Identities that were there before follow their service in criticality: previewed, recorded, and what
a person has said stays."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from evidence.models import LedgerEntry
from identities.actions import inheriting
from identities.models import Identity, Person, Service, User
from identities.permissions import NotAllowed, NotPossible
from tests.identities.test_registration import load
from tests.signed_in import sure

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def login(name: str, group: str) -> User:
    user = User.objects.create(username=name, person=Person.objects.create(name=name.title()))
    user.groups.add(Group.objects.get_or_create(name=group)[0])
    return user


@pytest.fixture
def service() -> Service:
    """Four identities from before: one with nothing said, one with another value, one that a file has
    changed to what it is, and one that follows already."""
    row = Service.objects.create(slug="billing", name="Billing", criticality="high")
    for name, value, inherited in (
        ("plain", "normal", []),
        ("own", "low", []),
        ("said", "normal", []),
        ("follows", "high", ["criticality"]),
    ):
        Identity.objects.create(
            name=name, kind="agent", service=row, criticality=value, inherited=inherited,
            created_at=NOW,
        )  # fmt: skip
    load(SAID.format("low"))
    load(SAID.format("normal"))
    return row


SAID = """
identities:
  - name: said
    criticality: {}
"""


def now_is() -> dict[str, str]:
    return dict(Identity.objects.order_by("name").values_list("name", "criticality"))


def test_preview_says_what_would_change_and_who_stays(service: Service) -> None:
    found = {one.identity.name: (one.was, one.to, one.stays) for one in inheriting.preview(service)}
    assert found == {
        "plain": ("normal", "high", ""),
        "own": ("low", "high", "a person said low: it stays"),
        "said": ("normal", "high", "a person said normal: it stays"),
    }
    assert inheriting.in_words(inheriting.preview(service)) == (
        "1 identity would follow; of 1 it changes the criticality now."
    )
    assert now_is() == {"follows": "high", "own": "low", "plain": "normal", "said": "normal"}


def test_following_is_recorded_and_goes_on(service: Service) -> None:
    root = login("root", "administrator")
    done = inheriting.follow(service=service, stay=[], reason="never meant", by=root, now=NOW)
    assert [one.identity.name for one in done] == ["plain"]
    assert now_is() == {"follows": "high", "own": "low", "plain": "high", "said": "normal"}
    entry = LedgerEntry.objects.get(act="identity.follows")
    assert (entry.words, entry.by) == (
        "Root had plain follow Billing in criticality, normal → high: never meant",
        root.ref,
    )
    with pytest.raises(NotPossible, match="Nothing of Billing is to follow it"):
        inheriting.follow(service=service, stay=[], reason="again", by=root, now=NOW)
    # What its service is next, it is as well.
    load("services:\n  - slug: billing\n    criticality: critical\n")
    assert now_is()["plain"] == "critical"
    assert now_is()["own"] == "low"


def test_who_is_left_out_stays_and_who_may_not_is_told(service: Service) -> None:
    root, rita = login("root", "administrator"), login("rita", "reviewer")
    key = Identity.objects.get(name="plain").key
    with pytest.raises(NotAllowed, match="Only an administrator"):
        inheriting.follow(service=service, stay=[], reason="x", by=rita, now=NOW)
    with pytest.raises(NotPossible, match="Nothing of Billing"):
        inheriting.follow(service=service, stay=[key], reason="x", by=root, now=NOW)
    with pytest.raises(NotPossible, match="NHI-9 does not stand in the list"):
        inheriting.follow(service=service, stay=["NHI-9"], reason="x", by=root, now=NOW)
    with pytest.raises(NotPossible, match="Say why"):
        inheriting.follow(service=service, stay=[], reason=" ", by=root, now=NOW)
    assert now_is()["plain"] == "normal"


def test_what_a_new_file_says_is_a_persons_word(service: Service) -> None:
    load("identities:\n  - {name: new, kind: agent, service: billing, criticality: normal}\n")
    found = {one.identity.name: one.stays for one in inheriting.preview(service)}
    assert found["new"] == "a person said normal: it stays"


def test_page_and_api_preview_and_act(service: Service, client: Client) -> None:
    root = login("root", "administrator")
    client.force_login(root, backend="django.contrib.auth.backends.ModelBackend")
    sure(client)
    page, api = "/services/billing/criticality/", "/api/services/billing/criticality/"
    plain = Identity.objects.get(name="plain")
    rows = client.get(page).context["rows"]
    assert [(one["name"], one["was"], one["to"]) for one in rows if not one["stays"]] == [
        ("plain", "normal", "high")
    ]
    said = client.get(api).json()
    assert {one["name"]: one["to"] for one in said["rows"]} == {
        "plain": "high",
        "own": "low",
        "said": "normal",
    }
    refused = client.post(page, {"reason": "x", "stay": [plain.key]})
    assert (refused.status_code, "Nothing of Billing" in refused.content.decode()) == (409, True)
    done: Any = client.post(api, {"reason": "x", "stay": []}, content_type="application/json")
    assert [one["name"] for one in done.json()["rows"]] == ["plain"]
    assert client.get("/services/nothing/criticality/").status_code == 404
    client.force_login(login("ines", "owner"), backend="django.contrib.auth.backends.ModelBackend")
    sure(client)
    assert client.get(page).status_code == client.get(api).status_code == 404


def test_an_identity_that_lags_behind_is_led_to_it(service: Service, client: Client) -> None:
    client.force_login(
        login("root", "administrator"), backend="django.contrib.auth.backends.ModelBackend"
    )
    offered = {}
    for one in Identity.objects.all():
        acts = client.get(f"/identities/{one.key}/").context["acts"]
        offered[one.name] = [act["url"] for act in acts if act["words"] == "Follow its service"]
    assert offered == {
        "plain": ["/services/billing/criticality/"],
        "said": ["/services/billing/criticality/"],
        "own": [],
        "follows": [],
    }


def test_previewing_costs_the_same_for_one_and_for_thirty(service: Service) -> None:
    costs = []
    for many in (0, 30):
        for number in range(many):
            Identity.objects.create(
                name=f"more-{number}", kind="agent", service=service, created_at=NOW
            )
        with CaptureQueriesContext(connection) as asked:
            inheriting.preview(service)
        costs.append(len(asked))
    assert costs == [2, 2]
