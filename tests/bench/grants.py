"""Grants at moto's AWS: from signed to usable, and from the deadline to what the target shows gone.

Two workers, which look once a second as the schedule has them do, or at once where they are nudged;
then the whole of it as an installation has it, with its broker (grants_installed.py). The limit is the SDK against the same server: two processes that make the two calls which taking a
policy off and looking cannot do without.
"""

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import orjson
from django.conf import settings
from django.db import connection
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.utils import timezone

from config.demo.aws import Demo, policy
from evidence.keys import uuid7
from identities.acting import COUNTERSIGN
from identities.actions import grants
from identities.decisions import Question, decide
from identities.enforcers.aws_clients import Clients
from identities.enforcers.contract import Permission
from identities.models import Delegation, DelegationVersion, Grant, Identity, Party, Person
from tests.awslab.server import running
from tests.bench import database, deadlines, grants_installed, revoking
from tests.bench.told import Said

MANY, AT_ONCE = 1_000, 100
MINUTE = timedelta(minutes=1)
READ = Permission(("s3:GetObject",), ("arn:aws:s3:::bench/*",))


def measure(many: int = MANY) -> Iterator[Said]:
    with running() as demo, TemporaryDirectory() as folder:
        _pointed(demo, Path(folder))
        roles = _roles(demo, many)
        a_role = _floor(demo, roles[: revoking.FLOOR])
        database.as_owner("ANALYZE")
        for count in (1, AT_ONCE):
            yield from _usable(demo, roles[:count], count, a_role)
        yield from _ending(demo, roles, a_role)
        yield from grants_installed.measure(
            demo, roles, a_role, few=AT_ONCE, policies=lambda: _policies(demo, roles)
        )


def _pointed(demo: Demo, folder: Path) -> None:
    """As an installation is set up: an endpoint, and our own credentials by reference."""
    own = demo.administrator
    said = {"access_key_id": own.access_key_id, "secret_access_key": own.secret_access_key}
    (folder / "own.json").write_bytes(orjson.dumps(said))
    settings.AWS_ENDPOINT, settings.AWS_CREDENTIALS = demo.direct, f"file:{folder}/own.json"
    settings.ALLOW_PRIVATE = True


def _clients(demo: Demo) -> Clients:
    return Clients(credentials=demo.administrator, endpoint=demo.direct, allow_private=True)


def _usable(demo: Demo, roles: Sequence[str], count: int, a_role: float) -> Iterator[Said]:
    """Signed in the same moment: until the target shows each."""
    now = timezone.now()
    rows = _begun(demo, roles, now, [now + timedelta(hours=1)] * count)
    deadlines.swept(lambda: grants.grant_next(now=timezone.now()))
    took = _took(Grant.objects.filter(pk__in=rows).values_list("asked_at", "usable_at"))
    p50, p95, p99 = _shares(took)
    floor = 0.95 * count * a_role
    yield Said(
        f"{count:,} grants signed at once, signed to usable",
        f"p50 {p50:.2f} p95 {p95:.2f} p99 {p99:.2f} s",
        f"p95 2; SDK alone {floor:.2f}",
        p95 <= 2 and len(took) == count,
    )
    for one in rows:
        grants.end(one, by=COUNTERSIGN, reason="bench", now=timezone.now())
    deadlines.swept(lambda: grants.grant_next(now=timezone.now()))


def _ending(demo: Demo, roles: Sequence[str], a_role: float) -> Iterator[Said]:
    """All of them end in one minute, evenly over it."""
    now, count = timezone.now(), len(roles)
    # As long as it takes to give them, and some more.
    first = now + timedelta(seconds=30 + count / 15)
    ends = [first + MINUTE * number / count for number in range(count)]
    rows = _begun(demo, roles, now, ends)
    _at_work(until=ends[-1] + timedelta(seconds=30))
    found = list(Grant.objects.filter(pk__in=rows))
    took = _took([(one.ends_at, one.removed_at) for one in found])
    p50, p95, p99 = _shares(took)
    yield Said(
        f"{count:,} grants ending in one minute, deadline to shown gone",
        f"p50 {p50:.2f} p95 {p95:.2f} p99 {p99:.2f} s",
        f"p95 5; SDK alone {2 * a_role:.3f} each",
        p95 <= 5 and len(took) == count,
    )
    ended = sum(one.state == "ended" for one in found)
    tries = sum(one.tries.filter(did="end").count() for one in found)
    once = ended == tries == count and _policies(demo, roles) == 0
    yield Said("  each taken away once", f"{ended:,} ended by {tries:,} tries", "", once)
    denied = sum(not _allowed(one, one.ends_at) for one in found[:AT_ONCE])
    before = sum(_allowed(one, one.ends_at - timedelta(seconds=1)) for one in found[:AT_ONCE])
    yield Said(
        "  our own door, a second before and at the deadline",
        f"{before} allowed, {denied} denied",
        f"{AT_ONCE} each",
        before == denied == min(AT_ONCE, count),
    )


