"""A sealed credential in a browser: declared by two, and its use explained and looked back at."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from identities.models import User
from reviews.models import Case
from tests.browser.conftest import Open
from tests.browser.signing import confirm
from tests.browser.test_break_glass import clean
from tests.planted import PASSWORD
from tests.reviews.conftest import HOUR, NOW
from tests.reviews.sealed.conftest import MINUTE, Sealed, arrives, call, tell_sealed
from tests.reviews.sealed.test_made import FIRST, makes, mints

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sealed(db: None) -> Sealed:
    """Who is there can confirm who they are."""
    told = tell_sealed()
    for user in vars(told).values():
        if isinstance(user, User):
            user.set_password(PASSWORD)
            user.save()
    return told


def closed_as_emergency(page: Page, url: str) -> None:
    page.goto(url)
    page.get_by_label("An emergency: it was needed, and used for it").check()
    page.get_by_label("Did it match its reason?").fill("It did; a new key lies in the bank.")
    page.get_by_role("button", name="Close it").click()
    confirm(page)


def test_declared_by_two_used_out_of_band_and_looked_back_at(
    open_as: Open, axe: Callable[[Page], list[str]], sealed: Sealed
) -> None:
    found: dict[str, list[str]] = {}
    rita = open_as(sealed.rita, phone=True, dark=True)
    rita.goto("/break-glass/")
    rita.get_by_role("link", name="Sealed credentials").click()
    clean(rita, axe, "sealed-empty-phone-dark", found)
    rita.get_by_role("link", name="Declare one").click()
    for label, words in (
        ("Name", "okta-admin"),
        ("What it is for", "Sign in to Okta when SSO is down"),
        ("The credential", "AKIASEALEDQP7D000002"),
        ("Where it lies", "bank, box 12"),
        ("Who may open the envelope", "Mia and Tom"),
        ("Reason", "for the night"),
    ):
        rita.get_by_label(label, exact=True).fill(words)
    clean(rita, axe, "sealed-new-phone-dark", found)
    rita.get_by_role("button", name="Propose it").click()
    expect(rita.get_by_text("A second person is missing.")).to_be_visible()
    root = open_as(sealed.root)
    root.goto(rita.url)
    root.get_by_role("button", name="Sign it").click()
    confirm(root)
    expect(root.get_by_text("watched for").first).to_be_visible()
    clean(root, axe, "sealed-one", found)
    rita.reload()
    clean(rita, axe, "sealed-one-phone-dark", found)

    calls = [call(number, NOW + number * MINUTE) for number in range(10)]
    user = makes(11, NOW + 11 * MINUTE, "CreateUser", userName="stays-behind")
    arrives(*calls, mints(10, NOW + 10 * MINUTE), user, now=NOW + HOUR)
    case = Case.objects.get(door="break_glass")
    rex = open_as(sealed.rex, javascript=False)
    rex.goto(f"/cases/{case.key}/")
    rex.get_by_label("Who opened the envelope").fill("Mia")
    rex.get_by_label("What was done, and why").fill("SSO was down, and an agent had to be stopped")
    rex.get_by_role("button", name="Say so").click()
    expect(rex.get_by_text("You say who used it")).to_be_visible()
    rita.goto("/queue/")
    clean(rita, axe, "sealed-queue-phone-dark", found)
    rita.get_by_role("link", name=case.key).first.click()
    for thing, answer in ((FIRST, "It is gone at its target"), ("user", "It stays")):
        one = rita.get_by_role("listitem").filter(has_text=thing).filter(has_text="undecided")
        one.get_by_text("Decide on it").click()
        clean(rita, axe, f"sealed-use-{answer[:8]}-phone-dark", found)
        one.get_by_label(answer).check()
        one.get_by_label("Who needs it, or how it was removed").fill("Tom, at the console")
        if answer == "It stays":
            closed_as_emergency(root, f"/break-glass/{case.key}/")
            # What still lives there keeps it open.
            expect(root.get_by_role("alert")).to_contain_text("may still work: user")
        one.get_by_role("button", name="Decide").click()
    expect(rita.get_by_text("Ria: it stays. Tom, at the console")).to_be_visible()
    root.goto("/queue/")
    clean(root, axe, "sealed-queue", found)
    root.goto(f"/break-glass/{case.key}/")
    clean(root, axe, "sealed-use", found)
    closed_as_emergency(root, root.url)
    expect(root.get_by_role("heading", name="Looked back at")).to_be_visible()
    root.get_by_role("link", name="What was read").click()
    expect(root.get_by_role("heading", name="12 events")).to_be_visible()
    root.goto("/break-glass/sealed/")
    clean(root, axe, "sealed-all", found)
    assert found == {name: [] for name in found}
