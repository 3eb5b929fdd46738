"""Who may not do an act reads that, and not what is missing of what they wrote: pages and API."""

from typing import Any

import pytest
from django.test import Client
from django.urls import get_resolver
from rest_framework import serializers

from identities.models import Identity, User
from reviews.campaigns.acts import ACTS
from reviews.models import Campaign
from tests.signed_in import by_hand, sure

from .conftest import Told, make_user
from .test_api import token
from .test_campaigns import prepared

pytestmark = pytest.mark.django_db
WHY = ("reason", "because")


@pytest.fixture
def campaign(db: None) -> Campaign:
    return prepared(make_user("rita", "reviewer"))


@pytest.fixture
def auditor(db: None) -> User:
    return make_user("ada", "auditor")


def kinds(of: type[Any]) -> list[type[Any]]:
    return [one for kind in of.__subclasses__() for one in (kind, *kinds(kind))]


def test_no_reason_is_refused_by_the_form_of_an_address() -> None:
    assert get_resolver().url_patterns  # what every address takes is known once they are read
    found = {
        (kind.__module__, kind.__name__, name): field
        for kind in kinds(serializers.Serializer)
        if kind.__module__.startswith(("identities.", "reviews."))
        for name, field in kind().fields.items()
        if name in WHY and not field.read_only
    }
    assert len(found) > 15
    assert [key for key, one in found.items() if one.required or not one.allow_blank] == []


@pytest.mark.parametrize("said", [{}, {"reason": " "}, {"reason": "x", "to": "never"}])
@pytest.mark.parametrize("step", sorted(ACTS))
def test_auditor_is_told_so_first(
    campaign: Campaign, auditor: User, step: str, said: dict[str, str]
) -> None:
    why = ACTS[step].why_not(auditor, campaign)
    assert why is not None
    browser = Client()
    browser.force_login(auditor, backend="django.contrib.auth.backends.ModelBackend")
    sure(browser)
    page = browser.post(f"/campaigns/{campaign.key}/{step}/", said)
    assert (page.status_code, why in page.content.decode()) == (403, True)
    answer = Client().post(
        f"/api/campaigns/{campaign.key}/{step}/",
        said,
        "application/json",
        headers=token(auditor, "act"),
    )
    assert (answer.status_code, answer.json()["detail"]) == (403, why)


@pytest.mark.parametrize("said", [{}, {"reason": ""}])
def test_who_may_is_told_what_is_missing(campaign: Campaign, said: dict[str, str]) -> None:
    answer = Client().post(
        f"/api/campaigns/{campaign.key}/launch/",
        said,
        "application/json",
        headers=token(User.objects.get(username="rita"), "act"),
    )
    assert (answer.status_code, answer.json()["detail"]) == (
        409,
        "Say why everybody is asked now.",
    )


@pytest.mark.parametrize(
    ("address", "said", "asks"),
    [
        ("retire", {}, "Say why it is not needed any more."),
        ("revocations", {"step": "hold", "because": ""}, "Say why: it stands in the ledger."),
    ],
)
def test_stranger_of_an_identity_is_told_so_before_a_reason_is_asked_for(
    story: Told, address: str, said: dict[str, str], asks: str
) -> None:
    Identity.objects.filter(pk=story.identity.pk).update(service=None)
    url = f"/api/identities/{story.identity.key}/{address}/"

    def asked(user: User) -> tuple[int, str]:
        answer = Client().post(url, said, "application/json", headers=by_hand(user))
        return answer.status_code, answer.json()["detail"]

    assert asked(make_user("ada", "auditor"))[0] == 403
    may = make_user("rob", "responder") if said else story.ines
    assert asked(may) == (409, asks)
