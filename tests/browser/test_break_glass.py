"""Break-glass in a browser: asked for on a phone, signed by two, alone at night, looked back at."""

import re
from collections.abc import Callable

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from identities.models import Grant, User
from reviews.break_glass import sweeping
from reviews.models import BreakGlass, Case
from tests.browser.conftest import OVERFLOW, Open, picture
from tests.browser.signing import confirm
from tests.planted import PASSWORD
from tests.reviews.break_glass.conftest import (
    MINUTE,
    Company,
    at_target,
    code,
    put_in_force,
    tell_company,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def there(db: None) -> Company:
    """The company, whose people can confirm who they are, with two things to choose from."""
    company = tell_company()
    # On the rows that the tests sign in with: a session is of the password it was begun under.
    for user in vars(company).values():
        if isinstance(user, User):
            user.set_password(PASSWORD)
            user.save()
    put_in_force("read-invoices", company.rita, company.root, words="Read invoices")
    return company


def clean(
    page: Page, axe: Callable[[Page], list[str]], name: str, found: dict[str, list[str]]
) -> None:
    picture(page, f"break-glass-{name}")
    found[name] = axe(page)
    if page.evaluate(OVERFLOW):
        found[name].append("wider than the screen")


def asked_on_a_phone(page: Page) -> int:
    """From the front page to the request that is sent; how many taps it took."""
    taps = 0
    page.goto("/")
    for tap in ("Get access now", "Contain an agent"):
        page.get_by_role("link", name=tap).first.click()
        taps += 1
    # The reason has the focus: nothing is tapped before it is written.
    expect(page.locator("textarea[name=reason]")).to_be_focused()
    page.keyboard.type("report-agent writes where it must not")
    page.get_by_role("button", name="Ask for 60 min").click()
    return taps + 1


def test_asked_on_a_phone_signed_by_two_and_looked_back_at(
    open_as: Open, axe: Callable[[Page], list[str]], there: Company
) -> None:
    found: dict[str, list[str]] = {}
    dana = open_as(there.dana, phone=True)
    dana.goto("/break-glass/new/")
    clean(dana, axe, "new-phone", found)
    assert asked_on_a_phone(dana) == 3
    expect(dana.get_by_text("Told: Paul, Pia, Sara, Sven")).to_be_visible()
    case = Case.objects.get(door="break_glass")
    here = f"/break-glass/{case.key}/"
    clean(dana, axe, "asked-phone", found)

    pia = open_as(there.pia, javascript=False)
    pia.goto(f"/cases/{case.key}/")
    pia.get_by_role("button", name="Approve").click()
    confirm(pia)
    expect(pia.get_by_text("Pia approved").first).to_be_visible()

    sven = open_as(there.sven, phone=True, dark=True)
    sven.goto("/queue/")
    sven.get_by_role("link", name="Break-glass: Contain an agent").first.click()
    clean(sven, axe, "sign-phone-dark", found)
    box = sven.get_by_role("button", name="Approve").bounding_box()
    assert box is not None
    assert box["height"] >= 44
    sven.get_by_role("button", name="Approve").click()
    confirm(sven)
    expect(sven.get_by_role("button", name="Cut off now")).to_be_visible()

    at_target(case, "usable", timezone.now())
    dana.goto(here)
    expect(dana.get_by_text("Time left").first).to_be_visible()
    clean(dana, axe, "open-phone", found)
    dana.get_by_role("button", name="Give back").click()
    expect(dana.get_by_text("Given back: it ends now.")).to_be_visible()
    assert Grant.objects.get().ending_at is not None

    at_target(case, "ended", timezone.now())
    while sweeping.due_next(now=timezone.now()):
        pass
    rita = open_as(there.rita)
    rita.goto(here)
    clean(rita, axe, "look-back", found)
    rita.get_by_label("An emergency: it was needed, and used for it").check()
    rita.get_by_label("Did it match its reason?").fill("It did: one key was switched off.")
    rita.get_by_role("button", name="Close it").click()
    confirm(rita)
    expect(rita.get_by_role("heading", name="Looked back at")).to_be_visible()
    rita.goto("/break-glass/")
    clean(rita, axe, "all", found)
    assert found == {name: [] for name in found}


def test_alone_at_night_and_the_next_time_is_dearer(
    open_as: Open, axe: Callable[[Page], list[str]], there: Company
) -> None:
    found: dict[str, list[str]] = {}
    dana = open_as(there.dana, dark=True)
    asked_on_a_phone(dana)
    expect(dana.get_by_text("Signatures are waited for until")).to_be_visible()
    patience_is_over()
    dana.reload()
    clean(dana, axe, "alone-dark", found)
    dana.get_by_text("Open it alone…").click()
    dana.get_by_label("Why can it not wait?").fill("nobody is there")
    dana.get_by_role("button", name="Open it alone for 60 min").click()
    # A password alone does not open it, and is not offered.
    expect(dana.get_by_text("a password alone does not open it")).to_be_visible()
    expect(dana.get_by_role("link", name="Use your password")).to_have_count(0)
    clean(dana, axe, "second-factor-dark", found)
    by_second_factor(dana)
    expect(dana.get_by_text("opened by bypass").first).to_be_visible()
    expect(dana.get_by_text("with an authenticator code").first).to_be_visible()
    clean(dana, axe, "bypassed-dark", found)

    asked_on_a_phone(dana)
    patience_is_over()
    dana.wait_for_load_state()
    dana.reload()
    expect(dana.get_by_text("a second person vouches for this one").first).to_be_visible()
    rex = open_as(there.rex)
    rex.goto(dana.url)
    rex.get_by_text("Vouch for it…").click()
    rex.get_by_label("Why do you vouch for it?").fill("I see it burn")
    rex.get_by_role("button", name="Vouch", exact=True).click()
    confirm(rex)
    expect(rex.get_by_text("You vouch for it.")).to_be_visible()
    dana.reload()
    dana.get_by_text("Open it alone…").click()
    dana.get_by_label("Why can it not wait?").fill("again")
    dana.get_by_role("button", name="Open it alone for 15 min").click()
    expect(dana.get_by_text("the dearer way")).to_be_visible()
    assert found == {name: [] for name in found}


def by_second_factor(page: Page) -> None:
    page.wait_for_url(re.compile("/accounts/2fa/reauthenticate/"))
    page.locator("input[name=code]").fill(code())
    page.get_by_role("button", name="Confirm").click()


def patience_is_over() -> None:
    row = BreakGlass.objects.order_by("case__number").last()
    assert row is not None
    row.patience_at -= 6 * MINUTE
    row.save(update_fields=["patience_at"])


@pytest.mark.parametrize(("dark", "phone"), [(False, False), (True, True)])
def test_pages_of_bundles_are_clean(
    open_as: Open, axe: Callable[[Page], list[str]], there: Company, *, dark: bool, phone: bool
) -> None:
    page = open_as(there.rita, dark=dark, phone=phone)
    found: dict[str, list[str]] = {}
    for address in ("/break-glass/", "/break-glass/on-call/", "/break-glass/bundles/", there.bundle.url,
                    "/break-glass/bundles/new/", "/break-glass/new/"):  # fmt: skip
        page.goto(address)
        clean(page, axe, address.strip("/").replace("/", "-") + "-dark" * dark, found)
    assert found == {name: [] for name in found}
