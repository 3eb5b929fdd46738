"""Shared signals of another transmitter: its streams are polled (RFC 8936), its SETs checked.

Owns the transmitter's metadata and keys (SSF 1.0, 7), the poll, and asking for a verification.
What is acknowledged is what was stored: the cursor of a page holds its jti, and the next request
settles them. A push comes through a door (evidence/signals_door.py), which asks here for the keys.
"""

import hmac
from collections.abc import Iterator, Mapping
from threading import Lock
from time import monotonic
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
from joserfc.jwk import KeySet

from evidence.sources import set_checks, tokens
from evidence.sources.alerts import OPENS
from evidence.sources.contract import Asked, Check, Connector, Field, Http, Page, tried
from evidence.sources.failures import Later, Stopped
from evidence.sources.set_checks import Checked, Discarded, NotTaken, UnknownKey

NAME = "signals"
MOST_EVENTS = 100
# Keys are fetched anew so often, and at once for a key that nobody knows, though not more often
# than every so many seconds: whoever sends nonsense must not make us ask.
FRESH_SECONDS, AGAIN_SECONDS = 600.0, 30.0
STATE_SECONDS = 86_400
WELL_KNOWN = "/.well-known/ssf-configuration"


class Keys(NamedTuple):
    """What a transmitter publishes, and when that was fetched."""

    metadata: Mapping[str, Any]
    keys: KeySet
    at: float


_known: dict[str, Keys] = {}
_lock = Lock()


def configuration_url(issuer: str) -> str:
    """Where an issuer describes itself (SSF 1.0, 7.2.1)."""
    parts = urlsplit(issuer)
    return f"{parts.scheme}://{parts.netloc}{WELL_KNOWN}{parts.path.rstrip('/')}"


def fetch(issuer: str, http: Http) -> Keys:
    """The metadata and keys of an issuer, as they are now. Raises Later or Stopped."""
    found = tokens.object_of(http.get(configuration_url(issuer)))
    if found is None or found.get("issuer") != issuer:
        raise Stopped(
            f"{configuration_url(issuer)} does not describe {issuer}.",
            "Write the issuer exactly as the transmitter does, with or without a slash at its end.",
        )
    url = found.get("jwks_uri")
    if type(url) is not str or not url.startswith(("https://", "http://")):
        raise Stopped(f"{issuer} publishes no keys (jwks_uri).", "Ask whoever runs it.")
    keys = set_checks.keys_of(tokens.parsed(http.get(url)))
    if not keys.keys:
        raise Stopped(f"{url} holds no RSA or EC key for signatures.", "Ask whoever runs it.")
    made = Keys(found, keys, monotonic())
    with _lock:
        _known[issuer] = made
    return made


def published(issuer: str, http: Http, *, newer_than: float = 0.0) -> Keys:
    """The same, remembered for a while; fetched anew where what is known is not newer, though not
    more often than may be. Raises what fetching raises."""
    known, now = _known.get(issuer), monotonic()
    if known is not None:
        age = now - known.at
        if age < AGAIN_SECONDS or (known.at > newer_than and age < FRESH_SECONDS):
            return known
    return fetch(issuer, http)


def forget() -> None:
    """Fetch everything anew."""
    with _lock:
        _known.clear()


def check_set(token: bytes, *, settings: Mapping[str, str], http: Http, arrived: float) -> Checked:
    """One SET of the transmitter that these settings name; `arrived`: since when it is here.

    Raises NotTaken; Later or Stopped where its keys cannot be had. A key that nobody knows is
    looked for among those that are published after the SET arrived, before that is said.
    """
    issuer, audience = settings["issuer"], settings["audience"]
    set_checks.kid_of(token)  # what is no token costs no request
    known = published(issuer, http)
    now = http.now().timestamp()

    def checked(with_: Keys) -> Checked:
        one = set_checks.checked(token, with_.keys, issuer=issuer, audience=audience, now=now)
        critical = with_.metadata.get("critical_subject_members")
        set_checks.require_understood(one, critical, stream_id=settings.get("stream_id", ""))
        return one

    try:
        return checked(known)
    except UnknownKey:
        if known.at >= arrived:
            raise
    newer = published(issuer, http, newer_than=known.at)
    try:
        return checked(newer)
    except UnknownKey:
        if newer.at >= arrived:
            raise
    raise Later(
        f"{issuer} did not publish the key of a SET when its keys were last asked for",
        seconds=AGAIN_SECONDS,
    )


# --- verification --------------------------------------------------------------------------------


def state_of(settings: Mapping[str, str], secret: str, now: float) -> str:
    """What a verification that we ask for carries: its time, and that it was us."""
    said = str(int(now))
    return f"{said}.{_mark(settings, secret, said)}"


def _mark(settings: Mapping[str, str], secret: str, said: str) -> str:
    words = f"{settings['issuer']} {settings['audience']} {said}"
    return hmac.new(secret.encode(), words.encode(), "sha256").hexdigest()[:32]


def require_state(one: Checked, settings: Mapping[str, str], secret: str, now: float) -> None:
    """A verification carries our state, or none where the transmitter sent it by itself. Raises
    NotTaken."""
    said = one.claims["events"][one.event].get("state")
    if said is None:
        return
    when, _, mark = str(said).partition(".")
    fresh = when.isascii() and when.isdigit() and len(when) < 12
    if not (
        secret
        and fresh
        and abs(now - int(when)) < STATE_SECONDS
        and hmac.compare_digest(
            mark.encode("utf-8", "replace"), _mark(settings, secret, when).encode()
        )
    ):
        raise NotTaken("invalid_state", "Nobody here asked for a verification with this state.")


