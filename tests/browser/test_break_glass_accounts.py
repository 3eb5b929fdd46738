"""Coming in when nobody else can let one in: a sealed code, then a passkey, and the alarm for others."""

from collections.abc import Callable

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from identities.acting import COMMAND
from identities.models import User
from reviews import accounts
from reviews.models import AccountUse
from tests.browser.conftest import OVERFLOW, Open, picture
from tests.browser.test_passkey import Authenticator
from tests.planted import Planted

pytestmark = pytest.mark.django_db(transaction=True)
type Axe = Callable[[Page], list[str]]


@pytest.fixture
def codes(planted: Planted) -> list[str]:
    _, made = accounts.make(
        username="glass",
        roles=["administrator", "responder"],
        kept="the safe on the second floor",
        by=COMMAND,
        now=timezone.now(),
    )
    return made


def looked_at(page: Page, axe: Axe, name: str) -> None:
    """No trouble for anybody on this page, however wide."""
    picture(page, name)
    assert (axe(page), max(0, page.evaluate(OVERFLOW))) == ([], 0)


@pytest.mark.parametrize(("dark", "phone"), [(False, False), (True, True)])
def test_in_by_a_code_then_by_a_passkey(
    open_as: Open, axe: Axe, codes: list[str], *, dark: bool, phone: bool
) -> None:
    page = open_as(None, dark=dark, phone=phone)
    key = Authenticator(page)
    page.goto("/accounts/login/")
    page.get_by_role("link", name="break-glass sign-in").click()
    looked_at(page, axe, f"break_glass_sign_in_{dark}")
    page.get_by_label("Break-glass account").fill("glass")
    page.get_by_label("Sealed code").fill(codes[0].lower())
    page.get_by_label("Who you are").fill("Mia")
    page.get_by_label("Why you need to come in").fill("nobody can sign in any more")
    page.get_by_role("button", name="Come in").click()
    expect(page.get_by_text("everybody who may act was told")).to_be_visible()
    page.goto("/accounts/2fa/webauthn/add/")
    page.locator("input[name=name]").fill("red key")
    page.locator("input[name=passwordless]").check()
    page.locator("#mfa_webauthn_add").click()
    expect(page.get_by_text("Security key added.")).to_be_visible()
    page.context.clear_cookies()
    page.goto("/accounts/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("main")).to_contain_text("A break-glass account is in use")
    assert list(AccountUse.objects.order_by("pk").values_list("means", flat=True)) == [
        "code",
        "passkey",
    ]
    assert len(key.keys()) == 1
    other = open_as(User.objects.get(username="ines"), javascript=False, dark=dark, phone=phone)
    other.goto("/")
    other.get_by_role("link", name="A break-glass account is in use").click()
    other.get_by_label("It was").first.select_option("emergency")
    other.get_by_label("Whether it matched its reason").first.fill("the provider was down")
    other.get_by_role("button", name="Looked at").first.click()
    expect(other.get_by_text("the provider was down")).to_be_visible()
    page.goto("/break-glass/accounts/")
    looked_at(page, axe, f"break_glass_accounts_{dark}")
    page.get_by_role("button", name="Seal new codes").click()
    page.get_by_role("link", name="Use a security key").click()
    page.locator("#mfa_webauthn_reauthenticate").click()
    expect(page.get_by_role("heading", name="10 sealed codes")).to_be_visible()
    looked_at(page, axe, f"break_glass_codes_{dark}")
