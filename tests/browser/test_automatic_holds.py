"""Automatic holds in a browser: proposed, held and released in plain forms, on a phone and dark."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from playwright.sync_api import Page, expect

from identities.models import Finding, Identity, Person, User
from reviews.automatic import incidents, rules, things
from reviews.models import AutomaticHold, HoldRule
from tests.browser.conftest import OVERFLOW, Open
from tests.planted import Planted

pytestmark = pytest.mark.django_db(transaction=True)


def held() -> AutomaticHold:
    """A rule in force, and what it holds of the story's agent."""
    ines, now = User.objects.get(username="ines"), timezone.now()
    rule = rules.propose(
        scope={},
        classes=["left_task", "no_authority"],
        per_hour=3,
        per_day=10,
        asked=Person.objects.get(users=ines),
        reason="a run that leaves its task cannot wait",
        by=ines,
        now=now,
    )
    rules.sign(rule=rule, by=User.objects.get(username="jonas"), now=now)
    finding = Finding.objects.filter(identity__isnull=False, state="open").latest("first_at")
    identity = Identity.objects.get(findings=finding)
    about = incidents.About(identity, finding, things.itself(identity))
    with transaction.atomic():
        ((case, item),) = incidents.about_all([about], now=now)
    event = finding.events.latest("at")
    row = AutomaticHold.objects.create(
        rule=rule,
        finding=finding,
        identity=identity,
        case=case,
        item=item,
        state="held",
        words=f"{identity.name} is suspended; it has no standing key",
        event_at=event.at,
        event_id=event.event_id,
        events=1,
        strength=3,
        received_at=event.at,
        found_at=now - timedelta(seconds=2),
        decided_at=now,
        stopped={"suspended": now.isoformat()},
    )
    row.refresh_from_db()
    return row


@pytest.mark.parametrize(("dark", "phone"), [(False, False), (True, True)])
def test_pages_of_automatic_holds_are_clean(
    open_as: Open, axe: Callable[[Page], list[str]], planted: Planted, *, dark: bool, phone: bool
) -> None:
    row = held()
    page = open_as(User.objects.get(username="ines"), dark=dark, phone=phone)
    found: dict[str, list[str]] = {}
    for address in (
        "/automatic-holds/",
        "/automatic-holds/new/",
        row.rule.url,
        row.url,
        f"/cases/{row.case.key}/",
    ):
        page.goto(address)
        wide = page.evaluate(OVERFLOW)
        said = axe(page) + ([f"{wide} px too wide"] if wide > 0 else [])
        if said:
            found[address] = said
    assert found == {}


def test_a_rule_is_replayed_and_proposed_in_plain_forms_by_keyboard(
    open_as: Open, planted: Planted
) -> None:
    page = open_as(User.objects.get(username="ines"), javascript=False)
    page.goto("/automatic-holds/")
    page.get_by_role("link", name="Propose a rule").press("Enter")
    page.get_by_label("Left its task").press("Space")
    page.get_by_label("Who is asked").select_option(index=1)
    page.get_by_label("Why").fill("it cannot wait")
    page.get_by_role("button", name="Replay it").press("Enter")
    expect(page.get_by_role("heading", name="Dry replay")).to_be_visible()
    assert HoldRule.objects.count() == 0
    page.get_by_role("button", name="Propose it").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text(HoldRule.objects.get().key)
    expect(page.get_by_text("You proposed it: a second person signs.")).to_be_visible()


def test_a_hold_is_released_in_a_plain_form(open_as: Open, planted: Planted) -> None:
    row = held()
    page = open_as(User.objects.get(username="ines"), javascript=False)
    page.goto(f"/cases/{row.case.key}/")
    page.get_by_role("link", name=f"{row.key}: release it").click()
    page.get_by_role("radio", name="false").check()
    page.get_by_label("Why may it work again?").fill("a drill of ours")
    page.get_by_role("button", name="Release it now").click()
    expect(page.get_by_role("heading", name="Release it")).to_have_count(0)
    assert AutomaticHold.objects.get().state == "released"
