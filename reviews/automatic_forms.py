"""What people send in about automatic holds: the shape of a proposal. Saves nothing."""

from typing import Any
from uuid import UUID

from django import forms

from identities.findings import RULES
from reviews.automatic.classes import MAY_HOLD, NEVER
from reviews.automatic.replay import LONGEST_DAYS
from reviews.mode_forms import ModeForm
from reviews.models.automatic import MOST_IN_AN_HOUR


class HoldRuleForm(ModeForm):
    """Classes of findings, a scope, limits, and who is asked (templates/automatic_new.html)."""

    mode = None  # type: ignore[assignment]  # how Django takes an inherited field out
    classes = forms.MultipleChoiceField(
        label="Classes of findings",
        choices=[(one, RULES[one]) for one in MAY_HOLD],
        widget=forms.CheckboxSelectMultiple,
        help_text=" ".join(f"{RULES[one]}: never, {why}." for one, why in NEVER.items()),
    )
    per_hour = forms.IntegerField(
        label="At most in an hour", min_value=1, max_value=MOST_IN_AN_HOUR, initial=3
    )
    per_day = forms.IntegerField(
        label="At most in a day",
        min_value=1,
        max_value=24 * MOST_IN_AN_HOUR,
        initial=10,
        help_text="Over a limit the rule switches itself off, and a person is asked.",
    )
    days = forms.IntegerField(
        label="Days to replay", min_value=1, max_value=LONGEST_DAYS, initial=30
    )
    asked = forms.ChoiceField(
        label="Who is asked",
        help_text="Where it may not hold by itself, and when it has reached its limit.",
    )

    field_order = (
        "classes",
        "kinds",
        "criticality",
        "ai_system",
        "orphaned",
        "services",
        "per_hour",
        "per_day",
        "days",
        "asked",
    )

    def __init__(self, *args: Any, persons: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].required = True
        self.fields[
            "criticality"
        ].help_text = (
            "None chosen: all but critical ones, which are held only where they are chosen here."
        )
        field = self.fields["asked"]
        if isinstance(field, forms.ChoiceField):
            field.choices = [("", "choose a person"), *persons]

    def person(self) -> UUID:
        return UUID(self.cleaned_data["asked"])

    def said(self) -> dict[str, Any]:
        """What a rule says, in the words of reviews/automatic/rules.py."""
        given = self.cleaned_data
        return {
            "scope": self.scope(),
            "classes": given["classes"],
            "per_hour": given["per_hour"],
            "per_day": given["per_day"],
            "days": given["days"],
        }
