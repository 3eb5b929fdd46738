"""Django's admin site over HTTP: off by default, behind the product's sign-in, changing nothing."""

from collections.abc import Iterator
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from evidence.models import LedgerEntry, Source
from identities.models import ApiToken, Person, Team, User
from reviews import enrolled
from tests.admin_site import admin_site

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
SIGN_IN, FACTOR = "/accounts/login/", "/accounts/2fa/authenticate/"


@pytest.fixture
def site(settings: Any) -> Iterator[None]:
    with admin_site(settings):
        yield


@pytest.fixture
def root() -> User:
    """A superuser whose sign-in takes a second factor."""
    row = User.objects.create_superuser("root", "root@example.org", PASSWORD)
    row.person = Person.objects.create(name="Root", email="root@example.org")
    row.save(update_fields=["person"])
    TOTP.activate(row, SECRET)
    return row


def sign_in(client: Client, username: str = "root", **more: str) -> Any:
    """The answer to the password, given on the product's own page."""
    return client.post(SIGN_IN, {"login": username, "password": PASSWORD, **more})


def give_factor(client: Client) -> Any:
    counter = next(yield_hotp_counters_from_time())
    return client.post(FACTOR, {"code": format_hotp_value(hotp_value(SECRET, counter))})


def user_of(client: Client) -> str | None:
    return client.session.get("_auth_user_id")


@pytest.fixture
def inside(site: None, client: Client, root: User) -> Client:
    sign_in(client)
    give_factor(client)
    assert user_of(client) == str(root.pk)
    return client


