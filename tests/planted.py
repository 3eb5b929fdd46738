"""The demo's whole story as committed rows, for folders of tests that look at pages.

It is planted once a run, through the real intake and against a real AWS account; what it left in
the tables is kept, and is copied back in a moment wherever it is wanted again. A folder that
wants it says `from tests.planted import planted` in its conftest; it stays until the folder ends.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest
from django.conf import settings
from django.db import connection
from django.test import override_settings
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker

from config.demo import returning, seed, story
from config.demo.aws import Demo
from evidence import partitions
from evidence.models import Event
from evidence.names import memory
from identities.enforcers.aws_clients import Credentials
from identities.models import User
from tests.awslab.server import running
from tests.conftest import Cleaner

PASSWORD = "a long word for tests"
# The same seed makes the same key ids in every account, so each journey may have its own account.
SEED = 418
QUICK_HASH = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@dataclass(frozen=True, slots=True)
class Planted:
    """The story's keys, when it was told, and the rows of every table as it left them."""

    keys: story.Keys
    now: datetime
    seeds: dict[str, bytes]
    months: frozenset[date]  # of its events


def place() -> dict[str, str]:
    """Settings of a run of tests: a folder of its own for bodies and for the account's secrets."""
    return {"VAR": _folder()}


@cache
def _folder() -> str:
    return mkdtemp(prefix="countersign-planted-")


def account_settings(account: Demo) -> dict[str, object]:
    """This process acts on this account."""
    folder = returning.probe_folder()
    return {
        "AWS_ENDPOINT": account.endpoint,
        "AWS_CREDENTIALS": f"file:{folder / 'enforcer.json'}",
        "PROBE_FOLDER": str(folder),
        "ALLOW_PRIVATE": True,
    }


@contextmanager
def populated() -> Iterator[tuple[Demo, story.Keys]]:
    """An account that holds what the story needs; call it with the settings of `place` on."""
    with running() as account:
        keys = returning.populate(account, SEED)
        with override_settings(**account_settings(account)):
            yield account, keys


def secret_of(key: str) -> Credentials:
    """The secret of one of the story's keys, to use it for real."""
    return Credentials(**json.loads(Path(settings.PROBE_FOLDER, f"{key}.json").read_bytes()))


@cache
def told() -> Planted:
    """Tell the story, once a run; it is in the tables afterwards."""
    assert Cleaner.current is not None
    cleaner = Cleaner.current
    with populated() as (_, keys), override_settings(PASSWORD_HASHERS=QUICK_HASH):
        now = timezone.now()
        seed.plant(keys, now=now, say=lambda _: None)
        for user in User.objects.all():
            user.set_password(PASSWORD)
            user.save(update_fields=["password"])
    months = frozenset(map(partitions.month_of, Event.objects.values_list("at", flat=True)))
    return Planted(keys, now, {name: cleaner.copied(name) for name in cleaner.filled()}, months)


@pytest.fixture(scope="package")
def planted(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Planted]:
    """The story is in the database, and again after each test that committed, until the folder ends."""
    assert Cleaner.current is not None
    cleaner = Cleaner.current
    before = cleaner.seeds
    hashed = {"PASSWORD_HASHERS": QUICK_HASH}
    with override_settings(DEMO=False, **place(), **hashed), django_db_blocker.unblock():
        memory.forget()
        found = told()
        # A test of retention may have dropped one of them meanwhile.
        partitions.ensure(partitions.missing(partitions.BY_EVENT_TIME, found.months))
        cleaner.seeds = found.seeds
        cleaner.clean()
        connection.close()
        django_db_blocker.block()
        try:
            yield found
        finally:
            django_db_blocker.unblock()
            cleaner.seeds = before
            cleaner.clean()
            memory.forget()
            connection.close()
