"""A delegation that a case brought into force, grants of it, and short ways to ask, work and look.

Owns what the tests of grants share; times are those of the account's own clock.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from botocore.exceptions import ClientError
from django.db import connections
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from evidence.keys import uuid7
from identities.acting import COUNTERSIGN
from identities.actions import grants
from identities.actions.grants import What, carrying
from identities.decisions import Question, decide
from identities.enforcers.aws_clients import Credentials
from identities.enforcers.contract import Permission
from identities.models import Delegation, DelegationVersion, Grant, Identity
from tests.awslab.lab import Lab

HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
BUCKET = "arn:aws:s3:::invoices"
READ = Permission(("s3:GetObject", "s3:ListBucket"), (BUCKET, f"{BUCKET}/*"))


@pytest.fixture(autouse=True)
def no_time_passes_within_a_step_of_a_grant(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of a grant happens at the moment that the test names."""
    monkeypatch.setattr(carrying, "monotonic", lambda: 0.0)


def delegated(
    identity: Identity, case: UUID, starts_at: datetime, ends_at: datetime, **said: Any
) -> DelegationVersion:
    """A delegation in force by this case."""
    row = Delegation.objects.create(grantee=identity, created_at=starts_at, **said)
    return DelegationVersion.objects.create(
        delegation=row,
        version=1,
        state="in_force",
        actions=list(READ.actions),
        resources=list(READ.resources),
        during=DateTimeTZRange(starts_at, ends_at),
        signed=True,
        case=case,
        recorded_at=starts_at,
        by="test",
    )


def given(
    what: What,
    identity: Identity,
    now: datetime,
    *,
    lasts: timedelta = HOUR,
    starts_at: datetime | None = None,
    **said: Any,
) -> Grant:
    """A grant that is asked for at `now`, of a delegation of its own."""
    case, begins = uuid7(), starts_at or now
    asked: dict[str, Any] = {
        "case": case,
        "case_key": "CS-1",
        "delegation_version": delegated(identity, case, begins, begins + lasts),
        "holder": identity,
        "person": "alice",
        "what": what,
        "starts_at": begins,
        "ends_at": begins + lasts,
        "clock": "approval",
        "by": COUNTERSIGN,
        "now": now,
    }
    return grants.begin(**asked | said)


def first_use(what: What, holder: Identity, now: datetime) -> Grant:
    """Eight hours to begin with it, and an hour from then on."""
    case = uuid7()
    return grants.begin(
        case=case,
        delegation_version=delegated(holder, case, now, now + 8 * HOUR),
        holder=holder,
        person="alice",
        what=what,
        starts_at=now,
        ends_at=now + 8 * HOUR,
        clock="first_use",
        lasts=HOUR,
        by=COUNTERSIGN,
        now=now,
    )


def allowed(identity: Identity, now: datetime) -> bool:
    """What our own decision endpoint says."""
    asked = Question(subject=identity.key, action="s3:GetObject", resource=f"{BUCKET}/1")
    return decide(asked, now=now).allowed


def work(now: datetime) -> int:
    """Everything that is due; how many steps it was."""
    steps = 0
    while grants.grant_next(now=now):
        steps += 1
    return steps


def work_at_once(many: int, now: datetime) -> None:
    """So many workers carry out what is due, all beginning at the same moment."""
    gate = threading.Barrier(many)

    def worker() -> None:
        try:
            gate.wait(timeout=20)
            work(now)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(many) as pool:
        for one in [pool.submit(worker) for _ in range(many)]:
            one.result(timeout=60)


@pytest.fixture
def bare_role(lab: Lab) -> str:
    """A role without any permission, which only the account's administrator may assume."""
    return lab.role({"Action": "s3:GetObject", "Resource": f"{BUCKET}/never"}, trusts=lab.user())


@pytest.fixture
def on_role(lab: Lab, bare_role: str) -> Callable[..., What]:
    def make(kind: str = "role_sessions", **said: Any) -> What:
        what: dict[str, Any] = {
            "system": "aws",
            "account": lab.demo.account,
            "kind": kind,
            "name": bare_role,
            "permissions": (READ,),
            "bundle": "invoices",
            "bundle_version": 1,
        }
        return What(**what | said)

    return make


def reads(lab: Lab, credentials: Credentials) -> str:
    """What the account answers to whoever lists the bucket: it is allowed, or why not."""
    try:
        lab.demo.clients(credentials).client("s3").list_objects_v2(Bucket="invoices")
    except ClientError as refused:
        code = str(refused.response["Error"]["Code"])
        return "allowed" if code == "NoSuchBucket" else code
    return "allowed"


def title(row: Grant) -> str:
    return f"CountersignGrant-{row.key}"


def policies_of(lab: Lab, role: str) -> list[str]:
    return list(lab.admin.iam.list_role_policies(RoleName=role)["PolicyNames"])
