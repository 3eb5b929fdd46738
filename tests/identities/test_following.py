"""Credentials follow the evidence: births, changes of keys, use of the dead; in any order."""

import itertools
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from evidence import intake
from evidence.models import LedgerEntry, Source
from identities import keychanges
from identities.acting import COMMAND
from identities.actions import credentials, following, registration
from identities.models import (
    Credential,
    CredentialState,
    Revocation,
)
from identities.register import read
from tests.identities.conftest import DAY, NOW

pytestmark = pytest.mark.django_db

Make = Callable[..., Any]
ACCOUNT = "123456789012"
KEY = "AKIAIOSFODNN7EXAMPLE"
USER = f"arn:aws:iam::{ACCOUNT}:user/svc"
_numbers = itertools.count(1)


def record(
    name: str,
    at: datetime,
    *,
    source: str = "iam",
    key: str = "AKIAADMIN0000000000A",
    user: str = "admin",
    **said: Any,
) -> dict[str, Any]:
    number = next(_numbers)
    return {
        "eventVersion": "1.08",
        "eventTime": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": f"{source}.amazonaws.com",
        "eventName": name,
        "awsRegion": "us-east-1",
        "sourceIPAddress": "198.51.100.7",
        "userAgent": "test",
        "eventID": f"e-{number}",
        "requestID": f"r-{number}",
        "eventType": "AwsApiCall",
        "recipientAccountId": ACCOUNT,
        "userIdentity": {
            "type": "IAMUser",
            "arn": f"arn:aws:iam::{ACCOUNT}:user/{user}",
            "accountId": ACCOUNT,
            "accessKeyId": key,
            "userName": user,
        },
    } | said


def issued(at: datetime) -> dict[str, Any]:
    return record(
        "CreateAccessKey",
        at,
        requestParameters={"userName": "svc"},
        responseElements={
            "accessKey": {
                "accessKeyId": KEY,
                "userName": "svc",
                "status": "Active",
                "createDate": "x",
            }
        },
    )


def used(at: datetime, **said: Any) -> dict[str, Any]:
    return record(
        "GetObject",
        at,
        source="s3",
        key=KEY,
        user="svc",
        requestParameters={"bucketName": "invoices", "key": "1"},
        **said,
    )


def switched(at: datetime, status: str) -> dict[str, Any]:
    return record(
        "UpdateAccessKey",
        at,
        requestParameters={"userName": "svc", "accessKeyId": KEY, "status": status},
    )


def deleted(at: datetime) -> dict[str, Any]:
    return record("DeleteAccessKey", at, requestParameters={"userName": "svc", "accessKeyId": KEY})


@pytest.fixture
def source(db: None) -> Source:
    return Source.objects.create(name="trail", created_at=NOW, created_by="test")


def take(source: Source, *records: dict[str, Any], now: datetime = NOW) -> None:
    intake.take(
        source=source,
        body=json.dumps({"Records": list(records)}).encode(),
        by="test",
        now=now,
        format="cloudtrail",
    )
    while following.follow_next(now=now):
        pass


def stretches() -> list[tuple[str, datetime | None, datetime | None]]:
    """Known stretches of the key, neighbours of one state joined."""
    found: list[tuple[str, datetime | None, datetime | None]] = []
    rows = CredentialState.objects.filter(
        credential__actor__value=KEY, superseded_at__isnull=True
    ).order_by("during")
    for row in rows:
        if found and found[-1][0] == row.state and found[-1][2] == row.during.lower:
            found[-1] = (row.state, found[-1][1], row.during.upper)
        else:
            found.append((row.state, row.during.lower, row.during.upper))
    return found


def test_credential_is_born_from_its_issuance(source: Source, active: Make) -> None:
    registration.register(
        entries=read(
            "x.json",
            json.dumps(
                {"delegations": {USER: [{"actions": ["s3:GetObject"], "resources": ["*"]}]}}
            ),
        ),
        by=COMMAND,
        now=NOW,
        imported=True,
    )
    take(source, issued(NOW - 2 * DAY))
    row = Credential.objects.get(actor__value=KEY)
    assert (
        row.kind,
        row.standing,
        row.issued_at,
        row.expires_at,
        row.state,
        row.identity.name if row.identity else "",
        row.issued_by.value if row.issued_by else "",
        row.issued_to.value if row.issued_to else "",
    ) == (
        "access_key",
        True,
        NOW - 2 * DAY,
        None,
        "active",
        "svc",
        f"arn:aws:iam::{ACCOUNT}:user/admin",
        USER,
    )
    assert stretches() == [("active", NOW - 2 * DAY, None)]


def test_key_whose_issue_nobody_saw_is_born_from_its_use(source: Source) -> None:
    take(source, used(NOW - DAY))
    row = Credential.objects.get(actor__value=KEY)
    assert (row.standing, row.issued_at, stretches()) == (True, None, [("active", None, None)])


HISTORY = (
    issued(NOW - 9 * DAY),
    used(NOW - 8 * DAY),
    switched(NOW - 7 * DAY, "Inactive"),
    switched(NOW - 6 * DAY, "Active"),
    switched(NOW - 5 * DAY, "Inactive"),
    deleted(NOW - 4 * DAY),
)


@pytest.mark.parametrize("order", [*itertools.islice(itertools.permutations(range(6)), 0, 720, 37)])
def test_states_are_the_same_in_any_order_of_arrival(
    source: Source, order: tuple[int, ...]
) -> None:
    for place in order:
        take(source, HISTORY[place])
    assert stretches() == [
        ("active", NOW - 9 * DAY, NOW - 7 * DAY),
        ("held", NOW - 7 * DAY, NOW - 6 * DAY),
        ("active", NOW - 6 * DAY, NOW - 5 * DAY),
        ("held", NOW - 5 * DAY, NOW - 4 * DAY),
        ("revoked", NOW - 4 * DAY, None),
    ]
    row = Credential.objects.get(actor__value=KEY)
    assert (row.state, row.issued_at) == ("revoked", NOW - 9 * DAY)


