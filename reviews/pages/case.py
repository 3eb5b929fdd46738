"""One case: the three answers, its deadline, seats, items, the evidence of one item, the rail.

Owns the context of templates/case.html, with the same number of queries for 1 item and for 30.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from evidence.models import LedgerEntry
from evidence.words import counted
from identities.models import Person, Revocation, User
from reviews import permissions, sight, visible
from reviews.actions import attention as looking
from reviews.actions.naming import empty_seats
from reviews.models import Case, Decision, Item, Seat
from reviews.packs import subjects
from reviews.pages import (
    answers,
    attention,
    automatic,
    beside,
    case_clock,
    case_item,
    case_items,
    case_stages,
    comments,
    outcomes,
    packs,
    planted,
    quarantine,
    room_acts,
    sealing,
    triggers,
    vendor,
    weighing,
    withdrawn,
)
from reviews.permissions import SEAT_WORDS, SIGNING

LEDGER_ROWS = 20
EARLIER_ROWS = 20
# Why a seat is there.
OWNS = {
    "identity_owner": "Owns the identity.",
    "ai_owner": "Owns the AI system{service}.",
    "second": "Signs too: who granted or issued what is reviewed never signs for it alone.",
}
SIGNS = OWNS | {
    "identity_owner": "Signs for the identity.",
    "ai_owner": "Signs for the AI system{service}.",
}


class Parts:
    """What several parts of the page need, read once."""

    def __init__(self, case: Case, user: User, *, now: datetime) -> None:
        self.case, self.user, self.now = case, user, now
        self.seats = list(
            case.seats.select_related(
                "party__person",
                "party__team",
                "backup__person",
                "backup__team",
                "person",
                "service",
                "stage",
            ).order_by("position")
        )
        self.items = list(case.items.order_by("position"))
        self.decisions: dict[tuple[Any, Any], Decision] = {
            (row.item_id, row.seat_id): row
            for row in Decision.objects.filter(
                item__case=case, superseded_at__isnull=True
            ).select_related("person", "capsule")
        }
        # What a blind stage must not see is taken out before anything is made of it.
        self.blind = sight.of(user, case, self.seats, self.items, self.decisions, now=now)
        if self.blind is not None:
            self._hide(self.blind)
        self.marks = [] if self.blind is not None else looking.standing(case)
        self.weighed = weighing.read(case, now=now)
        self.beside = beside.of(self.items, user, now=now)
        self.withdrawals = list(case.withdrawals.select_related("finding").order_by("at", "pk"))
        newest = case.findings.order_by("-opened_at").values_list("opened_at", flat=True).first()
        # An answer given before the newest finding was given without knowing it.
        self.newest_finding: datetime | None = newest
        self.why = {
            seat.pk: permissions.why_not_sit(user, case, seat, now=now) for seat in self.seats
        }
        self.empty = empty_seats(case, now=now)

    @property
    def shown(self) -> list[Seat]:
        """The signing seats that the page shows: those of stages to come are named in the stages,
        and of earlier ones a blind reviewer sees nothing."""
        return [
            seat
            for seat in self.seats
            if seat.kind in SIGNING
            and seat.turn != "later"
            and (self.blind is None or seat.pk not in self.blind.seats)
        ]

    def _hide(self, blind: sight.Blind) -> None:
        self.decisions = {
            (item, seat): row
            for (item, seat), row in self.decisions.items()
            if not blind.hides(item, seat)
        }
        for item in self.items:
            if item.pk in blind.items:
                item.outcome = item.held = item.carried_words = ""
                item.stage_outcomes = {}

    def refs(self, items: Collection[UUID]) -> list[UUID]:
        """What these items are about."""
        return [one.ref for one in self.items if one.pk in items and one.ref is not None]

    def mine(self) -> Seat | None:
        """The seat this user signs in: theirs already, else the first they may sit in."""
        for seat in self.seats:
            if seat.person_id is not None and seat.person_id == self.user.person_id:
                return seat
        for seat in self.seats:
            if seat.kind in SIGNING and self.why[seat.pk] is None:
                return seat
        return None

    def stale(self, row: Decision) -> bool:
        return self.newest_finding is not None and row.at < self.newest_finding


def context(case: Case, user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/case.html."""
    parts = Parts(case, user, now=now)
    planted.join(parts)
    item = chosen(case_items.choice(parts, asked), asked.get("item", ""), parts)
    groups = case_items.listed(parts, item)
    identity = case.identity
    return {
        "section": case.door,
        "title": f"{case.key} {case.title}",
        "crumbs": [{"words": "Queue", "url": "/queue/"}, {"words": case.key, "url": ""}],
        "case": {
            "key": case.key,
            "door": case.door,
            "title": case.title,
            "state": case.state,
            "sealed": case.sealed,
            "reason": case.reason,
            "opened_at": case.opened_at,
            "opened_by": case.opened_by_name,
            "deadline_at": case.deadline_at,
            "closed_at": case.closed_at,
            "version": case.version,
        },
        "identity": identity
        and {
            "key": identity.key,
            "name": identity.name,
            "url": f"/identities/{identity.key}/",
        },
        "badges": _badges(parts),
        "answers": answers.three(identity, now) if identity is not None else None,
        "vendor": vendor.facts(identity, now=now) if identity is not None else None,
        "deadline": case_clock.of(case, now=now),
        "policy": case.policy,
        "stages": case_stages.of(parts),
        "planted": planted.of_case(parts),
        "blind": "" if parts.blind is None else parts.blind.why,
        "seats": [_seat(seat, parts) for seat in parts.shown],
        "items": [row for group in groups for row in group["rows"]],
        "item_groups": groups,
        "item": case_item.evidence(item, parts) if item is not None else None,
        "withdrawn": withdrawn.of_item(item, parts) if item is not None else None,
        "decision": case_item.decision(item, parts, asked) if item is not None else None,
        "why_no_decision": _why_none(parts),
        "tie_break": case_item.tie_break(item, parts) if item is not None else None,
        "quarantine": quarantine.of_case(case, user, asked, now=now),
        "revocations": list(
            Revocation.objects.filter(case=case.pk)
            .exclude(pk__in=[] if parts.blind is None else _of_items(parts.refs(parts.blind.items)))
            .select_related("identity", "credential__actor", "cause")
            .prefetch_related("statements")
            .order_by("number")[:50]
        ),
        "entries": entries(case),
        "entries_url": f"/ledger/?subject={case.key}",
        "earlier": _earlier(parts),
        "comments": None if parts.blind is not None else comments.context(parts, asked),
        "acts": room_acts.of_case(case, user, now=now)
        + _acts(parts)
        + attention.acts(parts)
        + automatic.acts(case)
        + sealing.acts(case, user, now=now),
        "provisional": attention.provisional(parts.marks),
        "kept_back": outcomes.kept_back(case),
        "triggers": triggers.of_case(case),
        "undo": _undo(parts),
        "now": now,
    }


