"""What a connector is: how a source is asked for its evidence, page by page.

Owns the shapes between connectors and the pulls that drive them (evidence/pulls.py). A connector
only reads, knows nothing of the database, and keeps nothing between two pages but the cursor it
hands out.
"""

import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from errno import EHOSTUNREACH, ENETUNREACH
from typing import Any, NamedTuple, Self

import httpx

from evidence.sources import connector_secrets, outside, secrets, unpacking
from evidence.sources.discretion import Discretion
from evidence.sources.failures import WAITING, Later, Stopped
from evidence.sources.judging import judged, place_of
from evidence.sources.patience import Patience, Slow

LONGEST_PAGE = 64 * 1024 * 1024
# Clocks that are apart by less are as good as one; by more than a day, one of them is no clock.
NEXT_TO_NOTHING, NO_CLOCK = 2.0, 86_400.0
# So far apart, what is signed with a time is refused somewhere.
MATTERS = 120.0
ASK_OWNER = "Ask whoever runs that system, or for less at once."


class Field(NamedTuple):
    """One setting of a connector. A secret is named, not given (connector_secrets.py)."""

    name: str
    label: str
    kind: str = "text"  # text, url, secret, number, choice, switch
    required: bool = True
    help: str = ""
    default: str = ""
    choices: tuple[str, ...] = ()


# In front of a system that a private authority vouches for; see Http.
CA_FILE = Field(
    "ca_file",
    "File of its certificate authority",
    "file",
    required=False,
    help="PEM, on the server; it alone is trusted then; empty: the authorities this machine trusts",
)


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
        return Check(name, ok=False, said=problem.what, fix=problem.fix)


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
    `by_operator`: the settings come from a file of the machine, not from a page or the API, and
    secrets in them are references (secrets.py).
    """

    settings: Mapping[str, str]
    cursor: Mapping[str, Any]
    since: datetime
    until: datetime
    http: "Http"
    by_operator: bool = False

    @property
    def horizon(self) -> datetime:
        """`until`, or what is the present over there where that clock is behind ours: what their
        log will write between the two, nobody has been handed yet."""
        return self.http.horizon(self.until)

    def secret(self, name: str) -> str:
        """The secret a setting names; from now on `http` sends nothing to an address that the
        secret may not be sent to. Raises Stopped when it is not there."""
        named = self.settings.get(name, "")
        if self.by_operator:
            found = secrets.read(named, called=name)
        else:
            secret = connector_secrets.read(named, called=name)
            self.http.given.add(secret)
            found = secret.text
        self.http.discretion.keep(found)
        return found


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
    """HTTP requests of one pull: guarded, bounded in size and time, discreet about its secrets,
    and with the server's own wish to wait.

    `look` is called every few seconds while an answer is waited for; what it raises ends the
    request.
    """

    def __init__(
        self,
        *,
        allow_private: bool,
        clock: Callable[[], datetime],
        look: Callable[[], None] = lambda: None,
        authority: str = "",
        ca_file: str = "",
        discretion: Discretion | None = None,
        given: connector_secrets.Given | None = None,
        needs: str = "",
    ) -> None:
        """`authority`: certificates in PEM that alone are trusted. Raises SSLError or ValueError
        when it is none. `ca_file`: where such lie, read when the first request leaves. `needs`: the
        rights to name where one is missing."""
        self._clock, self._look = clock, look
        self.patience = Patience(look)
        self.discretion = discretion or Discretion()
        self.given = given or connector_secrets.Given()
        self._verify = ssl.create_default_context(cadata=authority) if authority else None
        self._ca_file, self._needs = ca_file, needs
        self._made: httpx.Client | None = None
        # For connectors whose SDK makes the requests: the same rule holds for its addresses.
        self.allow_private = allow_private
        # How far the server's clock is ahead of ours, in seconds, as last seen.
        self.skew: float | None = None
        self._horizon: datetime | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of its connections."""
        if self._made is not None:
            self._made.close()

    def verify(self) -> ssl.SSLContext | None:
        """What certificates are checked with; None: as everywhere. Raises Stopped when the file of
        this source's own authority cannot be read."""
        if self._verify is None and self._ca_file:
            try:
                self._verify = outside.vouched_by(self._ca_file)
            except outside.Refused as problem:
                raise Stopped(
                    f"The file {self._ca_file[:200]}, which ca_file names, {problem}.",
                    "Put the authority's certificates there in PEM, readable for the user that"
                    " runs Countersign.",
                ) from None
        return self._verify

    def trusting(self, authority: str) -> "Http":
        """The same with another authority. Raises SSLError or ValueError when it is none."""
        return Http(
            allow_private=self.allow_private,
            clock=self._clock,
            look=self._look,
            authority=authority,
            discretion=self.discretion,
            given=self.given,
            needs=self._needs,
        )

    def apart(self, least: float) -> float:
        """How far the server's clock is ahead of ours, where it is more than `least` seconds; 0."""
        skew = self.skew or 0.0
        return skew if least < abs(skew) < NO_CLOCK else 0.0

    def horizon(self, until: datetime) -> datetime:
        """See Asked. The same during one pull, once it is known, so that a pull ends."""
        behind = self.apart(NEXT_TO_NOTHING)
        if self._horizon is None and behind < 0:
            self._horizon = self._clock() + timedelta(seconds=behind)
        return min(until, self._horizon or until)

    def clean(self, text: str) -> str:
        """What a system said, without the secrets it was asked with."""
        return self.discretion.clean(text)

    @contextmanager
    def discreetly(self) -> Iterator[None]:
        """What is raised inside says no secret."""
        try:
            yield
        except Stopped as problem:
            problem.what, problem.fix = self.clean(problem.what), self.clean(problem.fix)
            raise
        except Later as problem:
            problem.what, problem.fix = self.clean(problem.what), self.clean(problem.fix)
            raise
        except Exception as problem:
            said = str(problem)
            if self.clean(said) == said:
                raise
            raise RuntimeError(f"{type(problem).__name__}: {self.clean(said)}") from None

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
        place = place_of(url)
        with failing(place):
            if self._made is None:
                self._made = outside.client(
                    allow_private=self.allow_private,
                    patience=self.patience,
                    verify=self.verify(),
                    require=self.given.require,
                )
            with self._made.stream(method, url, **options) as answer:
                self.discretion.header(answer.request.headers.get("Authorization", ""))
                body = unpacking.read(answer, place, LONGEST_PAGE)
        now = self._clock()
        self.skew = outside.skew(answer, now=now)
        headers = [
            (name, value)
            for name, value in answer.headers.items()
            if name.lower() not in ("content-encoding", "content-length", "transfer-encoding")
        ]
        if not answer.is_success:
            # What a refusal says is shown to people.
            body = self.clean(body.decode("utf-8", "replace")).encode()
        whole = httpx.Response(
            answer.status_code, headers=headers, content=body, request=answer.request
        )
        wait = outside.retry_after(answer, now=now)
        try:
            if answer.is_client_error and answer.status_code != 429 and not wait:
                better = explain(whole)
                if better is not None:
                    raise better
            return judged(whole, place, wait, self._needs)
        except Stopped as problem:
            apart = self.apart(MATTERS)
            if apart and answer.status_code in (400, 401, 403):
                problem.fix += (
                    f" Its clock is {abs(apart) / 60:.0f} minutes"
                    f" {'ahead of' if apart > 0 else 'behind'} this machine's: run a time service"
                    " here first."
                )
            raise


