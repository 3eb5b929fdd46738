"""What is remembered of addresses goes with its evidence, and nothing is concluded from what is gone."""

import random
from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from evidence import emptying, erasing, intake, links, retention
from evidence.models import Actor, Deposit, Erasure, Event, Progress, Source
from identities import chain_heads, judging
from identities.actions import credentials
from identities.judging import past
from identities.models import CallerAddress, Finding, Identity, Rejudging, SignInAddress
from tests.evidence.bodies import trail
from tests.evidence.test_erasing import ANNA, BEN
from tests.identities.chains import bind
from tests.identities.test_following import Make

# The database refuses to delete evidence at a moment ahead of its own clock.
pytestmark = [pytest.mark.real_clock, pytest.mark.django_db(transaction=True)]
ACCOUNT = "111122223333"
KEY = "AKIABOT0000000000001"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/agent"
OFFICE = "203.0.113.9"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:124.0) Gecko/20100101 Firefox/124.0"
BOT = {
    "type": "IAMUser", "arn": f"arn:aws:iam::{ACCOUNT}:user/bot", "accountId": ACCOUNT,
    "accessKeyId": KEY, "userName": "bot",
}  # fmt: skip
MIA = {
    "type": "IAMUser", "arn": f"arn:aws:iam::{ACCOUNT}:user/mia", "accountId": ACCOUNT,
    "userName": "mia",
}  # fmt: skip
LONG_AGO, WEEK = 200, timedelta(days=7)
type AsOwner = Callable[..., Any]


