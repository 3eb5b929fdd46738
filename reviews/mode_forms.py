"""What people send in about modes: the shape of a proposal. Saves nothing."""

from typing import Any

from django import forms

from identities.models.identity import MODES
from identities.reasons import LONGEST_REASON
from reviews.policy_document import CRITICALITIES, KINDS

MOST_SERVICES = 500
MODE_WORDS = {
    "observe": "Observe: findings are counted, nobody is asked",
    "ask": "Ask: people are asked, nothing is cut by silence",
    "enforce": "Enforce: silence has the consequence that the policy says",
}


def slugs(text: str) -> list[str]:
    """Services, one a line. More than can be said are refused: what is left out would be cut by a
    clock, or asked of nobody, without a word."""
    found = [line.strip() for line in text.splitlines() if line.strip()]
    if len(found) > MOST_SERVICES:
        raise forms.ValidationError(
            f"At most {MOST_SERVICES} services: these are {len(found):,}. Leave it empty for all,"
            " or make several."
        )
    return found


def _some(label: str, values: tuple[str, ...]) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label=label,
        choices=[(value, value.replace("_", " ")) for value in values],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None chosen: all of them.",
    )


def _either(label: str, yes: str, no: str) -> forms.ChoiceField:
    return forms.ChoiceField(
        label=label, required=False, choices=[("", "any"), ("yes", yes), ("no", no)]
    )


class ModeForm(forms.Form):
    """A scope and the mode it is to be in (templates/mode_new.html)."""

    mode = forms.ChoiceField(
        label="To which mode",
        choices=[(one, MODE_WORDS[one]) for one in MODES],
        widget=forms.RadioSelect,
    )
    kinds = _some("Kinds of identity", KINDS)
    criticality = _some("Criticality", CRITICALITIES)
    ai_system = _either("AI system", "serves an AI system", "serves none")
    orphaned = _either("Owner", "nobody is there as owner", "the owner is there")
    services = forms.CharField(
        required=False,
        max_length=20_000,
        label="Services",
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="One a line, as their addresses name them (quarterly-reporting). Empty: all.",
    )
    reason = forms.CharField(
        max_length=LONGEST_REASON,
        required=False,
        label="Why; it goes into the ledger",
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def clean_services(self) -> list[str]:
        return slugs(self.cleaned_data["services"])

    def scope(self) -> dict[str, Any]:
        """The scope in the words of review policies."""
        said = self.cleaned_data
        found: dict[str, Any] = {
            name: said[name] for name in ("kinds", "criticality") if said[name]
        }
        if said["services"]:
            found["services"] = said["services"]
        for name in ("ai_system", "orphaned"):
            if said[name]:
                found[name] = said[name] == "yes"
        return found
