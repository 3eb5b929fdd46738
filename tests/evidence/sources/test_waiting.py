"""What a source may cost us: time that trickles away, memory that unpacks, a lease, a cancel."""

import gzip
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import zstandard

from evidence import connecting, leases, pulls
from evidence.models import Pull, Source
from evidence.permissions import COMMAND, NotPossible
from evidence.sources import contract, patience, secrets
from evidence.sources.contract import Http
from evidence.sources.discretion import INSTEAD, Discretion
from evidence.sources.failures import Later, Stopped, TooLarge
from tests.connector_secrets import Kept
from tests.evidence.sources.pulling import NOW, connect
from tests.evidence.sources.server import Answer, There, serving

MEBI = 1024 * 1024


@pytest.fixture
def there() -> Iterator[There]:
    with serving() as made:
        yield made


@contextmanager
def dripping() -> Iterator[str]:
    """A server whose answers never end: a byte whenever somebody has waited for one."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip(line: socket.socket) -> None:
            with line:
                line.recv(65_536)
                try:
                    line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
                    while not ended.wait(0.005):
                        line.sendall(b" ")
                except OSError:
                    pass

        def accept() -> None:
            while not ended.is_set():
                try:
                    line, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=drip, args=(line,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            ended.set()
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def http(**said: Any) -> Http:
    return Http(allow_private=True, clock=lambda: NOW, **said)


class Ticking:
    """A clock of which each look takes so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.now, self.seconds = 0.0, seconds

    def __call__(self) -> float:
        self.now += self.seconds
        return self.now


def test_answer_that_trickles_in_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "monotonic", Ticking(5.0))
    with (
        dripping() as url,
        http() as asking,
        pytest.raises(Later, match="which is too slow"),
    ):
        asking.get(f"{url}/logs")


def test_whoever_waits_looks_around_between_two_bytes() -> None:
    looked: list[int] = []

    def look() -> None:
        looked.append(1)
        if len(looked) == 20:
            raise leases.Lost

    with dripping() as url, http(look=look) as asking, pytest.raises(leases.Lost):
        asking.get(f"{url}/logs")
    assert len(looked) == 20


def test_stream_has_time_for_what_it_brings() -> None:
    waits = patience.Patience(lambda: None)
    waits.begin(pause=30.0, stream=True)
    waits.spent(90.0 + 100.0, 100 * patience.SLOWEST_BYTES)
    with pytest.raises(patience.Slow):
        waits.spent(1.0)
    waits.begin(pause=30.0)
    with pytest.raises(patience.Slow):
        waits.spent(91.0, 100 * patience.SLOWEST_BYTES)


@pytest.mark.django_db
def test_cancel_is_seen_while_an_answer_is_waited_for(
    source: Callable[..., Source], secret_file: Kept, settings: Any
) -> None:
    settings.ALLOW_PRIVATE = True
    secret_file("WAITING_TOKEN", "s3cret-token")
    made = source()
    seconds = iter(range(100_000))

    def clock() -> Any:
        number = next(seconds)
        if number == 5:
            connecting.cancel(source=made, by=COMMAND, now=NOW)
        return NOW + timedelta(seconds=number)

    with dripping() as url:
        connect(made, "okta", {"url": url, "token": "WAITING_TOKEN"})
        row = pulls.ask(source=made, by="test", now=NOW)
        pulls.run_next(clock=clock, source=made)
    row.refresh_from_db()
    assert (row.state, row.leased_until, row.pages) == ("cancelled", None, 0)


@pytest.mark.django_db
def test_lease_is_renewed_while_an_answer_is_waited_for(
    source: Callable[..., Source], secret_file: Kept
) -> None:
    secret_file("WAITING_TOKEN", "s3cret-token")
    made = source()
    connect(made, "okta", {"url": "https://okta.example", "token": "WAITING_TOKEN"})
    row = pulls.ask(source=made, by="test", now=NOW)
    Pull.objects.update(state="running", attempts=1, leased_until=NOW + pulls.LEASE)
    row.refresh_from_db()
    now = [NOW]
    look = leases.looking(pulls.KIND, row, lambda: now[0])
    now[0] += timedelta(seconds=4)
    look()
    assert Pull.objects.get().leased_until == NOW + pulls.LEASE
    now[0] += timedelta(seconds=1)
    look()
    assert Pull.objects.get().leased_until == now[0] + pulls.LEASE
    Pull.objects.update(attempts=2)
    now[0] += leases.HEARTBEAT
    with pytest.raises(leases.Lost):
        look()
    # It is somebody else's, whose lease stands.
    assert Pull.objects.get().leased_until is not None


