"""The page on which a case is sealed, its members change and the seal ends."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from identities.models import Identity, User
from identities.permissions import NotPossible
from reviews.models import Case
from reviews.permissions import SEAT_WORDS, persons_of, subjects_of
from reviews.sealing import naming, rights
from reviews.sealing.enclosing import Named

MOST_TYPED = 8_000
# Before a case is there, its seats are known by their kind.
KINDS = ("identity_owner", "ai_owner", "tie_breaker")
BEFORE = (
    "Mails that were sent before, and what people have read, cannot be taken back. Rows that are in"
    " the ledger already are shown to nobody else from now on; files of it that were taken out before"
    " have them."
)


def acts(case: Case, user: User, *, now: datetime) -> list[dict[str, Any]]:
    """What leads to the page, from the case's own: of a sealed case for its members, else for those
    who may seal it."""
    if not case.sealed and rights.why_not_seal(user, case, now=now) is not None:
        return []
    words = "Its seal" if case.sealed else "Seal…"
    return [{"words": words, "url": f"/cases/{case.key}/seal/", "icon": "lock", "get": True}]


def of_case(case: Case, user: User, *, now: datetime) -> dict[str, Any]:
    """templates/seal.html."""
    sealing = rights.open_of(case) if case.sealed else None
    here = f"/cases/{case.key}/seal/"
    return {
        "section": case.door,
        "title": f"{case.key}: its seal" if case.sealed else f"Seal {case.key}",
        "crumbs": [
            {"words": "Queue", "url": "/queue/"},
            {"words": case.key, "url": f"/cases/{case.key}/"},
            {"words": "Seal", "url": ""},
        ],
        "case": {
            "key": case.key,
            "title": case.title,
            "sealed": case.sealed,
            "version": case.version,
            "url": f"/cases/{case.key}/",
        },
        "here": here,
        "sealing": sealing,
        "members": _members(case),
        "subjects": [
            {"name": one.person.name, "since": one.since}
            for one in case.subjects.select_related("person").order_by("person__name", "pk")
        ],
        "seats": _seats(case, now=now),
        "before": BEFORE,
        "why_not_seal": rights.why_not_seal(user, case, now=now) or "",
        "why_not_members": rights.why_not_change_members(user, case, now=now) or "",
        "why_not_ask": rights.why_not_ask_unsealing(user, case, now=now) or "",
        "why_not_sign": rights.why_not_sign_unsealing(user, case, now=now) or "",
        "why_not_drop": rights.why_not_drop_unsealing(user, case, now=now) or "",
        "asked": {},
        "now": now,
    }


def opening(user: User, identity: Identity, *, now: datetime) -> dict[str, Any]:
    """templates/seal_new.html: an incident that is sealed from its first moment."""
    return {
        "section": "incident",
        "title": "Open a sealed incident",
        "crumbs": [
            {"words": identity.name, "url": f"/identities/{identity.key}/"},
            {"words": "Sealed incident", "url": ""},
        ],
        "identity": {"key": identity.key, "name": identity.name},
        "seats": [
            {"name": kind, "words": SEAT_WORDS[kind], "party": _party(identity, kind)}
            for kind in KINDS
        ],
        "why_not": rights.why_not_open_sealed(user, identity, now=now) or "",
        "asked": {},
        "now": now,
    }


def _party(identity: Identity, kind: str) -> str:
    service = identity.service
    party = {
        "identity_owner": identity.owner,
        "ai_owner": None if service is None else service.ai_owner,
        "tie_breaker": identity.sponsor,
    }[kind]
    return "" if party is None else str(party)


def _members(case: Case) -> list[dict[str, Any]]:
    if not case.sealed:
        return []
    rows = list(case.members.select_related("person").order_by("person__name", "pk"))
    logins = dict(
        User.objects.filter(person__in=[one.person_id for one in rows])
        .order_by("-username")
        .values_list("person", "username")
    )
    return [
        {
            "name": one.person.name,
            "login": logins.get(one.person_id, one.person.name),
            "since": one.since,
        }
        for one in rows
    ]


def _seats(case: Case, *, now: datetime) -> list[dict[str, Any]]:
    """The seats of a case, and in which of them nobody sits who may know of it."""
    members = set(case.members.values_list("person", flat=True))
    about = subjects_of(case)
    rows = []
    seats = case.seats.select_related("party__person", "party__team", "person", "service")
    for seat in seats.order_by("position", "pk"):
        sits = set() if seat.party is None else {one.pk for one in persons_of(seat.party, now=now)}
        rows.append(
            {
                "name": str(seat.pk),
                "words": SEAT_WORDS[seat.kind],
                "service": "" if seat.service is None else seat.service.name,
                "party": "" if seat.party is None else str(seat.party),
                "signed": "" if seat.person is None else seat.person.name,
                "about": bool(sits & about),
                "member": bool(sits & members),
            }
        )
    return rows


def named(said: Mapping[str, str]) -> Named:
    """What a form names: members and subjects one a line, substitutes by seat."""
    typed = {name: str(value)[:MOST_TYPED] for name, value in said.items()}
    return Named(
        naming.persons_called(typed.get("members", "").splitlines()),
        naming.persons_called(typed.get("subjects", "").splitlines()),
        instead(typed),
    )


def instead(typed: Mapping[str, str]) -> dict[str, Any]:
    """Who sits instead, from the fields ``instead:<seat>``; empty ones name nobody."""
    found = {}
    for name, value in list(typed.items())[:100]:
        seat = name.removeprefix("instead:")
        if seat == name or not value.strip():
            continue
        found[seat] = naming.person_called(value)
    return found


def one_person(typed: Mapping[str, str]) -> Any:
    """The person that a form names, or NotPossible."""
    said = typed.get("person", "")[:MOST_TYPED]
    if not said.strip():
        raise NotPossible("Say whom: a login, a mail address or a name.")
    return naming.person_called(said)
