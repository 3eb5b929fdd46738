"""What is contained in an incident, as its room shows it: steps, runs of playbooks, tickets.

Owns the contexts of templates/components/containment.html, containment_new.html and
containment_step.html. What a target shows is its revocation's to say; green is effective alone.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from identities.actions.revocations import by_hand
from identities.models import Revocation, User
from reviews.incidents import contained, containing, stopping, targets
from reviews.incidents import containment_rights as rights
from reviews.models import Case, ContainmentStep, ContainmentTarget, PlaybookRun
from reviews.models.containment import DOES
from reviews.pages import unfinished
from reviews.pages.lists import page_of
from reviews.pages.would_stop import Would

# The words of screens.md as the product says them.
MOMENTS = ("requested", "sent", "confirmed", "effective")
MOST_STEPS, MOST_RUNS, MOST_WORDS = 100, 20, 20
BADGES = {
    "waiting": {"kind": "waiting", "words": "waits for its turn"},
    "proposed": {"kind": "waiting", "words": "both seats are asked"},
    "asked": {"kind": "open"},
    "undone": {"kind": "undone", "words": "let go"},
    "refused": {"kind": "refused", "words": "the seats said no"},
    "dropped": {"kind": "cancelled", "words": "never begun"},
}
DOES_WORDS = {
    "hold": "Hold: nothing new works, and it can be let go",
    "block": "Block at our decision endpoint: effective in that second, and can be let go",
    "narrow": "Narrow a delegation for a while, down to what you leave of it or to nothing",
    "suspend": "Suspend an identity with its standing keys: both seats resume it",
    "sessions": "End the sessions that live: they do not come back",
    "revoke": "Revoke: it cannot be taken back",
}
RUN_BADGES = {
    "running": {"kind": "running"},
    "done": {"kind": "done"},
    "stopped": {"kind": "cancelled", "words": "stopped"},
}


def path_of(case: Case) -> str:
    """Where its containment is."""
    return f"/cases/{case.key}/containment/"


def of_case(case: Case, user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:  # noqa: ARG001 - as every part of a room
    """The context of its part of templates/room.html."""
    rows = list(
        case.containment_steps.select_related("item", "run__playbook")
        .prefetch_related("targets__credential__actor", "targets__identity", "targets__delegation")
        .order_by("made_at", "number")[: MOST_STEPS + 1]
    )
    known = contained.revocations_of(one for row in rows for one in row.targets.all())
    others = _others(case, known)
    around = unfinished.around()
    runs = list(case.playbook_runs.select_related("playbook").order_by("-number")[:MOST_RUNS])
    shown = {
        "path": path_of(case),
        "case": case,
        "state": containing.state(case, now=now),
        "steps": [_step(row, known, user, around, now=now) for row in rows[:MOST_STEPS]],
        "more": len(rows) > MOST_STEPS,
        "others": [_revocation(one, around) for one in others],
        "runs": [_run(one) for one in runs],
        "tickets": tickets(case),
        "acts": _acts(case, user, now=now),
    }
    return {"containment": shown}


def _acts(case: Case, user: User, *, now: datetime) -> list[dict[str, Any]]:
    why = rights.why_not_contain(user, case, "hold", case.identity, now=now) or ""
    if case.identity is None:
        why = why or targets.NO_IDENTITY
    return [
        {
            "words": "Run a playbook",
            "url": f"/cases/{case.key}/playbooks/new/",
            "icon": "list-details",
            "get": True,
            "why_not": why,
        },
        {
            "words": "Stop something",
            "url": f"{path_of(case)}new/",
            "icon": "ban",
            "get": True,
            "primary": True,
            "why_not": why,
        },
    ]


def _others(case: Case, known: Mapping[UUID, Revocation]) -> list[Revocation]:
    """What else of the case stops something: automatic holds, what its seats decided."""
    rows = Revocation.objects.filter(case=case.pk).exclude(state="undone").exclude(pk__in=known)
    return list(rows.prefetch_related("statements").order_by("number")[:MOST_STEPS])


def _step(
    row: ContainmentStep,
    known: Mapping[UUID, Revocation],
    user: User,
    around: unfinished.Around,
    *,
    now: datetime,
) -> dict[str, Any]:
    each = list(row.targets.all())
    far = contained.of_step(each, known)
    made = [known[pk] for one in each for pk in one.revocations if pk in known]
    url = f"{path_of(row.case)}{row.key}/"
    return {
        "key": row.key,
        "url": url,
        "title": row.title,
        "reason": row.reason,
        "by": row.by_name or row.by,
        "as": row.signed_as,
        "state": row.state,
        "badge": BADGES[row.state],
        "run": row.run,
        "dots": dots(far) if row.begun_at is not None else [],
        "green": row.state == "asked" and far.effective_at is not None,
        "targets": far.targets,
        "refused": [{"title": one.title, "why": one.failed_why} for one in each if one.failed_why][
            :5
        ],
        "revocations": [_revocation(one, around) for one in made][:5],
        "many": len(made),
        "attempts": far.attempts,
        "lives": _lives(row),
        "case_url": f"/cases/{row.case.key}/?item={row.item_id}" if row.item_id else "",
        "undo": _undo(row, url, user, now=now),
        "let_go": [one.released_words for one in each if one.released_words][:5],
        "undone_at": row.undone_at,
        "undone_by": row.undone_by_name,
        "undone_reason": row.undone_reason,
    }


def dots(far: contained.Far) -> list[dict[str, Any]]:
    """The four moments: green only where it is so, amber where the next one is waited for."""
    found, waits = [], False
    for word, at in zip(MOMENTS, far.moments, strict=True):
        kind = "off"
        if at is not None:
            kind = "on"
        elif not waits:
            kind, waits = ("failed" if far.failed or far.refused else "waits"), True
        found.append({"words": word, "at": at, "kind": kind})
    return found


def _lives(row: ContainmentStep) -> list[str]:
    """What still works beside what its revocations say."""
    said = []
    if row.does == "narrow" and row.state == "asked":
        said.append("what the target itself allows is not changed: hold the key to stop that")
    if row.does == "block" and row.state == "asked":
        said.append("what does not ask our decision endpoint is not stopped by it")
    return said


def _undo(row: ContainmentStep, url: str, user: User, *, now: datetime) -> dict[str, Any] | None:
    if row.state != "asked" or row.does in rights.FOR_GOOD:
        return None
    if row.does == "suspend":
        found = row.targets.all()[:1]
        where = f"/identities/{found[0].identity.key}/" if found else url
        return {"words": "Ask to resume", "url": where, "icon": "player-play", "get": True}
    words = {"hold": "Release", "block": "Unblock", "narrow": "Give back"}[row.does]
    return {
        "words": words,
        "url": f"{url}undo/",
        "icon": "arrow-back-up",
        "ask": "Why may it work again? It goes into the ledger",
        "why_not": rights.why_not_undo(user, row.case, row, now=now) or "",
    }


def _revocation(one: Revocation, around: unfinished.Around) -> dict[str, Any]:
    how = by_hand.standing(one, silent=around.silent, stopped=around.stopped)
    return {
        "key": one.key,
        "url": f"/revocations/{one.key}/",
        "words": one.words,
        "state": one.state,
        "stated": one.stated,
        "far": "" if one.state == "effective" else how.words,
        "must_act": "" if one.state == "effective" else how.must_act,
        "next_at": None if one.state == "effective" else how.next_at,
        "attempts": one.attempts,
        "dots": dots(
            contained.Far(
                one.requested_at,
                one.sent_at,
                one.confirmed_at,
                one.effective_at,
                failed=(one,) if one.state == "failed" else (),
            )
        ),
    }


def _run(one: PlaybookRun) -> dict[str, Any]:
    return {
        "key": one.key,
        "url": f"/cases/{one.case.key}/playbooks/{one.key}/",
        "words": str(one.playbook),
        "badge": RUN_BADGES[one.state],
        "by": one.signed_by_name,
        "at": one.signed_at,
    }


def tickets(case: Case) -> list[dict[str, Any]]:
    """What others' trackers were told and said."""
    rows = case.tickets.prefetch_related("messages").order_by("tracker")
    words = list(case.ticket_words.order_by("-heard_at", "-pk")[:MOST_WORDS])
    found = []
    for one in rows:
        messages = sorted(one.messages.all(), key=lambda each: each.number)
        sent = [each for each in messages if each.sent_at is not None]
        waits = [each for each in messages if each.sent_at is None and each.dropped_at is None]
        found.append(
            {
                "tracker": one.tracker,
                "ticket": one.ticket,
                "url": one.url,
                "state": one.state,
                "heard_at": one.heard_at,
                "told": sent[-1].data["state"].replace("_", " ") if sent else "",
                "told_at": sent[-1].sent_at if sent else None,
                "waits": len(waits),
                "failed_why": one.failed_why,
                "next_at": one.not_before if waits else None,
                "words": [
                    {
                        "at": each.said_at,
                        "by": each.said_by,
                        "state": each.state,
                        "comment": each.comment,
                        "close": each.asks_to_close,
                    }
                    for each in words
                    if each.tracker == one.tracker
                ],
            }
        )
    return found


