"""What people send in about cases: shapes and their errors. Saves nothing."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, time
from typing import Any

from django import forms
from django.http import QueryDict

from identities.models import Identity
from identities.permissions import NotPossible
from identities.reasons import LONGEST_REASON
from reviews.actions import Wanted
from reviews.actions.answers import WORDS

# service:Operation with * as wildcard, or * alone; an ARN is a resource, never an action.
ACTION = re.compile(r"\*|(?!arn:)[a-zA-Z0-9-]{1,64}:[A-Za-z0-9*]{1,128}")
MOST_LINES = 200


def lines_of(text: str) -> dict[str, list[str]]:
    """Actions and resources from lines: `s3:GetObject on invoices/*`, or one pattern a line."""
    actions: dict[str, None] = {}
    resources: dict[str, None] = {}
    for line in text.splitlines()[:MOST_LINES]:
        said = line.strip()
        if not said:
            continue
        left, on, right = said.partition(" on ")
        if on and ACTION.fullmatch(left.strip()):
            actions[left.strip()] = None
            resources[right.strip()] = None
        elif ACTION.fullmatch(said) and said != "*":
            actions[said] = None
        else:
            resources[said] = None
    return {"actions": list(actions), "resources": list(resources)}


def numbered(text: str) -> dict[str, int]:
    """The line on which each pattern of such lines stands first."""
    found: dict[str, int] = {}
    for number, line in enumerate(text.splitlines()[:MOST_LINES], start=1):
        said = lines_of(line)
        for pattern in (*said["actions"], *said["resources"]):
            found.setdefault(pattern, number)
    return found


def ticked(sent: QueryDict) -> dict[str, str]:
    """The boxes of a form for narrowing, as the page takes them back: values in lines."""
    return {
        name: "\n".join(sent.getlist(name)[:MOST_LINES])[:8_000]
        for name in ("left_action", "left_resource")
    }


def written(proposal: dict[str, Any]) -> str:
    """The same the other way round, for the form."""
    return "\n".join([*proposal.get("actions", []), *proposal.get("resources", [])])


class DecideForm(forms.Form):
    """One answer in one seat on one item (templates/case.html)."""

    item = forms.UUIDField()
    seat = forms.UUIDField()
    version = forms.IntegerField(min_value=0)
    answer = forms.ChoiceField(
        choices=list(WORDS.items()), error_messages={"required": "Choose an answer."}
    )
    reason = forms.CharField(
        max_length=LONGEST_REASON, error_messages={"required": "Say why: other reviewers read it."}
    )
    proposal = forms.CharField(required=False, max_length=8_000)
    by_date = forms.DateField(required=False)
    control = forms.CharField(required=False, max_length=2_000)
    # What is left of a delegation: boxes that are ticked, beside the lines of `proposal`.
    left_shown = forms.BooleanField(required=False)
    left_action = forms.Field(required=False, widget=forms.SelectMultiple)
    left_resource = forms.Field(required=False, widget=forms.SelectMultiple)

    def proposed(self) -> dict[str, Any]:
        """What is left (narrow), or the plan, what protects meanwhile and its date (replace)."""
        said = self.cleaned_data
        if said["answer"] == "replace":
            day = said["by_date"]
            plan = said["proposal"].strip() or said["reason"]
            by = None if day is None else datetime.combine(day, time(23, 59), UTC)
            return {"plan": plan, "control": said["control"], "by": by}
        if said["answer"] == "narrow":
            return self.left()
        return {}

    def left(self) -> dict[str, list[str]]:
        """What is ticked and what is written. A form with boxes that leaves nothing says so."""
        said = self.cleaned_data
        sent = (said["proposal"].splitlines(), said["left_action"], said["left_resource"])
        if any(len(some or ()) > MOST_LINES for some in sent):
            raise NotPossible(
                f"At most {MOST_LINES} actions and as many resources are left by one answer: what"
                " is beyond them would be taken away unseen. Write patterns with *."
            )
        found = lines_of(said["proposal"])
        for name, boxes in (("actions", "left_action"), ("resources", "left_resource")):
            on = [str(one)[:2_048] for one in (said[boxes] or [])[:MOST_LINES]]
            found[name] = list(dict.fromkeys([*on, *found[name]]))
            if said["left_shown"] and not found[name]:
                raise NotPossible(f"Say which {name} are left: with none left it is a revocation.")
        return found


class TieForm(forms.Form):
    """The tie-breaker's answer."""

    item = forms.UUIDField()
    version = forms.IntegerField(min_value=0)
    answer = forms.ChoiceField(choices=list(WORDS.items()))
    reason = forms.CharField(max_length=LONGEST_REASON)


class PinForm(forms.Form):
    """An event, by the reference that pages use: microseconds and id."""

    event = forms.RegexField(r"^\d{1,17}-\d{1,20}$")
    item = forms.UUIDField(required=False)
    note = forms.CharField(required=False, max_length=500)


class RequestForm(forms.Form):
    """Ask for access (templates/request_new.html)."""

    identity = forms.CharField(
        max_length=64, label="Identity", help_text="Its key or name: NHI-0417, svc-report"
    )
    delegation = forms.CharField(
        required=False,
        max_length=32,
        label="In place of",
        help_text="A delegation to widen or renew, like DLG-311; empty: a new one",
    )
    actions = forms.CharField(
        widget=forms.Textarea,
        max_length=8_000,
        label="Actions",
        help_text="One a line: s3:GetObject",
    )
    resources = forms.CharField(
        widget=forms.Textarea,
        max_length=8_000,
        label="Resources",
        help_text="One a line: invoices/*",
    )
    purpose = forms.CharField(max_length=500, label="Purpose")
    task = forms.CharField(
        required=False, max_length=200, label="Task", help_text="Empty: any task"
    )
    ends_at = forms.DateTimeField(
        label="Until (UTC)",
        help_text="Like 2026-12-24 17:00",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
    )
    reason = forms.CharField(
        widget=forms.Textarea,
        max_length=LONGEST_REASON,
        label="Reason",
        help_text="Both seats read it",
    )

    def wanted(self) -> Wanted:
        """What is asked for, as the action takes it."""
        said = self.cleaned_data
        return Wanted(
            actions=_patterns(said["actions"]),
            resources=_patterns(said["resources"]),
            purpose=said["purpose"],
            ends_at=said["ends_at"],
            task=said["task"],
        )


def _patterns(text: str) -> Sequence[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def initial_of(identity: Identity | None, asked: dict[str, str]) -> dict[str, str]:
    """What the address of the form says already: an identity, and perhaps a delegation."""
    return {
        "identity": asked.get("identity", "") if identity is None else identity.key,
        "delegation": asked.get("delegation", ""),
    }
