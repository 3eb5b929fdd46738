"""Playbooks as pages: versions and their signatures, running one in an incident, and its progress.

Owns the contexts of templates/playbooks.html, playbook.html, playbook_new.html, playbook_run_new.html
and playbook_run.html. Constant queries.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from identities.models import Revocation, User
from reviews.incidents import contained, playbook_document, playbooks, running
from reviews.incidents import containment_rights as rights
from reviews.incidents.running import Planned
from reviews.models import Case, ContainmentStep, Playbook, PlaybookRun
from reviews.pages import containment
from reviews.pages.would_stop import Would

PATH = "/playbooks/"
CRUMBS = [{"words": "Playbooks", "url": PATH}]
MOST, MOST_VERSIONS = 200, 50
EXAMPLE: dict[str, Any] = {
    "words": "A key of an agent is out",
    "steps": [
        {"does": "block", "targets": "identity", "then": "confirmed"},
        {"does": "hold", "targets": "credentials", "then": "confirmed"},
        {"does": "sessions", "targets": "identity", "then": "regardless"},
    ],
}
FIELDS = [
    ("words", "what it is for, in a few words"),
    ("steps[].does", f"one of {', '.join(playbook_document.TARGETS)}"),
    ("steps[].targets", "; ".join(f"{name}: {said}" for name, said in playbook_document.WORDS.items())),
    ("steps[].then", "when the next one begins: "
     + "; ".join(f"{name}: {said}" for name, said in playbook_document.GO_ON.items())),
    ("steps[].leave", "of delegations, actions and resources that are left; without it nothing"),
]  # fmt: skip


def catalogue(user: User, *, now: datetime) -> dict[str, Any]:
    """templates/playbooks.html: what is in force and what waits for a signature."""
    rows = Playbook.objects.filter(state__in=["in_force", "proposed"]).order_by("slug", "version")
    return {
        "section": "playbooks",
        "now": now,
        "title": "Playbooks",
        "crumbs": [],
        "rows": [
            {
                "row": one,
                "says": playbooks.document_of(one),
                "steps": [
                    playbook_document.sentence(step) for step in playbooks.document_of(one).steps
                ],
                "badge": {"kind": one.state},
            }
            for one in rows[:MOST]
        ],
        "acts": [
            {
                "words": "Propose a playbook",
                "url": f"{PATH}new/",
                "icon": "plus",
                "get": True,
                "why_not": rights.why_not_propose_playbook(user, now=now) or "",
            }
        ],
    }


def version(row: Playbook, user: User, *, now: datetime) -> dict[str, Any]:
    """templates/playbook.html."""
    versions = Playbook.objects.filter(slug=row.slug).order_by("-version")[:MOST_VERSIONS]
    return {
        "section": "playbooks",
        "now": now,
        "title": str(row),
        "crumbs": CRUMBS,
        "playbook": row,
        "badges": [{"kind": row.state}],
        "lines": playbook_document.lines(playbooks.document_of(row)),
        "document": playbook_document.written(row.document),
        "versions": [{"row": one, "badge": {"kind": one.state}} for one in versions],
        "acts": _acts(row, user, now=now),
        "ledger_url": f"/ledger/?subject={row.subject}",
    }


def _acts(row: Playbook, user: User, *, now: datetime) -> list[dict[str, Any]]:
    again = {
        "words": "Propose the next version",
        "url": f"{PATH}new/?slug={row.slug}",
        "icon": "pencil",
        "get": True,
        "why_not": rights.why_not_propose_playbook(user, now=now) or "",
    }
    if row.state == "in_force":
        end = {
            "words": "Take it out of use",
            "url": f"{row.url}end/",
            "icon": "archive",
            "danger": True,
            "ask": "Why is it run no more? What runs goes on",
            "why_not": rights.why_not_end_playbook(user, row, now=now) or "",
        }
        return [end, again]
    if row.state != "proposed":
        return [again]
    return [
        {
            "words": "Refuse",
            "url": f"{row.url}refuse/",
            "icon": "x",
            "ask": "Why is it not to be run?",
            "why_not": rights.why_not_refuse_playbook(user, row, now=now) or "",
        },
        {
            "words": "Sign: put it in force",
            "url": f"{row.url}sign/",
            "icon": "signature",
            "primary": True,
            "why_not": rights.why_not_sign_playbook(user, row, now=now) or "",
        },
    ]


def proposal(user: User, *, now: datetime) -> dict[str, Any]:
    """templates/playbook_new.html, apart from what was typed."""
    return {
        "section": "playbooks",
        "now": now,
        "title": "Propose a playbook",
        "crumbs": CRUMBS,
        "why_not": rights.why_not_propose_playbook(user, now=now) or "",
        "fields": [{"name": name, "words": said} for name, said in FIELDS],
    }


def starting(slug: str) -> str:
    """The document that a form begins with: the last one of this name, or an example."""
    last = Playbook.objects.filter(slug=slug).order_by("-version").first() if slug else None
    return playbook_document.written(EXAMPLE if last is None else last.document)


# --- Running one ---------------------------------------------------------------------------------


def run_new(
    case: Case,
    user: User,
    said: Mapping[str, str],
    found: Sequence[tuple[Planned, Would | None]] | None = None,
    *,
    digest: str = "",
    problem: str = "",
    now: datetime,
) -> dict[str, Any]:
    """templates/playbook_run_new.html: which playbook, on what, and what it would do."""
    rows = [
        {
            "key": f"{one.slug}/{one.version}",
            "words": f"{one.slug}: {playbooks.document_of(one).words}",
            "does": playbooks.document_of(one),
            "row": one,
            "on": f"{one.slug}/{one.version}" == said.get("playbook"),
        }
        for one in playbooks.in_force()
    ]
    chosen = next((one for one in rows if one["on"]), None)
    why = rights.why_not_stop_run(user, case, now=now) or ""
    if chosen is not None:
        does: Any = chosen["does"]
        why = rights.why_not_run(user, case, does.does, now=now) or ""
    return {
        "section": "playbooks",
        "now": now,
        "title": "Run a playbook",
        "crumbs": containment.crumbs(case),
        "case": case,
        "path": f"/cases/{case.key}/playbooks/",
        "problem": problem,
        "rows": rows,
        "credentials": containment.run_new_choices(case, now=now),
        "playbook": said.get("playbook", ""),
        "credential": said.get("credential", ""),
        "others": said.get("others", ""),
        "reason": said.get("reason", ""),
        "why_not": why,
        "plan": None if found is None else [_planned(*one) for one in found],
        "digest": digest,
        "request_key": str(uuid4()),
    }


def _planned(one: Planned, would: Would | None) -> dict[str, Any]:
    return {
        "words": playbook_document.sentence(one.step),
        "then": playbook_document.GO_ON[one.step.then],
        "rows": [] if would is None else would.rows[:20],
        "facts": [] if would is None else would.facts,
        "why": "" if would is None else would.why,
        "many": 0 if would is None else len(would.rows),
    }


def run(row: PlaybookRun, user: User, *, now: datetime) -> dict[str, Any]:
    """templates/playbook_run.html: how far each step is."""
    steps = list(row.steps.prefetch_related("targets").order_by("place"))
    known = contained.revocations_of(one for step in steps for one in step.targets.all())
    return {
        "section": "playbooks",
        "now": now,
        "title": f"{row.key}: {row.playbook}",
        "crumbs": containment.crumbs(row.case),
        "case": row.case,
        "run": row,
        "badges": [containment.RUN_BADGES[row.state]],
        "live": row.state == "running",
        "waits_for": running.waits_for(row, steps),
        "steps": [_step(one, known) for one in steps],
        "acts": [
            {
                "words": "Stop it",
                "url": f"/cases/{row.case.key}/playbooks/{row.key}/stop/",
                "icon": "player-pause",
                "danger": True,
                "ask": "Why is it stopped? What was asked for stays as it is",
                "why_not": rights.why_not_stop_run(user, row.case, now=now) or "",
            }
        ]
        if row.state == "running"
        else [],
        "ledger_url": f"/ledger/?subject={row.case.key}",
    }


def _step(one: ContainmentStep, known: Mapping[UUID, Revocation]) -> dict[str, Any]:
    rows = list(one.targets.all())
    far = contained.of_step(rows, known)
    begun = one.begun_at is not None
    return {
        "key": one.key,
        "title": one.title,
        "url": f"{containment.path_of(one.case)}{one.key}/" if begun else "",
        "badge": containment.BADGES[one.state],
        "state": one.state,
        "dots": containment.dots(far) if begun and rows else [],
        "targets": far.targets,
        "refused": far.refused,
        "failed": [
            {"key": each.key, "url": f"/revocations/{each.key}/", "why": each.failed_why,
             "must_act": each.who_must_act}
            for each in far.failed
        ][:5],
        "then": playbook_document.GO_ON[one.go_on],
    }  # fmt: skip
