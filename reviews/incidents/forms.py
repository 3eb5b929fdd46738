"""What people send in about incidents: shapes and their errors. Saves nothing."""

import re
from datetime import UTC, datetime
from typing import Any

from django import forms

from evidence.queries.events import key_in
from identities.permissions import NotPossible
from identities.reasons import LONGEST_REASON
from reviews.actions import handing
from reviews.incidents import opening, questions
from reviews.models.incidents import CERTAINTIES, ROLES, SEVERITIES

LONGEST_LIST = 4_000


class OpenForm(forms.Form):
    """Open an incident (templates/incident_new.html)."""

    identity = forms.CharField(
        max_length=200,
        label="Identity",
        help_text="Its key or name: NHI-0417, svc-report",
        error_messages={"required": "Say which identity it is about."},
    )
    title = forms.CharField(max_length=opening.LONGEST_TITLE, label="What happened, in a few words")
    reason = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 4}),
        max_length=LONGEST_REASON,
        label="What is known, and why it is an incident",
    )
    severity = forms.ChoiceField(
        choices=[(one, one) for one in SEVERITIES], initial="medium", label="Severity"
    )
    detected_at = forms.DateTimeField(
        required=False,
        label="Detected (UTC)",
        help_text="Empty: now",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
    )
    findings = forms.CharField(
        required=False, max_length=LONGEST_LIST, label="Findings", help_text="F-12, F-13"
    )

    def numbers(self) -> list[int]:
        """The findings that are named, or NotPossible."""
        return finding_numbers(self.cleaned_data["findings"])


def finding_numbers(text: str) -> list[int]:
    """The numbers in "F-12, F-13", or NotPossible with the word that is none."""
    found = []
    for word in text.replace(",", " ").split():
        said = re.fullmatch(r"F-0*(\d{1,15})", word)
        if said is None:
            raise NotPossible(f"{word[:40]!r} is no finding: they are written like F-12.")
        found.append(int(said[1]))
    return list(dict.fromkeys(found))


def refs_of(text: str) -> list[tuple[datetime, int]]:
    """Events from their references, in lines or with spaces between, or NotPossible."""
    found = []
    for word in text.split():
        ref = key_in(word.rstrip(",").rstrip("/").rpartition("/")[2])
        if ref is None:
            raise NotPossible(
                f"{word[:60]!r} is no event: copy the reference that stands over an event's page."
            )
        found.append(ref)
    return found


class ReasonForm(forms.Form):
    """Why."""

    reason = forms.CharField(max_length=LONGEST_REASON)


class NothingForm(forms.Form):
    """Nothing more has to be said."""


class SeverityForm(ReasonForm):
    """How severe it is now, and why."""

    severity = forms.ChoiceField(choices=[(one, one) for one in SEVERITIES])


class RoleForm(forms.Form):
    """Who gets a role."""

    role = forms.ChoiceField(choices=[(one, one) for one in ROLES])
    to = forms.CharField(max_length=handing.LONGEST_NAME)


class HandOverForm(forms.Form):
    """Who leads next, and what they have to know."""

    to = forms.CharField(max_length=handing.LONGEST_NAME)
    known = forms.CharField(max_length=LONGEST_REASON)
    unknown = forms.CharField(max_length=LONGEST_REASON)


class WordsForm(forms.Form):
    """Words that stand in the room."""

    words = forms.CharField(max_length=LONGEST_REASON)


class StatementForm(WordsForm):
    """Words that replace what stands there; `read`: the mark of that."""

    read = forms.CharField(max_length=64)


class NumberForm(forms.Form):
    """A question."""

    number = forms.IntegerField(min_value=1, max_value=questions.MOST)


class DropForm(NumberForm, ReasonForm):
    """A question that is not answered any further, and why."""


class ConcludeForm(NumberForm):
    """A conclusion and the events that it stands on."""

    words = forms.CharField(max_length=LONGEST_REASON)
    certainty = forms.ChoiceField(
        choices=[(one, one) for one in CERTAINTIES],
        error_messages={"required": "Say how sure it is."},
    )
    missing = forms.CharField(max_length=LONGEST_REASON, required=False)
    denies = forms.BooleanField(required=False)
    seen = forms.UUIDField(required=False)
    # Events that are ticked, and others by their references.
    ticked = forms.Field(required=False, widget=forms.SelectMultiple)
    events = forms.CharField(max_length=LONGEST_LIST, required=False)

    def given(self) -> dict[str, Any]:
        said = dict(self.cleaned_data)
        ticked = " ".join(str(one)[:60] for one in (said.pop("ticked") or [])[:100])
        return said | {"events": refs_of(f"{ticked} {said['events']}")}


class TaskForm(forms.Form):
    """What somebody has to do, who, and by when."""

    words = forms.CharField(max_length=LONGEST_REASON)
    owner = forms.CharField(max_length=handing.LONGEST_NAME)
    due_at = forms.DateTimeField(
        error_messages={"required": "Say by when, like 2026-12-24 17:00 (UTC)."}
    )

    def given(self) -> dict[str, Any]:
        said = self.cleaned_data
        due_at: datetime = said["due_at"]
        return {
            "words": said["words"],
            "owner": handing.party_called(said["owner"]),
            "due_at": due_at.astimezone(UTC),
        }


class EndTaskForm(forms.Form):
    """What came of a task."""

    number = forms.IntegerField(min_value=1)
    state = forms.ChoiceField(choices=[("done", "done"), ("dropped", "dropped")])
    said = forms.CharField(max_length=LONGEST_REASON)


class CloseForm(WordsForm):
    """What was looked at; `version`: of the case as it was read."""

    version = forms.IntegerField(min_value=0)
