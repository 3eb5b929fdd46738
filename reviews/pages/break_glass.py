"""One break-glass case: the three answers, time left, its signatures, what was done, its look back.

Owns the context of templates/break_glass.html. Constant queries, however much was done.
"""

from datetime import datetime
from typing import Any

from identities.models import User
from reviews import permissions
from reviews.break_glass import comparing, opening, rights
from reviews.models import Case
from reviews.packs import subjects
from reviews.pages import break_glass_looking as looking
from reviews.pages import break_glass_signing as signing
from reviews.pages import packs, room_acts
from reviews.pages.break_glass_parts import Parts
from reviews.pages.case import entries

SHOWN = 50


def context(case: Case, user: User, *, now: datetime) -> dict[str, Any]:
    """templates/break_glass.html."""
    p = Parts(case, user, now=now)
    glass, says = p.glass, p.says
    why_not = rights.why_not_answer(user, case, now=now)
    return {
        "section": "break_glass",
        "now": now,
        "title": f"{case.key} {case.title}",
        "crumbs": [{"words": "Break-glass", "url": "/break-glass/"}],
        "case": case,
        "glass": glass,
        "path": p.path,
        "heading": f"{case.opened_by_name} asks for {glass.minutes} min: {says.words}"
        if case.state == "open"
        else case.title,
        "badges": _badges(p),
        "acts": _head_acts(p),
        "answers": _answers(p),
        "clock": _clock(p),
        "granted": _granted(p),
        "facts": _facts(p),
        "quorum": signing.quorum_of(p),
        "answer": None
        if why_not is not None
        else {
            "digest": opening.digest(case, glass, p.item),
            "minutes": p.item.proposal["minutes"],
            "first": p.item.position == 0,
            "actions": "\n".join(p.item.proposal.get("actions", [])),
            "resources": "\n".join(p.item.proposal.get("resources", [])),
            "late": case.state == "carrying_out" and p.item.outcome != "",
        },
        "why_not_answer": why_not or "",
        "bypass": signing.bypass(p),
        "ending": signing.ending(p),
        "grants": p.grants,
        "events": [looking.event(one) for one in p.compared.calls[:SHOWN]],
        "events_more": max(0, len(p.compared.calls) - SHOWN),
        "events_url": looking.events_url(p),
        "missing": p.compared.missing if glass.opened_at is not None else "",
        "counts": p.compared.counts(),
        "checklist": looking.checklist(p),
        "review": looking.review(p),
        "entries": entries(case),
        "entries_url": f"/ledger/?subject={case.key}",
    }


def _badges(p: Parts) -> list[dict[str, str]]:
    case, glass = p.case, p.glass
    found = [{"kind": case.state}] if case.state != "carrying_out" else []
    if p.live:
        over = p.ends_at is not None and p.ends_at <= p.now
        burning = any(one.burning for one in p.grants)
        if burning:
            found.append({"kind": "failed", "words": "its end is not proved"})
        elif over:
            found.append({"kind": "carrying_out", "words": "ending"})
        elif glass.opened_at is not None and glass.opened_at > p.now:
            found.append({"kind": "waits", "words": "begins later"})
        else:
            found.append({"kind": "active"})
    if p.items[0].outcome == "deny":
        found = [{"kind": "deny", "words": "denied"}]
    if glass.bypassed_at is not None:
        found.append({"kind": "bypass"})
    if glass.drill:
        found.append({"kind": "neutral", "words": "drill"})
    if glass.review:
        kind = "failed" if glass.review == "misuse" else "agreed"
        found.append({"kind": kind, "words": f"{glass.review}, looked at"})
    return found


def _head_acts(p: Parts) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    incident = p.glass.incident
    # A sealed one is absent, also here.
    if incident is not None and permissions.why_not_see(p.user, incident, now=p.now) is None:
        key = incident.key
        found.append(
            {"words": f"Incident {key}", "url": f"/cases/{key}/", "icon": "flame", "get": True}
        )
    if p.case.identity is not None:
        url = f"/identities/{p.case.identity.key}/"
        found.append({"words": "Open the line", "url": url, "icon": "timeline", "get": True})
    if p.case.state in ("closed", "cancelled") and p.case.requester_id == p.user.person_id:
        url = f"/break-glass/new/?bundle={p.glass.bundle.slug}"
        found.append({"words": "Ask anew", "url": url, "icon": "refresh", "get": True})
    found += room_acts.of_case(p.case, p.user, now=p.now)
    return found + packs.acts(subjects.of(p.case), p.user)


