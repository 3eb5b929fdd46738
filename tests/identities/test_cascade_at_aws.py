"""A whole cascade at an account that denies: one signature, a worker of its own, every use refused."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from django.conf import LazySettings

from identities.acting import COUNTERSIGN
from identities.actions import batches
from identities.enforcers.aws_clients import Credentials
from identities.models import Credential, Delegation, Revocation
from tests.awslab.lab import ANY_S3, Lab, Person
from tests.evidence.killing import dooming
from tests.identities.chains import bind, credential, delegation
from tests.identities.revoking import actor, held_by, pointed_at_the_account, work

__all__ = ["held_by", "pointed_at_the_account"]

# Committed rows: the worker is a process of its own.
pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)
ASSUMES = {"Action": "sts:AssumeRole", "Resource": "*"}


def used(lab: Lab, with_: Credentials) -> str:
    try:
        lab.demo.clients(with_).client("s3").list_buckets()
    except ClientError as refused:
        return str(refused.response["Error"]["Code"])
    return "answered"


def test_identity_its_key_its_sessions_and_what_they_minted_end_in_one_signature(
    lab: Lab, held_by: Callable[..., Any], active: Callable[..., Any],
    settings: LazySettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    person = lab.user(ASSUMES, ANY_S3)
    reader = lab.role(ASSUMES, ANY_S3, trusts=person)
    reads = f"arn:aws:iam::{lab.demo.account}:role/{reader}"
    session = lab.assume(person, reader)
    # A session may be trusted by its own name, which moto compares.
    again = f"arn:aws:sts::{lab.demo.account}:assumed-role/{reader}/run"
    writer = lab.role(ANY_S3, trusts=Person(reader, again, session))
    writes = f"arn:aws:iam::{lab.demo.account}:role/{writer}"
    minted = lab.assume(Person(reader, again, session), writer)
    everything = (person.credentials, session, minted)
    assert [used(lab, one) for one in everything] == ["answered"] * 3

    root, key = held_by(person)
    theirs = active(reader)
    bind(theirs, actor(reads))
    now = datetime.now(UTC) + timedelta(seconds=1)
    held = credential(
        session.access_key_id, theirs, to=actor(reads), by=key, lives=HOUR, at=now - HOUR / 2
    )
    credential(minted.access_key_id, None, to=actor(writes), by=held, lives=HOUR, at=now - HOUR / 2)
    passed = delegation(theirs, above=delegation(root))

    batch = batches.cascade(
        root=root, step="revoke", because="it left its task", request_key="request-0001",
        by=COUNTERSIGN, now=now,
    )  # fmt: skip
    rows = {one.row.subject: one for one in batches.results(batch)}
    # A delegation takes both seats: it is named with its end, and the rest goes out without it.
    assert [bool(one.row.failed_why) for one in rows.values()] == [False] * 4 + [True]
    assert rows[passed.key].row.lives_until is not None
    assert Delegation.objects.get(pk=passed.pk).versions.get().state == "in_force"

    for name in ("AWS_ENDPOINT", "AWS_CREDENTIALS"):
        monkeypatch.setenv(f"COUNTERSIGN_{name}", getattr(settings, name))
    with dooming() as worker:
        # In turns of two seconds: a slow machine needs several.
        for _ in range(4):
            worker.begin("identities.tasks.enforce")
            assert worker.ended() == 0
    those = Revocation.objects.order_by("number")
    assert len(those) == 4
    assert {one.state for one in those} <= {"confirmed", "effective"}
    refused = [used(lab, one) for one in everything]
    assert refused[0] in ("InvalidAccessKeyId", "AccessDenied")
    assert refused[1:] == ["AccessDenied"] * 2
    with pytest.raises(ClientError, match=r"AccessDenied|InvalidClientTokenId"):
        lab.assume(person, reader)
    # None goes out before what it was minted with.
    sent = [one.sent_at for one in those if one.sent_at is not None]
    assert (len(sent), sent) == (4, sorted(sent))
    assert set(Credential.objects.values_list("state", flat=True)) == {"revoked"}

    # What may live on has its latest end; then nothing waits any more.
    ends = [one.residual_until for one in those if one.state == "confirmed"]
    assert all(end is not None for end in ends)
    latest = max([end for end in ends if end is not None], default=now)
    work(latest + HOUR)
    assert {one.state for one in Revocation.objects.all()} == {"effective"}
