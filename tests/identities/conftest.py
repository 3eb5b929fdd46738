"""People, services and identities that the tests of identities share; times are frozen."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group

from evidence.names import memory
from identities.acting import COMMAND
from identities.actions import tokens
from identities.actions.revocations import calling, carrying
from identities.models import Identity, Party, Person, Service, User
from tests.awslab.fixtures import aws_account, lab  # noqa: F401 - fixtures, found by name

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def no_names_remembered() -> Iterator[None]:
    """A test's rows go away with it, and so must the ids of their names."""
    memory.forget()
    yield
    memory.forget()


@pytest.fixture(autouse=True)
def no_time_passes_within_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of a revocation happens at the moment that the test names."""
    for module in (calling, carrying):
        monkeypatch.setattr(module, "monotonic", lambda: 0.0)


@pytest.fixture
def user(db: None) -> Callable[..., User]:
    """A login with a person behind it, in these groups."""

    def make(name: str, *groups: str, person: Person | None = None) -> User:
        row = User.objects.create(
            username=name, person=person or Person.objects.create(name=name.title())
        )
        for group in groups:
            row.groups.add(Group.objects.get_or_create(name=group)[0])
        return row

    return make


def party(user: User) -> Party:
    return Party.objects.get_or_create(person=user.person)[0]


@pytest.fixture
def token(user: Callable[..., User]) -> Callable[..., str]:
    """The text of a token with these scopes, of a login that is made for it."""

    def make(*scopes: str, days: int = 1, name: str = "gateway") -> str:
        _, text = tokens.create(
            user=user(name),
            name="t",
            scopes=scopes or ("decide",),
            lasts=timedelta(days=days),
            by=COMMAND,
            now=datetime.now(UTC),
        )
        return text

    return make


@pytest.fixture
def identity(db: None) -> Callable[..., Identity]:
    """An identity; `owner` is a login, everything else as the model has it."""

    def make(name: str = "svc-report", *, owner: User | None = None, **said: Any) -> Identity:
        row = Identity.objects.create(
            **{
                "name": name,
                "kind": "service_account",
                "owner": party(owner) if owner else None,
                "created_at": NOW,
            }
            | said
        )
        row.refresh_from_db()
        return row

    return make


@pytest.fixture
def active(identity: Callable[..., Identity], user: Callable[..., User]) -> Callable[..., Identity]:
    """An active identity with an owner of its own."""

    def make(name: str = "svc-report", **said: Any) -> Identity:
        owner = said.pop("owner", None) or user(f"owner-of-{name}", "owner")
        return identity(
            name,
            owner=owner,
            **{"purpose": "reports", "expires_at": NOW + 90 * DAY, "state": "active"} | said,
        )

    return make


@pytest.fixture
def service(db: None) -> Callable[..., Service]:
    def make(slug: str, **said: Any) -> Service:
        return Service.objects.create(**{"slug": slug, "name": slug} | said)

    return make
