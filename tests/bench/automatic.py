"""The act itself until its automatic hold is effective: under a signed rule, two workers, moto's AWS.

Once more while ten thousand holds that nobody hurries for wait in the same account; then one of
the workers only stops what is to be stopped, as in an installation, and the other does all the rest.

Each act is of an identity of its own with one key; all come in the same moment, in one file. The
workers do all that follows: links, judging, holding, sending and looking. For one act also a real
use that has to be refused, through the tests' proxy, which refuses as AWS does and is too slow for
many. The source delivers at once, so its delay is what an installation adds (docs/stopping.md).
"""

import itertools
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
from django.conf import settings
from django.utils import timezone

from config.demo.aws import Demo
from evidence import intake, links
from evidence.models import Source
from identities import judging
from identities.acting import COUNTERSIGN
from identities.actions import revocations
from identities.models import Finding, Identity, Person, Revocation
from reviews.automatic import holding
from reviews.models import AutomaticHold, HoldRule
from reviews.models.automatic import MOST_IN_AN_HOUR
from tests.awslab.server import running
from tests.bench import crew, database, revoking
from tests.bench.told import Said

# As many as a rule may hold in an hour; and how many routine ones wait meanwhile.
MANY = (1, MOST_IN_AN_HOUR)
PENDING = 10_000


def measure(many: Sequence[int] = MANY, pending: int = PENDING) -> Iterator[Said]:
    with running() as demo, TemporaryDirectory() as folder:
        revoking.pointed(demo, Path(folder))
        names = (f"auto-{number:06d}" for number in itertools.count())
        for count in many:
            keys = revoking.users(demo, list(itertools.islice(names, count)))
            yield from _held(keys, demo.account)
        # Before there are ten thousand users, through whom the proxy looks for whose key it sees.
        settings.AWS_ENDPOINT, settings.PROBE_FOLDER = demo.endpoint, folder
        keys = revoking.users(demo, list(itertools.islice(names, 1)))
        # What was held before is looked at again another day, and keeps no worker from this one.
        Revocation.objects.update(not_before=timezone.now() + timedelta(days=1))
        yield from _held(keys, demo.account, "effective")
        settings.AWS_ENDPOINT, settings.PROBE_FOLDER = demo.direct, ""
        yield from _in_front_of(demo, names, pending)


def _held(
    keys: dict[str, str], account: str, until: str = "confirmed", *, apart: bool = False
) -> Iterator[Said]:
    """Each of these keys reads a secret that nobody delegated. `apart`: one worker stops, one judges."""
    steps = (_stop, _judge) if apart else (_step,)
    count, began = len(keys), timezone.now()
    identities = revoking.identities_of(keys, account)
    Identity.objects.filter(pk__in=[one.pk for one in identities]).update(mode="enforce")
    _signed(began - timedelta(minutes=5))
    database.as_owner("ANALYZE")
    rows = Revocation.objects.filter(identity__in=identities)
    ended = rows.filter(state=until)
    with crew.at_work(*steps, ready=lambda: revoking.warm(account)) as spent:
        _arrives([_record(user, key, account) for user, key in keys.items()])
        crew.until(lambda: ended.count() >= count, longest=revoking.LONGEST)
    of = {row.identity_id: row for row in rows}
    times = [
        (held, of[held.identity_id])
        for held in AutomaticHold.objects.filter(identity__in=identities, state="held")
    ]

    def took(begins: str, ends: str) -> list[float]:
        """Seconds between two moments of each, by their names."""
        found = []
        for held, row in times:
            at: dict[str, Any] = {
                name: getattr(held, name, None) or getattr(row, name, None) for name in MOMENTS
            }
            found.append((at[ends] - at[begins]).total_seconds())
        return sorted(found)

    sent, shown = took("found_at", "sent_at"), took("found_at", "confirmed_at")
    target = 1.0 if count == 1 else 5.0
    yield Said(
        f"{count:,} findings stored at once, stored to hold sent",
        revoking.shares(sent),
        f"p95 {target:.0f}",
        revoking.share(sent, 95) <= target,
    )
    yield Said("  stored to shown by the target", revoking.shares(shown))
    yield Said("  source: the act to its record received", revoking.shares(took(*MOMENTS[:2])))
    yield Said("  ours: received to finding stored", revoking.shares(took(*MOMENTS[1:3])))
    yield Said("  ours: finding stored to hold asked for", revoking.shares(took(*MOMENTS[2:4])))
    yield Said("  ours: asked for to sent", revoking.shares(took(*MOMENTS[3:5])))
    yield Said("  target: sent to shown", revoking.shares(took(*MOMENTS[4:6])))
    if until == "effective":
        yield Said("  target: shown to a real use refused", revoking.shares(took(*MOMENTS[5:])))
    yield Said(f"  all: the act to {until}", revoking.shares(took("event_at", f"{until}_at")))
    yield Said(
        f"  two workers, load {os.getloadavg()[0]:.1f}",
        f"{spent.ours:.1f} CPU s, {spent.server:.1f} of PostgreSQL",
    )
    found = Finding.objects.filter(rule="no_authority", identity__in=identities)
    once = found.count() == len(times) == rows.count() == count
    yield Said("  each held once", f"{len(times):,} findings, {rows.count():,} holds", "", once)


def _in_front_of(demo: Demo, names: Iterator[str], pending: int) -> Iterator[Said]:
    """The same of a hundred, while so many that a clock asked for wait in the same account."""
    routine = revoking.identities_of(
        revoking.users(demo, list(itertools.islice(names, pending))), demo.account
    )
    keys = revoking.users(demo, list(itertools.islice(names, MOST_IN_AN_HOUR)))
    asks = [
        revocations.Ask(one, "hold", "bench", credential=key)
        for one in routine
        for key in one.credentials.all()
    ]
    revocations.request_all(asks, by=COUNTERSIGN, now=timezone.now())
    waiting = Revocation.objects.filter(identity__in=routine, state="requested")
    yield from _held(keys, demo.account, apart=True)
    left = waiting.count()
    yield Said("  routine ones that waited, then and still", f"{pending:,}, {left:,}", "", left > 0)


# Of an automatic hold and its revocation, in the order in which they come.
MOMENTS = (
    "event_at",
    "received_at",
    "found_at",
    "decided_at",
    "sent_at",
    "confirmed_at",
    "effective_at",
)


def _step() -> bool:
    """What workers do that are woken by all of these nudges."""
    return _stop() or _judge()


def _stop() -> bool:
    now = timezone.now()
    return holding.hold_next(now=now) or revocations.enforce_next(now=now)


def _judge() -> bool:
    now = timezone.now()
    return judging.judge_next(now=now) or links.link_next(now=now) > 0


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
    """One file."""
    now = timezone.now()
    source, _ = Source.objects.get_or_create(
        name="bench", defaults={"created_at": now, "created_by": "bench"}
    )
    body = orjson.dumps({"Records": records})
    intake.take(source=source, body=body, by="bench", now=now)


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
