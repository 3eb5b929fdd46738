"""Pages of break-glass accounts: coming in without any identity provider, codes shown once, alarms."""

import re
from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone

from identities.models import User
from reviews import accounts
from reviews.models import AccountUse, BreakGlassAccount
from tests.reviews.conftest import make_user
from tests.reviews.test_pages import PASSWORD, as_user
from tests.signed_in import by_hand

__all__ = ["as_user"]
pytestmark = pytest.mark.django_db
Sign = Callable[..., Client]
IN, LIST = "/break-glass/sign-in/", "/break-glass/accounts/"
CODE = re.compile(r"<code>([0-9A-Z]{5}(?:-[0-9A-Z]{5}){3})</code>")
SAID = {"account": "glass", "who": "Mia <b>", "why": "the identity provider is down"}


@pytest.fixture
def ada(db: None) -> User:
    return make_user("ada", "administrator")


@pytest.fixture
def codes(ada: User) -> list[str]:
    _, found = accounts.make(
        username="glass",
        roles=["administrator", "responder"],
        kept="the safe",
        by=ada,
        now=timezone.now(),
    )
    return found


def test_a_code_opens_the_door_for_an_hour_and_counts_as_confirmed(codes: list[str]) -> None:
    client = Client()
    assert b"told at once" in client.get(IN).content
    answer = client.post(IN, {**SAID, "code": codes[0]})
    assert answer["Location"] == "/"
    assert client.session.get_expiry_age() <= 3_600
    assert b"everybody who may act was told" in client.get("/").content
    assert AccountUse.objects.get().means == "code"
    # What asks who one is takes the code for an answer, for five minutes.
    account = BreakGlassAccount.objects.get()
    again = client.post(f"{LIST}{account.pk}/seal/")
    assert len(CODE.findall(again.content.decode())) == 10


def test_a_code_does_not_work_twice_and_nothing_typed_comes_back(codes: list[str]) -> None:
    Client().post(IN, {**SAID, "code": codes[0]})
    client = Client()
    answer = client.post(IN, {**SAID, "code": codes[0]})
    assert answer.status_code == 400
    assert b"unused code" in answer.content
    assert "_auth_user_id" not in client.session


def test_an_address_that_tries_too_often_waits(codes: list[str]) -> None:
    client = Client()
    for _ in range(10):
        assert client.post(IN, {**SAID, "code": "AAAAA"}).status_code == 400
    answer = client.post(IN, {**SAID, "code": codes[0]})
    assert answer.status_code == 429
    assert answer["Retry-After"]
    assert b"never locked" in answer.content
    assert Client(REMOTE_ADDR="192.0.2.1").post(IN, {**SAID, "code": codes[0]}).status_code == 302


def test_behind_a_proxy_the_address_is_that_of_who_comes(
    codes: list[str], settings: object
) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1  # type: ignore[attr-defined]  # pytest-django's
    for said in ("198.51.100.1, 192.0.2.44", "192.0.2.44"):
        client = Client(HTTP_X_FORWARDED_FOR=said)
        client.post(IN, {**SAID, "code": codes.pop()})
    assert set(AccountUse.objects.values_list("address", flat=True)) == {"192.0.2.44"}


def test_another_way_in_alarms_as_well(codes: list[str]) -> None:
    Client().force_login(User.objects.get(username="glass"))
    assert AccountUse.objects.get().means == "other"


def test_codes_are_shown_once_to_who_confirms(ada: User, as_user: Sign) -> None:
    client = as_user(ada, confirmed=False)
    said = {"username": "glass", "roles": ["responder"], "kept": "the <safe>"}
    asked = client.post(f"{LIST}new/", said)
    assert asked["Location"].startswith("/accounts/reauthenticate/")
    shown = client.post(asked["Location"], {"password": PASSWORD})
    found = CODE.findall(shown.content.decode())
    assert len(found) == 10
    assert b"the &lt;safe&gt;" in shown.content
    page = client.get(LIST).content.decode()
    assert not any(code in page for code in found)
    assert "10 codes left" in page


def test_the_page_names_what_nobody_has_looked_at(codes: list[str], as_user: Sign) -> None:
    Client().post(IN, {**SAID, "code": codes[0]})
    rex = as_user(make_user("rex", "responder"))
    page = rex.get(LIST).content.decode()
    assert "Mia &lt;b&gt;" in page
    assert "looked at by nobody yet" in page
    assert "cs-alarm" in rex.get("/").content.decode()  # on every page, until somebody has
    use = AccountUse.objects.get()
    refused = rex.post(f"{LIST}uses/{use.pk}/", {"kind": "drill", "words": ""})
    assert refused.status_code == 409
    rex.post(f"{LIST}uses/{use.pk}/", {"kind": "emergency", "words": "as said"})
    assert AccountUse.objects.get().review == "emergency"
    assert "cs-alarm" not in rex.get("/").content.decode()
    assert "as said" in rex.get(LIST).content.decode()


def test_owners_are_shown_none_of_it(codes: list[str], as_user: Sign) -> None:
    Client().post(IN, {**SAID, "code": codes[0]})
    olga = as_user(make_user("olga", "owner"))
    assert olga.get(LIST).status_code == 403
    assert olga.post(f"{LIST}new/", {}).status_code == 403


def test_api_lists_and_looks_back(codes: list[str]) -> None:
    Client().post(IN, {**SAID, "code": codes[0]})
    rex = make_user("rex", "responder")
    bearer = by_hand(rex)
    found = Client().get("/api/break-glass/accounts/", headers=bearer).json()
    assert found["rows"][0]["codes_left"] == 9
    assert not any(code in str(found) for code in codes)
    path = f"/api/break-glass/accounts/uses/{found['uses'][0]['use'].removeprefix('USE-')}/"
    said = {"kind": "drill", "words": "announced"}
    done = Client().post(path, said, content_type="application/json", headers=bearer)
    assert done.json()["review"] == "drill"
    again = Client().post(path, said, content_type="application/json", headers=bearer)
    assert again.status_code == 403
