"""A campaign manager's journey, with and without scripts, and the pages of it in every look."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from identities.models import Person, User
from reviews.campaigns import launching, progress, steps
from reviews.models import Burst, Campaign, Provisional
from tests.browser.conftest import LOOKS, Open, faults
from tests.planted import Planted

pytestmark = pytest.mark.django_db(transaction=True)


def manager() -> User:
    return User.objects.filter(groups__name="reviewer", is_active=True).earliest("username")


def run(campaign: Campaign) -> None:
    now = timezone.now()
    while steps.next_part(now=now) or launching.launch_next(now=now):
        pass
    campaign.refresh_from_db()
    progress.count(campaign, now=now)


def prepare(page: Page) -> Campaign:
    page.goto("/campaigns/")
    page.get_by_role("link", name="Prepare a campaign").click()
    page.get_by_label("Name").fill("Agents, once a year")
    page.get_by_label("Reason").fill("once a year")
    page.get_by_role("button", name="Show who would be asked").click()
    expect(page.get_by_role("heading", name="What a launch would do")).to_be_visible()
    return Campaign.objects.get()


def act(page: Page, words: str, why: str) -> None:
    page.locator("summary", has_text=words).click()
    box = page.locator("details[open]", has_text=words)
    box.get_by_role("textbox").last.fill(why)
    box.get_by_role("button").click()


@pytest.mark.parametrize("javascript", [True, False])
def test_manager_prepares_launches_steers_and_closes(
    open_as: Open, planted: Planted, *, javascript: bool
) -> None:
    page = open_as(manager(), javascript=javascript, phone=True)
    campaign = prepare(page)
    act(page, "Launch", "go")
    expect(page.get_by_text("being launched").first).to_be_visible()
    run(campaign)
    page.reload()
    expect(page.get_by_role("heading", name="By seat and person")).to_be_visible()
    act(page, "Pause", "freeze")
    expect(page.get_by_text("It stands still")).to_be_visible()
    act(page, "Go on", "thaw")
    expect(page.get_by_text("is being resumed, 0 of")).to_be_visible()
    run(campaign)
    if not javascript:
        page.reload()
    # With scripts the page finds out by itself that the worker is through.
    expect(page.locator("summary", has_text="Pause")).to_be_visible()
    expect(page.get_by_text("It stands still")).to_be_hidden()
    due = timezone.now() + timedelta(days=60)
    page.locator("summary", has_text="Extend").click()
    page.get_by_label("Due, UTC").fill(f"{due:%Y-%m-%dT12:00}")
    page.get_by_label("Why there is more time").fill("holidays")
    page.locator("details[open]").get_by_role("button", name="Extend").click()
    expect(page.get_by_text("is being extended, 0 of")).to_be_visible()
    run(campaign)
    page.reload()
    expect(page.get_by_text(f"Due {due:%-d %b}").first).to_be_visible()
    act(page, "Ask those again", "late")
    expect(page.get_by_text("is asked again").first).to_be_visible()
    run(campaign)
    page.reload()
    expect(page.get_by_text("Asked again", exact=True)).to_be_visible()
    act(page, "Close", "enough")
    expect(page.get_by_text("It is closed.")).to_be_visible()
    campaign.refresh_from_db()
    assert campaign.deadline_at is not None
    assert (campaign.state, campaign.deadline_at.date()) == ("closed", due.date())
    done = campaign.steps.filter(ended_at__isnull=False).order_by("pk")
    assert list(done.values_list("kind", flat=True)) == ["resume", "extend", "reiterate"]


def hurry(campaign: Campaign) -> None:
    """Its reviews were answered faster than anybody reads: they wait for a second look."""
    now = timezone.now()
    burst = Burst.objects.create(
        person=Person.objects.earliest("pk"), since=now, until=now, answers=50
    )
    Provisional.objects.bulk_create(
        [Provisional(case=case, burst=burst, marked_at=now) for case in campaign.cases.all()]
    )


@pytest.mark.parametrize(("dark", "phone"), LOOKS)
def test_every_campaign_page_is_clean(
    open_as: Open, planted: Planted, *, dark: bool, phone: bool
) -> None:
    page = open_as(manager(), dark=dark, phone=phone)
    found: dict[str, list[str]] = {}

    def look(name: str, address: str) -> None:
        # What a page does by itself while it is left would end the way to the next one.
        page.wait_for_load_state()
        page.goto("about:blank")
        page.goto(address)
        if said := faults(page, dark=dark):
            found[name] = said

    look("empty", "/campaigns/")
    look("new", "/campaigns/new/")
    campaign = prepare(page)
    url = f"/campaigns/{campaign.key}/"
    look("draft", url)
    act(page, "Launch", "go")
    look("launching", url)
    run(campaign)
    look("running", url)
    act(page, "Ask those again", "late")
    look("asking again", url)
    run(campaign)
    look("list", "/campaigns/")
    for what in ("identities", "reviews", "items", "items/?outcome=left&seat=identity_owner"):
        look(what, f"{url}{what}/" if "?" not in what else f"{url}{what}")
    hurry(campaign)
    look("second looks", url)
    assert page.get_by_text("Provisional.").is_visible()
    assert found == {}
