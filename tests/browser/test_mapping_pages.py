"""A mapping is tried, saved and used in a browser, also without scripts; a deposit is read again."""

import pytest
from django.core.cache import cache
from django.utils import timezone
from playwright.sync_api import Page, expect

from evidence.models import Deposit, MappingVersion, Rereading, Source
from identities.actions import changes
from identities.models import ProposedChange, User
from tests.browser.conftest import LOOKS, Open, faults, inaccessible
from tests.evidence.formats.conftest import SAMPLES
from tests.planted import Planted

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def nothing_remembered(planted: Planted) -> None:
    cache.clear()


def fill(page: Page, mapping: str, sample: str) -> None:
    page.goto("/mappings/")
    folder = SAMPLES / "mappings"
    page.locator("#id_mapping").fill((folder / mapping).read_text("utf-8"))
    page.locator("#id_sample").fill((folder / sample).read_text("utf-8"))


@pytest.mark.parametrize(("dark", "phone"), LOOKS)
def test_preview_is_whole(open_as: Open, *, dark: bool, phone: bool) -> None:
    page = open_as(User.objects.get(username="jonas"), dark=dark, phone=phone)
    fill(page, "gateway.yaml", "gateway.json")
    page.get_by_role("button", name="Try it").click()
    expect(page.get_by_role("heading", name="What the first rows become")).to_be_visible()
    expect(page.locator("main")).to_contain_text("session is found in 1 of 3 records")
    assert faults(page, dark=dark) == []


def test_mapping_is_saved_for_a_source_without_scripts(open_as: Open) -> None:
    page = open_as(User.objects.get(username="jonas"), javascript=False)
    fill(page, "doors.yaml", "doors.csv")
    page.get_by_label("When it is saved").select_option("finance-prod")
    page.get_by_role("button", name="Save as a version").click()
    change = ProposedChange.objects.get()
    expect(page.locator(".cs-toast")).to_contain_text(f"a second person signs {change.key} first")
    expect(page.locator("h1")).to_contain_text("source finance-prod")
    assert not MappingVersion.objects.exists()
    changes.sign(change=change, by=User.objects.get(username="ines"), now=timezone.now())
    page.goto("/mappings/")
    expect(page.locator("main aside")).to_contain_text("mapping:door-badges")
    assert MappingVersion.objects.get().made_name == "Jonas Weber and Ines Moreau"
    assert Source.objects.get(name="finance-prod").format == "mapping:door-badges"


def test_deposit_is_read_again_from_its_page(open_as: Open) -> None:
    deposit = Deposit.objects.filter(source__name="finance-prod").latest("pk")
    page = open_as(User.objects.get(username="jonas"))
    page.goto(f"/deposits/{deposit.pk}/")
    page.get_by_label("Was the format guessed wrongly?").select_option("okta")
    page.get_by_role("button", name="Read it again").click()
    expect(page.locator("main")).to_contain_text("It is being read again.")
    assert inaccessible(page) == []
    wish = Rereading.objects.get()
    assert (wish.deposit_id, wish.to_format, wish.total) == (deposit.pk, "okta", 1)