@contextmanager
def failing(place: str) -> Iterator[None]:
    """What the network raises inside becomes Later or Stopped, each cause with its own words."""
    try:
        yield
    except outside.Refused as problem:
        raise Stopped(
            f"The address {place} is refused: {problem}.",
            "Use a public https address, or allow private ones with COUNTERSIGN_ALLOW_PRIVATE=1.",
        ) from None
    except outside.NotResolved as problem:
        fix = "Check the spelling of the address." if problem.unknown else WAITING
        raise Later(f"{place}: {problem}", fix=fix) from None
    except Slow as problem:
        raise Later(f"{place} {problem}, which is too slow", fix=ASK_OWNER) from None
    except (httpx.HTTPError, httpx.StreamError) as problem:
        raise _unreachable(place, problem) from None


def _unreachable(place: str, problem: Exception) -> Later:
    for cause in causes(problem):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Later(
                f"The certificate of {place} is not trusted: {cause.verify_message}",
                fix="Check the address; name a private certificate authority's file in the"
                " source's ca_file, or in SSL_CERT_FILE for the web and worker processes.",
            )
        if isinstance(cause, ssl.SSLError):
            return Later(
                f"{place} does not speak TLS as this machine does ({cause.reason})",
                fix="Check the address and its port.",
            )
        if isinstance(cause, ConnectionRefusedError):
            return Later(
                f"Nothing listens at {place}: the connection was refused",
                fix="Check the address and its port, and that the system runs.",
            )
        if isinstance(cause, OSError) and cause.errno in (EHOSTUNREACH, ENETUNREACH):
            return Later(
                f"There is no way from here to {place}", fix="Check the address and the network."
            )
    if isinstance(problem, httpx.ConnectTimeout):
        return Later(
            f"{place} did not take the connection in time",
            fix="Check the address, and that a firewall lets this machine through.",
        )
    return Later(f"{place} did not answer ({type(problem).__name__})")


def causes(problem: BaseException | None) -> Iterator[BaseException]:
    """An exception and what led to it."""
    while problem is not None:
        yield problem
        problem = problem.__cause__ or problem.__context__
