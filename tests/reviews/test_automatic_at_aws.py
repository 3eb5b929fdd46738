"""An automatic hold from the record to a real server's key and back, in the worker's own order."""

from datetime import UTC, datetime

import pytest
from django.utils import timezone

from config import pipeline
from evidence.formats.record import ActorName
from evidence.names import actor_ids
from identities.actions import revocations
from identities.models import Binding, Credential, Finding, Revocation
from reviews import tasks
from reviews.automatic import rules, settling
from reviews.models import AutomaticHold
from reviews.pages import automatic
from tests.awslab.fixtures import aws_account, lab
from tests.awslab.lab import ANY_S3, Lab, Person
from tests.identities.revoking import pointed_at_the_account

from .conftest import DAY, Told, ingest, make_user, person_of, record
from .holding import MINUTE, SECRET

__all__ = ["aws_account", "lab", "pointed_at_the_account"]
pytestmark = pytest.mark.django_db


def planted(story: Told, lab: Lab) -> Person:
    """The story's identity is a user of the account, with its key."""
    person, now = lab.user(ANY_S3), timezone.now()
    Binding.objects.all().delete()
    names = [
        ActorName(f"aws:{lab.demo.account}", "arn", person.arn),
        ActorName("aws", "access_key", person.credentials.access_key_id),
    ]
    actors = actor_ids(set(names), now=now)
    for name in names:
        Binding.objects.create(
            identity=story.identity,
            actor_id=actors[name],
            basis="declared",
            state="confirmed",
            during=(now - DAY, None),
            recorded_at=now,
            by="command",
        )
    Credential.objects.update(actor_id=actors[names[1]], issued_to_id=actors[names[0]])
    return person


def active(lab: Lab, person: Person) -> str:
    (key,) = lab.admin.iam.list_access_keys(UserName=person.name)["AccessKeyMetadata"]
    return str(key["Status"])


def test_from_the_record_to_an_inactive_key_and_back(story: Told, lab: Lab) -> None:
    person = planted(story, lab)
    rule = rules.propose(
        scope={},
        classes=["no_authority"],
        per_hour=1,
        per_day=1,
        asked=person_of(story.rita),
        reason="x",
        by=story.rita,
        now=timezone.now() - MINUTE,
    )
    rules.sign(rule=rule, by=make_user("ada", "administrator"), now=timezone.now() - MINUTE)
    at = datetime.now(UTC).replace(microsecond=0)
    said = record(
        90,
        "GetSecretValue",
        "",
        at,
        **SECRET,
        recipientAccountId=lab.demo.account,
        userIdentity={
            "type": "IAMUser",
            "arn": person.arn,
            "accountId": lab.demo.account,
            "accessKeyId": person.credentials.access_key_id,
            "userName": person.name,
        },
    )
    ingest([said], now=timezone.now())
    finding = Finding.objects.get(rule="no_authority")
    assert active(lab, person) == "Active"
    # The tasks that the nudges wake, in their order.
    assert tasks.hold_automatically() == 1
    while revocations.enforce_next(now=timezone.now()):
        pass
    row = AutomaticHold.objects.get()
    assert (row.finding, row.state, active(lab, person)) == (finding, "held", "Inactive")
    sent = automatic.sent([row])[row.pk]
    assert sent is not None
    assert row.found_at <= row.decided_at <= sent
    assert Revocation.objects.get().confirmed_at is not None
    settling.release(
        hold=row, finding_was="expected", reason="a drill", by=story.ines, now=timezone.now()
    )
    pipeline.drain(timezone.now())
    credential = Credential.objects.get(pk=story.credential.pk)
    assert (active(lab, person), credential.state) == ("Active", "active")
