"""Signals of others become evidence once they are checked: polled, and pushed at the door."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import orjson
import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import KeySet, OctKey

from evidence import actions
from evidence.formats import FORMATS
from evidence.formats import signals as format_of_signals
from evidence.formats.record import Asked
from evidence.models import Actor, Deposit, Event, Reject, Source, Term
from evidence.permissions import COMMAND
from evidence.sources import set_checks, signals
from evidence.sources.set_checks import NotTaken
from tests.connector_secrets import Kept
from tests.evidence.sources import pulling
from tests.evidence.sources.server import Answer, serving
from tests.evidence.sources.transmitter import AUDIENCE, CAEP, SSF, Transmitter, new_key

pytestmark = pytest.mark.django_db

Make = Callable[..., Source]
NOW = pulling.NOW


@pytest.fixture(autouse=True)
def secrets(secret_file: Kept, settings: Any) -> Iterator[None]:
    secret_file("SIGNALS_TOKEN", "s3cret-token")
    settings.ALLOW_PRIVATE = True
    signals.forget()
    yield
    signals.forget()


@pytest.fixture
def there() -> Iterator[Transmitter]:
    with serving() as system:
        yield Transmitter(system)


@pytest.fixture
def connected(there: Transmitter, source: Make) -> Source:
    row = source("idp", format="signals")
    pulling.connect(row, "signals", there.settings())
    return row


def pull(source: Source) -> Any:
    return pulling.pull(source, now=timezone.now())


def actions_of(source: Source) -> list[str]:
    ids = Event.objects.filter(source_id=source.pk).order_by("at", "id").values_list("action_id")
    words = dict(Term.objects.values_list("id", "value"))
    return [words[one] for (one,) in ids]


# --- the poll


def test_what_is_polled_is_stored_once_and_then_acknowledged(
    there: Transmitter, connected: Source
) -> None:
    there.page = 3
    for number in range(10):
        there.keep(f"jti-{number}", event={"event_timestamp": int(time.time()) - number})
    row = pull(connected)
    assert (row.state, row.records, row.rejects) == ("done", 10, 0)
    assert (there.waiting, set(there.settled.values())) == ({}, {"taken"})
    assert actions_of(connected) == ["caep:session-revoked"] * 10
    assert pulling.cursor(connected) == {"ack": [], "errs": {}}
    event = Event.objects.order_by("at").first()
    assert event is not None
    assert event.principal_id is not None
    who = Actor.objects.get(pk=event.principal_id)
    host = there.issuer.removeprefix("http://").rpartition(":")[0]
    assert (who.realm, who.kind, who.value) == (f"iss:{host}", "user", "ana@example.org")
    assert event.request_id == "txn-jti-9"


def test_crash_before_the_acknowledgement_brings_it_again_and_stores_nothing_twice(
    there: Transmitter, connected: Source
) -> None:
    for number in range(4):
        there.keep(f"jti-{number}")
    # Between the first page and the request that settles it.
    pulling.pull(connected, now=timezone.now(), enough=lambda: True)
    assert (len(there.waiting), Event.objects.count()) == (4, 4)
    assert sorted(pulling.cursor(connected)["ack"]) == sorted(there.waiting)
    # And where the cursor was lost as well.
    connected.connection.cursor = {}
    connected.connection.save()
    pull(connected)
    assert (there.waiting, Event.objects.count()) == ({}, 4)


def test_what_is_wrong_is_refused_by_name_and_holds_up_nothing(
    there: Transmitter, connected: Source
) -> None:
    there.keep("good")
    for name, said in FORGED.items():
        there.keep(name, **said(there))
    there.waiting["other"] = there.made("another-jti")
    there.waiting["nonsense"] = "no.token"
    row = pull(connected)
    expected = {name: FORGED_ERRS[name] for name in FORGED}
    assert there.settled == expected | {
        "good": "taken", "other": "invalid_request", "nonsense": "invalid_request",
    }  # fmt: skip
    assert (row.records - row.rejects, there.waiting) == (1, {})
    reasons = Reject.objects.values_list("reason", flat=True)
    assert sum("is a SET that was refused: invalid_issuer" in one for one in reasons) == 1


FORGED: dict[str, Callable[[Transmitter], dict[str, Any]]] = {
    "other issuer": lambda _: {"iss": "https://other.example.com"},
    "other audience": lambda _: {"aud": ["https://other.example.com"]},
    "no audience": lambda _: {"without": ("aud",)},
    "no jti": lambda _: {"without": ("jti",)},
    "from tomorrow": lambda _: {"iat": int(time.time()) + 86_400},
    "without a time": lambda _: {"without": ("iat",)},
    "of a person's session": lambda _: {"sub": "ana"},
    "with an end": lambda _: {"exp": int(time.time()) + 60},
    "two events": lambda _: {"events": {f"{CAEP}a": {}, f"{CAEP}b": {}}},
    "no event": lambda _: {"events": {}},
    "no subject": lambda _: {"without": ("sub_id",)},
    "an id token": lambda _: {"header": {"typ": "JWT"}},
    "another's key": lambda _: {"key": new_key("k1")},
    "an unknown key": lambda _: {"key": new_key("k9")},
    "a shared secret": lambda one: {
        "key": OctKey.import_key(orjson.dumps(one.key.as_dict(private=False)), {"kid": "k1"}),
        "header": {"alg": "HS256"},
    },
    "state of nobody": lambda _: {
        "events": {f"{SSF}verification": {"state": "what"}},
        "sub_id": {"format": "opaque", "id": "stream-1"},
    },
    "verification of a person": lambda _: {"events": {f"{SSF}verification": {}}},
}
FORGED_ERRS = dict.fromkeys(FORGED, "invalid_request") | {
    "other issuer": "invalid_issuer",
    "other audience": "invalid_audience",
    "no audience": "invalid_audience",
    "another's key": "invalid_key",
    "an unknown key": "invalid_key",
    "a shared secret": "invalid_key",
    "state of nobody": "invalid_state",
}


def test_keys_are_remembered_rotated_and_not_asked_for_again_and_again(
    there: Transmitter, connected: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        there.keep(f"jti-{number}")
    pull(connected)
    assert there.asked_keys == 1
    there.published.insert(0, new_key("k2", "RSA"))
    for number in range(5, 8):
        there.keep(f"jti-{number}")
    # So soon after the last time it is not asked for them, and what it sends waits over there.
    assert pull(connected).state == "waiting"
    assert (there.asked_keys, len(there.waiting), there.settled.get("jti-5")) == (1, 3, None)
    monkeypatch.setattr(signals, "AGAIN_SECONDS", 0.0)
    connected.pulls.update(not_before=NOW)
    pull(connected)
    assert (there.asked_keys, Event.objects.count(), there.waiting) == (2, 8, {})
    # Nonsense costs one look for newer keys, and is then refused.
    monkeypatch.setattr(signals, "AGAIN_SECONDS", 0.5)
    time.sleep(0.6)
    for number in range(20):
        there.keep(f"bad-{number}", key=new_key("nobody's"))
    pull(connected)
    assert (there.asked_keys, Event.objects.count(), there.waiting) == (3, 8, {})
    assert there.settled["bad-7"] == "invalid_key"


def test_verification_that_we_ask_for_comes_back_and_is_shown(
    there: Transmitter, connected: Source
) -> None:
    pulling.connect(connected, "signals", there.settings(stream_id="stream-1"))
    found = pulling.checks(
        signals.CONNECTOR, there.settings(stream_id="stream-1"), now=timezone.now()
    )
    assert [one.ok for one in found] == [True, True, True]
    pull(connected)
    assert actions_of(connected) == ["ssf:verification"]
    assert Deposit.objects.get().name == "verification"
    assert Event.objects.get().principal_id is None
    (unknown,) = [
        one
        for one in pulling.checks(signals.CONNECTOR, there.settings(stream_id="other"))
        if not one.ok
    ]
    assert unknown.said == "The transmitter knows no such stream."


def test_test_of_a_connection_says_what_is_missing(there: Transmitter) -> None:
    wrong = there.settings() | {"issuer": f"{there.issuer}/tenant"}
    there.there.on("GET", "/.well-known/ssf-configuration/tenant", Answer(200, {"issuer": "x"}))
    (keys, poll) = pulling.checks(signals.CONNECTOR, wrong)
    assert (keys.ok, poll.ok) == (False, True)
    assert keys.said.startswith(f"{there.issuer}/.well-known/ssf-configuration/tenant does not")
    there.published.clear()
    (keys, _) = pulling.checks(signals.CONNECTOR, there.settings())
    assert keys.said == f"{there.issuer}/jwks.json holds no RSA or EC key for signatures."


# --- the door


@pytest.fixture
def pushed(connected: Source, there: Transmitter, client: Client) -> Callable[..., Any]:
    pulling.connect(connected, "signals", there.settings(poll_url=""))
    _, token = actions.new_token(source=connected, by=COMMAND, now=timezone.now())

    def push(body: str | bytes, *, bearer: str = token, name: str = "idp") -> Any:
        return client.post(
            f"/api/evidence/{name}/signals/", data=body, content_type="application/secevent+jwt",
            headers={"Authorization": f"Bearer {bearer}"},
        )  # fmt: skip

    return push


def test_pushed_signal_is_taken_and_a_replay_stores_nothing(
    there: Transmitter, connected: Source, pushed: Callable[..., Any]
) -> None:
    token = there.made("jti-1", f"{CAEP}credential-change", {"credential_type": "password",
                                                             "change_type": "revoke"})  # fmt: skip
    for _ in range(3):
        answer = pushed(token)
        assert (answer.status_code, answer.content) == (202, b"")
    assert (Event.objects.count(), Deposit.objects.count()) == (1, 1)
    assert Deposit.objects.get().name == "credential-change jti-1"
    # The signature itself is kept nowhere.
    kept = format_of_signals.NAME
    assert Deposit.objects.get().format == kept
    assert pull(connected).records == 0


def test_same_id_with_another_content_is_kept_beside_the_first(
    there: Transmitter, connected: Source, pushed: Callable[..., Any]
) -> None:
    for level in ("HIGH", "LOW"):
        event = {"principal": "USER", "current_level": level}
        assert pushed(there.made("jti-1", f"{CAEP}risk-level-change", event)).status_code == 202
    assert Event.objects.count() == 2


@pytest.mark.parametrize("name", list(FORGED))
def test_forged_signal_is_answered_in_the_words_of_the_standard(
    there: Transmitter, connected: Source, pushed: Callable[..., Any], name: str
) -> None:
    answer = pushed(there.made("jti-1", **FORGED[name](there)))
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/json")
    assert answer["Content-Language"] == "en"
    said = answer.json()
    assert (said["err"], set(said)) == (FORGED_ERRS[name], {"err", "description"})
    assert (Event.objects.count(), Reject.objects.count()) == (0, 1)


def test_whoever_pushes_has_to_be_the_sender_of_this_source(
    there: Transmitter, connected: Source, source: Make, pushed: Callable[..., Any]
) -> None:
    token = there.made("jti-1")
    assert pushed(token, bearer="css_wrong").json()["err"] == "authentication_failed"
    assert pushed(token, name="other").json()["err"] == "access_denied"
    other = source("trail")
    _, bearer = actions.new_token(source=other, by=COMMAND, now=timezone.now())
    answer = pushed(token, bearer=bearer, name="trail")
    assert answer.json()["description"].startswith("The source trail is connected to no transm")
    assert Deposit.objects.count() == 0


def test_pushed_with_a_key_that_is_too_new_it_comes_again(
    there: Transmitter, connected: Source, pushed: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    assert pushed(there.made("jti-1")).status_code == 202
    there.published.insert(0, new_key("k2"))
    token = there.made("jti-2")
    assert (pushed(token).status_code, Deposit.objects.count()) == (503, 1)
    monkeypatch.setattr(signals, "AGAIN_SECONDS", 0.0)
    assert (pushed(token).status_code, Event.objects.count()) == (202, 2)


def test_transmitter_whose_keys_cannot_be_had_is_asked_to_come_again(
    there: Transmitter, connected: Source, pushed: Callable[..., Any]
) -> None:
    token = there.made("jti-1")
    there.there.fail(Answer(500))
    answer = pushed(token)
    assert (answer.status_code, answer["Retry-After"]) == (503, "60")
    assert (pushed(token).status_code, Event.objects.count()) == (202, 1)
    # Keys that are known do for a while.
    there.there.fail(Answer(500))
    assert pushed(there.made("jti-2")).status_code == 202


def test_over_http_from_a_client_of_its_own(
    there: Transmitter, transactional_db: None, live_server: Any, source: Make
) -> None:
    row = source("idp")
    pulling.connect(row, "signals", there.settings(poll_url=""))
    _, bearer = actions.new_token(source=row, by=COMMAND, now=timezone.now())
    headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/secevent+jwt",
               "Accept": "application/json"}  # fmt: skip
    with httpx.Client(trust_env=False, timeout=30, headers=headers) as client:
        url = f"{live_server.url}/api/evidence/idp/signals/"
        for _ in range(2):
            assert (
                client.post(url, content=there.made("jti-1", iat=1_795_000_000)).status_code == 202
            )
        refused = client.post(url, content=there.made("jti-2", iss="x"))
        assert (refused.status_code, refused.json()["err"]) == (400, "invalid_issuer")
        assert client.get(url).status_code == 405
    assert Event.objects.count() == 1


# --- anything at all

KEY = new_key("k1")
KEYS = KeySet([KEY])
ISSUER = "https://idp.example.com"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
SUBJECTS = st.fixed_dictionaries(
    {"format": st.sampled_from(
        ["account", "email", "iss_sub", "opaque", "jwt_id", "complex", "aliases", "uri", "did",
         "phone_number", "saml_assertion_id", "ip-addresses", 7])},
    optional=dict.fromkeys(("uri", "email", "iss", "sub", "id", "jti", "user", "session", "device", "identifiers"), JSON),
)  # fmt: skip


class Signed:
    """A transmitter without a network."""

    issuer, key = ISSUER, KEY
    made = Transmitter.made


def known(problem: NotTaken) -> None:
    """Every refusal has a name of the standard."""
    assert problem.err in {*FORGED_ERRS.values()}


def read(token: bytes) -> set_checks.Checked | None:
    try:
        return set_checks.checked(token, KEYS, issuer=ISSUER, audience=AUDIENCE, now=time.time())
    except NotTaken as problem:
        known(problem)
        return None


TOKEN = Transmitter.made(Signed(), "jti-1").encode()  # type: ignore[arg-type]  # it needs two members


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_by_name(body: bytes) -> None:
    assert read(body) is None


@given(st.integers(0, len(TOKEN) - 1), st.integers(1, 255))
def test_token_with_a_byte_changed_is_refused(place: int, change: int) -> None:
    body = bytearray(TOKEN)
    body[place] ^= change
    found = read(bytes(body))
    # The last character of a signature has bits that mean nothing.
    assert found is None or place == len(TOKEN) - 1


@given(SUBJECTS | JSON, JSON, st.dictionaries(st.sampled_from(["toe", "txn", "aud", "iat"]), JSON))
def test_whatever_is_signed_is_read_or_refused(subject: Any, event: Any, said: Any) -> None:
    uri = f"{CAEP}session-revoked"
    claims = {"sub_id": subject, "events": {uri: event}} | said
    one = read(Transmitter.made(Signed(), "jti-1", **claims).encode())  # type: ignore[arg-type]  # it needs two members
    if one is None:
        return
    parsed = FORMATS["signals"].parse(set_checks.record(one), Asked("s", b"k" * 32))
    assert len(parsed.records) + len(parsed.rejects) == 1


@given(JSON)
def test_any_jwks_gives_the_keys_that_are_ones(document: Any) -> None:
    listed = {"keys": [document, KEY.as_dict(private=False), {"kty": "EC", "crv": document}]}
    assert [one.kid for one in set_checks.keys_of(listed).keys] == ["k1"]
    assert set_checks.keys_of(document).keys == []
