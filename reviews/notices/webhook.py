"""A notice as a signed webhook (Standard Webhooks 1.0), to a guarded address.

Only the key of a case and a link go out. The signing secret is a setting, the receiver's copy of
it verifies id, time and body.
"""

import json
from datetime import datetime

import httpx
from django.conf import settings
from standardwebhooks.webhooks import Webhook

from evidence.sources.outside import NotResolved, Refused, place_of
from reviews.models import Notice

from .failures import Permanent, Temporary

TIMEOUT = httpx.Timeout(10.0, connect=5.0)


def send(notice: Notice, *, now: datetime) -> None:
    """POST one notice; redirects are not followed, they would lead past the guard."""
    secret = settings.WEBHOOK_SECRET
    if not secret:
        raise Permanent("no COUNTERSIGN_WEBHOOK_SECRET is set, so nothing can be signed")
    try:
        place = place_of(notice.address, allow_private=bool(settings.ALLOW_PRIVATE))
    except Refused as problem:
        raise Permanent(f"the address is refused: {problem}") from problem
    except NotResolved as problem:
        raise Temporary(str(problem)) from problem
    body = json.dumps(
        {
            "type": "notice",
            "timestamp": notice.created_at.isoformat(),
            "data": {"subject": notice.subject, "text": notice.body, "occasion": notice.occasion},
        },
        ensure_ascii=True,
    )
    headers = {
        "Host": place.host,
        "Content-Type": "application/json",
        "webhook-id": str(notice.pk),
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(str(notice.pk), now, body),
    }
    try:
        with httpx.Client(timeout=TIMEOUT, follow_redirects=False, trust_env=False) as client:
            answer = client.post(
                place.url,
                content=body,
                headers=headers,
                extensions={"sni_hostname": place.server_name},
            )
    except httpx.HTTPError as problem:
        raise Temporary(f"{type(problem).__name__} while sending") from problem
    if answer.status_code in (408, 425, 429) or answer.status_code >= 500:
        raise Temporary(f"the receiver answered {answer.status_code}")
    if not 200 <= answer.status_code < 300:
        raise Permanent(f"the receiver answered {answer.status_code}")
