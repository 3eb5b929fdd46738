"""What stands on the page of a suspended identity: by what it is, and how it works again; and on
that of a retired one, what may work all the same.

Owns the sentences; what is read is reviews/actions/suspensions.py, the act resuming.py.
"""

from datetime import datetime
from typing import Any

from evidence.models import LedgerEntry
from identities.models import Identity, IdentityState, Party, Revocation, User
from reviews import visible
from reviews.actions import resuming, seats, suspensions
from reviews.models import Seat
from reviews.permissions import SEAT_WORDS, SIGNING, mine

SHOWN = 20


def facts(identity: Identity, user: User, *, now: datetime) -> dict[str, Any] | None:
    """{"at", "by", "why", "works", "case", "asked", "signs", "act"}; None where it is not suspended.

    `works`: what may still work, because its stop was not seen to be effective.
    """
    found = suspensions.read(identity, now=now)
    if found is None:
        return None
    asks = resuming.asked(identity)
    cases = {one.pk for one in (found.case, asks) if one is not None}
    seen = visible.cases(user, now=now).in_bulk(cases) if cases else {}
    hidden = found.case is not None and found.case.pk not in seen
    why = "in a case that you do not see" if hidden else found.why
    return {
        "at": found.since,
        "by": found.by,
        "why": why,
        "works": _works(identity, found.since),
        "case": "" if found.case is None or hidden else found.case.key,
        "asked": asks.key if asks is not None and asks.pk in seen else "",
        "signs": _signs(identity, user, now=now),
        "act": {
            "words": "Ask to resume it",
            "url": f"/identities/{identity.key}/resume/",
            "icon": "player-track-next",
            "ask": "Why it may work again; its owners read it, and it goes into the ledger",
            "why_not": resuming.why_not(user, identity)
            or resuming.against(identity, found, now=now)
            or "",
        },
    }


def retired(identity: Identity, *, now: datetime) -> dict[str, Any] | None:
    """{"at", "by", "works", "for_good"} as above; None where it is not retired."""
    row = _stretch(identity, "retired", during__contains=now)
    if identity.state != "retired" or row is None:
        return None
    # What stopped it before it was retired was asked for then.
    since = row.during.lower
    before = _stretch(identity, "suspended", "held", during__endswith=since)
    said = LedgerEntry.objects.filter(subject=identity.key, act="identity.retired")
    return {
        "at": since,
        "by": said.order_by("-pk").values_list("by_name", flat=True).first() or "Countersign",
        "works": _works(identity, since if before is None else before.during.lower),
        "for_good": True,
    }


def _stretch(identity: Identity, *states: str, **during: datetime) -> IdentityState | None:
    rows = identity.states.filter(state__in=states, superseded_at__isnull=True, **during)
    return rows.order_by("-pk").first()


def _works(identity: Identity, since: datetime) -> list[dict[str, str]]:
    """The stops of it at other systems that nobody has seen to be effective, as far as shown."""
    rows = Revocation.objects.filter(
        identity=identity, step__in=["suspend", "hold", "revoke"], requested_at__gte=since
    ).exclude(state__in=["effective", "undone"])
    return [
        {"revocation": one.key, "words": one.words, "state": one.state}
        for one in rows.order_by("number")[:SHOWN]
    ]


def _signs(identity: Identity, user: User, *, now: datetime) -> str:
    """Who has to sign, and what it means for whoever asks."""
    planned = seats.plan(None, identity, seats.concerned(identity, now=now))
    signing = [seat for seat in planned if seat.kind in SIGNING]
    names = " and ".join(
        f"{seat.party or 'a reviewer'} as {SEAT_WORDS[seat.kind]}" for seat in signing
    )
    said = f"It works again once {names} {'has' if len(signing) == 1 else 'have'} signed."
    parties = mine(user, now=now)
    own = next((seat for seat in signing if seat.party_id in parties), None)
    if own is None:
        return f"{said} Whoever asks does not sign."
    return f"{said} Whoever asks does not sign: {_instead(own)}"


def _instead(seat: Seat) -> str:
    backup: Party | None = seat.backup
    if backup is None:
        return "you are one of them and nobody stands in for you, so have somebody else ask."
    return f"if you ask, {backup} signs in your place; if somebody else asks, you do."
