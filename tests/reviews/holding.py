"""Findings that come in time, and rules that hold by them: what tests of automatic holds share."""

from datetime import datetime, timedelta
from typing import Any

from identities.models import Finding, User
from reviews.automatic import holding, rules
from reviews.models import AutomaticHold, HoldRule

from .conftest import NOW, Told, ingest, make_user, person_of, record

MINUTE = timedelta(minutes=1)
SIGNED = NOW + MINUTE
LATER = NOW + 10 * MINUTE
SECRET = {
    "eventSource": "secretsmanager.amazonaws.com",
    "requestParameters": {"secretId": "prod/db"},
}


def ruled(story: Told, ada: User | None = None, **said: Any) -> HoldRule:
    """A rule in force since a minute after the story: no authority, for service accounts."""
    ada = ada or make_user("ada", "administrator")
    given: dict[str, Any] = {
        "scope": {"kinds": ["service_account"]},
        "classes": ["no_authority", "left_task"],
        "per_hour": 5,
        "per_day": 10,
        "asked": person_of(story.rita),
        "reason": "no person is as quick",
    } | said
    row = rules.propose(**given, by=story.rita, now=SIGNED)
    return rules.sign(rule=row, by=ada, now=SIGNED)


def behaves(number: int = 90, *, at: datetime = LATER, now: datetime | None = None) -> Finding:
    """A secret is read with the story's key, without authority, and received a minute later."""
    ingest([record(number, "GetSecretValue", "", at, **SECRET)], now=now or at + MINUTE)
    return Finding.objects.get(rule="no_authority", state="open")


def sweep(now: datetime = LATER + 2 * MINUTE) -> list[AutomaticHold]:
    """What the worker does about findings that may hold, until nothing is left."""
    while holding.hold_next(now=now):
        pass
    return list(AutomaticHold.objects.order_by("number"))
