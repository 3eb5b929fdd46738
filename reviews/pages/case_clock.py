"""The deadline of a case as the page says it: how long is left, what silence does, what counts."""

from datetime import datetime, timedelta
from typing import Any

from reviews.actions import clock, deadlines
from reviews.models import Case


def of(case: Case, *, now: datetime) -> dict[str, Any] | None:
    """The deadline's part of templates/case.html; None once the case is decided."""
    if case.state not in ("open", "draft"):
        return None
    notes: list[str] = []
    doubt, due = "", case.deadline_at
    if case.state == "open" and case.silence_done_at is None:
        read = clock.read(case, now=now)
        due = max(due, read.clock.due)
        notes = clock.sentences(case, read)
        doubt = clock.doubt(case, read, now=now)
    past = due <= now
    when = f"{due:%-d %b %Y %H:%M} UTC"
    what = deadlines.sentence(case, doubt=doubt)
    if case.state == "draft":
        sentence = "This review is proposed: nobody is asked until it is opened."
    elif past:
        sentence = f"Nobody decided by {when}: {what}."
    else:
        sentence = f"If nobody decides by {when}: {what}."
    if doubt and deadlines.consequence(case) in deadlines.CUTS:
        notes.append(f"Nothing would be cut: {doubt}.")
    return {
        "at": due,
        "sentence": sentence,
        "notes": notes,
        "opened_at": case.opened_at,
        "share": _share(case, due, now),
        "ticks": _ticks(case, due, now=now),
        "past": past,
        "act_url": f"/ledger/?subject={case.key}" if case.silence_done_at else "",
    }


def _share(case: Case, due: datetime, at: datetime) -> int:
    whole = (due - case.opened_at).total_seconds() or 1.0
    return max(0, min(100, round(100 * (at - case.opened_at).total_seconds() / whole)))


def _ticks(case: Case, due: datetime, *, now: datetime) -> list[dict[str, Any]]:
    if case.policy is None:
        return []
    found = []
    for hours in sorted(case.policy.remind_before_hours, reverse=True):
        at = due - timedelta(hours=hours)
        said = "reminded" if at <= now else "reminder"
        found.append((at, f"{said} {at:%-d %b %H:%M}", "reminder"))
    at = due - timedelta(hours=case.policy.escalate_before_hours)
    found.append((at, f"escalates {at:%-d %b %H:%M} UTC", "escalation"))
    return [
        {"at": at, "share": _share(case, due, at), "words": words, "kind": kind}
        for at, words, kind in found
        if at > case.opened_at
    ]
