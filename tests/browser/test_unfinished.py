"""What is not finished, in a browser: every page clean, and stated by hand without JavaScript."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from identities.actions import batches
from identities.actions.revocations import stating
from identities.models import Identity, Revocation, Rights, User
from reviews.actions.stating import two_needed
from tests.browser.conftest import LOOKS, Open, faults, picture
from tests.browser.signing import confirm
from tests.planted import PASSWORD, Planted
from tests.reviews.conftest import make_user
from tests.reviews.failed_rows import PNG, waits

pytestmark = pytest.mark.django_db(transaction=True)


def addresses(rex: User) -> list[str]:
    """The pages, with a row of each kind on them."""
    now = timezone.now()
    agent = Identity.objects.select_related("service").get(name="report-agent")
    failed, stated = (
        waits(agent, now=now, words=f"Revoke app deployer[bot] {'very-long-name-' * 6}")
        for _ in "12"
    )
    Rights.objects.create(
        system="okta", account="https://example.okta.com", night=now.date(), failed_why="It answered 503.",
        unstoppable=[{"name": "bob@example.com", "identity": "report-agent", "why": "no role"}],
    )  # fmt: skip
    made = stating.state(
        revocation=stated, done_by="Olga", done_at=now - timedelta(hours=1), note="uninstalled it",
        file=stating.File("shot.png", PNG), two_needed=two_needed(stated), by=rex, now=now,
    )  # fmt: skip
    assert made.state == "proposed"
    batch = batches.cascade(
        root=agent,
        step="hold",
        because="it left its task",
        request_key="request-0001",
        by=rex,
        now=now,
    )
    return [
        "/",
        "/unfinished/",
        f"/revocations/{failed.key}/",
        f"/revocations/{stated.key}/",
        f"/identities/{agent.key}/cascade/?step=revoke",
        "/batches/",
        "/batches/new/",
        f"/batches/{batch.key}/",
    ]


@pytest.mark.parametrize(("dark", "phone"), LOOKS)
def test_every_page_of_it_is_clean(
    open_as: Open, planted: Planted, *, dark: bool, phone: bool
) -> None:
    rex = make_user("rex", "responder")
    page = open_as(rex, dark=dark, phone=phone)
    found: dict[str, list[str]] = {}
    for address in addresses(rex):
        page.goto(address)
        picture(page, f"unfinished-{address.strip('/').replace('/', '-')}-{dark}-{phone}")
        if said := faults(page, dark=dark):
            found[address] = said
    assert found == {}


def test_done_by_hand_is_stated_and_signed_in_plain_forms(
    open_as: Open, planted: Planted, tmp_path: Path
) -> None:
    agent = Identity.objects.get(name="report-agent")
    row = waits(agent, now=timezone.now())
    (tmp_path / "shot.png").write_bytes(PNG)
    rex = with_password(make_user("rex", "responder"))
    page = open_as(rex, javascript=False, confirmed=False)
    page.goto("/unfinished/")
    page.get_by_role("link", name="What to do by hand").click()
    expect(page.get_by_text("Why not from here: GitHub lets nobody")).to_be_visible()
    page.get_by_label("Who did it").fill("Olga of acme")
    page.get_by_label("When (UTC)").fill(f"{timezone.now():%Y-%m-%dT%H:%M}")
    page.get_by_label("What was done, and how you know").fill("uninstalled it")
    page.get_by_label("What shows it").set_input_files(tmp_path / "shot.png")
    page.get_by_role("button", name="State it").click()
    confirm(page)
    # All of it is there again but the file, which no page can keep.
    expect(page.get_by_label("Who did it")).to_have_value("Olga of acme")
    page.get_by_label("What shows it").set_input_files(tmp_path / "shot.png")
    page.get_by_role("button", name="State it").click()
    expect(page.get_by_text("You stated it: a second person signs.").first).to_be_visible()
    second = open_as(User.objects.get(username="ines"), javascript=False)
    second.goto(f"/revocations/{row.key}/")
    second.get_by_role("button", name="Sign: it was done").click()
    confirm(second)
    expect(second.get_by_text("Effective because people state it")).to_be_visible()
    assert Revocation.objects.get(pk=row.pk).state == "effective"


def with_password(user: User) -> User:
    user.set_password(PASSWORD)
    user.save()
    return user


def test_rows_of_a_list_are_chosen_in_plain_forms(open_as: Open, planted: Planted) -> None:
    page = open_as(make_user("rex", "responder"), javascript=False)
    page.goto("/identities/?q=report")
    page.get_by_label("Select report-agent").check()
    page.get_by_role("button", name="Stop the selected").click()
    key = Identity.objects.get(name="report-agent").key
    expect(page.get_by_label("Names, a line each")).to_have_value(key)
    page.goto("/credentials/")
    page.get_by_role("button", name="Stop all of this list").click()
    expect(page.get_by_label("Names, a line each")).to_have_value(re.compile("CRED-"))


def test_names_are_tried_out_in_plain_forms(open_as: Open, planted: Planted) -> None:
    page = open_as(make_user("rex", "responder"), javascript=False)
    page.goto("/unfinished/")
    page.get_by_role("link", name="Stop many at once").click()
    page.get_by_label("Names, a line each").fill("report-agent\nnobody")
    page.get_by_role("button", name="Try it out").click()
    expect(page.get_by_text("1 target changed, 1 refused; nothing is saved yet")).to_be_visible()
    expect(page.get_by_role("button", name="Sign: hold 1 target")).to_be_visible()
