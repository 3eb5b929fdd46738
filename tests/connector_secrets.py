"""Secrets of connectors for tests: files where the product reads them, removed after the test.

secret_file("OKTA_TOKEN", "s3cret")        # fixture; sent nowhere until it is allowed
allow({"url": url, "token": "OKTA_TOKEN"})  # to the addresses that these settings name
"""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

import pytest


def _product() -> ModuleType:
    # The test configuration is read before the models may be.
    from evidence.sources import connector_secrets

    return connector_secrets


class Kept:
    """The secrets of one test."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    def __call__(self, name: str, text: str, *addresses: str) -> Path:
        """Write a secret anew; its file. Addresses that are there already stay allowed."""
        connector_secrets = _product()
        path: Path = connector_secrets.folder() / name
        hosts = path.with_name(f"{name}{connector_secrets.HOSTS}")
        before = hosts.read_text().split() if hosts.exists() else []
        connector_secrets.forget(name)
        connector_secrets.keep(name, text, [*before, *addresses])
        self._names.add(name)
        return path

    def drop(self, name: str) -> None:
        _product().forget(name)

    def close(self) -> None:
        for name in self._names:
            _product().forget(name)


def allow(settings: Mapping[str, str], *more: str) -> None:
    """Whoever runs the machine agrees that the secrets in these settings go to their addresses."""
    connector_secrets = _product()
    addresses = {
        *more,
        *(one for one in settings.values() if one.startswith(("http://", "https://"))),
    }
    for name in settings.values():
        path = connector_secrets.folder() / f"{name}{connector_secrets.HOSTS}"
        if connector_secrets.wrong(name) or not path.exists():
            continue
        lines = {
            *path.read_text().split(),
            *map(str, filter(None, map(connector_secrets.address, addresses))),
        }
        path.write_text("".join(f"{one}\n" for one in sorted(lines)))


@pytest.fixture
def secret_file() -> Iterator[Kept]:
    with contextlib.closing(Kept()) as kept:
        yield kept
