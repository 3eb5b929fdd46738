"""The people, the identity and the evidence that the tests of reviews share; times are frozen."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group

from evidence import intake, links
from evidence.models import Actor, Source
from evidence.names import memory
from identities import judging
from identities.models import (
    Binding,
    Credential,
    Delegation,
    DelegationVersion,
    Identity,
    Party,
    Person,
    Service,
    User,
)
from reviews import actions
from reviews.models import Case, Heartbeat, Item, Notice, Seat
from tests import once

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
ACCOUNT = "111122223333"
KEY = "AKIAEXAMPLEQP7D00001"
ARN = f"arn:aws:iam::{ACCOUNT}:user/svc-report"


@pytest.fixture(autouse=True)
def no_names_remembered() -> Iterator[None]:
    """A test's rows go away with it, and so must the ids of their names."""
    memory.forget()
    yield
    memory.forget()


@dataclass
class Told:
    """One small story: an agent's identity with two owners, a key and a delegation."""

    identity: Identity
    service: Service
    credential: Credential
    delegation: Delegation
    ines: User  # identity owner
    samuel: User  # AI-system owner
    leila: User  # sponsor: the tie-breaker
    marek: User  # backup
    rita: User  # a reviewer without a seat
    otto: User  # an auditor


def make_user(name: str, *groups: str, person: Person | None = None) -> User:
    row = User.objects.create(
        username=name,
        email=f"{name}@example.org",
        person=person or Person.objects.create(name=name.title(), email=f"{name}@example.org"),
    )
    for group in groups:
        row.groups.add(Group.objects.get_or_create(name=group)[0])
    return row


def person_of(user: User) -> Person:
    """The person behind a login of these tests."""
    assert user.person is not None
    return user.person


def party(user: User) -> Party:
    return Party.objects.get_or_create(person=user.person)[0]


def record(number: int, name: str, resource: str, at: datetime, **said: Any) -> dict[str, Any]:
    """One CloudTrail record by the story's key."""
    bucket, _, key = resource.partition("/")
    return {
        "eventVersion": "1.09",
        "eventID": f"00000000-0000-4000-8000-{number:012d}",
        "eventTime": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": "s3.amazonaws.com",
        "eventName": name,
        "awsRegion": "eu-central-1",
        "sourceIPAddress": "198.51.100.7",
        "userAgent": "Boto3/1.44",
        "requestID": f"REQ{number:013d}",
        "eventType": "AwsApiCall",
        "recipientAccountId": ACCOUNT,
        "requestParameters": {"bucketName": bucket, "key": key},
        "userIdentity": {
            "type": "IAMUser",
            "principalId": "AIDAEXAMPLE",
            "arn": ARN,
            "accountId": ACCOUNT,
            "accessKeyId": KEY,
            "userName": "svc-report",
        },
    } | said


def ingest(records: list[dict[str, Any]], *, now: datetime = NOW) -> None:
    """Through the real intake, linked and judged."""
    source, _ = Source.objects.get_or_create(
        name="cloudtrail", defaults={"created_at": now, "created_by": "command"}
    )
    body = json.dumps({"Records": records}).encode()
    taken = intake.take(source=source, body=body, by="command", now=now)
    assert taken.rejects == 0
    while links.link_next(now=now):
        pass
    judging.judge_all(now=now)


def tell_story(*, mode: str = "enforce", imported: bool = True) -> Told:
    ines, samuel = make_user("ines", "owner"), make_user("samuel", "owner")
    leila, marek = make_user("leila", "owner"), make_user("marek", "owner")
    service = Service.objects.create(
        slug="quarterly", name="Quarterly reporting", ai_system=True, ai_owner=party(samuel)
    )
    identity = Identity.objects.create(
        name="svc-report",
        kind="service_account",
        service=service,
        owner=party(ines),
        sponsor=party(leila),
        backup=party(marek),
        purpose="reports",
        expires_at=NOW + 90 * DAY,
        state="active",
        mode=mode,
        created_at=NOW - 300 * DAY,
    )
    identity.refresh_from_db()
    ingest(
        [
            record(number, "GetObject", f"invoices/{number}.pdf", NOW - HOUR)
            for number in range(1, 6)
        ]
    )
    actor = Actor.objects.get(kind="access_key", value=KEY)
    arn = Actor.objects.get(kind="arn", value=ARN)
    for one in (actor, arn):
        Binding.objects.create(
            identity=identity,
            actor=one,
            basis="declared",
            state="confirmed",
            during=(NOW - 300 * DAY, None),
            recorded_at=NOW,
            by="command",
        )
    credential = Credential.objects.create(
        actor=actor,
        identity=identity,
        kind="access_key",
        standing=True,
        issued_at=NOW - 212 * DAY,
        issued_to=arn,
        state_at=NOW - 212 * DAY,
    )
    credential.refresh_from_db()
    delegation = Delegation.objects.create(grantee=identity, slug="reports", created_at=NOW)
    delegation.refresh_from_db()
    DelegationVersion.objects.create(
        delegation=delegation,
        version=1,
        state="in_force",
        imported=imported,
        actions=["s3:GetObject", "s3:PutObject"],
        resources=["invoices/*", "reports/*"],
        during=(NOW - 100 * DAY, NOW + 9 * DAY),
        recorded_at=NOW - DAY,
        by="command",
    )
    judging.again(identities=[identity], now=NOW)
    judging.judge_all(now=NOW)
    return Told(
        identity,
        service,
        credential,
        delegation,
        ines,
        samuel,
        leila,
        marek,
        make_user("rita", "reviewer"),
        make_user("otto", "auditor"),
    )


@pytest.fixture
@once.told
def story(db: None) -> Told:
    return tell_story()


@pytest.fixture
@once.told
def case(story: Told) -> Case:
    """The open review of the story's identity."""
    return actions.open_review(identity=story.identity, by=story.rita, now=NOW, reason="yearly")


def everything_counts(case: Case, *, until: datetime) -> None:
    """Silence counts from the opening on: all were told, we were at work, evidence is fresh."""
    Notice.objects.filter(case=case.pk, sent_at=None).update(sent_at=case.opened_at)
    Heartbeat.objects.all().delete()
    Heartbeat.objects.create(since=case.opened_at - DAY, until=until)
    Source.objects.update(watermark=until, completeness="declared")


def item_of(case: Case, kind: str) -> Item:
    return Item.objects.get(case=case, kind=kind)


def seat_of(case: Case, kind: str) -> Seat:
    return Seat.objects.get(case=case, kind=kind)


@pytest.fixture
def sign() -> Callable[..., Any]:
    """Answer as a signed-in person would, with the case as it is now."""

    def answer(
        case: Case,
        kind: str,
        user: User,
        said: str,
        *,
        seat: str = "identity_owner",
        now: datetime = NOW,
        **more: Any,
    ) -> Any:
        return actions.decide(
            case=case,
            item=item_of(case, kind),
            seat=seat_of(case, seat),
            answer=said,
            reason="because",
            by=user,
            now=now,
            version=Case.objects.get(pk=case.pk).version,
            **more,
        )

    return answer
