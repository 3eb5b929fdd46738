"""What people send in about change freezes: the shape of a proposal. Saves nothing."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms

from evidence.words import counted
from reviews.mode_forms import ModeForm


def _moment(label: str, said: str = "") -> forms.DateTimeField:
    return forms.DateTimeField(
        label=label,
        help_text=said,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
    )


class FreezeForm(ModeForm):
    """A scope, from when to when, and who is asked (templates/freeze_new.html)."""

    mode = None  # type: ignore[assignment]  # how Django takes an inherited field out
    since = _moment("From (UTC)", "It holds from then on, at the earliest when it is signed.")
    until = _moment("Until (UTC)")
    asked = forms.ChoiceField(
        label="Who is asked instead",
        help_text="What silence would have done waits for this person to release or drop it.",
    )

    field_order = ("since", "until", "asked", "kinds", "criticality", "ai_system", "orphaned")

    def __init__(
        self, *args: Any, persons: list[tuple[str, str]], days: int, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].required = True
        self.fields["until"].help_text = f"At most {counted(days, 'day')} later."
        field = self.fields["asked"]
        if isinstance(field, forms.ChoiceField):
            field.choices = [("", "choose a person"), *persons]

    def times(self) -> tuple[datetime, datetime]:
        return self.cleaned_data["since"], self.cleaned_data["until"]

    def person(self) -> UUID:
        return UUID(self.cleaned_data["asked"])
