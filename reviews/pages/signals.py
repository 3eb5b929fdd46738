"""Shared signals as pages: who is told, how each stream goes, and what others send us.

Owns the contexts of templates/signals.html, signal_stream.html and signal_receiver.html. Constant
queries.
"""

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import Count, OuterRef, QuerySet, Subquery

from evidence.models import Connection, Deposit, Pull
from evidence.sources import signals as received
from evidence.words import counted
from identities import visible
from identities.actions import outgoing
from identities.enforcers import signal_keys
from identities.enforcers.contract import PermanentFailure
from identities.models import SignalReceiver, SignalSet, SignalStream, SignalSubject, User
from identities.permissions import why_not_administer
from identities.signals import reading

PATH = "/signals/"
CRUMBS = [{"words": "Signals", "url": PATH}]
MOST_REFUSED = 50
NAMED_WORDS = {
    "key": "our key of the identity (iss_sub)",
    "iss_sub": "its name at an issuer (iss_sub)",
    "email": "its e-mail address (email)",
    "uri": "its ARN (uri)",
    "opaque": "its name (opaque)",
    "aliases": "all its names (aliases)",
}
SUBJECT_WORDS = {"ALL": "every identity", "NONE": "those that the receiver adds"}
BADGES = {"enabled": "in_force", "paused": "waits", "disabled": "refused"}


def overview(user: User, *, now: datetime) -> dict[str, Any]:
    """templates/signals.html."""
    return {
        "section": "signals",
        "now": now,
        "title": "Signals",
        "not_set_up": problem(),
        "stopped": outgoing.stopped(),
        "metadata_url": f"{settings.BASE_URL}/.well-known/ssf-configuration",
        "receivers": [
            {
                "name": one.name,
                "audience": one.audience,
                "login": one.user.username,
                "subjects": SUBJECT_WORDS[one.default_subjects],
                "named": NAMED_WORDS[one.named_by],
                "act": {
                    "words": "Tell it nothing more",
                    "url": f"{PATH}receivers/{one.pk.hex}/end/",
                    "icon": "x",
                    "danger": True,
                    "ask": f"Why is {one.name} told nothing more? It goes into the ledger",
                    "why_not": why_not_administer(user, now=now) or "",
                },
            }
            for one in receivers().select_related("user")
        ],
        "rows": [row_of(one, now=now) for one in streams()],
        "sources": sources(),
        "acts": [
            {
                "words": "Register a receiver",
                "url": f"{PATH}receivers/new/",
                "icon": "send",
                "get": True,
                "primary": True,
                "why_not": why_not_administer(user, now=now) or "",
            }
        ],
    }


def problem() -> str:
    """Why nothing is signed here; "" where it is."""
    try:
        signal_keys.keys()
    except PermanentFailure as refused:
        return refused.reason
    return ""


def receivers() -> QuerySet[SignalReceiver]:
    """Those that are told."""
    return SignalReceiver.objects.filter(ended_at=None).order_by("name")


def streams() -> QuerySet[SignalStream, Any]:
    """Every stream, with what waits on it and what was refused: by their partial indexes."""
    return (
        SignalStream.objects.filter(deleted_at=None, receiver__ended_at=None)
        .select_related("receiver")
        .annotate(backlog=_count("waiting"), refused=_count("refused"))
        .order_by("receiver__name", "created_at")
    )


def _count(state: str) -> Subquery:
    rows = SignalSet.objects.filter(stream=OuterRef("pk"), state=state).order_by()
    return Subquery(rows.values("stream").annotate(n=Count("pk")).values("n"))


def row_of(one: Any, *, now: datetime) -> dict[str, Any]:
    """One stream as the list and the API say it."""
    failing = one.failures > 0
    return {
        "id": one.stream_id,
        "url": one.url,
        "receiver": one.receiver.name,
        "description": one.description,
        "where": urlsplit(one.endpoint).netloc if one.delivery == "push" else "polled",
        "status": one.status,
        "status_reason": one.status_reason,
        "badge": {"kind": "failed", "words": "does not get through"}
        if failing
        else {"kind": BADGES[one.status], "words": one.status},
        "kinds": [uri.rpartition("/")[2] for uri in reading.delivered(one.requested)],
        "backlog": one.backlog or 0,
        "refused": one.refused or 0,
        "dropped": one.dropped,
        "overflow": reading.overflow(one) if one.overflowed_at else "",
        "verified_at": one.verified_at,
        "taken_at": one.taken_at,
        "polled_at": one.polled_at,
        "failed_why": one.failed_why,
        "who_must_act": one.who_must_act,
        "next_at": one.not_before if failing and one.not_before > now else None,
    }


