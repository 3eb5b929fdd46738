"""Who reads pages, and what is stored for them to read.

Owns what the tests of evidence's pages share; knows no page.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from evidence import intake, links
from evidence.models import Source
from identities.models import Person, User
from tests.evidence.bodies import record, run_of, trail
from tests.signed_in import sure


@pytest.fixture
def person(db: None) -> Callable[..., User]:
    """A login with a person behind it, in these groups."""

    def make(name: str, *groups: str) -> User:
        row = User.objects.create(username=name, person=Person.objects.create(name=name.title()))
        for group in groups:
            row.groups.add(Group.objects.get_or_create(name=group)[0])
        return row

    return make


@pytest.fixture
def signed_in(person: Callable[..., User]) -> Callable[..., Client]:
    def make(name: str, *groups: str) -> Client:
        client = Client()
        client.force_login(person(name, *groups))
        sure(client)
        return client

    return make


def parts(response: Any) -> bytes:
    """The whole of an answer that comes in parts."""
    return b"".join(response.streaming_content)


def take(source: Source, body: bytes, **said: Any) -> intake.Taken:
    return intake.take(source=source, body=body, by="command", now=timezone.now(), **said)


def recent(*numbers: int, **said: Any) -> bytes:
    now = timezone.now()
    return trail(*(record(one, at=now - timedelta(minutes=one), **said) for one in numbers))


@pytest.fixture
def stored(source: Callable[..., Source]) -> None:
    """Sixty records of one user, one of another, and a run that made the first of them."""
    trail_ = source()
    take(trail_, recent(*range(1, 61)))
    other = {"userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::123456789012:user/else",
                              "accountId": "123456789012", "userName": "else",
                              "accessKeyId": "AKIAELSEEXAMPLE00000"}}  # fmt: skip
    take(trail_, recent(99, **other))
    run = run_of(f"REQ{1:013}")
    moved = timezone.now() - timedelta(minutes=1)
    for span in run.resource_spans[0].scope_spans[0].spans:
        span.start_time_unix_nano = int(moved.timestamp() * 1e9)
        span.end_time_unix_nano = span.start_time_unix_nano + 1_000
    take(source("traces", plane="ai"), run.SerializeToString(), format="otlp")
    while links.link_next(now=timezone.now()):
        pass
