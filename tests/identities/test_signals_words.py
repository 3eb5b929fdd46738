"""Subjects, names and claims of signals as the standard writes them; anything else is refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identities.enforcers import signal_keys
from identities.enforcers.contract import PermanentFailure
from identities.signals import polling, reading, vocabulary
from identities.signals.vocabulary import FORMATS, Wrong
from tests.identities.signalling import EC, RSA

OWN = {"format": "iss_sub", "iss": "https://cs.example.com", "sub": "NHI-0001"}
NAMES = vocabulary.names_of(
    OWN,
    [
        ("aws:1", "arn", "arn:aws:iam::111122223333:role/r"),
        ("okta:example", "app", "0oa1"),
        ("entra:t-1", "user", "a@example.com"),
        ("auth0:example", "app", "c1"),
        ("iss:idp.example.com/x", "user", "u1"),
        ("github:acme", "user", "a@example.com"),
        ("otel:agents", "agent", "report-agent"),
        ("okta:example", "app", "0oa1"),
    ],
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=10,
)
MEMBERS = sorted({"format", "user", *(name for names in FORMATS.values() for name in names)})


def test_names_are_those_of_the_systems_that_gave_them() -> None:
    assert NAMES == [
        OWN,
        {"format": "uri", "uri": "arn:aws:iam::111122223333:role/r"},
        {"format": "iss_sub", "iss": "https://example.okta.com", "sub": "0oa1"},
        {"format": "iss_sub", "iss": "https://sts.windows.net/t-1/", "sub": "a@example.com"},
        {"format": "iss_sub", "iss": "https://example.auth0.com/", "sub": "c1"},
        {"format": "iss_sub", "iss": "https://idp.example.com/x", "sub": "u1"},
        {"format": "email", "email": "a@example.com"},
        {"format": "opaque", "id": "otel:agents agent report-agent"},
    ]


@pytest.mark.parametrize(
    ("named_by", "place"), [("key", 0), ("iss_sub", 2), ("email", 6), ("uri", 1), ("opaque", 7)]
)
def test_receiver_gets_the_name_that_it_wants(named_by: str, place: int) -> None:
    assert vocabulary.subject(NAMES, named_by) == NAMES[place]
    # Where there is none, our key.
    assert vocabulary.subject(NAMES[:1], named_by) == OWN


def test_all_names_are_aliases() -> None:
    found = vocabulary.subject(NAMES, "aliases")
    assert found == {"format": "aliases", "identifiers": NAMES}
    assert vocabulary.subject(NAMES[:1], "aliases") == OWN


def test_claims_are_those_of_the_standard_and_no_others() -> None:
    said: dict[str, Any] = {
        "issuer": "i", "audience": "a", "jti": "j", "made_at": 7, "kind": "session-revoked",
        "payload": {"x": 1}, "sub_id": OWN,
    }  # fmt: skip
    events = {"https://schemas.openid.net/secevent/caep/event-type/session-revoked": {"x": 1}}
    found = {"iss": "i", "aud": "a", "jti": "j", "iat": 7, "sub_id": OWN, "events": events}
    assert vocabulary.claims(**said, txn="") == found
    assert vocabulary.claims(**said, txn="t") == found | {"txn": "t"}


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("password", "password"),
        ("certificate", "x509"),
        ("access_key", "api-key"),
        ("token", "oauth-token"),
        ("session", "session-token"),
        ("something else", "api-key"),
    ],
)
def test_credentials_have_the_agreed_types(kind: str, said: str) -> None:
    assert vocabulary.credential_type(kind) == said


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_subject_of_each_format_is_taken_with_its_members_alone(name: str) -> None:
    subject = {"format": name} | dict.fromkeys(FORMATS[name], "x")
    assert vocabulary.matched_by(subject | {"more": 7}) == subject
    assert vocabulary.matched_by({"format": "complex", "user": subject, "device": 7}) == subject
    for member in FORMATS[name]:
        for wrong in ("", None, 7, "\0", "\ud800", "x" * 2_001):
            with pytest.raises(Wrong):
                vocabulary.matched_by(subject | {member: wrong})


@given(st.dictionaries(st.sampled_from(MEMBERS), JSON | st.sampled_from(sorted(FORMATS))) | JSON)
def test_any_subject_is_read_or_refused(subject: Any) -> None:
    try:
        found = vocabulary.matched_by(subject)
    except Wrong as problem:
        found = {"format": str(problem)}
    assert len(vocabulary.digest(found)) == 32


@given(
    st.dictionaries(
        st.sampled_from(["maxEvents", "returnImmediately", "ack", "setErrs", "x"]), JSON
    )
    | JSON
)
def test_any_poll_is_read_or_refused(body: Any) -> None:
    try:
        found = polling.read(body)
    except Wrong:
        found = polling.read({})
    assert 0 <= found.most <= polling.MOST_EVENTS


@given(
    st.dictionaries(st.sampled_from(["method", "endpoint_url", "authorization_header"]), JSON)
    | JSON,
    JSON,
    JSON,
)
def test_any_configuration_is_read_or_refused(delivery: Any, events: Any, said: Any) -> None:
    for read in (
        lambda: reading.delivery(delivery),
        lambda: reading.delivery({"method": "urn:ietf:rfc:8935", "endpoint_url": delivery}),
        lambda: reading.events(events),
        lambda: reading.description(said),
        lambda: reading.status({"status": said, "reason": events}),
        lambda: reading.state({"state": said}),
    ):
        try:
            found = read()
        except Wrong as problem:
            found = str(problem)
        assert found is None or isinstance(found, str | list | tuple)


@pytest.mark.parametrize(
    "text", ["", "no key", EC.replace("A", "B"), "-----BEGIN PRIVATE KEY-----\n"]
)
def test_what_is_no_key_is_said_and_not_repeated(text: str) -> None:
    with pytest.raises(PermanentFailure) as refused:
        signal_keys.read(text)
    assert refused.value.reason.startswith("The enforcers' settings: a key of signals is no")
    assert "PRIVATE" not in refused.value.reason


def test_keys_sign_with_their_own_algorithm_and_publish_no_secret() -> None:
    for text, algorithm in ((EC, "ES256"), (RSA, "RS256")):
        key = signal_keys.read(text)
        assert (key.algorithm, key.private) == (algorithm, True)
        assert {"d", "p", "q", "k"}.isdisjoint(key.public())
