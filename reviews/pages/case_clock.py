"""The deadline of a case as the page says it: how long is left, what silence does, what counts."""

from datetime import datetime
from typing import Any

from evidence.models import LedgerEntry
from reviews import freezes
from reviews.actions import clock, deadlines, freezing, rungs, silencing
from reviews.ladder import BEFORE, DUE, GO_ON, WORDS
from reviews.models import Case, Freeze, Rung


def of(case: Case, *, now: datetime) -> dict[str, Any] | None:
    """The deadline's part of templates/case.html; None once the case is decided."""
    if case.state not in ("open", "draft"):
        return None
    notes: list[str] = []
    doubt, due, differ = "", case.deadline_at, False
    if case.state == "open" and case.silence_done_at is None:
        read = clock.read(case, now=now)
        due = max(due, read.due)
        differ = silencing.all_differ(case, read.silent)
        notes = clock.sentences(case, read)
        # What is late now may have come by then.
        doubt = "" if read.late.waiting else clock.doubt(case, read, now=now)
    climb = _climb(case, due)
    past = due <= now
    acts = due + case.grace
    when = f"{acts:%-d %b %Y %H:%M} UTC"
    if case.grace and case.silence_done_at is None:
        notes.append(f"Answers are due by {due:%-d %b %Y %H:%M} UTC and still count until {when}.")
    frozen = freezes.ahead(case.identity, now=now)
    what = _silence(case, acts, frozen, doubt)
    if case.state == "draft":
        sentence = "This review is proposed: nobody is asked until it is opened."
    elif said := _done(case):
        sentence = f"{said}."
    elif differ:
        sentence = f"If it is not decided by {when}: {silencing.DIFFER}."
    elif acts <= now:
        sentence = f"It was not decided by {when}: {what}."
    else:
        sentence = f"If nobody decides by {when}: {what}."
    if doubt and deadlines.consequence(case) in deadlines.CUTS:
        notes.append(f"Nothing would be cut: {doubt}.")
    notes += [_says(one, now) for one in frozen]
    notes += _after(case, climb, frozen, doubt)
    return {
        "at": due,
        "sentence": sentence,
        "notes": notes,
        "opened_at": case.counts_from,
        "share": _share(case, due, now),
        "ticks": _ticks(case, climb, due, now=now),
        "past": past,
        "in_freeze": freezing.why_confirm(case, "revoke", now=now, known=frozen),
        "act_url": f"/ledger/?subject={case.key}" if case.silence_done_at else "",
    }


def _done(case: Case) -> str:
    """What silence has done, as the ledger says it; "" where it has done nothing yet."""
    if case.silence_done_at is None:
        return ""
    rows = LedgerEntry.objects.filter(subject=case.key, act__in=["case.silence", "case.rung"])
    return rows.order_by("-pk").values_list("words", flat=True).first() or ""


def _share(case: Case, due: datetime, at: datetime) -> int:
    whole = (due - case.counts_from).total_seconds() or 1.0
    return max(0, min(100, round(100 * (at - case.counts_from).total_seconds() / whole)))


def _climb(case: Case, due: datetime) -> list[Rung]:
    """The rungs of the case, as far from the deadline as they are; of a draft, the planned ones."""
    found = list(case.rungs.all()) if case.state == "open" else list(rungs.planned(case))
    for one in found:
        if one.state in rungs.LATER:
            one.at += due - case.deadline_at
    return sorted(found, key=lambda one: (one.at, one.after))


def _ticks(case: Case, climb: list[Rung], due: datetime, *, now: datetime) -> list[dict[str, Any]]:
    found = []
    for one in climb:
        # What is over was never said: its time passed while nobody was at work.
        if one.does not in BEFORE or one.state == "over" or not case.counts_from < one.at < due:
            continue
        past = one.at <= now
        if one.does == "remind":
            words = f"{'reminded' if past else 'reminder'} {one.at:%-d %b %H:%M}"
            kind = "reminder"
        else:
            words = f"{'escalated' if past else 'escalates'} {one.at:%-d %b %H:%M} UTC"
            kind = "escalation"
        found.append(
            {"at": one.at, "share": _share(case, due, one.at), "words": words, "kind": kind}
        )
    return found


def _silence(case: Case, at: datetime, frozen: list[Freeze], doubt: str, does: str = "") -> str:
    """What silence does at a moment; in a freeze that would cut, it waits for a person."""
    if deadlines.consequence(case, does=does, doubt=doubt) in deadlines.CUTS:
        for one in frozen:
            if one.since <= at < one.until:
                what = rungs.words(case, does or case.silence)
                return f"{one.key} holds then, so {one.asked.name} is asked whether {what}"
    return deadlines.sentence(case, does=does, doubt=doubt)


def _says(one: Freeze, now: datetime) -> str:
    begins = "" if one.since <= now else f" from {clock.in_words(one.since)}"
    return (
        f"Change freeze {one.key}{begins} until {clock.in_words(one.until)} ({one.reason[:200]}):"
        f" nothing is cut by the clock, {one.asked.name} is asked instead."
    )


def _after(case: Case, climb: list[Rung], frozen: list[Freeze], doubt: str) -> list[str]:
    """What is still to come after the deadline, and what waits for a person, as sentences."""
    said = []
    for one in climb:
        when = f"{one.at:%-d %b %Y %H:%M} UTC"
        if one.state == "held":
            said.append(f"Held on the release list: {rungs.words(case, one.does)}. {one.held_why}")
        elif one.state == "waiting" and one.does not in (*BEFORE, DUE, GO_ON):
            does = WORDS["replace"]
            if one.does != "replace":
                does = _silence(case, one.at, frozen, doubt, one.does)
            said.append(f"If still nobody decides by {when}: {does}.")
    return said
