"""The release list: what silence would have done, until somebody says: it came due while
Countersign was away or in a change freeze, or the brake of a policy holds it; campaigns whose
outcomes the brake holds; and what is held before it is revoked.

Owns what is shown of it; who may release is reviews/permissions.py. Constant queries.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import Min, Q

from evidence.parameters import Known, is_whole, understood
from evidence.words import counted
from identities.models import User
from reviews import permissions, persons, visible
from reviews.actions import released, rungs
from reviews.models import Case, Rung
from reviews.pages import outcomes, quarantine
from reviews.pages.lists import PAGES, page_of

PATH = "/releases/"
OF_HELD: Known = {**PAGES, "held": is_whole}


def context(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/held.html: cases with held rungs, the longest overdue first."""
    asked, left_out = understood(asked, OF_HELD)
    rows = (
        visible.cases(user, now=now)
        .filter(state="open")
        .annotate(first=Min("rungs__at", filter=Q(rungs__state="held")))
        .filter(first__isnull=False)
        .select_related("identity")
        .order_by("first", "number")
    )
    cases, page = page_of(rows, asked, PATH)
    held: dict[Any, list[Rung]] = {case.pk: [] for case in cases}
    for one in Rung.objects.filter(case__in=cases, state="held").order_by("after", "pk"):
        held[one.case_id].append(one)
    subjects = persons.subjects(case.identity for case in cases if case.identity is not None)
    return {
        "section": "held",
        "title": "Release list",
        "left_out": left_out,
        "now": now,
        "cases": [
            _case(
                case,
                held[case.pk],
                now,
                permissions.why_not_release(
                    user, case, subjects=subjects.get(case.identity_id or case.pk, frozenset())
                )
                or "",
            )
            for case in cases
        ],
        "page": page,
        "most": released.MOST,
        "quarantine": quarantine.of_all(user, asked, PATH, now=now),
        "outcomes": outcomes.waiting(user),
    }


def _case(case: Case, held: list[Rung], now: datetime, why_not: str) -> dict[str, Any]:
    identity = case.identity
    return {
        "key": case.key,
        "url": f"/cases/{case.key}/",
        "title": case.title,
        "identity": None
        if identity is None
        else {"name": identity.name, "url": f"/identities/{identity.key}/"},
        "why_not": why_not,
        "rungs": [
            {
                "id": one.pk,
                "words": rungs.words(case, one.does),
                "at": one.at,
                # It came due, and its time has moved since: rungs.MOVE.
                "ahead": one.at > now,
                "held_at": one.held_at,
                "why": one.held_why,
                "acts": [] if why_not else acts(case, [one]),
            }
            for one in held
        ],
        "acts": [] if why_not or len(held) < 2 else acts(case, held),
    }


def settled(done: Sequence[released.Settled], *, release: bool, now: datetime) -> dict[str, Any]:
    """templates/held_settled.html: what became of each step that was selected."""
    verb = "released" if release else "dropped"
    rows = [
        {
            "key": one.case.key,
            "url": f"/cases/{one.case.key}/",
            "title": one.case.title,
            "words": rungs.words(one.case, step.does),
            "why": one.why,
        }
        for one in done
        for step in one.rungs
    ]
    many = sum(not row["why"] for row in rows)
    return {
        "section": "held",
        "title": "What became of each",
        "heading": f"{many} of {counted(len(rows), 'step')} {verb}",
        "verb": verb,
        "rows": rows,
        "back_url": PATH,
        "now": now,
    }


def acts(case: Case, those: Sequence[Rung]) -> list[dict[str, Any]]:
    """Release and drop, of one rung or of all of a case that were read: what is held since waits."""
    hidden = [{"name": "rung", "value": one.pk} for one in those]
    these = " all" if len(those) > 1 else ""
    return [
        {
            "words": f"Release{these}",
            "url": f"/cases/{case.key}/held/release/",
            "icon": "player-play",
            "danger": True,
            "ask": "Why may it happen now?",
            "hidden": hidden,
        },
        {
            "words": f"Drop{these}",
            "url": f"/cases/{case.key}/held/drop/",
            "icon": "x",
            "ask": "Why shall it not happen?",
            "hidden": hidden,
        },
    ]
