"""Signing in for a client elsewhere: the wire of RFC 8628, and that its token opens one grant alone."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from evidence.models import LedgerEntry
from identities.acting import COMMAND
from identities.actions import grants, tokens
from identities.actions.grants import elsewhere
from identities.models import ApiToken, Grant, GrantSignIn, User
from identities.permissions import NotAllowed, NotPossible
from tests.identities.granting import HOUR, MINUTE, given, on_role, work
from tests.identities.grants.test_sessions import bare_role
from tests.identities.revoking import pointed_at_the_account

__all__ = ["bare_role", "on_role", "pointed_at_the_account"]
pytestmark = pytest.mark.django_db
Make = Callable[..., Any]
ASKS = {"client_id": elsewhere.CLIENT, "client_name": "laptop\x1b[31m<b>"}
POLLS = {"client_id": elsewhere.CLIENT, "grant_type": elsewhere.GRANT_TYPE}
PASSWORD = "long enough for anybody"
SECOND = timedelta(seconds=1)
NONE_WAITS = "No sign-in for a grant of yours waits"


@pytest.fixture
def alice(user: Make) -> User:
    row: User = user("alice")
    row.set_password(PASSWORD)
    row.save()
    return row


@pytest.fixture
def usable(on_role: Make, active: Make, alice: User) -> Grant:
    now = datetime.now(UTC)
    row = given(on_role(), active("svc", expires_at=now + 9_000 * HOUR), now, lasts=2 * HOUR)
    work(now)
    return Grant.objects.get(pk=row.pk)


def sent(client: Client, address: str, form: dict[str, str], **more: Any) -> Any:
    """As RFC 6749 says forms are sent."""
    return client.post(address, urlencode(form), "application/x-www-form-urlencoded", **more)


def begun(client: Client, key: str) -> dict[str, Any]:
    answer = sent(client, "/device/authorization/", ASKS | {"scope": f"grant:{key}"})
    assert answer.status_code == 200, answer.json()
    assert answer["Cache-Control"] == "no-store, private"
    data: dict[str, Any] = answer.json()
    return data


def polled(client: Client, device: str) -> Any:
    return sent(client, "/device/token/", POLLS | {"device_code": device})


def taken(client: Client, key: str, token: str) -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    return client.post(f"/api/grants/{key}/credentials/", headers=headers)


def test_the_holder_signs_in_and_the_token_opens_that_grant_alone(
    client: Client, alice: User, usable: Grant, on_role: Make, active: Make
) -> None:
    said = begun(client, usable.key)
    assert polled(client, said["device_code"]).json()["error"] == "authorization_pending"
    browser = Client()
    browser.force_login(alice)
    shown = browser.get("/device/", {"code": said["user_code"]})
    assert said["user_code"] in shown.text
    assert "laptop" in shown.text
    assert "<b>" not in shown.text.split("It calls itself")[1].split("It asked from")[0]
    asked = browser.post("/device/approve/", {"code": said["user_code"]})
    assert not GrantSignIn.objects.filter(approved_at__isnull=False).exists()
    done = browser.post(asked["Location"], {"password": PASSWORD}, follow=True)
    assert f"Your client takes credentials of {usable.key} now" in done.text
    given_out = polled(client, said["device_code"])
    assert given_out.status_code == 200
    data = given_out.json()
    assert data["scope"] == f"grant:{usable.key}"
    assert data["token_type"] == "Bearer"
    assert 0 < data["expires_in"] <= 2 * 3_600
    # Once, and kept nowhere.
    assert polled(client, said["device_code"]).json()["error"] == "invalid_grant"
    assert data["access_token"] not in str(list(LedgerEntry.objects.values_list("words", "data")))
    minted = taken(client, usable.key, data["access_token"])
    assert minted.status_code == 200, minted.json()
    assert minted.json()["Version"] == 1
    # Nothing else is opened by it: no other grant, no other door.
    now = datetime.now(UTC)
    other = given(on_role(), active("two", expires_at=now + HOUR), now, lasts=HOUR)
    work(now)
    assert taken(client, other.key, data["access_token"]).status_code == 403
    headers = {"Authorization": f"Bearer {data['access_token']}"}
    for address in ("/api/grants/", f"/api/grants/{usable.key}/", "/api/cases/"):
        assert client.get(address, headers=headers).status_code == 403
    retried = client.post(f"/api/grants/{usable.key}/retry/", headers=headers)
    assert retried.status_code == 403
    act = LedgerEntry.objects.get(act="grant.signed_in_elsewhere")
    assert act.by == alice.ref
    # Given back, the token is good for nothing, before its own end.
    grants.end(usable.pk, by=COMMAND, reason="done", now=datetime.now(UTC))
    assert taken(client, usable.key, data["access_token"]).status_code == 403


def test_who_can_sign_in_takes_nothing_by_a_token_in_a_file(
    client: Client, alice: User, usable: Grant
) -> None:
    _, secret = tokens.create(
        user=alice, name="file", scopes=["act"], lasts=HOUR, by=COMMAND, now=datetime.now(UTC)
    )
    refused = taken(client, usable.key, secret)
    assert refused.status_code == 403
    assert "sign in when it asks" in refused.json()["detail"]
    # The login of a script can not, and takes them by its token.
    alice.set_unusable_password()
    alice.save()
    assert taken(client, usable.key, secret).status_code == 200


def test_nobody_else_approves_nor_learns_which_grants_there_are(
    client: Client, usable: Grant, user: Make
) -> None:
    said, none = begun(client, usable.key), begun(client, "GRT-999999")
    assert said.keys() == none.keys()
    now = datetime.now(UTC)
    for who, code in (
        (user("mallory"), said["user_code"]),
        (user("root", "administrator"), said["user_code"]),
        (usable_holder(usable), none["user_code"]),
        (usable_holder(usable), "BBBB-BBBB"),
        (usable_holder(usable), "\0' OR 1=1 --"),
    ):
        with pytest.raises(NotPossible, match=NONE_WAITS):
            elsewhere.approve(code, by=who, now=now)
        with pytest.raises(NotPossible, match=NONE_WAITS):
            elsewhere.refuse(code, by=who, now=now)


def usable_holder(row: Grant) -> User:
    return User.objects.get(username=row.person)


def test_refused_over_too_fast_and_ended_are_told_apart(alice: User, usable: Grant) -> None:
    now = datetime.now(UTC)

    def one(at: datetime) -> tuple[GrantSignIn, str]:
        return elsewhere.begin(asked_for=usable.key, client="c", address="192.0.2.1", now=at)

    def answer(device: str, at: datetime) -> str:
        try:
            elsewhere.token(device, now=at)
        except elsewhere.Refused as refused:
            return refused.code
        return "given"

    row, device = one(now)
    assert answer(device, now) == "authorization_pending"
    assert answer(device, now + SECOND) == "slow_down"
    assert answer(device, now + 5 * SECOND) == "authorization_pending"
    assert answer(device, now + elsewhere.LASTS) == "expired_token"
    assert answer("guessed", now) == "invalid_grant"
    with pytest.raises(NotPossible, match=NONE_WAITS):
        elsewhere.approve(row.code, by=alice, now=now + elsewhere.LASTS)
    row, device = one(now)
    elsewhere.refuse(row.code, by=alice, now=now)
    assert answer(device, now) == "access_denied"
    with pytest.raises(NotPossible, match=NONE_WAITS):
        elsewhere.approve(row.code, by=alice, now=now)
    # Approved, and the grant ends before the client comes back.
    row, device = one(now)
    elsewhere.approve(row.code, by=alice, now=now)
    grants.end(usable.pk, by=COMMAND, reason="done", now=now)
    assert answer(device, now) == "access_denied"
    assert not ApiToken.objects.exists()
    row, device = one(now)
    with pytest.raises(NotAllowed, match="has ended"):
        elsewhere.approve(row.code, by=alice, now=now)


def test_what_is_wrong_is_said_as_the_rfc_says_it(client: Client) -> None:
    for form, error in (
        ({"client_id": "other", "scope": "grant:GRT-1"}, "invalid_client"),
        (ASKS | {"scope": "everything"}, "invalid_scope"),
        (ASKS | {"scope": "grant:GRT-1 grant:GRT-2"}, "invalid_scope"),
        (ASKS, "invalid_scope"),
    ):
        answer = sent(client, "/device/authorization/", form)
        assert (answer.status_code, answer.json()["error"]) == (400, error)
    answer = sent(client, "/device/token/", {"client_id": elsewhere.CLIENT, "grant_type": "x"})
    assert answer.json()["error"] == "unsupported_grant_type"


def test_an_address_that_asks_in_a_loop_is_stopped_and_others_are_not(client: Client) -> None:
    for _ in range(elsewhere.MOST_OF_ADDRESS):
        begun(client, "GRT-1")
    answer = sent(client, "/device/authorization/", ASKS | {"scope": "grant:GRT-1"})
    assert answer.status_code == 429
    assert answer["Retry-After"]
    assert (
        sent(
            client,
            "/device/authorization/",
            ASKS | {"scope": "grant:GRT-1"},
            REMOTE_ADDR="192.0.2.77",
        ).status_code
        == 200
    )
    # What was over for a day leaves no row.
    later = datetime.now(UTC) + elsewhere.KEPT + MINUTE
    elsewhere.begin(asked_for="GRT-1", client="c", address="192.0.2.1", now=later)
    assert GrantSignIn.objects.count() == 1
