"""A notice as a signed webhook (Standard Webhooks 1.0), to a guarded address.

Only the key of a case and a link go out. The signing secret is a setting, the receiver's copy of
it verifies id, time and body.
"""

import json
from datetime import datetime

import httpx
from django.conf import settings
from standardwebhooks.webhooks import Webhook

from evidence.sources import outside
from evidence.sources.outside import NotResolved, Refused
from evidence.sources.patience import Patience, Slow
from reviews.models import Notice

from .failures import Permanent, Temporary

TIMEOUT = httpx.Timeout(10.0, connect=5.0)


def send(notice: Notice, *, now: datetime) -> None:
    """POST one notice; what the receiver says beyond a status is not read."""
    secret = settings.WEBHOOK_SECRET
    if not secret:
        raise Permanent("no COUNTERSIGN_WEBHOOK_SECRET is set, so nothing can be signed")
    body = json.dumps(
        {
            "type": "notice",
            "timestamp": notice.created_at.isoformat(),
            "data": {"subject": notice.subject, "text": notice.body, "occasion": notice.occasion},
        },
        ensure_ascii=True,
    )
    headers = {
        "Content-Type": "application/json",
        "webhook-id": str(notice.pk),
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(str(notice.pk), now, body),
    }
    try:
        with (
            outside.client(
                allow_private=bool(settings.ALLOW_PRIVATE),
                patience=Patience(lambda: None),
                timeout=TIMEOUT,
            ) as client,
            client.stream("POST", notice.address, content=body, headers=headers) as answer,
        ):
            status = answer.status_code
    except Refused as problem:
        raise Permanent(f"the address is refused: {problem}") from problem
    except NotResolved as problem:
        raise Temporary(str(problem)) from problem
    except httpx.InvalidURL as problem:
        raise Permanent(f"the address is refused: {problem}") from problem
    except (httpx.HTTPError, Slow) as problem:
        raise Temporary(f"{type(problem).__name__} while sending") from problem
    if status in (408, 425, 429) or status >= 500:
        raise Temporary(f"the receiver answered {status}")
    if not 200 <= status < 300:
        raise Permanent(f"the receiver answered {status}")