def _allowed(row: Grant, at: datetime) -> bool:
    subject = row.delegation.grantee.key
    asked = Question(subject=subject, action="s3:GetObject", resource="arn:aws:s3:::bench/1")
    return decide(asked, now=at).allowed


def _at_work(*, until: datetime) -> None:
    """Two workers as the schedule wakes them: once a second, until nothing is due."""
    context = get_context("fork")

    def work() -> None:
        while timezone.now() < until:
            while grants.grant_next(now=timezone.now()):
                pass
            time.sleep(1 - time.time() % 1)
        connection.close()
        os._exit(0)

    connection.close()
    workers = [context.Process(target=work) for _ in range(deadlines.WORKERS)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()


def _begun(demo: Demo, roles: Sequence[str], now: datetime, ends: Sequence[datetime]) -> list[UUID]:
    """A grant on each of these roles, of an identity and a delegation of its own."""
    case = uuid7()
    owner, _ = Party.objects.get_or_create(person=Person.objects.get_or_create(name="bench")[0])
    identities = Identity.objects.bulk_create(
        Identity(
            name=f"{role}-{now:%H%M%S%f}",
            kind="workload",
            state="active",
            owner=owner,
            purpose="bench",
            expires_at=now + timedelta(days=1),
            created_at=now,
        )
        for role in roles
    )
    delegations = Delegation.objects.bulk_create(
        Delegation(grantee=one, created_at=now) for one in identities
    )
    versions = DelegationVersion.objects.bulk_create(
        DelegationVersion(
            delegation=one,
            version=1,
            state="in_force",
            actions=list(READ.actions),
            resources=list(READ.resources),
            during=DateTimeTZRange(now, end),
            signed=True,
            case=case,
            recorded_at=now,
            by="bench",
        )
        for one, end in zip(delegations, ends, strict=True)
    )
    return [
        grants.begin(
            case=case,
            case_key="CS-1",
            delegation_version=version,
            holder=identity,
            person="bench",
            what=grants.What("aws", demo.account, "role_sessions", role, (READ,)),
            starts_at=now,
            ends_at=end,
            clock="approval",
            by=COUNTERSIGN,
            now=timezone.now(),
        ).pk
        for role, version, identity, end in zip(roles, versions, identities, ends, strict=True)
    ]


def _took(times: Iterable[tuple[datetime, datetime | None]]) -> list[float]:
    return sorted((end - at).total_seconds() for at, end in times if end is not None)


def _shares(took: Sequence[float]) -> list[float]:
    return [took[min(len(took) - 1, len(took) * share // 100)] for share in (50, 95, 99)]


def _roles(demo: Demo, many: int) -> list[str]:
    iam = _clients(demo).iam
    trust = policy({"Action": "sts:AssumeRole", "Principal": {"AWS": "*"}})

    def make(number: int) -> str:
        name = f"bench-{number:06d}"
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
        return name

    with ThreadPoolExecutor(revoking.MAKERS) as pool:
        return list(pool.map(make, range(many)))


def _policies(demo: Demo, roles: Sequence[str]) -> int:
    iam = _clients(demo).iam
    with ThreadPoolExecutor(revoking.MAKERS) as pool:
        listed = pool.map(lambda one: iam.list_role_policies(RoleName=one)["PolicyNames"], roles)
        return sum(len(one) for one in listed)


def _floor(demo: Demo, roles: Sequence[str]) -> float:
    """Seconds a role of a write and a look, two processes at once."""
    context = get_context("fork")
    gate = context.Barrier(deadlines.WORKERS + 1)
    document = policy({"Action": "s3:GetObject", "Resource": "*"})

    def work(part: Sequence[str]) -> None:
        iam = _clients(demo).iam
        gate.wait()
        for role in part:
            iam.put_role_policy(RoleName=role, PolicyName="floor", PolicyDocument=document)
            iam.get_role_policy(RoleName=role, PolicyName="floor")
        os._exit(0)

    workers = [
        context.Process(target=work, args=(roles[number :: deadlines.WORKERS],))
        for number in range(deadlines.WORKERS)
    ]
    for one in workers:
        one.start()
    gate.wait()
    started = time.perf_counter()
    for one in workers:
        one.join()
    took = (time.perf_counter() - started) / len(roles)
    iam = _clients(demo).iam
    for role in roles:
        iam.delete_role_policy(RoleName=role, PolicyName="floor")
    return took
