"""An administrator names a signer where nobody may sit, and has identities follow their service; both
pages in each look."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group
from playwright.sync_api import Page, expect

from identities.models import Identity, Party, Person, Service, User
from reviews.models import Case, Seat
from tests.browser.conftest import OVERFLOW, Open
from tests.planted import Planted

pytestmark = pytest.mark.django_db(transaction=True)


def administrator() -> User:
    """One who has no part in anything."""
    user = User.objects.create(username="root", person=Person.objects.create(name="Ada Root"))
    user.groups.add(Group.objects.get_or_create(name="administrator")[0])
    return user


def emptied() -> Case:
    """A review whose AI-system owner's seat names somebody who signs elsewhere in it."""
    case = Case.objects.get(
        door="access_review", trigger="", identity__name="report-agent", state="open"
    )
    owner = case.seats.get(kind="identity_owner")
    assert owner.party is not None
    Seat.objects.filter(pk=owner.pk).update(person=owner.party.person)
    Seat.objects.filter(case=case, kind="ai_owner").update(
        party=owner.party, backup=None, person=None
    )
    return case


@pytest.mark.parametrize("javascript", [True, False])
def test_an_administrator_names_a_signer(
    open_as: Open, axe: Callable[[Page], list[str]], planted: Planted, *, javascript: bool
) -> None:
    root, case = administrator(), emptied()
    User.objects.create(
        username="nora",
        person=(person := Person.objects.create(name="Nora Free", email="nora@example.com")),
    )
    Party.objects.create(person=person)
    page = open_as(root, javascript=javascript, phone=True)
    page.goto(f"/cases/{case.key}/")
    expect(page.get_by_text("Nobody may sit here now:")).to_be_visible()
    if javascript:
        assert (axe(page), page.evaluate(OVERFLOW) <= 0) == ([], True)
    page.get_by_role("link", name="Name a signer").click()
    page.get_by_label("AI-system owner").check()
    page.get_by_label("To", exact=True).fill("nora")
    page.get_by_label("Reason").fill("she knows the system")
    page.get_by_role("button", name="Hand it over").click()
    expect(page.get_by_text("The seat of the AI-system owner is Nora Free's now.")).to_be_visible()
    assert str(Seat.objects.get(case=case, kind="ai_owner").party) == "Nora Free"


@pytest.mark.parametrize(("dark", "phone"), [(False, False), (True, True)])
def test_identities_follow_their_service(
    open_as: Open, axe: Callable[[Page], list[str]], planted: Planted, *, dark: bool, phone: bool
) -> None:
    agent = Identity.objects.get(name="report-agent")
    assert agent.service is not None
    Service.objects.filter(pk=agent.service.pk).update(criticality="high")
    Identity.objects.filter(service=agent.service).update(criticality="normal", inherited=[])
    page = open_as(administrator(), dark=dark, phone=phone)
    page.goto(f"/identities/{agent.key}/")
    page.get_by_role("link", name="Follow its service").click()
    page.get_by_label("Reason").fill("it never had one of its own")
    assert (axe(page), page.evaluate(OVERFLOW) <= 0) == ([], True)
    page.get_by_role("button", name="Follow").click()
    expect(page.get_by_text("in criticality from now on")).to_be_visible()
    agent.refresh_from_db()
    assert (agent.criticality, agent.inherited) == ("high", ["criticality"])
