"""What AWS allows, read as dated versions: the same moves the reading, a change adds a row."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from config.demo.aws import Demo, policy
from evidence.formats.record import ActorName
from evidence.models import LedgerEntry
from evidence.names import actor_ids
from identities.actions import entitlements
from identities.actions.revocations import of_aws
from identities.models import Binding, Entitlement, Identity
from tests.awslab.lab import Lab
from tests.identities.conftest import NOW

pytestmark = pytest.mark.django_db

Make = Callable[..., Any]
HOUR = timedelta(hours=1)
READ = {"Action": "s3:GetObject", "Resource": "arn:aws:s3:::invoices/*"}
WRITE = {"Action": "s3:PutObject", "Resource": "arn:aws:s3:::reports/*"}


@pytest.fixture(autouse=True)
def pointed_at_the_account(aws_account: Demo, settings: Any, tmp_path: Path) -> Iterator[None]:
    file = tmp_path / "reader.json"
    own = aws_account.administrator
    file.write_text(
        json.dumps({"access_key_id": own.access_key_id, "secret_access_key": own.secret_access_key})
    )
    settings.AWS_ENDPOINT = aws_account.endpoint
    settings.AWS_CREDENTIALS = f"file:{file}"
    settings.ALLOW_PRIVATE = True
    of_aws._clients.cache_clear()
    yield
    of_aws._clients.cache_clear()


@pytest.fixture
def owner_of(active: Make) -> Callable[[str], Identity]:
    """An identity bound to this principal."""

    def make(arn: str) -> Identity:
        row: Identity = active(arn.rsplit("/", 1)[-1])
        name = ActorName(f"aws:{arn.split(':')[4]}", "arn", arn)
        Binding.objects.create(
            identity=row,
            actor_id=actor_ids([name], now=NOW)[name],
            basis="declared",
            state="confirmed",
            during=(None, None),
            recorded_at=NOW,
            by="test",
        )
        return row

    return make


def allowed(row: Entitlement) -> list[tuple[list[str], list[str]]]:
    return [
        (item["actions"], item["resources"]) for item in row.possible if item["effect"] == "allow"
    ]


def test_reading_is_kept_with_its_moment(lab: Lab, owner_of: Make) -> None:
    person = lab.user(READ)
    identity = owner_of(person.arn)
    (row,) = entitlements.read(identity=identity, now=NOW)
    assert (
        row.principal,
        row.during.lower if hasattr(row.during, "lower") else row.during[0],
        row.read_at,
        allowed(row),
    ) == (person.arn, NOW, NOW, [(["s3:GetObject"], ["arn:aws:s3:::invoices/*"])])
    assert [key["access_key_id"] for key in row.keys] == [person.credentials.access_key_id]
    assert "policies of the organisation" in row.missing
    assert list(LedgerEntry.objects.order_by("pk").values_list("act", "subject")) == [
        ("entitlement.read", identity.key)
    ]


def test_same_again_moves_only_the_reading(lab: Lab, owner_of: Make) -> None:
    identity = owner_of(lab.user(READ).arn)
    entitlements.read(identity=identity, now=NOW)
    entitlements.read(identity=identity, now=NOW + HOUR)
    row = Entitlement.objects.get()
    assert (row.read_at, row.during.lower, row.during.upper) == (NOW + HOUR, NOW, None)


def test_change_ends_one_version_and_starts_another(lab: Lab, owner_of: Make) -> None:
    person = lab.user(READ)
    identity = owner_of(person.arn)
    entitlements.read(identity=identity, now=NOW)
    lab.admin.iam.put_user_policy(
        UserName=person.name, PolicyName="task", PolicyDocument=policy(READ, WRITE)
    )
    entitlements.read(identity=identity, now=NOW + HOUR)
    rows = Entitlement.objects.filter(superseded_at__isnull=True).order_by("during")
    assert [(row.during.lower, row.during.upper, len(allowed(row))) for row in rows] == [
        (NOW, NOW + HOUR, 1),
        (NOW + HOUR, None, 2),
    ]
    assert Entitlement.objects.filter(superseded_at=NOW + HOUR).count() == 1


def test_role_is_read_by_its_arn(lab: Lab, owner_of: Make) -> None:
    person = lab.user()
    role = lab.role(WRITE, trusts=person)
    identity = owner_of(f"arn:aws:iam::{lab.demo.account}:role/{role}")
    (row,) = entitlements.read(identity=identity, now=NOW)
    assert allowed(row) == [(["s3:PutObject"], ["arn:aws:s3:::reports/*"])]


def test_schedule_reads_what_is_not_fresh_and_passes_what_cannot_be_read(
    lab: Lab, owner_of: Make
) -> None:
    owner_of(f"arn:aws:iam::{lab.demo.account}:user/gone")
    identity = owner_of(lab.user(READ).arn)
    now = datetime.now(UTC)
    assert entitlements.read_next(now=now)
    assert not entitlements.read_next(now=now + HOUR)
    assert list(Entitlement.objects.values_list("identity", flat=True)) == [identity.pk]
    assert entitlements.read_next(now=now + timedelta(hours=7))
