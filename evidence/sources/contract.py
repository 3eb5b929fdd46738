"""What a connector is: how a source is asked for its evidence, page by page.

Owns the shapes between connectors and the pulls that drive them (evidence/pulls.py). A connector
only reads, knows nothing of the database, and keeps nothing between two pages but the cursor it
hands out.
"""

import ssl
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple, Self

import httpx

from evidence.sources import outside, secrets
from evidence.sources.failures import Later, Stopped, TooLarge

LONGEST_PAGE = 64 * 1024 * 1024


class Field(NamedTuple):
    """One setting of a connector. A secret is named by reference only: env:NAME, file:/path."""

    name: str
    label: str
    kind: str = "text"  # text, url, secret, number, choice, switch
    required: bool = True
    help: str = ""
    default: str = ""
    choices: tuple[str, ...] = ()


class Check(NamedTuple):
    """One thing that "test connection" looked at; a wrong one says what is missing."""

    name: str
    ok: bool
    said: str
    fix: str = ""


def tried(name: str, look: Callable[[], str]) -> Check:
    """One check: what `look` says, or what stopped it; the checks after it are made all the same."""
    try:
        return Check(name, ok=True, said=look())
    except Stopped as problem:
        return Check(name, ok=False, said=problem.what, fix=problem.fix)
    except Later as problem:
        return Check(name, ok=False, said=problem.what, fix="Try again in a while.")


class Silent(NamedTuple):
    """A stretch of event time that can no longer be pulled, and why."""

    begins: datetime
    ends: datetime
    reason: str


class Page(NamedTuple):
    """What one request brought.

    `cursor`: where the next page begins (JSON); kept once the page's body is on disk.
    `reached`: event time up to which everything has been handed out, with this page.
    `total`: records that the pull will bring, where the source says it.
    """

    body: bytes  # empty: nothing new
    cursor: dict[str, Any]
    format: str = ""  # empty: recognised
    name: str = ""
    reached: datetime | None = None
    total: int | None = None
    silent: Silent | None = None


class Asked(NamedTuple):
    """One pull as its connector sees it.

    `cursor`: what the last page handed out; empty at the very first.
    `since`: how far back a first pull goes. `until`: nothing later is asked for.
    """

    settings: Mapping[str, str]
    cursor: Mapping[str, Any]
    since: datetime
    until: datetime
    http: "Http"

    def secret(self, name: str) -> str:
        """The secret a setting refers to. Raises Stopped when it is not there."""
        return secrets.read(self.settings.get(name, ""), called=name)


class Connector(NamedTuple):
    """One kind of source that is asked."""

    name: str
    title: str
    format: str  # what its pages are in; empty: recognised
    plane: str  # "identity" or "ai"
    fields: tuple[Field, ...]
    pages: Callable[[Asked], Iterator[Page]]
    # Says exactly what is missing; each check is made although an earlier one failed.
    check: Callable[[Asked], Iterator[Check]]
    # Pages follow each other without a gap: the cursor shows completeness.
    gap_free: bool = True
    needs: str = ""  # the least rights it works with, in the system's own words
    # It is connected for what it lists of itself: there is no log to pull.
    lists_only: bool = False
    # How late its records may be by the system's own word; completeness waits so long at least.
    late_seconds: int = 0


class Http:
    """HTTP requests of one pull: guarded, bounded, and with the server's own wish to wait."""

    def __init__(
        self,
        *,
        allow_private: bool,
        clock: Callable[[], datetime],
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        self._client = outside.client(allow_private=allow_private, verify=verify)
        self._clock = clock
        # For connectors whose SDK makes the requests: the same rule holds for its addresses.
        self.allow_private = allow_private
        # How far the server's clock is ahead of ours, in seconds, as last seen.
        self.skew: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def close(self) -> None:
        """Let go of its connections."""
        self._client.close()

    def now(self) -> datetime:
        """The time, for what is signed with one."""
        return self._clock()

    def get(self, url: str, **options: Any) -> httpx.Response:
        """See `request`."""
        return self.request("GET", url, **options)

    def request(
        self,
        method: str,
        url: str,
        *,
        explain: Callable[[httpx.Response], Exception | None] = lambda _: None,
        **options: Any,
    ) -> httpx.Response:
        """The answer, when it is a success. Raises Later (wait) or Stopped (act).

        `explain` may know better what a refusal means; what it returns is raised instead.
        """
        try:
            with self._client.stream(method, url, **options) as answer:
                body = bytearray()
                for chunk in answer.iter_bytes():
                    body += chunk
                    if len(body) > LONGEST_PAGE:
                        raise TooLarge(
                            f"{_place(url)} answers with more than {LONGEST_PAGE >> 20} MiB",
                            "Ask for smaller pages.",
                        )
        except outside.Refused as problem:
            raise Stopped(
                f"The address {_place(url)} is refused: {problem}.",
                "Use a public https address, or allow private ones with"
                " COUNTERSIGN_ALLOW_PRIVATE=1.",
            ) from None
        except outside.NotResolved as problem:
            raise Later(f"{_place(url)}: {problem}") from None
        except httpx.HTTPError as problem:
            raise Later(f"{_place(url)} did not answer ({type(problem).__name__})") from None
        now = self._clock()
        self.skew = outside.skew(answer, now=now)
        headers = [
            (name, value)
            for name, value in answer.headers.items()
            if name.lower() not in ("content-encoding", "content-length", "transfer-encoding")
        ]
        whole = httpx.Response(
            answer.status_code, headers=headers, content=bytes(body), request=answer.request
        )
        wait = outside.retry_after(answer, now=now)
        if answer.is_client_error and answer.status_code != 429 and not wait:
            better = explain(whole)
            if better is not None:
                raise better
        return _judged(whole, url, wait)


def _judged(answer: httpx.Response, url: str, wait: float | None) -> httpx.Response:
    code = answer.status_code
    if 200 <= code < 300:
        return answer
    said = f"{_place(url)} answered {code}"
    if code in (408, 425, 429) or code >= 500 or (code == 403 and wait):
        raise Later(said, wait)
    if code == 401:
        raise Stopped(f"{said}: the credential is not accepted", "Give this source a new one.")
    if code == 403:
        raise Stopped(f"{said}: the credential may not read this", "Give it the rights it needs.")
    if 300 <= code < 400:
        raise Stopped(
            f"{said}, which leads to {answer.headers.get('Location', 'nowhere')[:200]}",
            "Name the final address: redirects are not followed.",
        )
    raise Stopped(f"{said}: {answer.text[:200]}", "Check the settings of this source.")


def _place(url: str) -> str:
    """An address without its query, where secrets and people's names may stand."""
    return str(url).split("?", 1)[0][:200]
