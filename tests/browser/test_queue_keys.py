"""Forty decisions by keyboard alone; keeping many; the same without scripts and on a phone."""

import re
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from evidence.models import Source
from identities.models import Credential, Finding, Identity, Party, Service, User
from reviews.actions import answers
from reviews.models import Case, Decision, Item, Seat
from tests.browser.conftest import Open
from tests.browser.signing import confirm
from tests.planted import Planted
from tests.reviews.queues import fill

pytestmark = pytest.mark.django_db(transaction=True)
FORTY = 40


@pytest.fixture
def ines(planted: Planted) -> User:
    """With nothing in her queue but four reviews of ten items."""
    user = User.objects.get(username="ines")
    Case.objects.filter(state="open").update(state="cancelled")
    owner = Party.objects.get(person=user.person)
    fill(4, owners=[owner], now=timezone.now(), items=10)
    Item.objects.filter(case__state="open").update(kind="entitlement")
    return user


def answered(user: User) -> list[str]:
    return list(
        Decision.objects.filter(person=user.person, superseded_at__isnull=True, item__case__state__in=["open", "decided"], item__title__startswith="Delegation ")
        .order_by("at")
        .values_list("answer", flat=True)
    )  # fmt: skip


def test_forty_decisions_by_keyboard_alone(open_as: Open, ines: User) -> None:
    page = open_as(ines)
    page.goto("/queue/")
    for case in range(4):
        # A number on the row goes to the case; there it stays, with the next item, until the end.
        page.keyboard.press("j")
        for item in range(10):
            page.keyboard.press("1")
            expect(page.locator("input[name=answer][value=keep]")).to_be_focused()
            page.keyboard.press("Enter")
            expect(page.locator("textarea[name=reason]")).to_be_focused()
            page.keyboard.type(f"It is needed, {item}.")
            assert len(answered(ines)) == case * 10 + item
            page.keyboard.press("Control+Enter")
            expect(page.get_by_text(f"Recorded: keep on Delegation {item}.")).to_be_visible()
            # Words are seen before the keys work; nobody's finger is as fast as this test.
            page.wait_for_load_state()
        page.keyboard.type("gq")
        expect(page.get_by_role("heading", name="My queue")).to_be_visible()
        page.wait_for_load_state()
    assert answered(ines) == ["keep"] * FORTY
    expect(page.get_by_text("Nothing waits here")).to_be_visible()


