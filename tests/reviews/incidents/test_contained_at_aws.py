"""A playbook against a real server: two keys held, sessions ended, and each seen to be so."""

from datetime import timedelta

import pytest
from botocore.exceptions import ClientError
from django.utils import timezone

from config import pipeline
from evidence.formats.record import ActorName
from evidence.names import actor_ids
from identities.models import Binding, Credential, Revocation
from reviews.incidents import containing, playbooks, running
from reviews.models import PlaybookRun
from tests.awslab.fixtures import aws_account, lab
from tests.awslab.lab import ANY_S3, Lab
from tests.identities.revoking import pointed_at_the_account
from tests.reviews.conftest import DAY, HOUR, Told, make_user

from .conftest import named, opened
from .test_playbooks import written

__all__ = ["aws_account", "lab", "pointed_at_the_account"]
pytestmark = pytest.mark.django_db


def statuses(lab: Lab, user: str) -> list[str]:
    found = lab.admin.iam.list_access_keys(UserName=user)["AccessKeyMetadata"]
    return sorted(str(one["Status"]) for one in found)


def test_two_keys_are_held_and_sessions_ended_by_one_signature(story: Told, lab: Lab) -> None:
    now = timezone.now()
    assume = {"Action": "sts:AssumeRole", "Resource": "*"}
    person = lab.user(ANY_S3, assume)
    second = lab.key(person.name)
    role = lab.role(ANY_S3, trusts=person)
    session = lab.assume(person, role)
    account = f"aws:{lab.demo.account}"
    arn = ActorName(account, "arn", person.arn)
    of_role = ActorName(account, "arn", f"arn:aws:iam::{lab.demo.account}:role/{role}")
    keys = [
        ActorName("aws", "access_key", one.access_key_id)
        for one in (person.credentials, second, session)
    ]
    actors = actor_ids({arn, of_role, *keys}, now=now)
    Binding.objects.all().delete()
    for name in (arn, of_role):
        Binding.objects.create(
            identity=story.identity,
            actor_id=actors[name],
            basis="declared",
            state="confirmed",
            during=(now - DAY, None),
            recorded_at=now,
            by="command",
        )
    Credential.objects.filter(pk=story.credential.pk).update(
        actor_id=actors[keys[0]], issued_to_id=actors[arn]
    )
    for name, to, standing in ((keys[1], arn, True), (keys[2], of_role, False)):
        Credential.objects.create(
            actor_id=actors[name],
            identity=story.identity,
            kind="access_key" if standing else "session",
            standing=standing,
            issued_at=now - HOUR,
            issued_to_id=actors[to],
            expires_at=None if standing else now + HOUR,
            state_at=now - HOUR,
        )
    case = named(opened(story, now=now)[0], story.samuel, now=now)
    text = written(
        "{does: block, targets: identity}",
        "{does: hold, targets: credentials}",
        "{does: sessions, targets: identity}",
    )
    row = playbooks.propose(slug="leaked-key", text=text, reason="x", by=story.rita, now=now)
    playbook = playbooks.sign(playbook=row, by=make_user("ada", "administrator"), now=now)
    bucket = lab.demo.clients(session).client("s3")
    bucket.list_buckets()
    run = running.run(
        playbook=playbook,
        case=case,
        chosen=running.Chosen(),
        reason="it is on a forum",
        request_key="request-0001",
        by=story.ines,
        now=now,
    )
    assert statuses(lab, person.name) == ["Active", "Active"]
    assert containing.state(case, now=now).contained_at is None
    pipeline.drain(timezone.now())
    # What the worker looks at a little later: whether the target shows the change.
    later = timezone.now() + timedelta(minutes=5)
    Revocation.objects.update(not_before=now)
    pipeline.drain(later)
    assert statuses(lab, person.name) == ["Inactive", "Inactive"]
    done = PlaybookRun.objects.get(pk=run.pk)
    steps = list(done.steps.order_by("place"))
    assert (done.state, [one.state for one in steps]) == ("done", ["asked"] * 3)
    assert [one.targets.count() for one in steps] == [1, 2, 1]
    rows = Revocation.objects.filter(case=case.pk)
    assert sorted((one.step, one.target["kind"]) for one in rows) == [
        ("hold", "access_key"),
        ("hold", "access_key"),
        ("revoke", "role_sessions"),
    ]
    assert {one.confirmed_at is None for one in rows} == {False}
    found = containing.state(case, now=later)
    assert found.contained_at is not None
    # The session's token lives on, and says so; it is denied all the same.
    assert found.proved_at is None or found.proved_at >= found.contained_at
    with pytest.raises(ClientError, match="AccessDenied"):
        bucket.list_buckets()
