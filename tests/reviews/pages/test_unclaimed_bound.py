"""Somebody says by typing which identity an unclaimed name is, however many identities there are."""

import pytest
from django.test import Client
from django.utils import timezone

from evidence.models import Actor
from identities.models import Binding, Identity, LinkProposal
from reviews.pages import claims
from tests.reviews.conftest import HOUR, NOW, Told, ingest, record
from tests.signed_in import sure

pytestmark = pytest.mark.django_db
OTHER = "arn:aws:iam::111122223333:user/other"


@pytest.fixture
def unclaimed(story: Told) -> Actor:
    who = {"type": "IAMUser", "principalId": "AIDAOTHER", "arn": OTHER,
           "accountId": "111122223333", "userName": "other"}  # fmt: skip
    ingest([record(77, "GetObject", "invoices/9.pdf", NOW - HOUR, userIdentity=who)])
    return Actor.objects.get(kind="arn", value=OTHER)


@pytest.fixture
def rita(story: Told, client: Client) -> Client:
    client.force_login(story.rita, backend="django.contrib.auth.backends.ModelBackend")
    sure(client)
    return client


@pytest.mark.parametrize("typed", ["key", "name", " name "])
def test_key_or_name_says_which_identity_it_is(
    story: Told, unclaimed: Actor, rita: Client, typed: str
) -> None:
    said = typed.replace("key", story.identity.key).replace("name", story.identity.name)
    rita.post("/links/make/", {"actor": unclaimed.pk, "identity": said})
    assert [row.identity for row in LinkProposal.objects.filter(actor=unclaimed)] == [
        story.identity
    ]


def test_name_of_nothing_is_refused(unclaimed: Actor, rita: Client) -> None:
    answer = rita.post("/links/make/", {"actor": unclaimed.pk, "identity": "nobody"})
    why = "No identity is called &#x27;nobody&#x27;: give its name or its key, NHI-…."
    assert (answer.status_code, why in answer.content.decode()) == (409, True)
    assert not Binding.objects.filter(actor=unclaimed).exists()


def test_identities_are_offered_once_for_the_page_and_the_rest_can_be_typed(
    story: Told, unclaimed: Actor, rita: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "MOST_OFFERED", 1)
    far = Identity.objects.create(
        name="zeta", kind="agent", created_at=NOW, state="draft", owner=story.identity.owner
    )
    far.refresh_from_db()
    body = rita.get("/unclaimed/").content.decode()
    assert body.count(f'<option value="{story.identity.key}">') == 1
    assert f'value="{far.key}"' not in body
    assert body.count('list="identities"') == len(
        claims.context(story.rita, {}, now=timezone.now())["rows"]
    )
    rita.post("/links/make/", {"actor": unclaimed.pk, "identity": "zeta"})
    assert [row.identity for row in LinkProposal.objects.filter(actor=unclaimed)] == [far]


@pytest.mark.parametrize(("who", "told"), [("rita", True), ("samuel", False)])
def test_proposal_names_no_identity_that_one_may_not_know_of(
    story: Told, unclaimed: Actor, client: Client, who: str, told: bool
) -> None:
    far = Identity.objects.create(name="zeta", kind="agent", created_at=NOW, state="draft")
    Binding.objects.create(
        actor=unclaimed, identity=far, state="proposed", basis="observed", reason="zeta's key",
        during=(NOW - HOUR, None), recorded_at=NOW,
    )  # fmt: skip
    client.force_login(getattr(story, who), backend="django.contrib.auth.backends.ModelBackend")
    sure(client)
    body = client.get("/unclaimed/").content.decode()
    assert OTHER in body
    assert ("zeta" in body) is told
