"""Grants as an installation gives them: asked for and signed by people, carried by real workers.

An embedded PostgreSQL and Valkey of their own, and of `manage.py up` its worker, its worker that
stops things and its beat, as processes. Signing says its nudge to that broker; what ends by itself
is woken by the beat. Beside it stands what the SDK alone takes at the same server (grants.py).
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
from celery import Celery
from django.conf import settings
from django.contrib.auth.models import Group
from django.db import connection
from django.utils import timezone

from config import waking
from config.addresses import broker_of
from config.celery import NUDGES, ROUTES
from config.demo.aws import Demo
from config.environment import kept_secret
from evidence import nudge
from identities.acting import COUNTERSIGN
from identities.actions import grants
from identities.models import Grant, Identity, Party, Person, User
from reviews.break_glass import answering, asking, bundles, opening, rights
from reviews.models import Case
from tests.bench import crew, revoking
from tests.bench.told import Said
from tests.evidence.installation import Installation, installed

# People who sign at once.
SIGNERS = 4
MINUTE = timedelta(minutes=1)
PARTS = ("worker", "stopping", "beat")
# Seconds until everything has to be there, or gone.
LONGEST = 300


def measure(
    demo: Demo, roles: Sequence[str], a_role: float, *, few: int, policies: Callable[[], int]
) -> Iterator[Said]:
    """On these roles; `a_role`: seconds of a write and a look by the SDK alone; `policies`: how many
    policies the target has on them."""
    with (
        TemporaryDirectory() as folder,
        installed(Path(folder) / "var") as there,
        _led(there, demo),
    ):
        company = Company(demo)
        there.start(*PARTS)
        # The first that is given is of workers that have never been at the target.
        _end(_signed(company, roles[:SIGNERS]))
        for count in dict.fromkeys((1, min(few, len(roles)))):
            yield from _usable(company, roles[:count], a_role)
        yield from _ending(company, roles, a_role, policies)
        alive = there.alive()
        yield Said("  parts that have lived all along", ", ".join(alive), "", len(alive) == 3)


@contextmanager
def _led(there: Installation, demo: Demo) -> Iterator[None]:
    """What is said after a commit here goes to the installation's broker, and its workers act at
    this account."""
    password = kept_secret(there.there.secrets / "valkey")
    broker = Celery(
        "bench", broker=broker_of(there.there.redis_url(password)), set_as_current=False
    )
    broker.conf.task_routes, broker.conf.task_ignore_result = ROUTES, True

    def send(name: str) -> None:
        waking.wake(broker, NUDGES[name])

    said = {
        "COUNTERSIGN_AWS_ENDPOINT": demo.direct,
        "COUNTERSIGN_AWS_CREDENTIALS": str(settings.AWS_CREDENTIALS),
    }
    sent, before = nudge.send, {name: os.environ.get(name) for name in said}
    nudge.send = send
    os.environ.update(said)
    try:
        yield
    finally:
        nudge.send = sent
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        broker.close()


class Company:
    """Who asks, who signs, what acts, and a bundle for each role: of one bundle one person asks for
    one thing at a time."""

    def __init__(self, demo: Demo) -> None:
        self.demo = demo
        self.asker, self.proposer, *self.signers = (
            _user(f"bench-{number}", "reviewer") for number in range(SIGNERS + 2)
        )
        self.holder = Identity.objects.create(
            name="bench",
            kind="workload",
            state="active",
            owner=Party.objects.get_or_create(person=self.asker.person)[0],
            purpose="bench",
            expires_at=timezone.now() + timedelta(days=1),
            created_at=timezone.now(),
        )
        self.holder.refresh_from_db()
        self.known: set[str] = set()

    def offers(self, role: str) -> None:
        """A bundle for this role, signed by two."""
        if role in self.known:
            return
        self.known.add(role)
        said: dict[str, Any] = {
            "words": f"Read by {role}",
            "target": {
                "system": "aws",
                "account": self.demo.account,
                "kind": "role_sessions",
                "name": role,
            },
            "actions": ["s3:GetObject"],
            "resources": ["arn:aws:s3:::bench/*"],
            "holder": self.holder.key,
            "quorum": {"role": "reviewer"},
            "patience_minutes": 60,
            "unanswered_minutes": 240,
            "cap_minutes": 240,
            "cap_after_bypass_minutes": 15,
        }
        now = timezone.now()
        text = orjson.dumps(said).decode()
        row = bundles.propose(slug=role, text=text, reason="bench", by=self.proposer, now=now)
        bundles.sign(bundle=row, by=self.signers[0], now=now)

    def asks(self, role: str, minutes: int, starts_at: datetime | None) -> tuple[Case, str]:
        """A request, and the digest of what was read of it."""
        self.offers(role)
        wanted = asking.Wanted(slug=role, minutes=minutes, reason="bench: it is measured")
        now = timezone.now()
        case = asking.ask(wanted=wanted._replace(starts_at=starts_at), by=self.asker, now=now)
        case = Case.objects.select_related("break_glass__bundle", "identity").get(pk=case.pk)
        item = rights.waiting_item(case)
        if item is None:
            raise AssertionError(f"{case.key} asks for no signature")
        return case, opening.digest(case, case.break_glass, item)


def _user(name: str, group: str) -> User:
    email = f"{name}@example.org"
    person = Person.objects.create(name=name, email=email)
    row = User.objects.create(username=name, email=email, person=person)
    row.groups.add(Group.objects.get_or_create(name=group)[0])
    return row


def _signed(
    company: Company,
    roles: Sequence[str],
    *,
    minutes: int = 60,
    starts: Sequence[datetime | None] = (),
) -> list[Case]:
    """A request for each of these, all of them signed at once, as fast as so many people sign."""
    asked = [
        company.asks(role, minutes, at)
        for role, at in zip(roles, starts or [None] * len(roles), strict=True)
    ]

    def sign(place: int) -> None:
        try:
            for case, digest in asked[place::SIGNERS]:
                by = company.signers[place]
                answering.approve(case=case, by=by, now=timezone.now(), digest=digest)
        finally:
            connection.close()

    with ThreadPoolExecutor(SIGNERS) as pool:
        list(pool.map(sign, range(SIGNERS)))
    return [case for case, _ in asked]


def _end(cases: Sequence[Case]) -> None:
    """They are usable, then given back, and gone."""
    rows = Grant.objects.filter(case__in=[one.pk for one in cases])
    crew.until(lambda: rows.filter(usable_at=None).count() == 0, longest=LONGEST)
    for one in rows:
        grants.end(one.pk, by=COUNTERSIGN, reason="bench", now=timezone.now())
    crew.until(lambda: rows.exclude(state="ended").count() == 0, longest=LONGEST)


def _usable(company: Company, roles: Sequence[str], a_role: float) -> Iterator[Said]:
    count = len(roles)
    cases = _signed(company, roles)
    rows = Grant.objects.filter(case__in=[one.pk for one in cases])
    crew.until(lambda: rows.exclude(usable_at=None).count() == count, longest=LONGEST)
    took = _took(rows.values_list("asked_at", "usable_at"))
    yield Said(
        f"installed: {count:,} signed at once by {min(SIGNERS, count)}, signed to usable",
        revoking.shares(took),
        f"p95 2; SDK alone {0.95 * count * a_role:.2f}",
        revoking.share(took, 95) <= 2 and len(took) == count,
    )
    _end(cases)


def _ending(
    company: Company, roles: Sequence[str], a_role: float, policies: Callable[[], int]
) -> Iterator[Said]:
    """All of them end in one minute, evenly over it; so they begin in one."""
    count = len(roles)
    for role in roles:
        company.offers(role)
    # As long as it takes to ask and sign, and then to give.
    first = timezone.now() + timedelta(seconds=30 + count / 5)
    minutes = 2 + count // 500
    starts = [first + MINUTE * number / count for number in range(count)]
    cases = _signed(company, roles, minutes=minutes, starts=starts)
    late = timezone.now() - first
    rows = Grant.objects.filter(case__in=[one.pk for one in cases])
    last = starts[-1] + minutes * MINUTE
    waits = (last - timezone.now()).total_seconds()
    crew.until(lambda: rows.exclude(state="ended").count() == 0, longest=waits + LONGEST)
    found = list(rows)
    took = _took([(one.ends_at, one.removed_at) for one in found])
    given = sum(one.usable_at is not None for one in found)
    ends = max(one.ends_at for one in found) - min(one.ends_at for one in found)
    yield Said(
        f"installed: {count:,} ending in {ends.total_seconds():.0f} s, deadline to shown gone",
        revoking.shares(took),
        f"p95 5; SDK alone {2 * a_role:.3f} each",
        revoking.share(took, 95) <= 5 and len(took) == given == count and late < timedelta(0),
    )
    tries = sum(one.tries.filter(did="end").count() for one in found)
    left = policies()
    once = tries == count and left == 0
    yield Said("  each taken away once", f"{tries:,} tries, {left} policies left", "", once)


def _took(times: Any) -> list[float]:
    return sorted((end - at).total_seconds() for at, end in times if end is not None)
