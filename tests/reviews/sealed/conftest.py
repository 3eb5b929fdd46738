"""An access key in an envelope, who declares it, and evidence of its use."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from evidence.names import memory
from identities.models import User
from reviews.models import Case, SealedCredential, SealedUse
from reviews.sealed import declaring, looking, made, recognising
from reviews.sealed.declaring import Declared
from tests import once
from tests.reviews.conftest import ACCOUNT, DAY, NOW, ingest, make_user, record

MINUTE = timedelta(minutes=1)
KEY = "AKIASEALEDQP7D000001"
ARN = f"arn:aws:iam::{ACCOUNT}:user/break-glass"


@dataclass
class Sealed:
    """Who is there, and the key that lies in the safe since a day ago."""

    row: SealedCredential
    rita: User  # a reviewer
    root: User  # an administrator
    rex: User  # a responder
    owen: User  # owns things
    otto: User  # an auditor


def said(**more: Any) -> Declared:
    wanted: dict[str, Any] = {
        "slug": "aws-key",
        "words": "Open the account when all else is down",
        "named": KEY,
        "kept": "safe on the second floor",
        "openers": "Mia and Tom, together",
    }
    return Declared(**wanted | more)


def declared(by: User, other: User, now: datetime = NOW - DAY, **more: Any) -> SealedCredential:
    """A version that two people signed."""
    row = declaring.propose(declared=said(**more), reason="for the night", by=by, now=now)
    return declaring.sign(sealed=row, by=other, now=now)


def tell_sealed() -> Sealed:
    # It is told before the fixtures of a test begin: names of an earlier one are gone with its rows.
    memory.forget()
    people = {
        "rita": make_user("ria", "reviewer"),
        "root": make_user("root", "administrator"),
        "rex": make_user("rex", "responder"),
        "owen": make_user("owen", "owner"),
        "otto": make_user("olaf", "auditor"),
    }
    return Sealed(row=declared(people["rita"], people["root"]), **people)


@pytest.fixture
@once.told
def sealed(db: None) -> Sealed:
    return tell_sealed()


def call(number: int, at: datetime, *, key: str = KEY, arn: str = ARN) -> dict[str, Any]:
    """One record of the account's own log by the sealed key."""
    who = {
        "type": "IAMUser",
        "principalId": "AIDASEALED",
        "arn": arn,
        "accountId": ACCOUNT,
        "accessKeyId": key,
        "userName": arn.rpartition("/")[2],
    }
    return record(500 + number, "GetObject", f"vault/{number}.pdf", at, userIdentity=who)


def arrives(*records: dict[str, Any], now: datetime = NOW) -> None:
    """They arrive, and everything that waits is looked at."""
    ingest(list(records), now=now)
    work(now)


def work(now: datetime = NOW) -> int:
    done = 0
    while recognising.recognise_next(now=now):
        done += 1
    return done


def of_case(case: Case) -> SealedUse:
    return SealedUse.objects.select_related("credential__actor", "drill", "capsule").get(case=case)


def read_of(use: SealedUse, now: datetime = NOW) -> str:
    """What whoever looks back has read."""
    return looking.digest(use, made.of_use(use, now=now))