def record(
    number: int, who: dict[str, Any], name: str, *, days: int, **said: Any
) -> dict[str, Any]:
    """One record of the second day of the month that many days ago."""
    day = (timezone.now() - timedelta(days=days)).replace(day=2, hour=9, minute=0, second=0)
    return {
        "eventVersion": "1.09", "eventID": f"00000000-0000-4000-8000-{number:012d}",
        "eventTime": (day + timedelta(minutes=number % 100)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": "s3.amazonaws.com", "eventName": name, "awsRegion": "eu-central-1",
        "sourceIPAddress": OFFICE, "userAgent": BROWSER, "requestID": f"REQ{number}",
        "recipientAccountId": ACCOUNT, "userIdentity": who,
    } | said  # fmt: skip


def sign_in(number: int, *, days: int, **said: Any) -> dict[str, Any]:
    return record(
        number, MIA, "ConsoleLogin", days=days, eventSource="signin.amazonaws.com",
        responseElements={"ConsoleLogin": "Success"}, additionalEventData={"MFAUsed": "Yes"}, **said,
    )  # fmt: skip


def assume(number: int, *, days: int) -> dict[str, Any]:
    """Mia assumes the agent's role."""
    return record(
        number, MIA | {"accessKeyId": "AKIAMIA0000000000001"}, "AssumeRole", days=days,
        eventSource="sts.amazonaws.com",
        requestParameters={"roleArn": ROLE, "roleSessionName": "run"},
        responseElements={
            "credentials": {"accessKeyId": f"ASIARUN{number:013d}",
                            "expiration": "Nov 24, 2036 11:59:00 PM"},
            "assumedRoleUser": {"arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/agent/run"},
        },
    )  # fmt: skip


def act(number: int, session: int, *, days: int) -> dict[str, Any]:
    """A call in the session that record number `session` issued."""
    who = {
        "type": "AssumedRole", "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/agent/run",
        "accountId": ACCOUNT, "accessKeyId": f"ASIARUN{session:013d}",
        "sessionContext": {"sessionIssuer": {"type": "Role", "arn": ROLE}},
    }  # fmt: skip
    return record(number, who, "GetObject", days=days, userAgent="Boto3/1.44",
                  requestParameters={"bucketName": "invoices", "key": "a"})  # fmt: skip


def take(*records: dict[str, Any], of: str = "trail") -> Deposit:
    now = timezone.now()
    source, _ = Source.objects.get_or_create(
        name=of, defaults={"created_at": now, "created_by": "command"}
    )
    taken = intake.take(source=source, body=trail(*records), by="command", now=now)
    # What is older than its source's period is not taken.
    assert taken.rejects == 0 or source.retention_days < LONG_AGO
    settle()
    return Deposit.objects.get(pk=taken.deposit)


def settle() -> None:
    now = timezone.now()
    while links.link_next(now=now):
        pass
    judging.judge_all(now=now)


def linked(identity: Identity, *names: str) -> Identity:
    for actor in Actor.objects.filter(value__in=names):
        bind(identity, actor)
    judging.again(identities=[identity], now=timezone.now())
    settle()
    while credentials.born(now=timezone.now()):
        pass
    return identity


@pytest.fixture
def bot(active: Make) -> Identity:
    """A machine with a call from an address where Mia signs in, long ago and lately, and a role that
    she assumed."""
    take(*of_a_time(100, days=LONG_AGO))
    take(*of_a_time(200, days=40))
    return linked(active("bot"), BOT["arn"], ROLE)


def of_a_time(number: int, *, days: int) -> list[dict[str, Any]]:
    return [
        record(number + 1, BOT, "GetObject", days=days),
        sign_in(number + 2, days=days),
        assume(number + 3, days=days),
        act(number + 4, number + 3, days=days),
    ]


@pytest.fixture
def prune(as_owner: AsOwner) -> Callable[..., retention.Run]:
    def run(*, of: str = "trail", days: int = 100) -> retention.Run:
        """Retention, where the period of this source has been so short for a week."""
        Source.objects.filter(name=of).update(retention_days=days)
        as_owner(
            "SET countersign.letting_go = 'on';"
            " UPDATE evidence_retentionsaid SET said_at = said_at - interval '8 days';"
            " RESET countersign.letting_go"
        )
        return retention.prune(now=timezone.now())

    return run


def erase(deposit: Deposit, ordinal: int | None = None, *, names: bool = False) -> None:
    now = timezone.now()
    row = erasing.ask(
        deposit=deposit, ordinal=ordinal, names=names, reason="court order 7", by=ANNA, now=now
    )
    erasing.confirm(erasure=row, by=BEN, now=now)
    assert emptying.carry_out_all(now=now) == 1


def remembered() -> tuple[int, int]:
    return CallerAddress.objects.count(), SignInAddress.objects.count()


def heads(identity: Identity) -> list[tuple[str, int]]:
    return [(one.name, one.times) for one in chain_heads.of(identity, at=timezone.now())]


def events() -> int:
    """How many events findings hold."""
    return sum(Finding.objects.filter(rule="interactive_use").values_list("count", flat=True))


def test_retention_takes_along_what_is_remembered_of_addresses(
    bot: Identity, prune: Callable[..., retention.Run]
) -> None:
    assert (remembered(), heads(bot)) == ((4, 2), [("mia", 2)])
    assert prune().events == 4
    assert (remembered(), heads(bot)) == ((2, 1), [("mia", 1)])
    assert prune().events == 0
    assert remembered() == (2, 1)


def test_what_another_source_still_says_stays(
    bot: Identity, prune: Callable[..., retention.Run]
) -> None:
    take(sign_in(900, days=LONG_AGO), of="other")
    prune()
    assert remembered() == (2, 2)


@pytest.mark.parametrize("names", [False, True])
def test_erasure_takes_along_what_is_remembered_of_addresses(bot: Identity, names: bool) -> None:
    erase(Deposit.objects.order_by("pk")[0], names=names)
    assert remembered() == (2, 1)
    erase(Deposit.objects.order_by("pk")[1], 1, names=names)  # the sign-in alone
    assert remembered() == (2, 0)


def test_finding_is_not_taken_back_because_its_evidence_is_gone(
    bot: Identity, prune: Callable[..., retention.Run]
) -> None:
    assert events() == 2
    prune()
    erase(Deposit.objects.order_by("pk")[1], 0)
    # More of the same account on the same day: what is found near it is looked at again.
    take(record(250, BOT, "GetObject", days=40, userAgent="Boto3/1.44"))
    take(record(150, BOT, "GetObject", days=LONG_AGO, userAgent="Boto3/1.44"), of="other")
    judging.again(identities=[bot], now=timezone.now())
    settle()
    assert events() == 2


def test_call_from_when_runs_were_dropped_is_no_new_finding(
    bot: Identity, prune: Callable[..., retention.Run]
) -> None:
    prune()
    elsewhere = record(150, BOT, "PutObject", days=LONG_AGO, sourceIPAddress="198.51.100.1")
    take(elsewhere, of="other")
    assert (events(), Finding.objects.filter(rule="interactive_use").count()) == (2, 2)


def test_what_was_judged_before_is_judged_once_more(
    bot: Identity, monkeypatch: pytest.MonkeyPatch, as_owner: AsOwner
) -> None:
    monkeypatch.setattr(past, "BATCH", 1)
    for model in (CallerAddress, SignInAddress, Finding):
        as_owner(f"TRUNCATE {model._meta.db_table} CASCADE")
    settle()
    assert (remembered(), events()) == ((0, 0), 0)
    as_owner(import_module("identities.migrations.0046_judge_again").AGAIN)
    assert Rejudging.objects.count() == 1
    now = timezone.now()
    newest = Deposit.objects.latest("pk").pk
    assert judging.judge_next(now=now)
    waits = Progress.objects.filter(consumer="judging", done_at=None)
    assert list(waits.values_list("deposit_id", flat=True)) == [newest]
    settle()
    assert (remembered(), events(), Rejudging.objects.count()) == ((4, 2), 2, 0)


def test_migration_deletes_what_no_event_says(bot: Identity, as_owner: AsOwner) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO identities_signinaddress (actor_id, address_id, day)"
            " SELECT actor_id, address_id, day - 1 FROM identities_signinaddress"
        )
        cursor.execute(
            "INSERT INTO identities_calleraddress (identity_no, actor_id, address_id, day, tool)"
            " SELECT identity_no, actor_id, 0, day, true FROM identities_calleraddress"
        )
    as_owner(import_module("identities.migrations.0046_judge_again").GONE)
    assert remembered() == (4, 2)


