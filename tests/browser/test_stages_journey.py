"""Stages in a browser: owners answer, a second team answers blind, the manager sees each stage."""

from collections.abc import Callable

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from identities.models import Identity, Membership, Party, Person, Team, User
from reviews.actions import deadlines_next
from reviews.campaigns import launching, progress, steering
from reviews.models import Campaign, Case, Item, ReviewPolicy, Seat
from tests.browser.conftest import OVERFLOW, Open, picture
from tests.browser.signing import PATIENCE, answer
from tests.planted import Planted

pytestmark = pytest.mark.django_db(transaction=True)
BLIND = "which does not see earlier answers: answer first."
SECRET = "It runs the quarterly reports."


def second_look(*logins: str) -> None:
    """A team for each seat of the second stage."""
    now = timezone.now()
    for name, login in zip(("Platform", "AI risk"), logins, strict=True):
        team = Team.objects.create(name=f"Second look {name}")
        person = Person.objects.get(users__username=login)
        Membership.objects.create(team=team, person=person, during=(now, None), recorded_at=now)
        Party.objects.create(team=team)


def launched() -> tuple[Campaign, Case]:
    """A campaign in two stages over one identity, of which two items are left."""
    now = timezone.now()
    second_look("priya", "jonas")
    Case.objects.filter(state="open").update(state="cancelled")
    manager = User.objects.filter(groups__name="reviewer", is_active=True).earliest("username")
    stages = [
        {"name": "Owners", "hours": 48},
        {
            "name": "Second look",
            "hours": 24,
            "sight": "blind",
            "seats": {
                "identity_owner": ["team:Second look Platform"],
                "ai_owner": ["team:Second look AI risk"],
            },
        },
    ]
    policy = ReviewPolicy.objects.create(
        name="in stages",
        state="signed",
        document={"stages": stages, "decide_within_hours": 72},
        decide_within_hours=72,
        remind_before_hours=[4],
        escalate_before_hours=2,
        recorded_at=now,
        recorded_by="countersign",
    )
    Identity.objects.exclude(name="report-agent").update(state="retired")
    Identity.objects.update(mode="enforce")
    made = steering.make(
        name="Twice", policy=policy, scope={}, by=manager, now=now, reason="once a year"
    )
    launching.launch(campaign=made, by=manager, now=now, reason="go")
    while launching.launch_next(now=now):
        pass
    case = Case.objects.get(campaign=made)
    left = case.items.filter(kind="delegation").order_by("position")[:2]
    case.items.exclude(pk__in=[one.pk for one in left]).delete()
    return made, case


def go_on() -> None:
    while deadlines_next(now=timezone.now() + PATIENCE):
        pass


def stage_rows(page: Page, campaign: Campaign) -> list[list[str]]:
    progress.count(campaign, now=timezone.now())
    page.goto(f"/campaigns/{campaign.key}/")
    table = page.locator("section", has=page.get_by_role("heading", name="By stage"))
    return [row.locator("td").all_text_contents() for row in table.locator("tbody tr").all()]


def test_a_second_team_answers_blind_and_the_manager_sees_each_stage(
    open_as: Open, planted: Planted, axe: Callable[[Page], list[str]]
) -> None:
    campaign, case = launched()
    goes, stops = Item.objects.filter(case=case).order_by("position")
    manager = open_as(
        User.objects.filter(groups__name="reviewer", is_active=True).earliest("username"),
        phone=True,
    )
    assert stage_rows(manager, campaign) == [
        ["Owners", "1", "0", "0", "0"],
        ["Second look", "0", "0", "1", "0"],
    ]
    assert (axe(manager), manager.evaluate(OVERFLOW) <= 0) == ([], True)
    picture(manager, "campaign-stages")
    # The one both owners keep goes on; what both revoke stops there.
    for login in ("ines", "samuel"):
        page = open_as(User.objects.get(username=login))
        answer(page, case.key, goes.title, "keep", reason=SECRET, withheld=True)
        answer(page, case.key, stops.title, "revoke", reason="Nobody uses it.", withheld=True)
    second = open_as(User.objects.get(username="priya"), javascript=False, phone=True)
    second.goto("/queue/")
    expect(second.get_by_text("Nothing waits here")).to_be_visible()
    go_on()
    assert stage_rows(manager, campaign)[1] == ["Second look", "1", "0", "0", "0"]
    second.goto("/queue/")
    expect(second.get_by_text("1 item left for you · Second look")).to_be_visible()
    second.get_by_role("link", name=case.title, exact=True).click()
    expect(second.get_by_text(BLIND)).to_be_visible()
    picture(second, "case-blind")
    for address in (f"/cases/{case.key}/", f"/cases/{case.key}.json", f"/ledger/?q={case.key}"):
        second.goto(address)
        assert SECRET not in (second.text_content("body") or "")
        assert "answered keep" not in (second.text_content("body") or "")
    answer(second, case.key, goes.title, "keep", reason="Seen in the traces.")
    expect(second.get_by_text(BLIND)).to_be_hidden()
    assert SECRET in (second.request.get(f"/cases/{case.key}.json").text())
    answer(
        open_as(User.objects.get(username="jonas")),
        case.key,
        goes.title,
        "keep",
        reason="Its owner is known.",
    )
    case.refresh_from_db()
    outcomes = case.items.order_by("position").values_list("outcome", flat=True)
    assert (case.state, list(outcomes)) == ("decided", ["keep", "revoke"])
    assert Seat.objects.filter(case=case, person__isnull=False).count() == 4
    assert stage_rows(manager, campaign)[1] == ["Second look", "0", "1", "0", "0"]
