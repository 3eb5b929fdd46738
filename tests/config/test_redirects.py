"""Addresses that come with a request lead back into this site or nowhere."""

import pytest
from django.test import Client

from identities.models import User

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough password"

AWAY = [
    "//evil.example/",
    "///evil.example/",
    "/\\evil.example/",
    "\\\\evil.example/",
    "https://evil.example/",
    "http:///evil.example/",
    "https:evil.example",
    "javascript:alert(1)",
    # A host that this installation answers to, but not the one that was asked.
    "http://127.0.0.1/",
    "http://localhost/",
]


@pytest.fixture
def ines(django_user_model: type[User]) -> User:
    return django_user_model.objects.create_user("ines", password=PASSWORD)


@pytest.mark.parametrize("away", AWAY)
def test_signing_in_leads_nowhere_else(client: Client, ines: User, away: str) -> None:
    answer = client.post("/accounts/login/", {"login": "ines", "password": PASSWORD, "next": away})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")


def test_signing_in_over_https_does_not_lead_to_http(client: Client, ines: User) -> None:
    answer = client.post(
        "/accounts/login/",
        {"login": "ines", "password": PASSWORD, "next": "http://testserver/queue/"},
        secure=True,
    )
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")


@pytest.mark.parametrize("here", ["/queue/", "http://testserver/queue/?show=items"])
def test_signing_in_leads_back_into_this_site(client: Client, ines: User, here: str) -> None:
    answer = client.post("/accounts/login/", {"login": "ines", "password": PASSWORD, "next": here})
    assert (answer.status_code, answer.headers["Location"]) == (302, here)


@pytest.mark.parametrize(
    ("referer", "url"),
    [
        ("http://testserver/queue/", "http://testserver/queue/"),
        ("http://testserver//evil.example/", "http://testserver//evil.example/"),
        *((away, "/") for away in [*AWAY, "http://testserver.evil.example/", ""]),
    ],
)
def test_way_back_from_a_refusal_stays_here(
    client: Client, ines: User, referer: str, url: str
) -> None:
    client.force_login(ines)
    answer = client.post(
        "/outgoing/propose/", {"to": "stopped", "reason": "x"}, headers={"Referer": referer}
    )
    assert answer.status_code == 403
    (back,) = answer.context["next"]
    assert back["url"] == url