# --- The form ------------------------------------------------------------------------------------


def new(
    case: Case,
    user: User,
    said: Mapping[str, Any],
    would: Would | None = None,
    *,
    problem: str = "",
    now: datetime,
) -> dict[str, Any]:
    """templates/containment_new.html: what is stopped, and what that would do and break."""
    does = str(said.get("does", "hold"))
    picked = list(said.get("pick", ()))
    why = rights.why_not_contain(user, case, does, case.identity, now=now) or ""
    return {
        "section": "incident",
        "now": now,
        "title": "Stop something",
        "crumbs": crumbs(case),
        "case": case,
        "path": path_of(case),
        "problem": problem,
        "steps": [
            {"value": one, "words": DOES_WORDS[one], "on": one == does}
            for one in sorted(DOES, key=list(DOES_WORDS).index)
        ],
        "choices": [
            {"key": one.key, "words": one.words, "state": one.state, "on": one.key in picked}
            for one in targets.choices(case, now=now)
        ],
        "picked": picked,
        "names": said.get("names", ""),
        "left_actions": said.get("left_actions", ""),
        "left_resources": said.get("left_resources", ""),
        "reason": said.get("reason", ""),
        "does": does,
        "would": would,
        "why_not": why,
        "seats_why_not": rights.why_not_ask_seats(user, case, now=now) or "",
        "signed_as": rights.signs_as(user, case, does, case.identity, now=now),
        "for_good": does in rights.FOR_GOOD,
    }


