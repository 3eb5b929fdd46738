"""The way of a new login where whoever decides needs a second factor, and what its loss looks like."""

import io
import re

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.conf import LazySettings
from django.core.cache import cache
from django.core.management import call_command
from playwright.sync_api import Page, expect

from identities.models import Credential, User
from reviews import enrolled
from reviews.models import Case, Decision, Item, Recovery
from tests.browser.conftest import LOOKS, Open, faults, picture
from tests.browser.signing import answer, open_item
from tests.planted import Planted

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "a new login's own pass phrase"


@pytest.fixture(autouse=True)
def required(settings: LazySettings) -> None:
    settings.SECOND_FACTOR = True


@pytest.fixture
def item(planted: Planted) -> Item:
    case = Case.objects.get(door="access_review", trigger="", identity__name="report-agent")
    key = Credential.objects.get(actor__value=planted.keys.agent)
    return case.items.get(kind="credential", ref=key.pk)


def run(*words: str) -> list[str]:
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue().splitlines()


def press(page: Page, name: str | re.Pattern[str]) -> None:
    page.locator("main, body").first.get_by_role("button", name=name).first.click()
    page.wait_for_load_state()


def first_sign_in(page: Page, link: str) -> None:
    """Open the link that the host printed, set the password, and sign in with it."""
    page.goto("/from-host/" + link.partition("/from-host/")[2])
    page.locator("input[name=password1]").fill(PASSWORD)
    page.locator("input[name=password2]").fill(PASSWORD)
    page.locator("form button").first.click()
    page.get_by_role("link", name="Sign in").click()
    page.locator("input[name=login]").fill("ines-2")
    page.locator("input[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def add_an_app(page: Page) -> str:
    """Add an authenticator app as the page leads; its secret."""
    page.goto("/accounts/2fa/totp/activate/")
    if "/accounts/reauthenticate/" in page.url:
        page.locator("input[name=password]").fill(PASSWORD)
        page.locator("form button").last.click()
        page.wait_for_url(re.compile("/totp/activate/"))
    secret = page.locator("#authenticator_secret").input_value()
    page.locator("input[name=code]").fill(code_of(secret))
    page.locator("form button").last.click()
    page.wait_for_url(re.compile("/accounts/2fa/recovery-codes/"))
    return secret


def code_of(secret: str) -> str:
    counter = next(iter(yield_hotp_counters_from_time()))
    return str(format_hotp_value(hotp_value(secret, counter)))


def test_new_login_adds_a_factor_decides_and_keeps_it_when_another_cancels_its_recovery(
    open_as: Open, item: Item
) -> None:
    link = run("login", "ines-2", "--second-of", "ines", "--role", "owner")[-1]
    page = open_as(None)
    first_sign_in(page, link)
    # Whoever decides is led to adding one, and decides nothing before.
    page.wait_for_url(re.compile(f"{enrolled.PAGE}$"))
    expect(page.get_by_text(enrolled.WITHOUT).first).to_be_visible()
    open_item(page, item.case.key, item.title)
    form = page.locator("form[data-decide]")
    expect(form.locator("input[name=answer][value=keep]")).to_be_disabled()
    assert not Decision.objects.filter(by__username="ines-2").exists()
    secret = add_an_app(page)
    answer(page, item.case.key, item.title, "keep", reason="It is in use.")
    assert Decision.objects.filter(by__username="ines-2").count() == 1
    assert not Recovery.objects.exists()
    her = User.objects.get(username="leila")
    Authenticator.objects.create(user=her, type="totp", data={"secret": "ABCDEFGH"})
    # It is said to be lost; everybody who decides is told, and somebody else knows better.
    run("recover", "ines-2", "--reason", "The telephone is gone.")
    leila = open_as(her)
    leila.goto("/queue/")
    leila.get_by_role("link", name="1 login recovery").click()
    expect(leila.get_by_text("ines-2 has lost its second factor")).to_be_visible()
    leila.get_by_label("Why it is cancelled").fill("I asked her: she has it.")
    press(leila, "Cancel recovery")
    expect(leila.get_by_text("is cancelled: nothing of the login changes")).to_be_visible()
    assert Authenticator.objects.filter(user__username="ines-2").count() == 2
    # A second signature asks for the factor: the password alone confirms nothing any more.
    page.context.clear_cookies()
    page.goto("/accounts/login/")
    page.locator("input[name=login]").fill("ines-2")
    page.locator("input[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(re.compile("/accounts/2fa/authenticate/"))
    cache.clear()  # a code is taken once
    page.locator("input[name=code]").fill(code_of(secret))
    page.locator("form button").first.click()
    page.wait_for_url(re.compile("/$"))
    page.goto("/accounts/reauthenticate/")
    expect(page).to_have_url(re.compile("/accounts/2fa/reauthenticate/"))


@pytest.mark.parametrize(("dark", "phone"), LOOKS)
def test_first_factor_that_waits_is_shown_and_removed_by_another(
    open_as: Open, planted: Planted, dark: bool, phone: bool
) -> None:
    ines = User.objects.get(username="ines")
    ines.set_password(PASSWORD)
    ines.save()
    page = open_as(None, dark=dark, phone=phone)
    page.goto("/accounts/login/")
    page.locator("input[name=login]").fill("ines")
    page.locator("input[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(re.compile(f"{enrolled.PAGE}$"))
    add_an_app(page)
    page.goto("/queue/")
    page.get_by_role("link", name="1 login recovery or first second factor").click()
    expect(page.get_by_text("ines has its first second factor")).to_be_visible()
    assert faults(page, dark=dark) == []
    picture(page, f"first-factor{'-dark' if dark else ''}{'-phone' if phone else ''}")
    page.get_by_label("Why it is cancelled").fill("It was not me.")
    press(page, "Remove the factor")
    expect(page.get_by_text("its second factors are removed").first).to_be_visible()
    assert not Authenticator.objects.exists()
