"""What people send in about review policies: the shape of a proposal. Saves nothing."""

from django import forms

from identities.reasons import LONGEST_REASON
from reviews.actions.policy_versions import LONGEST_NAME
from reviews.policy_document import LONGEST_TEXT


class PolicyForm(forms.Form):
    """A proposed version: its policy, its document as JSON, and why."""

    name = forms.CharField(
        label="Policy",
        max_length=LONGEST_NAME,
        help_text="“access review” is what people and findings open reviews under, “access"
        " request” that of requests. Any other name opens what is due by its scope.",
    )
    document = forms.CharField(
        label="What it says",
        max_length=LONGEST_TEXT,
        widget=forms.Textarea(attrs={"rows": 18, "spellcheck": "false"}),
    )
    reason = forms.CharField(
        label="Why it changes; it goes into the ledger",
        required=False,
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
