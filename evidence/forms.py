"""The form of a new source. Validates and says what is wrong; actions do and check again."""

from typing import Any

from django import forms
from django.conf import settings

from evidence import known


class SourceForm(forms.Form):
    """Everything that is said about a source when it is connected."""

    name = forms.SlugField(
        max_length=80,
        help_text="Short and lasting, as in finance-prod: it is part of addresses and of realms.",
    )
    title = forms.CharField(max_length=200, required=False, help_text="How people call it.")
    format = forms.ChoiceField(
        required=False,
        choices=lambda: [("", "recognised from its content"), *known.titles()],
    )
    plane = forms.ChoiceField(
        label="Side of the timeline",
        required=False,
        choices=[("", "by its format"), ("identity", "identity log"), ("ai", "AI traces")],
    )
    realms = forms.CharField(
        required=False,
        max_length=2_000,
        help_text="The realms it may speak for, separated by spaces, as in aws:123456789012. "
        "Empty: any.",
    )
    expected_every_seconds = forms.IntegerField(
        label="Sends at least every, in seconds",
        required=False,
        min_value=1,
        help_text="For senders that never stop. Then its silence is seen, and it is known to be "
        "complete while it sends.",
    )
    lag_seconds = forms.IntegerField(
        label="Normal delay, in seconds",
        initial=900,
        min_value=0,
        help_text="Nothing is concluded from absence before that.",
    )
    sampling = forms.FloatField(
        label="Share of records that is sent",
        initial=1.0,
        min_value=0.000_001,
        max_value=1.0,
        help_text="1 is everything. Below, nothing may be concluded from absence.",
    )
    retention_days = forms.IntegerField(
        label="Kept for, in days", initial=lambda: settings.RETENTION_DAYS, min_value=1
    )
    keep_content = forms.BooleanField(
        label="Keep prompts, completions, tool arguments and results",
        required=False,
        help_text="Otherwise they are dropped at the door, before anything is stored.",
    )

    def said(self) -> dict[str, Any]:
        """The cleaned values as `actions.add_source` takes them."""
        return self.cleaned_data | {"realms": self.cleaned_data["realms"].split()}


class DeclareForm(forms.Form):
    """A statement that nothing older is missing."""

    through = forms.DateTimeField(
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]
    )
    reason = forms.CharField(max_length=2_000)