def _answers(p: Parts) -> dict[str, dict[str, Any]]:
    holder = p.case.identity
    counts = p.compared.counts()
    outside = counts[comparing.OUT_OF_SCOPE]
    authority = {
        "headline": f"{len(p.item_actions())} actions on {p.says.target.name}",
        "badges": [{"kind": "in_force"} if p.live else {"kind": "proposed"}]
        if not p.over()
        else [],
        "note": f"ends {p.ends_at:%H:%M:%S} UTC" if p.ends_at else "not given yet",
        "proof_url": f"/delegations/?identity={holder.key}" if holder else "",
        "proof_words": p.glass.delegation.key,
    }
    words = f"{counts[comparing.IN_SCOPE]} calls in scope"
    if outside:
        words += f", {outside} out of scope"
    behaviour: dict[str, Any] = {"headline": "Nothing yet: it was not open", "badges": []}
    if p.glass.opened_at is not None:
        behaviour = {
            "headline": words if p.compared.calls else "No call is in evidence",
            "badges": [{"kind": "outside", "words": f"{outside} out of scope"}] if outside else [],
            "note": p.compared.missing,
        }
        if not p.compared.calls:
            behaviour["badges"] = [{"kind": "no_evidence"}]
    return {
        "identity": {
            "headline": f"{p.case.opened_by_name}, as {holder.name if holder else 'nobody known'}",
            "badges": [],
            "note": f"on behalf of {p.glass.on_behalf}" if p.glass.on_behalf else "",
            "proof_url": f"/identities/{holder.key}/" if holder else "",
            "proof_words": holder.key if holder else "",
        },
        "authority": authority,
        "behaviour": behaviour,
    }


def _clock(p: Parts) -> dict[str, Any] | None:
    """The one time that counts now, and what happens at it."""
    case, glass = p.case, p.glass
    if case.state == "open" and p.now < glass.patience_at:
        words = f"then {case.opened_by_name} may open it alone, and who was asked is told"
        return {"at": glass.patience_at, "words": words, "label": "Waits for signatures"}
    if case.state == "open":
        words = "then it ends unanswered, and has to be asked for anew"
        return {"at": case.deadline_at, "words": words, "label": "Unanswered"}
    if p.live and p.ends_at is not None:
        if p.ends_at <= p.now:
            return {"at": None, "words": "It is being taken away.", "label": "Its time is over"}
        only = any(one.only_while_running for one in p.grants)
        words = (
            "then our decision endpoint denies it; at its target it ends only while Countersign runs"
            if only
            else "then it ends by itself, here and at its target, even if this app is down"
        )
        return {"at": p.ends_at, "words": words, "label": "Time left"}
    if case.state == "in_review" and glass.review_due_at is not None:
        words = "by then somebody else says what it was"
        return {"at": glass.review_due_at, "words": words, "label": "Looked back at"}
    return None


def _granted(p: Parts) -> list[dict[str, Any]]:
    """What it gives, action by action, and how often each was called."""
    calls: dict[str, int] = {}
    for one in p.compared.calls:
        if one.scope == comparing.IN_SCOPE:
            calls[one.action.lower()] = calls.get(one.action.lower(), 0) + 1
    resources = ", ".join(p.items[0].proposal["resources"])
    return [
        {"action": action, "resource": resources, "calls": calls.get(action.lower())}
        for action in p.item_actions()
    ]


def _facts(p: Parts) -> list[dict[str, Any]]:
    glass, says = p.glass, p.says
    found: list[dict[str, Any]] = [{"label": "Reason", "words": p.case.reason}]
    found += [
        {"label": name.capitalize(), "words": str(words)} for name, words in glass.fields.items()
    ]
    if glass.ticket and glass.ticket_look_at is not None:
        said = f"{glass.ticket}, which its tracker has not answered yet"
        found.append({"label": "Ticket", "words": said, "at": glass.ticket_due_at})
    elif glass.ticket:
        found.append({"label": "Ticket", "words": glass.ticket})
    elif glass.ticket_due_at is not None:
        found.append({"label": "Ticket", "words": "promised", "at": glass.ticket_due_at})
    where = f"{says.target.system} {says.target.account}, {says.target.kind} {says.target.name}"
    found.append({"label": "Where", "words": where})
    if says.deny:
        found.append({"label": "Cut off at", "words": ", ".join(says.deny)})
    found.append({"label": "Bundle", "words": str(glass.bundle), "url": glass.bundle.url})
    return found
