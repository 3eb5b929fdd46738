"""Keys held at moto's AWS: from the moment it is asked for until the target shows it.

Two workers, each key once; 1, 100 and 10,000 asked for in the same moment, in one account. The
limit is the SDK against the same server: two processes that make the two calls which a hold and the
look at it cannot do without. The workers are up before anything is asked for, and so are those two.
"""

import itertools
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
from django.conf import settings
from django.utils import timezone

from config.demo.aws import Demo
from evidence.formats.record import ActorName
from evidence.names import actor_ids
from identities.acting import COUNTERSIGN
from identities.actions import revocations
from identities.actions.revocations import of_aws
from identities.enforcers.aws_clients import Clients
from identities.models import Binding, Credential, CredentialState, Identity, Revocation
from tests.awslab.server import running
from tests.bench import crew, database, deadlines
from tests.bench.told import Said

MANY = (1, 100, 10_000)
# A process of the SDK makes a few hundred calls a second: the floor of more is the same a key.
FLOOR = 200
MAKERS = 4
# Seconds of a watch.
LONGEST = 600


def measure(many: Sequence[int] = MANY) -> Iterator[Said]:
    with running() as demo, TemporaryDirectory() as folder:
        pointed(demo, Path(folder))
        names = (f"bench-{number:06d}" for number in itertools.count())
        a_key = _floor(demo, list(itertools.islice(names, FLOOR)))
        for count in many:
            yield from _held(demo, list(itertools.islice(names, count)), a_key)


def pointed(demo: Demo, folder: Path) -> None:
    """As an installation is set up: an endpoint, and our own credentials by reference."""
    own = demo.administrator
    said = {"access_key_id": own.access_key_id, "secret_access_key": own.secret_access_key}
    (folder / "own.json").write_bytes(orjson.dumps(said))
    settings.AWS_ENDPOINT, settings.AWS_CREDENTIALS = demo.direct, f"file:{folder}/own.json"
    settings.ALLOW_PRIVATE, settings.PROBE_FOLDER = True, ""


def _held(demo: Demo, names: list[str], a_key: float) -> Iterator[Said]:
    """Of so many keys; `a_key`: seconds of the SDK for each, two processes at once."""
    count = len(names)
    identities = identities_of(users(demo, names), demo.account)
    database.as_owner("ANALYZE")
    asks = [
        revocations.Ask(one, "hold", "bench", credential=key)
        for one in identities
        for key in one.credentials.all()
    ]
    rows = Revocation.objects.filter(identity__in=identities)
    with crew.at_work(work, ready=lambda: warm(demo.account)) as spent:
        began = timezone.now()
        revocations.request_all(asks, by=COUNTERSIGN, now=began)
        asked = (timezone.now() - began).total_seconds()
        # By the moment, which is cheap to ask: whoever watches takes nothing from who works.
        waiting = Revocation.objects.filter(requested_at=began, confirmed_at=None)
        crew.until(lambda: not waiting.exists(), longest=LONGEST)
    times = rows.values_list("requested_at", "sent_at", "confirmed_at")
    known = [(at, sent, end) for at, sent, end in times if sent is not None and end is not None]
    took = sorted((end - at).total_seconds() for at, _, end in known)
    floor = 0.95 * count * a_key
    target = max(1.0, 2 * floor)
    few = count <= FLOOR
    yield Said(
        f"{count:,} keys asked for at once, asked to confirmed",
        shares(took),
        f"p95 {target:.2f}; SDK alone {floor:.2f}" if few else "all within 180 s",
        share(took, 95) <= target if few else took[-1] <= 180,
    )
    yield Said("  asked to committed", f"{asked:.2f} s")
    yield Said("  asked to sent", shares((sent - at).total_seconds() for at, sent, _ in known))
    yield Said("  sent to shown", shares((end - sent).total_seconds() for _, sent, end in known))
    yield Said(
        "  two workers, load " + f"{os.getloadavg()[0]:.1f}",
        f"{took[-1]:.1f} s, {count / took[-1]:.0f}/s",
        f"{spent.ours:.1f} CPU s, {spent.server:.1f} of PostgreSQL",
    )
    held = _inactive(demo, names)
    once = rows.count() == len(took) == held == count
    yield Said("  each held once", f"{rows.count():,} rows, {held:,} keys Inactive", "", once)


def work() -> bool:
    """What a worker does that a revocation wakes."""
    return revocations.enforce_next(now=timezone.now())


