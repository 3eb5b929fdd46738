"""The demo's whole story as committed rows, for folders of tests that look at pages.

It is planted once, through the real intake and against a real AWS account; what it left in the
tables is kept, and is copied in a moment wherever it is wanted, in later runs as well. A folder that
wants it says `from tests.planted import planted` in its conftest; it stays until the folder ends.
"""

import atexit
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import cast

import pytest
from django.conf import settings
from django.db import connection
from django.test import override_settings
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker

from config.demo import returning, seed, story
from config.demo.aws import Demo
from evidence import partitions
from evidence.models import DepositBody, Event
from evidence.names import memory
from identities.enforcers.aws_clients import Credentials
from identities.models import User
from tests import beforehand, clock
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
    months: dict[tuple[str, ...], frozenset[date]]  # that these partitioned tables need
    numbers: dict[str, int]  # where the sequences stand


def quick(folder: Path | str) -> dict[str, object]:
    """Settings of the story: a folder of its own for bodies and for the account's secrets."""
    return {"DEMO": False, "VAR": str(folder), "PASSWORD_HASHERS": QUICK_HASH}


@cache
def _folder() -> str:
    folder = mkdtemp(prefix="countersign-planted-")
    atexit.register(rmtree, folder, ignore_errors=True)
    return folder


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
    """An account that holds what the story needs; call it with the settings of `quick` on."""
    with running() as account:
        keys = returning.populate(account, SEED)
        with override_settings(**account_settings(account)):
            yield account, keys


def secret_of(key: str) -> Credentials:
    """The secret of one of the story's keys, to use it for real."""
    return Credentials(**json.loads(Path(settings.PROBE_FOLDER, f"{key}.json").read_bytes()))


def tell(folder: Path) -> Planted:
    """Tell the story; it is in the tables afterwards, and its files are in this folder."""
    assert Cleaner.current is not None
    cleaner = Cleaner.current
    with clock.earlier(), override_settings(**quick(folder)), populated() as (_, keys):
        now = timezone.now()
        seed.plant(keys, now=now, say=lambda _: None)
        for user in User.objects.all():
            user.set_password(PASSWORD)
            user.save(update_fields=["password"])
    months = {
        partitions.BY_EVENT_TIME: Event.objects.values_list("at", flat=True),
        partitions.BY_RECEIPT: DepositBody.objects.values_list("received_at", flat=True),
    }
    seeds = {name: cleaner.copied(name) for name in cleaner.filled()}
    found = {tables: frozenset(map(partitions.month_of, times)) for tables, times in months.items()}
    return Planted(keys, now, seeds, found, cleaner.numbers())


@cache
def told() -> Planted:
    """The story: as it was told earlier or by another process, or told here."""
    found, here = beforehand.story(tell, Path(_folder()))
    if not here:
        assert Cleaner.current is not None
        Cleaner.current.count_on(found.numbers)
    return cast("Planted", found)


@pytest.fixture(scope="package")
def planted(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Planted]:
    """The story is in the database, and again after each test that committed, until the folder ends."""
    assert Cleaner.current is not None
    cleaner = Cleaner.current
    before, kept = cleaner.seeds, cleaner.kept
    with override_settings(**quick(_folder())), django_db_blocker.unblock():
        memory.forget()
        found = told()
        # Told elsewhere, they are not there yet; a test of retention may have dropped one meanwhile.
        for tables, months in found.months.items():
            partitions.ensure(partitions.missing(tables, months))
        cleaner.seeds, cleaner.kept = found.seeds, cleaner.partitions()
        cleaner.clean()
        connection.close()
        django_db_blocker.block()
        try:
            yield found
        finally:
            django_db_blocker.unblock()
            cleaner.seeds, cleaner.kept = before, kept
            cleaner.clean()
            memory.forget()
            connection.close()
