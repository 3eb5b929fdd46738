"""Revocations that wait, as tests of the wall need them; knows no case of them."""

from datetime import datetime, timedelta
from typing import Any

from identities.models import Identity, Revocation

PNG = b"\x89PNG\r\n\x1a\n" + b"picture of a console"


def waits(
    identity: Identity, *, now: datetime, ago: timedelta = timedelta(hours=2), **said: Any
) -> Revocation:
    """One that failed at GitHub, where an owner has to act."""
    row = Revocation.objects.create(
        **{
            "identity": identity,
            "step": "revoke",
            "system": "github",
            "target": {
                "system": "github", "account": "acme", "kind": "app", "name": "deployer[bot]",
                "extra": {},
            },
            "words": "Revoke app deployer[bot]",
            "state": "failed",
            "requested_at": now - ago,
            "requested_by": "user:x",
            "requested_by_name": "Rex",
            "because": "it left its task",
            "not_before": now,
            "failed_why": "GitHub lets nobody but the App itself suspend its installation.",
            "who_must_act": "an owner of acme",
        }
        | said
    )  # fmt: skip
    row.refresh_from_db()
    return row
