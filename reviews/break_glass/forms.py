"""What people send in about break-glass: shapes and their errors. Saves nothing."""

from datetime import datetime
from typing import Any

from django import forms

from identities.reasons import LONGEST_REASON
from reviews.break_glass.asking import Wanted
from reviews.break_glass.document import Document
from reviews.models import Case
from reviews.models.break_glass import REVIEWS
from reviews.policy_document import LONGEST_TEXT

REVIEW_WORDS = {
    "emergency": "An emergency: it was needed, and used for it",
    "drill": "A drill: it was practised",
    "misuse": "Misuse: it was used for something else",
}


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines()[:200] if line.strip()]


class AskForm(forms.Form):
    """Ask for a bundle (templates/break_glass_new.html). Its further fields are of its reason."""

    bundle = forms.CharField(max_length=60)
    reason = forms.CharField(
        label="Reason",
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 3, "autofocus": True}),
        help_text="What has to be done, and why now: whoever signs reads only this.",
    )
    minutes = forms.IntegerField(label="Minutes", min_value=1, required=False)
    ticket = forms.CharField(label="Ticket", max_length=100, required=False)
    starts_at = forms.DateTimeField(
        label="Begins (UTC)",
        required=False,
        help_text="Empty: now.",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
    )
    identity = forms.CharField(
        label="Acts as",
        max_length=200,
        required=False,
        help_text="An identity's key or name; empty: yourself.",
    )
    on_behalf = forms.CharField(label="On behalf of", max_length=200, required=False)
    actions = forms.CharField(
        label="Only these actions",
        max_length=8_000,
        required=False,
        help_text="One a line; empty: all that it gives.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    resources = forms.CharField(
        label="Only these resources",
        max_length=8_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    incident = forms.CharField(max_length=20, required=False, widget=forms.HiddenInput)
    drill = forms.BooleanField(label="It is a drill", required=False)

    def __init__(self, *args: Any, says: Document | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.named = () if says is None else says.reason.fields
        for name in self.named:
            self.fields[f"say {name}"] = forms.CharField(label=name.capitalize(), max_length=500)
        if says is not None:
            self.fields["minutes"].help_text = f"1 to {says.cap_minutes}; empty: all of it."
            how = {"checked": "It is looked up while you ask.",
                   "promised": f"Empty: you name it within {says.ticket.hours} h."}  # fmt: skip
            self.fields["ticket"].help_text = how.get(says.ticket.how, "")
        if says is not None and says.free:
            for name, patterns in (("actions", says.actions), ("resources", says.resources)):
                field = self.fields[name]
                field.label, field.required = f"Which {name}", True
                field.help_text = f"One a line, within {', '.join(patterns)[:300]}."

    def wanted(self, says: Document, incident: Case | None) -> Wanted:
        """What is asked for, as the action takes it."""
        said = self.cleaned_data
        starts: datetime | None = said["starts_at"]
        return Wanted(
            slug=said["bundle"],
            minutes=said["minutes"] or says.cap_minutes,
            reason=said["reason"],
            fields={name: said[f"say {name}"] for name in self.named},
            identity=said["identity"],
            on_behalf=said["on_behalf"],
            actions=_lines(said["actions"]),
            resources=_lines(said["resources"]),
            ticket=said["ticket"],
            starts_at=starts,
            incident=incident,
            drill=said["drill"],
        )


class ApproveForm(forms.Form):
    """A signature, perhaps for less (templates/break_glass.html)."""

    digest = forms.CharField(max_length=64)
    reason = forms.CharField(max_length=LONGEST_REASON, required=False)
    minutes = forms.IntegerField(min_value=1, required=False)
    actions = forms.CharField(max_length=8_000, required=False)
    resources = forms.CharField(max_length=8_000, required=False)

    def given(self) -> dict[str, Any]:
        said = self.cleaned_data
        return said | {name: _lines(said[name]) for name in ("actions", "resources")}


class LongerForm(forms.Form):
    """How much longer, and why."""

    minutes = forms.IntegerField(min_value=1)
    reason = forms.CharField(max_length=LONGEST_REASON)


class LookForm(forms.Form):
    """Nothing more has to be said."""


class TicketForm(forms.Form):
    """The ticket that was promised."""

    ticket = forms.CharField(max_length=100)


class ExplainForm(forms.Form):
    """What was done, and why."""

    words = forms.CharField(max_length=LONGEST_REASON)


class ReviewForm(forms.Form):
    """What it was, whether it matched its reason, and what follows."""

    kind = forms.ChoiceField(choices=[(one, REVIEW_WORDS[one]) for one in REVIEWS])
    words = forms.CharField(max_length=LONGEST_REASON)
    follow_ups = forms.CharField(max_length=8_000, required=False)
    read = forms.CharField(max_length=64)

    def given(self) -> dict[str, Any]:
        said = self.cleaned_data
        return said | {"follow_ups": _lines(said["follow_ups"])}


class BundleForm(forms.Form):
    """A proposed version of a bundle: its name, its document as JSON, and why."""

    slug = forms.CharField(
        label="Bundle", max_length=60, help_text="Small letters, digits and -: contain-agent"
    )
    document = forms.CharField(
        label="What it says",
        max_length=LONGEST_TEXT,
        widget=forms.Textarea(attrs={"rows": 20, "spellcheck": "false"}),
    )
    reason = forms.CharField(
        label="Why it changes; it goes into the ledger",
        required=False,
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
