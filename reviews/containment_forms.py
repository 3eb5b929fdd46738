"""The form of a playbook. It bounds what is typed; what a document says is read by its own module."""

from django import forms

from identities.reasons import LONGEST_REASON
from reviews.policy_document import LONGEST_TEXT


class PlaybookForm(forms.Form):
    """A proposed version of a playbook: its name, its document as YAML or JSON, and why."""

    slug = forms.CharField(
        label="Playbook", max_length=60, help_text="Small letters, digits and -: leaked-key"
    )
    document = forms.CharField(
        label="What it does, as YAML or JSON",
        max_length=LONGEST_TEXT,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 18, "spellcheck": "false"}),
    )
    reason = forms.CharField(
        label="Why it changes; it goes into the ledger",
        required=False,
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
