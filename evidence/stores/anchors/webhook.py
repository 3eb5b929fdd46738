"""A signed webhook (Standard Webhooks 1.0): somebody else's system keeps the statement."""

import json
from datetime import datetime

from standardwebhooks.webhooks import Webhook

from evidence.sources import secrets
from evidence.stores.anchors.asking import posted
from evidence.stores.anchors.configured import Held, Kept, Place, Statement, wrong


def keep(place: Place, statement: Statement, *, now: datetime) -> Kept:
    """POST it; sent again after a crash, it has the same id."""
    message = f"anchor-{statement.number}-{statement.hash.hex()[:16]}"
    body = json.dumps(
        {
            "type": "ledger.anchored",
            "timestamp": now.isoformat(),
            "data": {
                "number": statement.number,
                "hash": statement.hash.hex(),
                "statement": statement.text,
            },
        }
    )
    secret = secrets.read(place.says["secret"], called="secret")
    try:
        signature = Webhook(secret.strip()).sign(message, now, body)
    except ValueError:
        raise wrong(f"{place.name}: secret is not written as Standard Webhooks does") from None
    headers = {
        "Content-Type": "application/json",
        "webhook-id": message,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }
    said, _ = posted(place.says["url"], body.encode(), headers, now=now)
    receipt = json.dumps({"id": message, "answered": said.get("date", "")}).encode()
    return Kept(receipt, "taken by the receiver")


def problem(place: Place, statement: Statement, receipt: bytes) -> str:  # noqa: ARG001 -- as each kind
    """Only its receiver can say what it has: they compare it with `verify_ledger --anchor`."""
    return ""


def held(place: Place) -> list[Held] | None:  # noqa: ARG001 -- as each kind
    """A receiver takes heads; it does not list them."""
    return None
