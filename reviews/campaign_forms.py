"""What people send in about campaigns: shapes and their errors. Saves nothing."""

from datetime import datetime
from typing import Any

from django import forms

from identities.reasons import LONGEST_REASON
from reviews.campaigns.steering import LONGEST_NAME
from reviews.mode_forms import slugs
from reviews.planted import FEWEST_ITEMS, MOST_SHARE
from reviews.policy_document import CRITICALITIES, KINDS, MODES


def _words(values: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(value, value.replace("_", " ")) for value in values]


def _some(label: str, values: tuple[str, ...]) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label=label,
        choices=_words(values),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None chosen: all of them.",
    )


class CampaignForm(forms.Form):
    """A campaign as it is prepared (templates/campaign_new.html)."""

    name = forms.CharField(max_length=LONGEST_NAME, label="Name")
    policy = forms.ChoiceField()
    kinds = _some("Kinds of identity", KINDS)
    modes = _some("Modes", MODES)
    criticality = _some("Criticality", CRITICALITIES)
    services = forms.CharField(
        required=False,
        max_length=20_000,
        label="Services",
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="One a line, as their addresses name them (quarterly-reporting). Empty: all.",
    )
    orphaned = forms.ChoiceField(
        required=False,
        label="Owner",
        choices=[("", "any"), ("yes", "nobody is there as owner"), ("no", "the owner is there")],
    )
    deadline_at = forms.DateTimeField(
        required=False,
        label="Due (UTC)",
        help_text="Empty: as long after the launch as the policy says.",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
    )
    applies = forms.ChoiceField(
        label="What is decided goes out",
        required=False,
        choices=[
            ("at_once", "as soon as a review is decided"),
            ("at_end", "at the end, when the campaign is closed or due"),
        ],
        help_text="What is revoked, and what ends by a date, goes out at once in both.",
    )
    planted = forms.ChoiceField(
        label="Planted items",
        required=False,
        choices=[
            ("", "none"),
            *((str(share), f"{share} in 100 items") for share in range(1, MOST_SHARE + 1)),
        ],
        help_text="Made-up copies of real items with known answers, never applied and never"
        f" counted, for everybody who is asked about {FEWEST_ITEMS} items or more. Everybody is"
        " told that there are some; which, when the review is over.",
    )
    reason = forms.CharField(
        max_length=LONGEST_REASON,
        label="Reason",
        help_text="What is looked at, and what for. Everybody who is asked reads it.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def __init__(self, *args: Any, policies: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["policy"] = forms.ChoiceField(
            label="Policy",
            choices=policies,
            help_text="Who sits where, how long they have, what silence does; its scope holds.",
        )

    def clean_services(self) -> list[str]:
        return slugs(self.cleaned_data["services"])

    def scope(self) -> dict[str, Any]:
        """What the campaign leaves of the policy's scope, in the words of policies."""
        said = self.cleaned_data
        found: dict[str, Any] = {
            name: said[name] for name in ("kinds", "modes", "criticality") if said[name]
        }
        if said["services"]:
            found["services"] = said["services"]
        if said["orphaned"]:
            found["orphaned"] = said["orphaned"] == "yes"
        return found


class ExtendForm(forms.Form):
    """Until when there is more time, and why."""

    to = forms.DateTimeField(error_messages={"required": "Say until when."})
    reason = forms.CharField(max_length=LONGEST_REASON, required=False)

    def until(self) -> datetime:
        """The moment that was given."""
        found: datetime = self.cleaned_data["to"]
        return found
