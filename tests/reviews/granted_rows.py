"""A grant as its row stands, for tests above identities that ask no target.

Owns what such a row needs; how one comes about is tests/identities/grants'.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from identities.models import Delegation, Grant, Identity

HOUR = timedelta(hours=1)


def granted(
    identity: Identity, *, now: datetime, case: UUID, case_key: str = "CS-1", **said: Any
) -> Grant:
    """Usable since an hour, for two hours; `said`: what is otherwise."""
    return Grant.objects.create(
        **{
            "case": case,
            "case_key": case_key,
            "delegation": Delegation.objects.create(grantee=identity, created_at=now),
            "holder": identity,
            "person": "leila",
            "system": "aws",
            "account": "123456789012",
            "kind": "role_sessions",
            "name": "break-glass",
            "words": "invoices, role_sessions break-glass",
            "starts_at": now - HOUR,
            "ends_at": now + HOUR,
            "target_ends_itself": True,
            "state": "usable",
            "asked_at": now - HOUR,
            "asked_by": "test",
            "granting_at": now - HOUR,
            "usable_at": now - HOUR,
            "not_before": now + HOUR,
        }
        | said
    )
