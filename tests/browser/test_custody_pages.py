"""Custody in a real browser: a source with all of it, and an erasure that is refused."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from evidence import custody, erasing, intake, keeping
from evidence.models import Deposit, Dropped, Erasure, LegalHold, Source
from evidence.permissions import COMMAND
from identities.models import User
from tests.browser.conftest import LOOKS, Open, faults, inaccessible
from tests.evidence.bodies import record, trail
from tests.planted import Planted

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def deposit(planted: Planted) -> Deposit:
    """A deposit of a source that has a keep-filter, a hold, another period and dropped months."""
    now = timezone.now()
    source = keeping.change(
        source=Source.objects.get(name="finance-prod"),
        text="drop action s3:List*",
        by=COMMAND,
        now=now,
    )
    body = trail(
        record(1, at=now - timedelta(minutes=1)),
        record(2, at=now - timedelta(minutes=2)),
        record(3, at=now - timedelta(minutes=3), eventName="ListBuckets"),
    )
    taken = intake.take(source=source, body=body, by="command", now=now)
    row = Deposit.objects.get(pk=taken.deposit)
    custody.place_hold(
        source=source, ends=now - timedelta(days=900), reason="r", by=COMMAND, now=now
    )
    custody.set_retention(source=source, days=900, reason="less", by=COMMAND, now=now)
    erasing.ask(deposit=row, ordinal=1, names=False, reason="a scan", by=COMMAND, now=now)
    return row


@pytest.mark.parametrize(("dark", "phone"), LOOKS)
def test_custody_is_whole(open_as: Open, deposit: Deposit, *, dark: bool, phone: bool) -> None:
    page = open_as(User.objects.get(username="jonas"), dark=dark, phone=phone)
    found = {}
    for path in ("/sources/finance-prod/", f"/deposits/{deposit.pk}/"):
        page.goto(path)
        page.wait_for_load_state("networkidle")
        trouble = inaccessible(page)
        for one in page.locator("#custody summary").all():
            one.click()
            trouble += faults(page, dark=dark)
            one.click()
        found[path] = trouble
    assert {path: trouble for path, trouble in found.items() if trouble} == {}


def test_hold_is_placed_on_the_page(open_as: Open, deposit: Deposit) -> None:
    page = open_as(User.objects.get(username="jonas"))
    page.goto("/sources/finance-prod/")
    card = page.locator("#custody")
    expect(card).to_contain_text("drop action s3:List*")
    card.get_by_text("Hold evidence…").click()
    card.get_by_label("What for?").fill("case 9")
    card.get_by_role("button", name="Hold it").click()
    expect(page.locator("#custody")).to_contain_text("source finance-prod: case 9")
    assert LegalHold.objects.filter(reason="case 9").count() == 1
    assert Dropped.objects.count() == 0


def test_erasure_is_refused_on_the_page(open_as: Open, deposit: Deposit) -> None:
    page = open_as(User.objects.get(username="jonas"))
    page.goto(f"/deposits/{deposit.pk}/")
    page.locator("#custody summary", has_text="Refuse it").click()
    page.locator("#custody textarea[name=reason]").first.fill("it is needed")
    page.locator("#custody").get_by_role("button", name="Refuse it").click()
    expect(page.locator("#custody")).to_contain_text("it is needed")
    assert Erasure.objects.get().state == "refused"