def sources() -> list[dict[str, Any]]:
    """What others send us, with the last of it, the last verification and the last failure."""
    deposits = Deposit.objects.filter(source=OuterRef("source")).order_by("-received_at")
    pulls = Pull.objects.filter(source=OuterRef("source")).order_by("-asked_at")
    rows = (
        Connection.objects.filter(connector=received.NAME)
        .select_related("source")
        .annotate(
            last=Subquery(deposits.values("received_at")[:1]),
            verified=Subquery(
                deposits.filter(name__startswith="verification").values("received_at")[:1]
            ),
            failed=Subquery(pulls.values("problem")[:1]),
        )
        .order_by("source__name")
    )
    return [
        {
            "name": one.source.name,
            "url": f"/sources/{one.source.name}/",
            "issuer": one.settings.get("issuer", ""),
            "polled": bool(one.settings.get("poll_url")),
            "paused": one.paused,
            "last_at": one.last,
            "verified_at": one.verified,
            "failed_why": one.failed or "",
        }
        for one in rows
    ]


def shown(stream: SignalStream, user: User, *, now: datetime) -> dict[str, Any]:
    """templates/signal_stream.html."""
    row = row_of(streams().get(pk=stream.pk), now=now)
    # How a stream goes is for everybody, about whom it tells is not.
    everything = visible.sees_all(user)
    subjects = SignalSubject.objects.filter(stream=stream)
    refused = SignalSet.objects.filter(stream=stream, state="refused").select_related(
        "event__identity"
    )
    return {
        "section": "signals",
        "now": now,
        "title": f"The stream of {row['receiver']}",
        "crumbs": CRUMBS,
        "row": row,
        "badges": [row["badge"]],
        "subjects": SUBJECT_WORDS[stream.receiver.default_subjects],
        "added": counted(subjects.filter(included=True).count(), "subject"),
        "removed": counted(subjects.filter(included=False).count(), "subject"),
        "refused": [
            {
                "kind": one.event.kind,
                "identity": one.event.identity if everything else None,
                "at": one.settled_at,
                "err": one.err,
                "said": one.said,
            }
            for one in refused.order_by("-id")[:MOST_REFUSED]
        ],
        "acts": _acts(stream, user, now=now),
        "ledger_url": f"/ledger/?subject=signals%3A{stream.receiver_id}",
    }


def _acts(stream: SignalStream, user: User, *, now: datetime) -> list[dict[str, Any]]:
    why_not = why_not_administer(user, now=now) or ""
    ask = "Why? The ledger keeps it, and the receiver is told that it changed"
    named = (
        ("enabled", "Enable it", "player-play", False),
        ("paused", "Pause it", "player-pause", False),
        ("disabled", "Disable it", "x", True),
    )
    return [
        {
            "words": "Test it",
            "url": f"{stream.url}test/",
            "icon": "send",
            "primary": True,
            "why_not": why_not,
        },
        *(
            {
                "words": words,
                "url": f"{stream.url}{status}/",
                "icon": icon,
                "danger": danger,
                "ask": ask,
                "why_not": why_not,
            }
            for status, words, icon, danger in named
            if status != stream.status
        ),
        {
            "words": "Remove it",
            "url": f"{stream.url}remove/",
            "icon": "trash",
            "danger": True,
            "ask": "Why is it removed? It goes into the ledger",
            "why_not": why_not,
        },
    ]


def registering(user: User, *, now: datetime) -> dict[str, Any]:
    """templates/signal_receiver.html, apart from what was typed."""
    return {
        "section": "signals",
        "now": now,
        "title": "Register a receiver",
        "crumbs": CRUMBS,
        "why_not": why_not_administer(user, now=now) or "",
    }