# --- what unpacks


def test_only_gzip_is_asked_for(there: There) -> None:
    there.on("GET", "/a", Answer(200, gzip.compress(b"[1]"), {"Content-Encoding": "gzip"}))
    with http() as asking:
        assert asking.get(f"{there.url}/a").content == b"[1]"
    assert there.asked[0].headers["accept-encoding"] == "gzip, identity"


def test_members_of_gzip_are_read_to_the_last(there: There) -> None:
    body = gzip.compress(b"[1,") + gzip.compress(b"2]")
    there.on("GET", "/a", Answer(200, body, {"Content-Encoding": "gzip"}))
    with http() as asking:
        assert asking.get(f"{there.url}/a").content == b"[1,2]"


@pytest.mark.parametrize(
    ("packing", "body", "kind"),
    [
        ("zstd", zstandard.ZstdCompressor().compress(b"\0" * MEBI), Stopped),
        ("br", b"\0", Stopped),
        ("deflate", zlib.compress(b"[]"), Stopped),
        ("gzip, gzip", gzip.compress(gzip.compress(b"[]", mtime=0), mtime=0), Stopped),
        ("gzip", b"no gzip at all", Stopped),
        ("gzip", gzip.compress(b"[1, 2, 3]", mtime=0)[:-12], Stopped),
        ("gzip", gzip.compress(b"\0" * (8 * MEBI), mtime=0), TooLarge),
    ],
)
def test_what_would_unpack_without_bounds_is_refused(
    there: There, packing: str, body: bytes, kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contract, "LONGEST_PAGE", MEBI)
    there.on("GET", "/a", Answer(200, body, {"Content-Encoding": packing}))
    with http() as asking, pytest.raises(kind) as problem:
        asking.get(f"{there.url}/a")
    assert type(problem.value) is kind


# --- what a setting may not hold


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://bob:hunter2secret@okta.example.org", "a user name or password"),
        ("https://okta.example.org/?api_key=hunter2secret", "more than a path"),
        ("https://okta.example.org/#x", "more than a path"),
        ("https://", "names no host"),
        ("https://[::1", "no address"),
    ],
)
def test_address_that_carries_a_secret_is_refused(
    source: Callable[..., Source], url: str, words: str
) -> None:
    with pytest.raises(NotPossible, match=words) as problem:
        connect(source(), "okta", {"url": url, "token": "OKTA_TOKEN"})
    assert "hunter2" not in str(problem.value)


@pytest.mark.parametrize(
    "reference",
    [
        "env:COUNTERSIGN_SECRET_KEY",
        "env:countersign_secret_key",
        "env:DATABASE_URL",
        "env:REDIS_URL",
        "file:{var}/secrets/digest_key",
        "file:{var}/../{name}/secrets/digest_key",
        "file:/proc/self/environ",
    ],
)
def test_secrets_of_our_own_are_no_source_s(reference: str, settings: Any) -> None:
    said = reference.format(var=settings.VAR, name=settings.VAR.name)
    assert secrets.wrong(said) == secrets.OURS
    with pytest.raises(Stopped) as problem:
        secrets.read(said, called="token")
    assert "secret of Countersign itself" in problem.value.fix


def test_link_into_our_own_folder_is_refused(settings: Any, tmp_path: Any) -> None:
    settings.VAR = tmp_path / "var"
    link = tmp_path / "link"
    link.symlink_to(settings.VAR / "secrets")
    assert secrets.wrong(f"file:{link}/digest_key") == secrets.OURS
    assert secrets.wrong(f"file:{tmp_path}/token") == ""


@pytest.mark.parametrize(
    "said",
    [
        "it was {0}.",
        "Basic dXNlcjpTM2NyM3RUT0tlbi8xMjM0NQ== is wrong",
        "token=S3cr3tTOKen%2F12345",
        '{{"got": "S3cr3tTOKen/12345"}}',
    ],
)
def test_secret_is_found_in_the_forms_it_comes_back_in(said: str) -> None:
    quiet = Discretion()
    quiet.keep("S3cr3tTOKen/12345")
    cleaned = quiet.clean(said.format("S3cr3tTOKen/12345"))
    assert INSTEAD in cleaned
    for form in ("S3cr3tTOK", "UzNjcjN0VE9L", "M2NyM3RUT0t"):
        assert form not in cleaned