def test_following_twice_changes_nothing(source: Source) -> None:
    take(source, *HISTORY)
    before = (stretches(), CredentialState.objects.count(), Credential.objects.count())
    from evidence.models import Progress

    Progress.objects.filter(consumer=following.CONSUMER).update(done_at=None)
    while following.follow_next(now=NOW + DAY):
        pass
    assert (stretches(), CredentialState.objects.count(), Credential.objects.count()) == before


def test_refused_change_changes_nothing(source: Source) -> None:
    take(source, issued(NOW - 2 * DAY), deleted(NOW - DAY) | {"errorCode": "AccessDenied"})
    assert stretches() == [("active", NOW - 2 * DAY, None)]


@pytest.mark.parametrize(
    "kept",
    [
        b"",
        b"{",
        b"[1, null, {}]",
        b'{"Records": 5}',
        b"\xff\xfe",
        b'{"eventName": "DeleteAccessKey"}',
        json.dumps(
            {
                "Records": [
                    {
                        "eventName": "DeleteAccessKey",
                        "eventTime": "x",
                        "requestParameters": {"accessKeyId": "A" * 20},
                    }
                ]
            }
        ).encode(),
        json.dumps(
            {
                "eventName": "DeleteAccessKey",
                "eventTime": "2026-01-01T00:00:00Z",
                "requestParameters": {"accessKeyId": ["x"]},
            }
        ).encode(),
    ],
)
def test_broken_records_tell_no_change(kept: bytes) -> None:
    assert keychanges.read("cloudtrail", kept) == []


@pytest.mark.parametrize("shape", ["document", "list", "lines", "documents in lines", "lookup"])
def test_change_is_read_in_every_shape_of_the_log(shape: str) -> None:
    one = deleted(NOW)
    kept = {
        "document": json.dumps({"Records": [one]}),
        "list": json.dumps([one]),
        "lines": json.dumps(used(NOW)) + "\n" + json.dumps(one),
        "documents in lines": json.dumps({"Records": [one]}) + "\n" + json.dumps({"Records": []}),
        "lookup": json.dumps({"CloudTrailEvent": json.dumps(one)}),
    }[shape]
    assert [
        (c.credential.value, c.state, c.at) for c in keychanges.read("cloudtrail", kept.encode())
    ] == [(KEY, "revoked", NOW)]


def test_sessions_expire_by_their_own_time(source: Source) -> None:
    take(
        source,
        record(
            "AssumeRole",
            NOW - 2 * timedelta(hours=1),
            source="sts",
            requestParameters={"roleArn": f"arn:aws:iam::{ACCOUNT}:role/r", "roleSessionName": "s"},
            responseElements={
                "credentials": {
                    "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
                    "expiration": "Nov 24, 2026, 12:30:00 PM",
                },
                "assumedRoleUser": {
                    "assumedRoleId": "AROA:s",
                    "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s",
                },
            },
        ),
    )
    row = Credential.objects.get(actor__value="ASIAIOSFODNN7EXAMPLE")
    assert (row.kind, row.standing, row.state) == ("session", False, "active")
    assert row.expires_at == NOW + timedelta(minutes=30)
    assert credentials.expire_next(now=NOW + timedelta(minutes=29)) == 0
    assert credentials.expire_next(now=NOW + timedelta(minutes=30)) == 1
    row.refresh_from_db()
    assert (row.state, row.state_at) == ("expired", NOW + timedelta(minutes=30))


def test_use_after_an_effective_revocation_reopens_it(source: Source, active: Make) -> None:
    take(source, issued(NOW - 9 * DAY))
    key = Credential.objects.get(actor__value=KEY)
    row = Revocation.objects.create(
        identity=active(),
        credential=key,
        step="revoke",
        system="aws",
        target={},
        words="Delete",
        state="effective",
        requested_at=NOW - 3 * DAY,
        requested_by="x",
        not_before=NOW,
        sent_at=NOW - 3 * DAY,
        effective_at=NOW - 3 * DAY,
    )
    take(source, used(NOW - 4 * DAY), used(NOW - 2 * DAY, errorCode="AccessDenied"))
    row.refresh_from_db()
    assert (row.state, row.reopened) == ("effective", [])
    take(source, used(NOW - DAY), used(NOW - DAY + timedelta(hours=1)))
    row.refresh_from_db()
    assert (row.state, row.effective_at, len(row.reopened)) == ("sent", None, 1)
    assert row.reopened[0].startswith("used 2 times from 2026-11-23 12:00:00 UTC")
    assert list(
        LedgerEntry.objects.filter(act="revocation.reopened")
        .order_by("pk")
        .values_list("at", flat=True)
    ) == [NOW - DAY]


def test_use_after_a_release_is_no_surprise(source: Source, active: Make) -> None:
    take(source, issued(NOW - 9 * DAY))
    key = Credential.objects.get(actor__value=KEY)
    said: dict[str, Any] = {
        "identity": active(),
        "credential": key,
        "system": "aws",
        "target": {},
        "words": "x",
        "state": "effective",
        "requested_by": "x",
        "not_before": NOW,
    }
    hold = Revocation.objects.create(
        step="hold", requested_at=NOW - 3 * DAY, effective_at=NOW - 3 * DAY, **said
    )
    Revocation.objects.create(
        step="release", requested_at=NOW - 2 * DAY, effective_at=NOW - 2 * DAY, **said
    )
    take(source, used(NOW - DAY))
    hold.refresh_from_db()
    assert hold.state == "effective"
