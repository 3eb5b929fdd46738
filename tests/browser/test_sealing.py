"""Sealing an incident in a browser: sealed, members changed, unsealed by two; gone for who is none."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from identities.models import User
from reviews.models import Case
from tests.browser.conftest import Open
from tests.browser.signing import confirm
from tests.browser.test_break_glass import clean
from tests.planted import PASSWORD
from tests.reviews.conftest import NOW, Told, make_user, tell_story
from tests.reviews.sealing.conftest import incident

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def told(nobody_yet: None) -> Told:
    """Who is there can confirm who they are."""
    story = tell_story()
    for name, group in (("rex", "responder"), ("dora", "responder"), ("root", "administrator")):
        make_user(name, group)
    for user in User.objects.all():
        user.set_password(PASSWORD)
        user.save()
    return story


def test_sealed_to_two_and_unsealed_by_two(
    open_as: Open, axe: Callable[[Page], list[str]], told: Told
) -> None:
    found: dict[str, list[str]] = {}
    users = {one.username: one for one in User.objects.all()}
    case = incident(told, users["rex"])
    rex = open_as(users["rex"], phone=True, dark=True)
    rex.goto(f"/cases/{case.key}/")
    rex.get_by_role("link", name="Seal…").click()
    clean(rex, axe, "seal-phone-dark", found)
    rex.get_by_label("Who may know of it, one a line").fill("dora")
    rex.get_by_label("Whom it is about, one a line").fill("ines")
    rex.get_by_label("Why only some may know of it").fill("She would read of it")
    rex.get_by_role("button", name="Seal it").click()
    confirm(rex)
    # What was typed is there again, with what is missing.
    expect(rex.get_by_role("alert")).to_contain_text("name a member who sits there instead")
    expect(rex.get_by_label("Whom it is about, one a line")).to_have_value("ines")
    clean(rex, axe, "seal-refused-phone-dark", found)
    rex.get_by_label("Identity owner").fill("dora")
    rex.get_by_role("button", name="Seal it").click()
    expect(rex.get_by_role("heading", name="Members")).to_be_visible()
    clean(rex, axe, "sealed-members-phone-dark", found)
    assert Case.objects.get(pk=case.pk).sealed

    root = open_as(users["root"])
    answer = root.goto(f"/cases/{case.key}/")
    assert answer is not None
    assert answer.status == 404

    dora = open_as(users["dora"])
    dora.goto(f"/cases/{case.key}/")
    expect(dora.get_by_text("Nobody but its members sees that it exists.")).to_be_visible()
    dora.get_by_role("link", name="Members, and the end of the seal").click()
    dora.get_by_label("Why everybody may know of it now").fill("It is over")
    dora.get_by_role("button", name="Ask for it").click()
    confirm(dora)
    expect(dora.get_by_text("You asked for it: another member signs.")).to_be_visible()
    clean(dora, axe, "seal-asked", found)
    rex.reload()
    rex.get_by_role("button", name="Unseal it").click()
    expect(rex.get_by_text(f"{case.key} is sealed no more.")).to_be_visible()
    assert not Case.objects.get(pk=case.pk).sealed
    rex.goto(f"/incidents/sealed/?identity={told.identity.key}")
    clean(rex, axe, "seal-new-phone-dark", found)
    assert not any(found.values()), found
    assert case.opened_at == NOW
