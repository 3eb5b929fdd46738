"""What people send in about sealed credentials: shapes and their errors. Saves nothing."""

from typing import Any

from django import forms

from identities.reasons import LONGEST_REASON
from reviews.models.break_glass import REVIEWS
from reviews.models.sealed import DECISION_WORDS
from reviews.sealed.declaring import LONGEST, LONGEST_SLUG, MOST_HOURS, Declared
from reviews.sealed.looking import LONGEST_WHO
from reviews.sealed.made import LONGEST_THING


class DeclareForm(forms.Form):
    """A version of what is declared (templates/sealed_new.html)."""

    slug = forms.CharField(
        label="Name", max_length=LONGEST_SLUG, help_text="In small letters: aws-root-key."
    )
    words = forms.CharField(label="What it is for", max_length=LONGEST)
    named = forms.CharField(
        label="The credential",
        max_length=2_048,
        help_text="An access key, an ARN, CRED-12, or the name that its system's own log writes. Never"
        " the secret.",
    )
    kept = forms.CharField(label="Where it lies", max_length=LONGEST)
    openers = forms.CharField(label="Who may open the envelope", max_length=LONGEST)
    review_within_hours = forms.IntegerField(
        label="Looked back at within, hours", min_value=1, max_value=MOST_HOURS, initial=24
    )
    watched = forms.BooleanField(label="It is sealed", required=False, initial=True)
    reason = forms.CharField(
        label="Reason", max_length=LONGEST_REASON, widget=forms.Textarea(attrs={"rows": 2})
    )

    def declared(self) -> tuple[Declared, str]:
        """What is said, as the action takes it, and why."""
        said = dict(self.cleaned_data)
        return Declared(**{name: said[name] for name in Declared._fields}), said["reason"]


class DrillForm(forms.Form):
    """A drill that is announced."""

    starts_at = forms.DateTimeField(
        label="From (UTC)", widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )
    ends_at = forms.DateTimeField(
        label="To (UTC)", widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )
    reason = forms.CharField(label="Who practises what", max_length=LONGEST_REASON)


class ExplainUseForm(forms.Form):
    """Who used it, and why."""

    who = forms.CharField(label="Who opened the envelope", max_length=LONGEST_WHO)
    words = forms.CharField(
        label="What was done, and why",
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class DecideForm(forms.Form):
    """What was decided on one thing of a use's making."""

    thing = forms.CharField(max_length=LONGEST_THING, widget=forms.HiddenInput)
    answer = forms.ChoiceField(label="It", choices=list(DECISION_WORDS.items()))
    words = forms.CharField(label="Why", max_length=LONGEST_REASON)


class LookForm(forms.Form):
    """What a use was."""

    read = forms.CharField(max_length=64, widget=forms.HiddenInput)
    kind = forms.ChoiceField(label="It was", choices=[(one, one) for one in REVIEWS])
    words = forms.CharField(label="Did it match its reason?", max_length=LONGEST_REASON)
    follow_ups = forms.CharField(label="What follows", max_length=8_000, required=False)

    def given(self) -> dict[str, Any]:
        """As the action takes it."""
        said = dict(self.cleaned_data)
        return said | {"follow_ups": said["follow_ups"].splitlines()[:200]}