class Anything:
    """Evidence that comes in any order, is told again, is dropped and is erased."""

    def __init__(self, seed: int, prune: Callable[..., retention.Run]) -> None:
        self.chance, self.prune, self.number = random.Random(seed), prune, 0
        self.told: list[list[dict[str, Any]]] = []

    def step(self) -> None:
        self.chance.choice((self.tell, self.tell, self.tell, self.again, self.drop, self.erase))()

    def tell(self) -> None:
        """Some records of one of the two times; a session may be used before it is issued."""
        self.number += 10
        days = self.chance.choice((LONG_AGO, 40))
        some = of_a_time(self.number, days=days)
        self.chance.shuffle(some)
        parts = [some[: self.chance.randint(1, 4)]]
        parts.append([one for one in some if one not in parts[0]])
        self.told += [one for one in parts if one]
        take(*parts[0], of=self.chance.choice(("trail", "other")))

    def again(self) -> None:
        """What was told, or held back, comes late or twice."""
        if self.told:
            take(*self.chance.choice(self.told), of=self.chance.choice(("trail", "other")))

    def drop(self) -> None:
        for name in self.chance.sample(("trail", "other"), k=self.chance.randint(1, 2)):
            self.prune(of=name)
        if self.chance.random() < 0.7:
            Source.objects.update(retention_days=3650)
        settle()

    def erase(self) -> None:
        gone = Erasure.objects.values_list("deposit", flat=True)
        deposit = Deposit.objects.exclude(pk__in=gone).filter(tombstones=None).order_by("?").first()
        if deposit is not None:
            whole = self.chance.random() < 0.5
            ordinal = None if whole else self.chance.randrange(deposit.records)
            erase(deposit, ordinal, names=self.chance.random() < 0.5)
            settle()


def stated(sql: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return int(cursor.fetchone()[0])


@pytest.mark.parametrize("seed", range(6))
def test_nothing_is_said_from_evidence_that_is_gone(
    seed: int, bot: Identity, prune: Callable[..., retention.Run]
) -> None:
    anything = Anything(seed, prune)
    for _ in range(12):
        anything.step()
        # Every row has an event that says so.
        assert stated(
            "SELECT count(*) FROM identities_signinaddress s WHERE NOT EXISTS (SELECT FROM"
            " evidence_event e JOIN evidence_term t ON t.id = e.action_id"
            " WHERE e.principal_id = s.actor_id AND e.address_id = s.address_id"
            " AND t.value = 'signin:ConsoleLogin' AND (e.at AT TIME ZONE 'UTC')::date = s.day)"
        ) == 0  # fmt: skip
        assert stated(
            "SELECT count(*) FROM identities_calleraddress c WHERE NOT EXISTS (SELECT FROM"
            " evidence_event e WHERE coalesce(e.credential_id, e.principal_id) = c.actor_id"
            " AND e.address_id = c.address_id AND (e.at AT TIME ZONE 'UTC')::date = c.day)"
        ) == 0  # fmt: skip
        # Whoever heads a chain did what began it.
        for head in chain_heads.of(bot, at=timezone.now()):
            began = Event.objects.get(at=head.last_at, id=head.event)
            assert list(Actor.objects.filter(pk=began.principal_id or 0)) == [
                Actor.objects.get(value=head.actor)
            ]
            assert Event.objects.filter(at=head.first_at, principal_id=began.principal_id).exists()
    # What is found from now on names nobody whose sign-in is gone.
    for days in (LONG_AGO, 40):
        take(record(7000 + days, BOT, "PutObject", days=days, sourceIPAddress=OFFICE), of="new")
    known = SignInAddress.objects.count()
    for one in Finding.objects.filter(rule="interactive_use", events__event_id__in=new_events()):
        day = one.first_at.date()
        near = SignInAddress.objects.filter(day__range=(day - WEEK, day + WEEK)).exists()
        assert ("mia" in one.details["network"]) is near, (known, one.details)


def new_events() -> list[int]:
    new = Source.objects.get(name="new")
    return list(Event.objects.filter(source_id=new.pk).values_list("id", flat=True))
