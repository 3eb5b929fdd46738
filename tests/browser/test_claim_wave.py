"""Owners answer what nobody owns, a reviewer signs a rule: with and without scripts, in every look."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from identities.claims import counting
from identities.models import (
    Claim,
    ClaimAnswer,
    ClaimDay,
    Identity,
    Membership,
    Party,
    Person,
    Service,
    Team,
    User,
)
from reviews.pages import claim_wave
from tests.browser.conftest import LOOKS, Open, faults, picture
from tests.planted import Planted

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def payments(planted: Planted) -> Party:
    """Elena's team is asked about four things of a service; for two others nobody is known."""
    now = timezone.now()
    team = Team.objects.create(name="Payments")
    Membership.objects.create(
        team=team,
        person=Person.objects.get(users__username="elena"),
        during=(now - timedelta(days=1), None),
        recorded_at=now,
    )
    party = Party.objects.create(team=team)
    service = Service.objects.create(slug="checkout", name="Checkout")
    for at in range(6):
        identity = Identity.objects.create(
            name=f"checkout-worker-{at}", kind="workload", service=service, created_at=now
        )
        asked = at < 4
        Claim.objects.create(
            identity=identity,
            service=service,
            bundle="service:checkout" if asked else "code:acme/batch",
            party=party if asked else None,
            step="evidence" if asked else "nobody",
            kind="team" if asked else "",
            strength=1 if asked else 0,
            reasons=[
                {
                    "party": str(party.pk),
                    "kind": "team",
                    "words": "tag team names payments",
                    "strength": 1,
                }
            ]
            if asked
            else [],
            tags=["owner=blue squad"] if not asked else [],
            asked_at=now if asked else None,
            opened_at=now,
            looked_at=now,
        )
    counting.count(now=now)
    for back, left in ((21, 60), (14, 41), (7, 20)):
        ClaimDay.objects.create(
            day=(now - timedelta(days=back)).date(),
            unowned=left,
            unclaimed=3,
            asked=left // 2,
            nobody=4,
            owned=70 - left,
            answers=5,
            counted_at=now - timedelta(days=back),
        )
    return party


@pytest.mark.parametrize("javascript", [True, False])
def test_owner_ticks_one_out_and_takes_the_answer_back(
    open_as: Open, payments: Party, *, javascript: bool
) -> None:
    page = open_as(User.objects.get(username="elena"), javascript=javascript, phone=True)
    page.goto("/unclaimed/questions/")
    page.get_by_role("link", name="Checkout").click()
    page.get_by_role("checkbox", name="Not ours: checkout-worker-2").check()
    page.get_by_role("button", name="Ours, but for what is ticked").click()
    expect(page.get_by_text("Recorded for 4 things")).to_be_visible()
    answer = ClaimAnswer.objects.get()
    assert list(answer.claims.filter(excepted=True).values_list("identity__name", flat=True)) == [
        "checkout-worker-2"
    ]
    page.get_by_role("button", name="Undo").last.click()
    expect(page.get_by_role("link", name="Checkout")).to_be_visible()
    answer.refresh_from_db()
    assert answer.undone_at is not None


def test_reviewer_reads_what_a_rule_covers_and_signs_it(open_as: Open, payments: Party) -> None:
    page = open_as(User.objects.get(username="ines"))
    page.goto("/unclaimed/burn-down/")
    page.get_by_role("link", name="Many by a rule").click()
    page.get_by_label("Whose tag").select_option("owner")
    page.get_by_label("is exactly").fill("blue squad")
    page.get_by_label("goes to").fill("team:Payments")
    page.get_by_role("button", name="Show what it covers").click()
    expect(page.get_by_role("heading", name="2 things covered")).to_be_visible()
    page.get_by_label("Why this is right").fill("the squad was renamed")
    page.get_by_role("button", name="Sign for 2 things").click()
    expect(page.get_by_text("Recorded for 2 things")).to_be_visible()
    assert ClaimAnswer.objects.get().rule["tag"] == "owner=blue squad"


@pytest.mark.parametrize(("dark", "phone"), LOOKS)
def test_every_page_of_the_wave_is_clean(
    open_as: Open, payments: Party, *, dark: bool, phone: bool
) -> None:
    found: dict[str, list[str]] = {}
    rule = "/unclaimed/rule/?kind=owner&value=blue+squad&party=team:Payments"
    pages = {
        "claims-questions": ("elena", "/unclaimed/questions/"),
        "claims-question": ("elena", claim_wave.url_of(payments.pk, "service:checkout")),
        "claims-rule": ("ines", rule),
        "claims-burn-down": ("ines", "/unclaimed/burn-down/"),
    }
    opened = {
        who: open_as(User.objects.get(username=who), dark=dark, phone=phone)
        for who in ("elena", "ines")
    }
    for name, (who, address) in pages.items():
        page = opened[who]
        page.goto(address)
        picture(page, f"{name}-{'dark' if dark else 'light'}{'-phone' if phone else ''}")
        if said := faults(page, dark=dark):
            found[name] = said
    assert found == {}
