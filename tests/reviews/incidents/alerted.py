"""Alerts as tools send them, and a source that takes them."""

import base64
import json
from datetime import datetime
from typing import Any

from standardwebhooks.webhooks import Webhook

from evidence import intake
from evidence.models import Connection, Source
from reviews.incidents import alerts
from reviews.models import Alert
from tests.reviews.conftest import ARN, KEY, NOW, record

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
BEFORE = "whsec_" + base64.b64encode(b"b" * 32).decode()


def source_of(name: str = "siem", *, opens: str = "high", connector: str = "alerts") -> Connection:
    source = Source.objects.create(name=name, format=connector, created_at=NOW, created_by="x")
    return Connection.objects.create(
        source=source,
        connector=connector,
        settings={"secret": "ALERTS_SECRET", "secret_before": "ALERTS_BEFORE"}
        | ({"opens": opens} if opens else {}),
        next_at=None,
    )


def plain(uid: str = "a-1", **more: Any) -> dict[str, Any]:
    return {
        "alert_id": uid,
        "title": "Key used from an unknown network",
        "severity": "high",
        "time": "2026-11-24T11:30:00Z",
        "rule": "unknown-network",
        "names": [KEY],
    } | more


def sigma(uid: str = "hit-1", **more: Any) -> dict[str, Any]:
    return {
        "id": uid,
        "rule": {
            "id": "8a63cdd4-6207-414a-85bc-7e032bd3c1a2",
            "title": "S3 data read at night",
            "level": "high",
        },
        "timestamp": "2026-11-24T11:30:00Z",
        "event": record(9, "GetObject", "invoices/9.pdf", NOW),
    } | more


def finding(uid: str = "f-1", number: int = 2004, **more: Any) -> dict[str, Any]:
    return {
        "class_uid": number,
        "category_uid": 2,
        "activity_id": 1,
        "type_uid": number * 100 + 1,
        "severity_id": 4,
        "time": 1_795_519_800_000,
        "metadata": {
            "version": "1.6.0",
            "product": {"name": "GuardDuty", "vendor_name": "AWS"},
        },
        "cloud": {"account": {"uid": "111122223333"}, "provider": "AWS"},
        "finding_info": {"uid": uid, "title": "Anomalous read", "types": ["Exfiltration"]},
        "evidences": [{"actor": {"user": {"uid": ARN, "name": "svc-report", "type_id": 4}}}],
    } | more


def send(link: Connection, *bodies: Any, now: datetime = NOW, format: str = "") -> int:  # noqa: A002 - what deposits call it
    """Store these bodies as their source sends them; the last deposit."""
    deposit = 0
    for body in bodies:
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        taken = intake.take(source=link.source, body=text, by="x", now=now, format=format)
        deposit = taken.deposit
    return deposit


def sweep(*, now: datetime = NOW) -> list[Alert]:
    """Read everything that waits; the alerts there are then."""
    while alerts.read_next(now=now):
        pass
    return list(Alert.objects.order_by("number"))


def signed(body: bytes, secret: str = SECRET, *, at: datetime = NOW, uid: str = "m1") -> Any:
    """The headers of Standard Webhooks."""
    return {
        "webhook-id": uid,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(uid, at, body.decode()),
        "Content-Type": "application/json",
    }
