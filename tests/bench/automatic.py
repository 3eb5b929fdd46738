"""A finding stored until its hold is sent: under a signed rule, two workers, at moto's AWS.

Each finding is of an identity of its own with one key; all are stored in the same moment, by the
judging of one file. The rest of the time is that of the server (revoking.py).
"""

import itertools
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
from django.utils import timezone

from evidence import intake, links
from evidence.models import Source
from identities import judging
from identities.actions import revocations
from identities.models import Finding, Identity, Person, Revocation
from reviews.automatic import holding
from reviews.models import AutomaticHold, HoldRule
from reviews.models.automatic import MOST_IN_AN_HOUR
from reviews.pages.automatic import sent
from tests.awslab.server import running
from tests.bench import database, deadlines, revoking
from tests.bench.told import Said

# As many as a rule may hold in an hour.
MANY = (1, MOST_IN_AN_HOUR)


def measure(many: Sequence[int] = MANY) -> Iterator[Said]:
    with running() as demo, TemporaryDirectory() as folder:
        revoking._pointed(demo, Path(folder))
        names = (f"auto-{number:06d}" for number in itertools.count())
        for count in many:
            keys = revoking._users(demo, list(itertools.islice(names, count)))
            yield from _held(keys, demo.account)


def _held(keys: dict[str, str], account: str) -> Iterator[Said]:
    """Each of these keys reads a secret that nobody delegated."""
    count, began = len(keys), timezone.now()
    identities = revoking._identities(keys, account)
    Identity.objects.filter(pk__in=[one.pk for one in identities]).update(mode="enforce")
    _signed(began - timedelta(minutes=5))
    _arrives([_record(user, key, account) for user, key in keys.items()])
    database.as_owner("ANALYZE")
    found = Finding.objects.filter(rule="no_authority", identity__in=identities)
    # The sweeps begin where the findings are stored: what came before is not ours to count.
    found.update(opened_at=timezone.now())
    seconds, ours, server = deadlines.swept(_step)
    rows = list(AutomaticHold.objects.filter(identity__in=identities, state="held"))
    at = {pk: when for pk, when in sent(rows).items() if when is not None}
    took = sorted(
        (at[row.pk] - row.finding.opened_at).total_seconds() for row in rows if row.pk in at
    )
    p50, p95, p99 = (took[min(len(took) - 1, len(took) * share // 100)] for share in (50, 95, 99))
    target = 1 if count == 1 else 15
    yield Said(
        f"{count:,} findings stored at once, stored to hold sent",
        f"p50 {p50:.2f} p95 {p95:.2f} p99 {p99:.2f} s",
        f"p95 {target}",
        p95 <= target,
    )
    yield Said("  two workers", f"{seconds:.1f} s", f"{ours:.1f} CPU s, {server:.1f} of PostgreSQL")
    holds = Revocation.objects.filter(identity__in=identities, step="hold").count()
    once = found.count() == len(took) == holds == count
    yield Said("  each held once", f"{len(rows):,} findings, {holds:,} holds", "", once)


def _step() -> bool:
    """What a worker does that is woken by both nudges."""
    now = timezone.now()
    return revocations.enforce_next(now=now) or holding.hold_next(now=now)


def _signed(at: datetime) -> None:
    """A rule of two people, in place of the one before it."""
    HoldRule.objects.update(state="ended", ended_at=at, ended_reason="bench")
    one, two = (Person.objects.get_or_create(name=name)[0] for name in ("One", "Two"))
    HoldRule.objects.create(
        state="in_force",
        classes=["no_authority"],
        per_hour=MOST_IN_AN_HOUR,
        per_day=MOST_IN_AN_HOUR,
        asked=one,
        replayed_days=30,
        reason="bench",
        proposed_at=at,
        proposed_by="bench",
        proposed_person=one,
        settled_at=at,
        settled_person=two,
    )


def _arrives(records: list[dict[str, object]]) -> None:
    """One file, through intake, links and judging."""
    now = timezone.now()
    source, _ = Source.objects.get_or_create(
        name="bench", defaults={"created_at": now, "created_by": "bench"}
    )
    body = orjson.dumps({"Records": records})
    intake.take(source=source, body=body, by="bench", now=now)
    while links.link_next(now=timezone.now()):
        pass
    judging.judge_all(now=timezone.now())


def _record(user: str, key: str, account: str) -> dict[str, object]:
    return {
        "eventVersion": "1.09",
        "eventID": f"bench-{key}",
        "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": "secretsmanager.amazonaws.com",
        "eventName": "GetSecretValue",
        "awsRegion": "eu-central-1",
        "sourceIPAddress": "198.51.100.7",
        "requestID": f"REQ-{key}",
        "eventType": "AwsApiCall",
        "recipientAccountId": account,
        "requestParameters": {"secretId": "prod/db"},
        "userIdentity": {
            "type": "IAMUser",
            "arn": f"arn:aws:iam::{account}:user/{user}",
            "accountId": account,
            "accessKeyId": key,
            "userName": user,
        },
    }
