"""An owner under pressure: what silence suspended works again, and who left is replaced; in each look."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from identities.acting import COUNTERSIGN
from identities.actions import revocations
from identities.models import Identity, Party, Person, User
from reviews.models import Case
from tests.browser.conftest import OVERFLOW, Open
from tests.browser.signing import answer, let_time_pass
from tests.planted import Planted

pytestmark = pytest.mark.django_db(transaction=True)


def clean(page: Page, axe: Callable[[Page], list[str]]) -> None:
    assert (axe(page), page.evaluate(OVERFLOW) <= 0) == ([], True)


@pytest.mark.parametrize(("javascript", "dark"), [(True, False), (True, True), (False, False)])
def test_a_suspended_identity_is_asked_for_signed_and_works_again(
    open_as: Open,
    axe: Callable[[Page], list[str]],
    planted: Planted,
    *,
    javascript: bool,
    dark: bool,
) -> None:
    agent = Identity.objects.get(name="invoice-agent")
    revocations.suspend_with_keys(
        identity=agent,
        by=COUNTERSIGN,
        now=timezone.now() - timedelta(minutes=1),
        because="nobody decided in time",
    )
    owner = open_as(User.objects.get(username="ines"), javascript=javascript, dark=dark, phone=True)
    owner.goto("/owned/")
    owner.get_by_role("link", name="Why invoice-agent is suspended").click()
    expect(
        owner.get_by_text("Countersign answers no for it: nobody decided in time.")
    ).to_be_visible()
    expect(owner.get_by_text("Whoever asks does not sign:")).to_be_visible()
    asker = open_as(
        User.objects.get(username="marek"), javascript=javascript, dark=dark, phone=True
    )
    asker.goto(f"/identities/{agent.key}/")
    if javascript:
        clean(asker, axe)
    asker.locator("#suspended summary").click()
    asker.get_by_label("Why it may work again").fill("the quarter closes tomorrow")
    asker.get_by_role("button", name="Ask to resume it").click()
    expect(asker.get_by_role("heading", name="Resume: invoice-agent")).to_be_visible()
    case = Case.objects.get(items__kind="step")
    if javascript:
        clean(asker, axe)
    for seat in case.seats.exclude(kind="tie_breaker").select_related("party__person"):
        assert seat.party is not None
        signer = User.objects.get(person=seat.party.person)
        answer(
            open_as(signer, javascript=javascript, dark=dark, phone=True),
            case.key,
            "Resume invoice-agent",
            "approve",
            reason="looked at",
        )
    let_time_pass()
    agent.refresh_from_db()
    assert agent.state == "active"


@pytest.mark.parametrize(("javascript", "dark"), [(True, False), (True, True), (False, False)])
def test_who_left_is_replaced_for_all_at_once(
    open_as: Open,
    axe: Callable[[Page], list[str]],
    planted: Planted,
    *,
    javascript: bool,
    dark: bool,
) -> None:
    gone = Party.objects.create(
        person=Person.objects.create(name="Sam Gone", left_at=timezone.now() - timedelta(days=1))
    )
    ines = User.objects.get(username="ines")
    mine = Identity.objects.filter(owner__person=ines.person)
    assert mine.update(backup=gone) > 1
    page = open_as(ines, javascript=javascript, dark=dark, phone=True)
    page.goto("/owned/")
    if javascript:
        clean(page, axe)
    page.get_by_role("link", name="Name another for all of them").click()
    if javascript:
        clean(page, axe)
    page.get_by_label("Who", exact=True).fill("elena")
    page.get_by_label("Why; whoever is named reads it").fill("Sam has left")
    page.get_by_role("button", name="Name them in the selected places").click()
    expect(page.get_by_text("elena is named, backup").first).to_be_visible()
    if javascript:
        clean(page, axe)
    assert set(mine.values_list("backup__person__name", flat=True)) == {
        User.objects.get(username="elena").called
    }
    page.goto(f"/identities/{mine.earliest('number').key}/places/")
    if javascript:
        clean(page, axe)
