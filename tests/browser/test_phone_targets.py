"""What a finger presses on the phone is at least 44 px wide and high."""

import pytest
from django.utils import timezone

from identities.models import User
from reviews.actions import policy_versions
from reviews.campaigns import steering
from reviews.models import Case
from tests.browser.conftest import Open
from tests.planted import Planted

pytestmark = pytest.mark.django_db(transaction=True)
SMALL = """() => [...document.querySelectorAll('button, summary, .btn, .cs-tabs a')]
    .map(one => [one, one.getBoundingClientRect()])
    .filter(([one, box]) => one.checkVisibility({visibilityProperty: true}) && box.width > 1)
    .filter(([one, box]) => Math.round(box.width) < 44 || Math.round(box.height) < 44)
    .map(([one, box]) => `${one.getAttribute('aria-label') || one.textContent.trim()}: `
        + `${Math.round(box.width)} x ${Math.round(box.height)}`)"""


def test_buttons_are_large_enough_for_a_finger(open_as: Open, planted: Planted) -> None:
    ines, now = User.objects.get(username="ines"), timezone.now()
    campaign = steering.make(
        name="Yearly",
        policy=policy_versions.in_force(now=now),
        scope={},
        by=ines,
        now=now,
        reason="once a year",
    )
    case = Case.objects.get(door="access_review", trigger="", identity__name="report-agent")
    assert case.identity is not None
    page = open_as(ines, phone=True)
    found = {}
    for url in (
        f"/cases/{case.key}/",
        f"/identities/{case.identity.key}/",
        f"/campaigns/{campaign.key}/",
        "/queue/",
        "/owned/",
    ):
        page.goto(url)
        page.locator(".cs-copy, h1").first.wait_for()
        found[url] = page.evaluate(SMALL)
    assert {url: small for url, small in found.items() if small} == {}
