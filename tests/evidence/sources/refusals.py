"""Answers that are no page, which every connector has to tell apart.

Owns the table: what is answered, whether one waits or acts, and for how long. Knows no vendor.
"""

import contextlib
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from evidence.sources.contract import Connector
from evidence.sources.failures import Later, Stopped
from tests.evidence.sources import pulling
from tests.evidence.sources.pulling import NOW
from tests.evidence.sources.server import Answer, There

# Larger than what `bound` lets through.
LARGE = Answer(200, b"x" * 20_000)
IN_A_WHILE = format_datetime(NOW + timedelta(seconds=90), usegmt=True)

EVERY = pytest.mark.parametrize(
    ("answer", "kind", "seconds"),
    [
        (Answer(429, headers={"Retry-After": "60"}), Later, 60.0),
        (Answer(429, headers={"Retry-After": IN_A_WHILE}), Later, 90.0),
        (Answer(503), Later, None),
        (Answer(500, {"error": {"message": "broken"}}), Later, None),
        (Answer(401), Stopped, None),
        (Answer(403), Stopped, None),
        (Answer(404), Stopped, None),
        (Answer(302, headers={"Location": "https://elsewhere.example/"}), Stopped, None),
        (Answer(200, b"<html>"), Stopped, None),
        (Answer(200, b"[1, 2]"), Stopped, None),
        (Answer(200, {"something": "else"}), Stopped, None),
    ],
)


def met(
    there: There,
    connector: Connector,
    settings: dict[str, str],
    refused: tuple[Answer, type[Exception], float | None],
    *,
    after: int = 0,
    secret: str,
) -> None:
    """The pull ends as it should at this answer, and says nothing secret."""
    answer, kind, seconds = refused
    there.fail(*[None] * after, answer)
    with pytest.raises(kind) as problem:
        pulling.pages(connector, settings)
    if kind is Later:
        assert getattr(problem.value, "seconds", None) == seconds
    said: Any = problem.value
    assert secret not in said.what
    assert said.what
    assert kind is Later or said.fix


def bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers are held up to 16 KiB, which is less than LARGE."""
    monkeypatch.setattr("evidence.sources.contract.LONGEST_PAGE", 16_384)


def unreachable(connector: Connector, settings: dict[str, str]) -> None:
    """A server that does not answer is waited for; a private address is refused."""
    with pytest.raises(Stopped, match="is refused"):
        pulling.pages(connector, settings, private=False)
    with _hanging_up() as away:
        for address, words in (("http://127.0.0.1:1", "Nothing listens"), (away, "did not answer")):
            elsewhere = {
                name: address if said.startswith("http://127.") else said
                for name, said in settings.items()
            }
            with pytest.raises(Later, match=words):
                pulling.pages(connector, elsewhere)


@contextlib.contextmanager
def _hanging_up() -> Iterator[str]:
    """A server that takes one connection and ends it without a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def once() -> None:
            server.accept()[0].close()

        thread = threading.Thread(target=once)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


def huge(
    connector: Connector, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """An answer beyond the bound is refused before it is held."""
    monkeypatch.setattr("evidence.sources.contract.LONGEST_PAGE", most)
    with pytest.raises(Stopped, match="answers with more than"):
        pulling.pages(connector, settings)
