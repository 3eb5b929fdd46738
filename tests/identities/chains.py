"""Credentials that were issued with one another, as tests of cascades need them; knows no case."""

import itertools
from datetime import datetime, timedelta
from uuid import uuid4

from evidence.models import Actor, Issuance
from identities.models import Binding, Credential, Delegation, DelegationVersion, Identity
from tests.identities.conftest import NOW

ACCOUNT = "111122223333"
_events = itertools.count(1)


def actor(
    value: str, *, realm: str = "aws", kind: str = "access_key", parent: Actor | None = None
) -> Actor:
    return Actor.objects.create(
        key=uuid4(), realm=realm, kind=kind, value=value, parent=parent, created_at=NOW
    )


def arn(name: str) -> Actor:
    """The name of a user or role: ``user/svc`` or ``role/reader``."""
    return actor(f"arn:aws:iam::{ACCOUNT}:{name}", realm=f"aws:{ACCOUNT}", kind="arn")


def bind(identity: Identity, name: Actor, *, shared: bool = False) -> Binding:
    return Binding.objects.create(
        identity=identity, actor=name, basis="declared", state="confirmed", shared=shared,
        during=(None, None), recorded_at=NOW, by="test",
    )  # fmt: skip


def credential(
    value: str,
    of: Identity | None,
    *,
    to: Actor | None = None,
    by: Credential | None = None,
    lives: timedelta | None = None,
    at: datetime = NOW,
    kind: str = "access_key",
    **said: object,
) -> Credential:
    """One that was issued to a principal, with another where `by` says so."""
    standing = by is None
    name = actor(value, parent=to if not standing else None)
    ends = None if lives is None else at + lives
    row = Credential.objects.create(
        **{
            "actor": name, "identity": of, "kind": kind if standing else "session",
            "standing": standing, "issued_at": at, "issued_to": to, "expires_at": ends,
            "state_at": at,
        } | said
    )  # fmt: skip
    if by is not None:
        Issuance.objects.create(
            at=at, event_id=next(_events), credential=name, issued_to=to,
            by_credential=by.actor, standing=False, expires_at=ends, deposit_id=1,
        )  # fmt: skip
    row.refresh_from_db()
    return row


def delegation(grantee: Identity, *, above: Delegation | None = None, days: int = 30) -> Delegation:
    row = Delegation.objects.create(grantee=grantee, parent=above, created_at=NOW)
    DelegationVersion.objects.create(
        delegation=row, version=1, state="in_force", actions=["s3:*"], resources=["*"],
        during=(NOW, NOW + timedelta(days=days)), imported=True, recorded_at=NOW, by="test",
    )  # fmt: skip
    row.refresh_from_db()
    return row