def _of_items(refs: Collection[UUID]) -> list[UUID]:
    """What was asked of these credentials, and of what was issued with them."""
    asked = Q(credential__in=refs) | Q(cause__credential__in=refs)
    return list(Revocation.objects.filter(asked).values_list("pk", flat=True))


def chosen(items: list[Item], asked: str, parts: Parts) -> Item | None:
    """The item the address names, else the first of `items` that waits for this user, else the
    first."""
    for item in parts.items:
        if str(item.pk) == asked:
            return item
    seat = parts.mine()
    for item in items:
        if seat is not None and (item.pk, seat.pk) not in parts.decisions and item.outcome == "":
            return item
    return items[0] if items else None


def _badges(parts: Parts) -> list[dict[str, Any]]:
    signing = [seat for seat in parts.seats if seat.kind in SIGNING and seat.turn == "now"]
    found: list[dict[str, Any]] = []
    if len(signing) > 1:
        found.append({"kind": "joint", "words": "joint, both must sign", "url": ""})
    if parts.marks:
        found.append({"kind": "provisional", "words": "provisional", "url": ""})
    conflicts = sum(item.outcome == "conflict" for item in parts.items)
    if conflicts:
        found.append({"kind": "conflict", "words": counted(conflicts, "conflict"), "url": ""})
    return found


def _seat(seat: Seat, parts: Parts) -> dict[str, Any]:
    given = [row for (_, pk), row in parts.decisions.items() if pk == seat.pk]
    person = seat.person or (seat.party.person if seat.party is not None else None)
    service = f" of {seat.service.name}" if seat.service is not None else ""
    # Who sits in a stage need not own anything.
    owns = (OWNS if seat.stage is None else SIGNS)[seat.kind].format(service=service)
    backup = f" Backup: {seat.backup}." if seat.backup is not None else ""
    return {
        "words": SEAT_WORDS[seat.kind] + (f", {seat.stage.name}" if seat.stage else ""),
        "who": None if person is None else _who(person, parts),
        "party": str(seat.party) if seat.party is not None else "",
        "note": _note(seat, f"{owns}{backup}", parts),
        "answered": len(given),
        "of": len(parts.items),
        "stale": sum(parts.stale(row) for row in given),
        "may_not": _may_not(seat, parts),
        "side": "ai" if seat.kind == "ai_owner" else "identity",
    }


