"""What of a break-glass page is about its use: calls beside what was given, and the look back."""

from datetime import timedelta
from typing import Any

from evidence.intake.admitting import micros
from evidence.models import Capsule
from evidence.vocabulary import OUTCOMES
from reviews.break_glass import comparing, forms, reviewing, rights
from reviews.models import BreakGlass, Case
from reviews.pages.break_glass_parts import Parts

HISTORY = 3
SCOPES = {
    comparing.IN_SCOPE: "inside",
    comparing.OUT_OF_SCOPE: "outside",
    comparing.UNEXPLAINED: "unknown",
}


def event(one: comparing.Call) -> dict[str, Any]:
    return {
        "at": one.at,
        "action": one.action,
        "resource": one.resource,
        "scope": SCOPES[one.scope],
        "words": comparing.WORDS[one.scope],
        "why": one.why,
        "outcome": OUTCOMES[one.outcome],
        "red": one.scope == comparing.OUT_OF_SCOPE,
        "url": f"/events/{micros(one.at)}-{one.event}/",
    }


def events_url(p: Parts) -> str:
    if p.case.identity is None or p.glass.opened_at is None:
        return ""
    ends = (p.ends_at or p.now) + comparing.AFTER
    begins = p.glass.opened_at - timedelta(seconds=1)
    return (
        f"/events/?identity={p.case.identity.key}&from={begins:%Y-%m-%dT%H:%M:%SZ}"
        f"&to={ends:%Y-%m-%dT%H:%M:%SZ}"
    )


def checklist(p: Parts) -> list[dict[str, Any]]:
    """What the look back asks, visible from the first minute: {words, sub, done}."""
    glass, counts = p.glass, p.compared.counts()
    outside = counts[comparing.OUT_OF_SCOPE] + counts[comparing.UNEXPLAINED]
    ended = bool(p.grants) and all(one.state == "ended" for one in p.grants)
    reviewer = glass.reviewed_person.name if glass.reviewed_person else ""
    found = [
        {
            "words": "Evidence of its use",
            "sub": p.compared.missing or f"{len(p.compared.calls)} calls, compared",
            "done": glass.opened_at is not None and not p.compared.missing,
        },
        {
            "words": f"Explain {outside} out of scope or unexplained",
            "sub": f"{p.case.opened_by_name}, before it is closed",
            "done": glass.opened_at is not None and not outside,
        },
        {"words": "Gone at the target", "sub": "as the target shows it", "done": ended},
        {
            "words": "Say what it was",
            "sub": "emergency, drill or misuse",
            "done": bool(glass.review),
        },
    ]
    if glass.ticket_due_at is not None or glass.ticket:
        found.append(
            {
                "words": "Its ticket",
                "sub": glass.ticket or "owed",
                "done": glass.ticket_due_at is None,
            }
        )
    sign = reviewer or f"not {p.case.opened_by_name}"
    found.append({"words": "Sign", "sub": sign, "done": bool(reviewer)})
    return found


def review(p: Parts) -> dict[str, Any] | None:
    case, user, glass = p.case, p.user, p.glass
    if case.state == "closed" and glass.review:
        return {
            "done": True,
            "kind": glass.review,
            "words": glass.review_words,
            "who": glass.reviewed_person.name if glass.reviewed_person else "",
            "at": glass.reviewed_at,
            "follow_ups": glass.follow_ups,
            "capsule": glass.capsule and capsule_of(case, glass.capsule),
        }
    if glass.opened_at is None:
        return None
    return {
        "done": False,
        "why_not": rights.why_not_review(user, case, now=p.now) or "",
        "explain": rights.why_not_explain(user, case, now=p.now) is None,
        "read": reviewing.digest(p.compared),
        "kinds": list(forms.REVIEW_WORDS.items()),
        "owed": glass.ticket_due_at is not None and case.requester_id == user.person_id,
        "history": history(case),
    }


def capsule_of(case: Case, capsule: Capsule) -> dict[str, Any]:
    """What was frozen when it was signed, as a link."""
    return {
        "key": capsule.key,
        "digest": bytes(capsule.digest),
        "url": f"/cases/{case.key}/capsules/{capsule.key}/",
    }


def history(case: Case) -> list[str]:
    """The asker's last uses, in a word each, for whoever signs or looks back."""
    rows = (
        BreakGlass.objects.filter(
            person=case.requester_id, opened_at__isnull=False, case__sealed=False
        )
        .exclude(case=case)
        .select_related("case")
        .order_by("-opened_at")[:HISTORY]
    )
    return [
        f"{one.case.key}: {'opened alone, ' * (one.bypassed_at is not None)}"
        f"{one.review or 'not looked at yet'}"
        for one in rows
    ]
