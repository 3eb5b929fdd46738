"""Change freezes and what the brake holds of a campaign, in a browser: proposed without JavaScript."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from identities.models import Person, User
from reviews import freezes
from reviews.actions import freezing, policy_versions
from reviews.models import Campaign, Case, Freeze, OutcomeBrake, Rung
from tests.browser.conftest import OVERFLOW, Open, picture
from tests.planted import Planted

pytestmark = pytest.mark.django_db(transaction=True)


def braked() -> str:
    """A campaign that has ended, of which the brake holds one review."""
    now = timezone.now()
    one = Campaign.objects.create(
        name="Yearly",
        policy=policy_versions.in_force(now=now),
        state="closed",
        applies="at_end",
        reason="x",
        made_at=now,
        made_by="x",
        launched_at=now,
        deadline_at=now,
        closed_at=now,
    )
    one.refresh_from_db()
    OutcomeBrake.objects.create(campaign=one, ended_at=now, looked_at=now, cuts=3, most=1)
    case = Case.objects.filter(door="access_request").order_by("number")[0]
    Case.objects.filter(pk=case.pk).update(campaign=one, state="decided")
    case.items.update(outcome="narrow", carried_out_at=None)
    return one.key


@pytest.mark.parametrize(("dark", "phone"), [(False, False), (True, True)])
def test_pages_of_freezes_are_clean(
    open_as: Open, axe: Callable[[Page], list[str]], planted: Planted, *, dark: bool, phone: bool
) -> None:
    ines, now = User.objects.get(username="ines"), timezone.now()
    row = freezing.propose(
        scope={},
        since=now - timedelta(hours=1),
        until=now + timedelta(days=14),
        asked=Person.objects.get(users=ines),
        reason="nothing changes over the holidays",
        by=ines,
        now=now,
    )
    freezing.sign(freeze=row, by=User.objects.get(username="jonas"), now=now)
    case = Case.objects.filter(door="access_review", state="open").order_by("number")[0]
    Rung.objects.create(
        case=case,
        does="suspend",
        after=timedelta(days=9),
        at=now,
        state="held",
        held_at=now,
        held_why=f"{freezes.words(row)}: Ines Moreau is asked instead.",
        freeze=row,
    )
    key = braked()
    page = open_as(ines, dark=dark, phone=phone)
    found: dict[str, list[str]] = {}
    for address in (
        "/freezes/",
        row.url,
        f"{row.url}identities/",
        "/freezes/new/",
        f"/cases/{case.key}/",
        f"/campaigns/{key}/outcomes/",
        "/releases/",
    ):
        page.goto(address)
        wide = page.evaluate(OVERFLOW)
        picture(page, f"{address.strip('/').replace('/', '-')}-{dark}-{phone}")
        said = axe(page) + ([f"{wide} px too wide"] if wide > 0 else [])
        if said:
            found[address] = said
    assert found == {}


def test_a_freeze_is_proposed_in_plain_forms(open_as: Open, planted: Planted) -> None:
    page = open_as(User.objects.get(username="ines"), javascript=False)
    page.goto("/freezes/")
    page.get_by_role("link", name="Propose a freeze").click()
    begins = timezone.now()
    page.get_by_label("From (UTC)").fill(begins.strftime("%Y-%m-%dT%H:%M"))
    page.get_by_label("Until (UTC)").fill((begins + timedelta(days=9)).strftime("%Y-%m-%dT%H:%M"))
    page.get_by_label("Who is asked instead").select_option(index=1)
    page.get_by_label("agent", exact=True).check()
    page.get_by_label("Why").fill("year end")
    page.get_by_role("button", name="Propose it").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(Freeze.objects.get().key)
    expect(page.get_by_text("You proposed it: a second person signs.")).to_be_visible()
