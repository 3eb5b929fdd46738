"""What is too long for a form is refused with its number, and never cut short unseen."""

import pytest
from django import forms

from identities.permissions import NotPossible
from reviews.campaign_forms import CampaignForm
from reviews.forms import MOST_LINES, DecideForm
from reviews.freeze_forms import FreezeForm
from reviews.mode_forms import MOST_SERVICES, ModeForm


def services(form: forms.Form, many: int) -> list[str]:
    form.data = {"services": "\n".join(f"service-{at}" for at in range(many))}
    form.is_bound = True
    form.full_clean()
    if "services" not in form.errors:
        assert len(form.cleaned_data["services"]) == many
    return [str(one) for one in form.errors.get("services", [])]


@pytest.mark.parametrize(
    "form",
    [
        lambda: CampaignForm(policies=[]),
        ModeForm,
        lambda: FreezeForm(persons=[], days=60),
    ],
    ids=["campaign", "mode", "freeze"],
)
def test_a_scope_names_all_its_services_or_none(form: type[forms.Form]) -> None:
    assert services(form(), MOST_SERVICES) == []
    (said,) = services(form(), MOST_SERVICES + 1)
    assert said.startswith("At most 500 services: these are 501.")


@pytest.mark.parametrize("name", ["proposal", "left_action", "left_resource"])
@pytest.mark.parametrize("over", [0, 1])
def test_an_answer_leaves_all_that_it_names_or_is_refused(name: str, over: int) -> None:
    those = [f"s3:A{at}" for at in range(MOST_LINES + over)]
    form = DecideForm()
    form.cleaned_data = {
        "proposal": "",
        "left_action": [],
        "left_resource": [],
        "left_shown": False,
    } | {name: "\n".join(those) if name == "proposal" else those}
    if over:
        with pytest.raises(NotPossible, match="At most 200 actions"):
            form.left()
    else:
        found = form.left()
        assert those in (found["actions"], found["resources"])
