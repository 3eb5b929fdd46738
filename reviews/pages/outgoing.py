"""The switch for all outgoing writes as a page: where it stands, who threw it, what waits behind it.

Owns the context of templates/outgoing.html. Constant queries.
"""

from datetime import datetime
from typing import Any

from django.db.models import Count

from identities.actions import outgoing
from identities.models import OutgoingSwitch, Revocation, User

MOST = 50
WAITING = ("requested", "sending")


def context(user: User, *, now: datetime) -> dict[str, Any]:
    """templates/outgoing.html."""
    current, row = outgoing.current(), outgoing.proposed()
    stopped = current is not None and current.to == "stopped"
    waits = Revocation.objects.filter(state__in=WAITING).order_by().values_list("step")
    return {
        "section": "modes",
        "now": now,
        "title": "Outgoing writes",
        "crumbs": [{"words": "Modes", "url": "/modes/"}],
        "stopped": stopped,
        "current": current,
        "proposed": row,
        "proposed_words": "" if row is None else outgoing.WORDS[row.to],
        "waiting": [
            {"step": step, "n": n} for step, n in waits.annotate(n=Count("pk")).order_by("step")
        ],
        "history": [
            {"row": one, "words": outgoing.WORDS[one.to]}
            for one in OutgoingSwitch.objects.order_by("-proposed_at", "-pk")[:MOST]
        ],
        "acts": _acts(user, row, stopped=stopped, now=now),
        "ledger_url": "/ledger/?subject=outgoing+writes",
    }


def _acts(
    user: User, row: OutgoingSwitch | None, *, stopped: bool, now: datetime
) -> list[dict[str, Any]]:
    if row is not None:
        return [
            {
                "words": f"Sign: {outgoing.WORDS[row.to]}",
                "url": "/outgoing/sign/",
                "icon": "signature",
                "danger": row.to == "stopped",
                "primary": True,
                "why_not": outgoing.why_not_sign_switch(user, row, now=now) or "",
            },
            {
                "words": "Refuse it",
                "url": "/outgoing/refuse/",
                "icon": "x",
                "ask": "Why does it stay as it is? It goes into the ledger",
                "why_not": outgoing.why_not_refuse_switch(user, row, now=now) or "",
            },
        ]
    to = "open" if stopped else "stopped"
    return [
        {
            "words": f"Propose to {outgoing.WORDS[to]}",
            "url": "/outgoing/propose/",
            "icon": "player-play" if stopped else "player-pause",
            "danger": not stopped,
            "ask": "Why? It goes into the ledger, and a second person signs",
            "hidden": [{"name": "to", "value": to}],
            "why_not": outgoing.why_not_propose_switch(user, now=now) or "",
        }
    ]
