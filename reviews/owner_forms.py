"""What people send in about what they answer for: shapes and their errors. Saves nothing."""

from datetime import UTC, date, datetime, time

from django import forms


def last_of(day: date) -> datetime:
    """The last moment of a day, UTC: what ends on a day holds through it."""
    return datetime.combine(day, time.max, tzinfo=UTC)


class Day(forms.DateInput):
    input_type = "date"


class RenewForm(forms.Form):
    """Purpose and expiry, as an owner states them anew."""

    purpose = forms.CharField(
        max_length=2_000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="What it does, and for whom.",
    )
    until = forms.DateField(
        label="Until, UTC",
        widget=Day,
        help_text="It ends at the end of this day, unless it is renewed again.",
    )


class UntilForm(forms.Form):
    """The date that many are renewed to."""

    until = forms.DateField(error_messages={"required": "Say until when."})


class ActivateForm(forms.Form):
    """What is stated of all that are made active together: an end, and a purpose for those that
    have none."""

    until = forms.DateField(required=False)
    purpose = forms.CharField(max_length=2_000, required=False)


class VendorForm(forms.Form):
    """What is stated of an external integration."""

    evidence_boundary = forms.CharField(
        max_length=2_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        label="Where our evidence ends",
        help_text="What we see of it, and what happens at the vendor that no log of ours shows.",
    )
    vendor_contact = forms.CharField(
        max_length=300,
        required=False,
        label="Contact at the vendor",
        help_text="Who answers there: a mailbox rather than a person.",
    )
    contract_ends = forms.DateField(
        required=False,
        widget=Day,
        label="Contract ends",
        help_text="Whoever answers for it is warned before; nothing is cut by this date.",
    )
    data_leaving = forms.CharField(
        max_length=2_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        label="Data that leaves",
        help_text="Which data, how much of it, to where.",
    )


class VendorAttestedForm(forms.Form):
    """What the vendor has attested."""

    what = forms.CharField(
        max_length=300, label="What", help_text="As: SOC 2 type II report, sub-processor list."
    )
    stated_on = forms.DateField(widget=Day, label="Stated on")
    valid_until = forms.DateField(widget=Day, required=False, label="Valid until")
    reference = forms.CharField(
        max_length=1_000,
        required=False,
        label="Where the document is",
        help_text="Not the document.",
    )