def crumbs(case: Case) -> list[dict[str, str]]:
    """The way back to the room."""
    return [
        {"words": "Incidents", "url": "/cases/?door=incident"},
        {"words": case.key, "url": f"/cases/{case.key}/room/"},
    ]


def step(
    row: ContainmentStep, user: User, asked: dict[str, str], *, now: datetime
) -> dict[str, Any]:
    """templates/containment_step.html: one step, target by target."""
    rows = row.targets.select_related("identity", "credential__actor", "delegation")
    url = f"{path_of(row.case)}{row.key}/"
    shown, page = page_of(rows.order_by("place"), asked, url)
    every = list(row.targets.all())
    known = contained.revocations_of(every)
    around = unfinished.around()
    whole = _step(row, known, user, around, now=now)
    return {
        "section": "incident",
        "now": now,
        "title": f"{row.key}: {row.title}",
        "crumbs": crumbs(row.case),
        "case": row.case,
        "step": whole,
        "foreseen": row.foreseen,
        "made_at": row.made_at,
        "rows": [_target(one, known, around) for one in shown],
        "page": page,
        "acts": [whole["undo"]] if whole["undo"] else [],
        "ledger_url": f"/ledger/?subject={row.case.key}",
    }


def _target(
    one: ContainmentTarget, known: Mapping[UUID, Revocation], around: unfinished.Around
) -> dict[str, Any]:
    thing = stopping.Wanted(one.identity, one.credential, one.delegation)
    far = contained.of_target(one, known)
    return {
        "title": one.title,
        "key": thing.key,
        "url": f"/credentials/{thing.key}/"
        if one.credential is not None
        else f"/identities/{one.identity.key}/",
        "identity": one.identity.name,
        "words": one.words,
        "refused": one.failed_why,
        "released": one.released_words,
        "dots": dots(far),
        "revocations": [
            _revocation(each, around)
            for each in (
                *contained.of_row(one, known),
                *(known[pk] for pk in one.released if pk in known),
            )
        ],
    }


def run_new_choices(case: Case, *, now: datetime) -> Sequence[dict[str, Any]]:
    """The credentials that a playbook may be run on."""
    return [
        {"key": one.key, "words": one.words, "state": one.state}
        for one in targets.choices(case, now=now)
        if one.key.startswith("CRED-")
    ]
