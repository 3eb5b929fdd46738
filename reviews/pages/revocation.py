"""One revocation: how far it is, what was tried, what a person does by hand, and what people state.

Owns the context of templates/revocation.html. Constant queries.
"""

from datetime import datetime
from typing import Any

from identities import permissions
from identities.actions.revocations import by_hand, rights, stating
from identities.models import Revocation, Statement, User
from reviews.actions.stating import two_needed
from reviews.pages import issued_with, unfinished

MOST_TRIES = 50
MOMENTS = (
    ("Requested", "requested_at"),
    ("Sent", "sent_at"),
    ("Confirmed: the target shows it", "confirmed_at"),
    ("Effective", "effective_at"),
)


def context(row: Revocation, user: User, *, now: datetime) -> dict[str, Any]:
    """templates/revocation.html."""
    path = f"/revocations/{row.key}/"
    statements = list(row.statements.order_by("-stated_at", "-pk"))
    waits = next((one for one in statements if one.state == "proposed"), None)
    known = unfinished.around()
    how = by_hand.standing(row, silent=known.silent, stopped=known.stopped, proposed=waits)
    is_open = row.state in stating.OPEN
    return {
        "section": "front",
        "title": row.words,
        "crumbs": [
            {"words": "Home", "url": "/"},
            {"words": "Not finished", "url": unfinished.PATH},
        ],
        "now": now,
        "row": row,
        "identity": {"words": row.identity.name, "url": f"/identities/{row.identity.key}/"},
        "case_url": f"/cases/{row.case_key}/" if row.case_key else "",
        "place": by_hand.place_of(row),
        "stated": next((one for one in statements if row.stated and one.state == "stands"), None),
        "how": how if is_open else None,
        "moments": [{"words": said, "at": getattr(row, name)} for said, name in MOMENTS],
        "tries": list(row.tries.order_by("-at", "-pk")[:MOST_TRIES]),
        "issued": issued_with.of_revocation(row, user, now=now),
        "cause": row.cause,
        "steps": by_hand.steps(row, rights.sentences()) if is_open else [],
        "statements": [_statement(one, path) for one in statements],
        "state_url": f"{path}state/" if is_open and waits is None else "",
        "state_why_not": stating.why_not_state(user, row.identity, now=now) or "",
        "two_needed": two_needed(row) if is_open else False,
        "acts": _acts(row, waits, user, path, now=now),
        "ledger_url": f"/ledger/?subject={row.identity.key}",
    }


def _statement(one: Statement, path: str) -> dict[str, Any]:
    return {
        "row": one,
        "state": {
            "proposed": "a second person is missing",
            "stands": "the target shows it as well" if one.seen_at else "stated, not seen",
            "refused": "refused",
            "contradicted": "the target shows otherwise",
            "over": "overtaken by something later",
        }[one.state],
        "proof_url": f"{path}proofs/{one.pk}/" if one.deposit_id else "",
    }


def _acts(
    row: Revocation, waits: Statement | None, user: User, path: str, *, now: datetime
) -> list[dict[str, Any]]:
    if waits is not None:
        return [
            {
                "words": "Sign: it was done",
                "url": f"{path}sign/",
                "icon": "signature",
                "primary": True,
                "why_not": stating.why_not_sign_statement(user, row.identity, waits, now=now) or "",
            },
            {
                "words": "Refuse it",
                "url": f"{path}refuse/",
                "icon": "x",
                "ask": "Why is it not believed? It goes into the ledger",
                "why_not": stating.why_not_refuse_statement(user, row.identity, waits, now=now)
                or "",
            },
        ]
    if row.state == "failed":
        why = permissions.why_not_retry(user, row.identity, now=now) or ""
        return [
            {"words": "Try it again", "url": f"{path}retry/", "icon": "refresh", "why_not": why}
        ]
    return []