def address(model: Any, verb: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{verb}", args=args)


def landing(client: Client, path: str) -> str:
    """The address, without its query, at which a browser ends that opens `path`."""
    answer = client.get(path, follow=True)
    assert answer.status_code == 200
    return str(answer.request["PATH_INFO"])


@pytest.mark.parametrize(
    "path", ["/admin/", "/admin/login/", "/admin/identities/user/", "/admin/auth/group/add/"]
)
def test_it_is_off_by_default(client: Client, root: User, path: str) -> None:
    assert settings.ADMIN is False
    sign_in(client)
    give_factor(client)
    assert user_of(client) == str(root.pk)
    assert client.get(path).status_code == 404
    assert client.post(path).status_code == 404


@pytest.mark.parametrize("path", ["/admin/", "/admin/identities/user/", "/admin/nothing/"])
def test_a_stranger_is_sent_to_the_sign_in_of_every_page(
    site: None, client: Client, path: str
) -> None:
    assert landing(client, path) == landing(client, "/queue/") == SIGN_IN


def test_a_password_without_the_second_factor_is_sent_where_every_page_sends_it(
    site: None, client: Client, root: User
) -> None:
    assert sign_in(client).headers["Location"] == FACTOR
    assert client.get("/admin/identities/user/").status_code == 302
    assert landing(client, "/admin/identities/user/") == landing(client, "/queue/")
    assert user_of(client) is None


def test_the_sign_in_leads_back(site: None, client: Client, root: User) -> None:
    sign_in(client, next="/admin/identities/user/")
    assert give_factor(client).headers["Location"] == "/admin/identities/user/"
    assert client.get("/admin/identities/user/").status_code == 200


def test_its_own_sign_in_takes_no_password(site: None, client: Client, root: User) -> None:
    answer = client.post("/admin/login/", {"username": "root", "password": PASSWORD})
    assert answer.headers["Location"] == f"{SIGN_IN}?next=/admin/"
    assert user_of(client) is None


def test_its_own_sign_in_takes_no_password_of_another_from_within(
    inside: Client, root: User
) -> None:
    User.objects.create_superuser("other", "other@example.org", PASSWORD)
    answer = inside.post("/admin/login/", {"username": "other", "password": PASSWORD})
    assert answer.status_code == 403
    assert user_of(inside) == str(root.pk)


def test_guesses_stay_throttled(site: None, client: Client) -> None:
    User.objects.create_superuser("other", "other@example.org", PASSWORD)
    for guess in range(5):
        said = {"username": "other", "login": "other", "password": f"guess {guess}"}
        client.post(f"{SIGN_IN}?next=/admin/", said)
    assert "Too many failed sign-ins" in sign_in(client, "other").content.decode()
    client.post("/admin/login/", {"username": "other", "password": PASSWORD})
    assert user_of(client) is None


@pytest.mark.parametrize("staff", [False, True])
def test_who_is_no_superuser_sees_nothing(site: None, client: Client, staff: bool) -> None:
    row = User.objects.create_user("ada", "ada@example.org", PASSWORD, is_staff=staff)
    row.groups.add(Group.objects.get(name="administrator"))
    sign_in(client, "ada")
    assert user_of(client) == str(row.pk)
    assert client.get("/admin/identities/user/", follow=True).status_code == 403


def test_every_list_is_shown(inside: Client) -> None:
    assert inside.get("/admin/").status_code == 200
    assert {User, Person, Group, LedgerEntry} <= set(admin.site._registry)
    for model in admin.site._registry:
        assert inside.get(address(model, "changelist")).status_code == 200, model


def test_no_secret_is_shown(inside: Client, root: User) -> None:
    page = inside.get(address(User, "change", root.pk)).content.decode()
    assert root.password not in page
    assert root.password.rpartition("$")[2][:6] not in page
    assert {Authenticator, EmailAddress}.isdisjoint(admin.site._registry)


@pytest.mark.parametrize(
    ("model", "lookup", "value"),
    [
        (User, "password__startswith", "md5$"),
        (User, "person__users__password__startswith", "md5$"),
        (Source, "token_digest__isnull", "0"),
        (ApiToken, "digest__isnull", "0"),
        (LedgerEntry, "salt__isnull", "0"),
    ],
)
def test_no_list_is_narrowed_by_what_is_not_shown(
    inside: Client, model: Any, lookup: str, value: str
) -> None:
    assert inside.get(address(model, "changelist"), {lookup: value}).status_code == 400
    # Nor is what is shown refused.
    assert inside.get(address(User, "changelist"), {"username__startswith": "r"}).status_code == 200


def test_superuser_without_a_second_factor_sees_nothing_where_one_is_required(
    site: None, client: Client, settings: Any
) -> None:
    settings.SECOND_FACTOR = True
    User.objects.create_superuser("other", "other@example.org", PASSWORD)
    sign_in(client, "other")
    answer = client.get("/admin/identities/user/", follow=True)
    assert answer.status_code == 403
    assert enrolled.WITHOUT in answer.content.decode()
    settings.SECOND_FACTOR = False
    assert client.get("/admin/identities/user/").status_code == 200


def test_nothing_is_added_changed_or_deleted_even_by_a_superuser(
    inside: Client, root: User
) -> None:
    rows: dict[Any, Any] = {
        User: root,
        Person: root.person,
        Group: Group.objects.get(name="administrator"),
        Team: Team.objects.create(name="Payments"),
    }
    before = {model: list(model.objects.order_by("pk").values()) for model in rows}
    entries = LedgerEntry.objects.count()
    said = {"username": "eve", "name": "eve", "is_superuser": "on", "groups": "1", "post": "yes"}
    for model, row in rows.items():
        page = inside.get(address(model, "change", row.pk))
        assert page.status_code == 200
        assert b'name="_save"' not in page.content
        for path in (
            address(model, "add"),
            address(model, "change", row.pk),
            address(model, "delete", row.pk),
        ):
            assert inside.post(path, {**said, "_save": "Save"}).status_code == 403, path
        selected = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
        inside.post(address(model, "changelist"), selected)
    inside.post(f"/admin/identities/user/{root.pk}/password/", {"password1": "x" * 20})
    assert {model: list(model.objects.order_by("pk").values()) for model in rows} == before
    assert LedgerEntry.objects.count() == entries
    assert not LogEntry.objects.exists()


def test_no_model_has_a_form_or_an_action(rf: Any, root: User) -> None:
    request = rf.get("/admin/")
    request.user = root
    for model, shown in admin.site._registry.items():
        may = shown.get_model_perms(request)
        assert may == {"add": False, "change": False, "delete": False, "view": True}, model
        assert shown.get_actions(request) == {}, model


def test_a_password_is_changed_on_the_product_s_page(inside: Client, root: User) -> None:
    said = {"old_password": PASSWORD, "new_password1": "x" * 20, "new_password2": "x" * 20}
    answer = inside.post("/admin/password_change/", said)
    assert answer.headers["Location"] == "/accounts/password/change/"
    root.refresh_from_db()
    assert root.check_password(PASSWORD)