# --- the poll ------------------------------------------------------------------------------------


def _headers(asked: Asked) -> dict[str, str]:
    headers = {"Accept": "application/json"}
    if asked.settings.get("token"):
        headers["Authorization"] = f"Bearer {asked.secret('token')}"
    return headers


def pages(asked: Asked) -> Iterator[Page]:
    """What waits on the stream, until there is no more. A stream that is pushed has nothing."""
    url = asked.settings.get("poll_url", "")
    if not url:
        return
    cursor = {"ack": list(asked.cursor.get("ack", [])), "errs": dict(asked.cursor.get("errs", {}))}
    while True:
        # Nothing waits, and everything is settled: asked once a pull.
        found, more = _poll(asked, url, cursor, MOST_EVENTS)
        body, cursor = _read(asked, found)
        yield Page(body=body, cursor=dict(cursor), format=NAME, name=_named(body))
        if not (more or cursor["ack"] or cursor["errs"]):
            return


def _poll(
    asked: Asked, url: str, settled: Mapping[str, Any], most: int
) -> tuple[dict[str, str], bool]:
    body = {
        "maxEvents": most,
        "returnImmediately": True,
        **({"ack": settled["ack"]} if settled["ack"] else {}),
        **({"setErrs": settled["errs"]} if settled["errs"] else {}),
    }
    headers = _headers(asked)
    if settled["errs"]:
        headers["Content-Language"] = "en"  # of their descriptions (RFC 8936, 2.6)
    answer = asked.http.request("POST", url, headers=headers, json=body)
    found = tokens.object_of(answer)
    sets = found.get("sets") if found is not None else None
    if found is None or type(sets) is not dict:
        raise Stopped(
            "The answer is no answer to a poll: it lacks sets.", "Check the address of the poll."
        )
    return sets, found.get("moreAvailable") is True


def _read(asked: Asked, sets: Mapping[str, Any]) -> tuple[bytes, dict[str, Any]]:
    """The lines that are kept of these SETs, and what is settled of them once they are stored."""
    lines, ack, errs, arrived = [], [], {}, monotonic()
    for jti, said in list(sets.items())[: 10 * MOST_EVENTS]:
        token = said.encode("utf-8", "replace") if type(said) is str else b""
        try:
            one = check_set(token, settings=asked.settings, http=asked.http, arrived=arrived)
            if one.jti != jti:
                raise NotTaken(
                    "invalid_request", "The jti is another one than it is handed out by."
                )
            if one.event.endswith("/ssf/event-type/verification"):
                secret = asked.secret("token") if asked.settings.get("token") else ""
                require_state(one, asked.settings, secret, asked.http.now().timestamp())
        except Discarded as problem:
            lines.append(set_checks.refusal(token, problem))
            ack.append(jti)
        except NotTaken as problem:
            lines.append(set_checks.refusal(token, problem))
            errs[jti] = {"err": problem.err, "description": problem.said}
        else:
            lines.append(set_checks.record(one))
            ack.append(jti)
    return b"".join(lines), {"ack": ack, "errs": errs}


def _named(body: bytes) -> str:
    """By which the page of signals finds the last verification."""
    return "verification" if b"/ssf/event-type/verification" in body else ""


# --- the test of a connection --------------------------------------------------------------------


def check(asked: Asked) -> Iterator[Check]:
    issuer, found = asked.settings["issuer"], list[Keys]()

    def keys() -> str:
        found.append(fetch(issuer, asked.http))
        return f"{issuer} publishes {len(found[0].keys.keys)} keys"

    def poll() -> str:
        _poll(asked, asked.settings["poll_url"], {"ack": [], "errs": {}}, 0)
        return "the stream answers a poll"

    def verify() -> str:
        url = found[0].metadata.get("verification_endpoint")
        if type(url) is not str:
            raise Stopped(f"{issuer} names no verification endpoint.", "Test it over there.")
        state = state_of(asked.settings, asked.secret("token"), asked.http.now().timestamp())
        said = {"stream_id": asked.settings["stream_id"], "state": state}
        asked.http.request("POST", url, headers=_headers(asked), json=said, explain=_too_often)
        return "a verification was asked for: it arrives on the stream"

    yield tried("read its configuration and keys", keys)
    if asked.settings.get("poll_url"):
        yield tried("poll the stream", poll)
    if found and asked.settings.get("stream_id") and asked.settings.get("token"):
        yield tried("ask for a verification", verify)


def _too_often(answer: httpx.Response) -> Exception | None:
    if answer.status_code != 404:
        return None
    return Stopped("The transmitter knows no such stream.", "Check stream_id.")


CONNECTOR = Connector(
    name=NAME,
    title="Shared signals (SSF transmitter)",
    format=NAME,
    plane="identity",
    fields=(
        Field("issuer", "Issuer", "url", help="exactly as the transmitter writes it"),
        Field("audience", "Audience", help="what it puts into aud for us"),
        Field(
            "poll_url",
            "Address of the poll",
            "url",
            required=False,
            help="the endpoint_url of the stream; empty: it is pushed to us",
        ),
        Field("token", "Access token", "secret", required=False, help="for the poll and the test"),
        Field(
            "stream_id",
            "Stream",
            required=False,
            help='with it, "test connection" asks for a verification',
        ),
        OPENS,
    ),
    pages=pages,
    check=check,
    # What was never put on the stream nobody misses.
    gap_free=False,
    needs="a token that may poll the stream, and ask for its verification",
)