def _who(person: Person, parts: Parts) -> dict[str, Any]:
    return {
        "name": person.name,
        "you": person.pk == parts.user.person_id,
        "side": "",
    }


def _note(seat: Seat, owns: str, parts: Parts) -> str:
    if seat.pk in parts.empty:
        return "Nobody may sit here now: an administrator who has no part in it names somebody."
    return owns if seat.party is not None else "Nobody is named: a reviewer may sit."


def _may_not(seat: Seat, parts: Parts) -> list[dict[str, str]]:
    if seat.pk in parts.empty:
        who = [
            {"name": one.name, "why": (one.why_not or "").removeprefix(f"{one.name} ")}
            for one in parts.empty[seat.pk]
        ]
        return who or [{"name": "No reviewer", "why": "is there"}]
    found = []
    if parts.case.requester is not None:
        found.append({"name": parts.case.requester.name, "why": "asked for this"})
    found += [
        {"name": other.person.name, "why": "already sits in the other seat"}
        for other in parts.seats
        if other.pk != seat.pk and other.person is not None and seat.turn != "past"
    ]
    if parts.case.identity is not None:
        found.append({"name": parts.case.identity.name, "why": "is the subject"})
    return found


def _why_none(parts: Parts) -> str:
    """Why this user signs nothing here, in the words of the nearest seat."""
    reasons = [parts.why[seat.pk] for seat in parts.seats if seat.kind in SIGNING]
    return next((why for why in reasons if why), "") if None not in reasons else ""


def entries(case: Case) -> list[dict[str, Any]]:
    """The ledger of the case, newest first, with seal numbers."""
    rows = (
        LedgerEntry.objects.filter(subject=case.key)
        .select_related("seal")
        .order_by("-id")[:LEDGER_ROWS]
    )
    return [
        {
            "at": row.at,
            "by": row.by_name,
            "words": row.words.removeprefix(f"{row.by_name} "),
            "number": row.seal.number if hasattr(row, "seal") else None,
        }
        for row in rows
    ]


def _earlier(parts: Parts) -> list[dict[str, Any]]:
    refs = [item.ref for item in parts.items if item.ref is not None]
    rows = (
        Decision.objects.filter(
            item__ref__in=refs,
            superseded_at__isnull=True,
            item__case__in=visible.cases(parts.user, now=parts.now),
        )
        .exclude(item__case=parts.case)
        .select_related("item__case", "person")
        .order_by("-at")[:EARLIER_ROWS]
    )
    return [
        {
            "at": row.at,
            "case_key": row.item.case.key,
            "case_url": f"/cases/{row.item.case.key}/",
            "answer": row.answer,
            "item": row.item.title,
            "reason": row.reason,
            "who": row.person.name,
        }
        for row in rows
    ]


def _acts(parts: Parts) -> list[dict[str, Any]]:
    case, user, now = parts.case, parts.user, parts.now
    found: list[dict[str, Any]] = []
    here = f"/cases/{case.key}"
    if case.state == "draft":
        found.append(
            {
                "words": "Open the review",
                "url": f"{here}/start/",
                "icon": "send",
                "why_not": permissions.why_not_start(user, case, now=now) or "",
                "ask": "Why it is asked now",
                "primary": True,
            }
        )
    stuck = case.state == "carrying_out" and any(
        item.carried_out_at is None for item in parts.items
    )
    if stuck:
        found.append(
            {
                "words": "Carry out again",
                "url": f"{here}/again/",
                "icon": "refresh",
                "why_not": permissions.why_not_close(user, case, now=now) or "",
            }
        )
    if case.state in ("draft", "open"):
        found.append(
            {
                "words": "Cancel the case",
                "url": f"{here}/cancel/",
                "icon": "x",
                "why_not": permissions.why_not_cancel(user, case, now=now) or "",
                "ask": "Why nothing has to be decided",
            }
        )
    return found if parts.blind is not None else found + packs.acts(subjects.of(case), user)


def _undo(parts: Parts) -> dict[str, Any] | None:
    last = max(
        (
            row
            for row in parts.decisions.values()
            if row.by_id == parts.user.pk and row.not_before > parts.now
        ),
        key=lambda row: row.at,
        default=None,
    )
    if last is None or parts.case.state not in ("open", "decided"):
        return None
    return {
        "url": f"/cases/{parts.case.key}/undo/?item={last.item_id}",
        "until": last.not_before,
    }
