"""Asking one connector over real HTTP, alone or through a pull that stores what it brings.

Owns what the tests of several connectors share; knows no vendor.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from django.db.models import QuerySet

from evidence import connecting, pulls
from evidence.models import Actor, Connection, Event, Gap, Pull, Source
from evidence.permissions import COMMAND
from evidence.sources.contract import Asked, Check, Connector, Http, Page
from tests import clock
from tests.connector_secrets import allow

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def asked(
    connector: Connector,
    settings: Mapping[str, str],
    *,
    cursor: Mapping[str, Any] | None = None,
    now: datetime = NOW,
    days: int = 1,
    private: bool = True,
) -> Asked:
    """One pull as its connector sees it, with the settings as they would be stored."""
    said = connecting.checked(connector, settings)
    allow(said)
    http = Http(
        allow_private=private,
        clock=lambda: now,
        ca_file=said.get("ca_file", ""),
        needs=connector.needs,
    )
    return Asked(said, cursor or {}, now - timedelta(days=days), now, http)


def pages(connector: Connector, settings: Mapping[str, str], **said: Any) -> list[Page]:
    one = asked(connector, settings, **said)
    # The stub server dates its responses by this clock.
    with clock.travel(one.until), one.http:
        return list(connector.pages(one))


def checks(connector: Connector, settings: Mapping[str, str], **said: Any) -> list[Check]:
    one = asked(connector, settings, **said)
    with one.http:
        return list(connector.check(one))


def connect(source: Source, connector: str, settings: Mapping[str, str], *, days: int = 1) -> None:
    allow(settings)
    connecting.connect(
        source=source,
        connector=connector,
        settings=settings,
        by=COMMAND,
        now=NOW,
        first_days=days,
    )


def pull(
    source: Source, *, now: datetime = NOW, enough: Callable[[], bool] = lambda: False
) -> Pull:
    """One pull carried as far as it goes; as it stands then."""
    row = pulls.ask(source=source, by="test", now=now)
    pulls.run_next(clock=lambda: now, source=source, enough=enough)
    row.refresh_from_db()
    return row


def cursor(source: Source) -> dict[str, Any]:
    found: dict[str, Any] = Connection.objects.get(source=source).cursor
    return found


def gaps() -> QuerySet[Gap]:
    """What is told as a gap, but for what lies before every first pull."""
    return Gap.objects.exclude(reason="nothing had been received yet")


def rsa_key() -> str:
    """A private key in PEM, small because it protects nothing."""
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def named(role: str) -> set[tuple[str, str, str]]:
    """Who the stored events name in a role ("principal", "credential"): realm, kind, value."""
    numbers = Event.objects.exclude(**{f"{role}_id": None}).values_list(f"{role}_id", flat=True)
    rows = Actor.objects.filter(pk__in=list(numbers))
    return set(rows.values_list("realm", "kind", "value"))
