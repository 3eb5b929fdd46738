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

    arrives(*(call(number, NOW + number * MINUTE) for number in range(12)), now=NOW + HOUR)
    case = Case.objects.get(door="break_glass")
    rex = open_as(sealed.rex, javascript=False)
    rex.goto(f"/cases/{case.key}/")
    rex.get_by_label("Who opened the envelope").fill("Mia")
    rex.get_by_label("What was done, and why").fill("SSO was down, and an agent had to be stopped")
    rex.get_by_role("button", name="Say so").click()
    expect(rex.get_by_text("You say who used it")).to_be_visible()
    rita.goto(f"/break-glass/{case.key}/")
    clean(rita, axe, "sealed-use-phone-dark", found)
    root.goto(f"/break-glass/{case.key}/")
    clean(root, axe, "sealed-use", found)
    root.get_by_label("An emergency: it was needed, and used for it").check()
    root.get_by_label("Did it match its reason?").fill("It did; a new key lies in the bank.")
    root.get_by_role("button", name="Close it").click()
    confirm(root)
    expect(root.get_by_role("heading", name="Looked back at")).to_be_visible()
    root.get_by_role("link", name="What was read").click()
    expect(root.get_by_role("heading", name="12 events")).to_be_visible()
    root.goto("/break-glass/sealed/")
    clean(root, axe, "sealed-all", found)
    assert found == {name: [] for name in found}
