"""An actor nobody knew is claimed, after a look at what that changes, with and without scripts."""

import pytest
from playwright.sync_api import expect

from identities.models import Binding, LinkProposal, User
from tests.browser.conftest import Open
from tests.planted import Planted

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("javascript", [True, False])
@pytest.mark.parametrize(("button", "state"), [("Confirm", "confirmed"), ("Reject", "rejected")])
def test_proposed_binding_is_decided(
    open_as: Open, planted: Planted, *, javascript: bool, button: str, state: str
) -> None:
    proposed = Binding.objects.get(state="proposed", superseded_at__isnull=True)
    name = proposed.actor.value
    page = open_as(User.objects.get(username="ines"), javascript=javascript)
    page.goto("/unclaimed/")
    expect(page.get_by_text(name, exact=True).first).to_be_visible()
    page.get_by_role("button", name=f"{button}:").click()
    if button == "Confirm":
        expect(page.get_by_role("heading", name="What it changes")).to_be_visible()
        assert Binding.objects.get(pk=proposed.pk).superseded_at is None
        page.get_by_role("textbox").fill("its calls are ours")
        page.get_by_role("button", name="Propose it", exact=True).click()
    expect(page.locator(".cs-toast")).to_contain_text(name)
    if button == "Confirm":
        assert not Binding.objects.filter(actor=proposed.actor, state="confirmed").exists()
        row = LinkProposal.objects.get()
        page = open_as(User.objects.get(username="marek"), javascript=javascript)
        page.goto(f"/links/{row.pk}/")
        page.get_by_role("button", name="Sign").click()
        expect(page.locator(".cs-toast")).to_contain_text("You signed that")
    now = Binding.objects.filter(actor=proposed.actor, superseded_at__isnull=True)
    assert list(now.values_list("state", "identity__name")) == [(state, proposed.identity.name)]