def test_enter_on_an_answer_never_signs(open_as: Open, ines: User) -> None:
    page = open_as(ines)
    page.goto("/queue/?show=items")
    page.keyboard.press("j")
    page.keyboard.press("3")
    expect(page.locator("input[name=answer][value=revoke]")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.type("gone")
    page.locator("input[name=answer][value=revoke]").focus()
    page.keyboard.press("Enter")
    expect(page.locator("[data-sign]")).to_be_focused()
    expect(page.locator("[data-sign]")).to_have_text("Sign: revoke", use_inner_text=True)
    assert answered(ines) == []


def test_numbers_do_nothing_while_typing_or_switched_off(open_as: Open, ines: User) -> None:
    page = open_as(ines)
    page.goto("/queue/?show=items")
    page.keyboard.press("j")
    page.keyboard.press("/")
    page.keyboard.type("1")
    expect(page.locator("[data-filter]")).to_have_value("1")
    page.goto("/queue/?show=items")
    page.keyboard.press("?")
    page.get_by_role("button", name="Switch single letters off").click()
    expect(page.locator("main input[name=single_keys]")).not_to_be_checked()
    page.wait_for_load_state()
    page.goto("/queue/?show=items")
    page.keyboard.press("j")
    page.keyboard.press("1")
    expect(page.locator("tr.cs-here")).to_have_count(0)
    # Switched on again by the mouse: no letter opens the help now.
    page.goto("/profile/")
    page.locator("main input[name=single_keys]").check()
    with page.expect_navigation():
        page.get_by_role("button", name="Save").click()
    page.goto("/queue/?show=items")
    page.keyboard.press("j")
    expect(page.locator("tr.cs-here")).to_have_count(1)


@pytest.fixture
def keepable(planted: Planted) -> User:
    """The story's review alone, with nothing that stands against keeping its delegations."""
    now = timezone.now()
    Source.objects.update(watermark=now, completeness="declared", sampling=1)
    Finding.objects.update(state="expected")
    Identity.objects.update(criticality="low")
    Service.objects.update(criticality="low")
    Credential.objects.update(issued_at=now - timedelta(days=2))
    case = Case.objects.get(door="access_review", trigger="", identity__name="report-agent")
    Case.objects.filter(state="open").exclude(pk=case.pk).update(state="cancelled")
    case.items.all().delete()
    Item.objects.bulk_create(
        [
            Item(
                case=case,
                position=at,
                kind="entitlement",
                ref=uuid4(),
                title=f"Thing {at}",
                recommendation="keep" if at else "",
                recommendation_reason="all of it was seen",
            )
            for at in range(4)
        ]
    )
    Seat.objects.filter(case=case).update(person=None)
    return User.objects.get(username="ines")


def by_keys(page: Page) -> None:
    for _ in range(4):
        page.keyboard.press("j")
        page.keyboard.press("x")
    page.locator("input[name=reason][form=keep]").focus()
    page.keyboard.type("Used each week.")
    page.keyboard.press("Enter")


def by_hand(page: Page) -> None:
    for box in page.locator("input[name=pick]:not([disabled])").all():
        box.check()
    page.locator("input[name=reason][form=keep]").fill("Used each week.")
    page.get_by_role("button", name="Keep the selected").click()


@pytest.mark.parametrize(
    ("how", "javascript", "phone"),
    [(by_keys, True, False), (by_hand, False, False), (by_hand, True, True)],
    ids=["keys", "no scripts", "phone"],
)
def test_many_are_kept_and_taken_back(
    open_as: Open,
    keepable: User,
    axe: Callable[[Page], list[str]],
    how: Callable[[Page], None],
    monkeypatch: pytest.MonkeyPatch,
    *,
    javascript: bool,
    phone: bool,
) -> None:
    # What a person does in a second takes as long as this machine is busy.
    monkeypatch.setattr(answers, "UNDO", timedelta(minutes=5))
    page = open_as(keepable, javascript=javascript, phone=phone, confirmed=False)
    page.goto("/queue/?show=items&group=identity")
    expect(page.locator("h2.cs-queue-group", has_text="report-agent")).to_be_visible()
    expect(page.get_by_text("One at a time.").first).to_be_visible()
    said = page.get_by_text("One at a time.").all_text_contents()
    assert [text.strip() for text in said] == [
        "One at a time. Keep is not recommended: the evidence says too little."
    ]
    assert page.locator("input[name=pick]:disabled").count() == 1
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(wide) <= 0
    if javascript:
        assert axe(page) == []
    how(page)
    page.wait_for_url(re.compile("/accounts/reauthenticate/"))
    confirm(page)
    expect(page.get_by_role("heading", name="3 of 3 kept")).to_be_visible()
    assert page.evaluate(wide) <= 0
    if javascript:
        assert axe(page) == []
    page.get_by_role("button", name="Undo: Thing").first.click()
    expect(page.get_by_role("heading", name="1 of 1 taken back")).to_be_visible()
    assert Decision.objects.filter(item__title__startswith="Thing", superseded_at__isnull=True).count() == 2  # fmt: skip


@pytest.mark.parametrize("javascript", [True, False])
def test_calendar_and_mail_are_set(
    open_as: Open, ines: User, axe: Callable[[Page], list[str]], *, javascript: bool
) -> None:
    page = open_as(ines, javascript=javascript, phone=not javascript)
    page.goto("/queue/")
    page.get_by_role("link", name="Calendar and mail").click()
    page.get_by_role("button", name="Make an address").click()
    address = page.locator("#feed").text_content() or ""
    answer = page.request.get(address)
    assert answer.text().count("BEGIN:VEVENT") == 4
    if javascript:
        assert axe(page) == []
    page.get_by_role("button", name="Turn it off").click()
    expect(page.get_by_role("button", name="Turn it on")).to_be_visible()
    page.get_by_role("button", name="Make a new address").click()
    assert page.request.get(address).status == 404