def warm(account: str) -> None:
    """What a worker has made that has changed something in this account before."""
    clients = of_aws.clients(account)
    clients.caller()
    clients.iam.get_user()


def share(sorted_: Sequence[float], percent: int) -> float:
    """The value that so many percent do not exceed."""
    return sorted_[min(len(sorted_) - 1, len(sorted_) * percent // 100)]


def shares(seconds: Iterable[float]) -> str:
    """Of seconds: "p50 0.10 p95 0.20 p99 0.30 s"."""
    found = sorted(seconds)
    return " ".join(f"p{one} {share(found, one):.2f}" for one in (50, 95, 99)) + " s"


def users(demo: Demo, names: Sequence[str]) -> dict[str, str]:
    """The key of each of these users, who are made."""
    iam = _clients(demo).iam

    def make(name: str) -> str:
        iam.create_user(UserName=name)
        made = iam.create_access_key(UserName=name)["AccessKey"]
        key: str = made["AccessKeyId"]
        if settings.PROBE_FOLDER:
            said = {"access_key_id": key, "secret_access_key": made["SecretAccessKey"]}
            (Path(settings.PROBE_FOLDER) / f"{key}.json").write_bytes(orjson.dumps(said))
        return key

    with ThreadPoolExecutor(MAKERS) as pool:
        return dict(zip(names, pool.map(make, names), strict=True))


def _clients(demo: Demo) -> Clients:
    return Clients(credentials=demo.administrator, endpoint=demo.direct, allow_private=True)


def identities_of(keys: dict[str, str], account: str) -> list[Identity]:
    """An identity for each user, bound to it, with its key as a credential."""
    now = timezone.now()
    users = {
        name: ActorName(f"aws:{account}", "arn", f"arn:aws:iam::{account}:user/{name}")
        for name in keys
    }
    actors = actor_ids(
        {*users.values(), *(ActorName("aws", "access_key", key) for key in keys.values())}, now=now
    )
    made = Identity.objects.bulk_create(
        [Identity(name=name, kind="workload", mode="ask", created_at=now) for name in keys],
        batch_size=2_000,
    )
    Binding.objects.bulk_create(
        [
            Binding(
                identity=one,
                actor_id=actors[users[one.name]],
                basis="declared",
                state="confirmed",
                during=(None, None),
                recorded_at=now,
                by="bench",
            )
            for one in made
        ],
        batch_size=2_000,
    )
    rows = Credential.objects.bulk_create(
        [
            Credential(
                actor_id=actors[ActorName("aws", "access_key", keys[one.name])],
                identity=one,
                kind="access_key",
                standing=True,
                issued_at=now,
                issued_to_id=actors[users[one.name]],
                state_at=now,
            )
            for one in made
        ],
        batch_size=2_000,
    )
    CredentialState.objects.bulk_create(
        [
            CredentialState(credential=one, state="active", during=(now, None), recorded_at=now)
            for one in rows
        ],
        batch_size=2_000,
    )
    return list(
        Identity.objects.filter(pk__in=[one.pk for one in made]).prefetch_related(
            "credentials__actor", "credentials__issued_to"
        )
    )


def _floor(demo: Demo, names: list[str]) -> float:
    """Seconds a key of the two calls that no hold can do without, two processes at once."""
    keys = list(users(demo, names).items())
    context = get_context("fork")
    gate = context.Barrier(deadlines.WORKERS + 1)

    def work(part: list[tuple[str, str]]) -> None:
        iam = _clients(demo).iam
        gate.wait()
        for user, key in part:
            iam.update_access_key(UserName=user, AccessKeyId=key, Status="Inactive")
            iam.list_access_keys(UserName=user)
        os._exit(0)

    workers = [
        context.Process(target=work, args=(keys[number :: deadlines.WORKERS],))
        for number in range(deadlines.WORKERS)
    ]
    for one in workers:
        one.start()
    gate.wait()
    started = time.perf_counter()
    for one in workers:
        one.join()
    return (time.perf_counter() - started) / len(keys)


def _inactive(demo: Demo, names: Sequence[str]) -> int:
    iam = _clients(demo).iam

    def one(name: str) -> int:
        listed = iam.list_access_keys(UserName=name)["AccessKeyMetadata"]
        return sum(key["Status"] == "Inactive" for key in listed)

    with ThreadPoolExecutor(MAKERS) as pool:
        return sum(pool.map(one, names))
