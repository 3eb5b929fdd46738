"""Signals of others: which names their subjects are, in which realm, and when it happened."""

from typing import Any

import pytest

from evidence.formats.signals import CAEP, realm_of
from tests.evidence.formats import abuse

ISSUER = "https://idp.example.com/3456789/"


def signal(subject: Any, *, uri: str = f"{CAEP}session-revoked", **said: Any) -> dict[str, Any]:
    claims = {
        "iss": ISSUER,
        "jti": "1",
        "iat": 1_795_000_000,
        "sub_id": subject,
        "events": {uri: {}},
    }
    return {"header": {"typ": "secevent+jwt"}, "set": claims | said}


@pytest.mark.parametrize(
    ("issuer", "realm"),
    [
        ("https://example.okta.com", "okta:example"),
        ("https://Example.okta.com/oauth2/default", "okta:example"),
        ("https://dev-1.oktapreview.com", "okta:dev-1.oktapreview"),
        ("https://sts.windows.net/1111-22/", "entra:1111-22"),
        ("https://login.microsoftonline.com/1111-22/v2.0", "entra:1111-22"),
        ("https://example.eu.auth0.com/", "auth0:example"),
        ("https://accounts.google.com", "iss:accounts.google.com"),
        (ISSUER, "iss:idp.example.com/3456789"),
        # A name that only looks like a vendor's is its own.
        ("https://example.okta.com.evil.example", "iss:example.okta.com.evil.example"),
        ("https://okta.com", "iss:okta.com"),
        ("no address", "iss"),
        ("http://[", "iss"),
    ],
)
def test_realm_of_an_issuer_is_that_of_its_vendors_logs(issuer: str, realm: str) -> None:
    assert realm_of(issuer) == realm


@pytest.mark.parametrize(
    ("subject", "principal", "credential"),
    [
        ({"format": "email", "email": "a@x.example"}, "iss:idp.example.com/3456789 user a@x.example", ""),
        ({"format": "account", "uri": "acct:a@x.example"},
         "iss:idp.example.com/3456789 user a@x.example", ""),
        ({"format": "iss_sub", "iss": "https://e.okta.com", "sub": "00u1"}, "okta:e user 00u1", ""),
        ({"format": "iss_sub", "iss": "https://e.okta.com", "sub": "0oa1"}, "okta:e app 0oa1", ""),
        ({"format": "jwt_id", "iss": "https://e.auth0.com/", "jti": "t"}, "", "auth0:e token t"),
        ({"format": "complex", "user": {"format": "opaque", "id": "u"},
          "session": {"format": "jwt_id", "iss": "https://e.okta.com", "jti": "s"}},
         "iss:idp.example.com/3456789 user u", "okta:e token s"),
        ({"format": "complex", "tenant": {"format": "opaque", "id": "t"}}, "", ""),
        ({"format": "email"}, "", ""),
        ({"format": "email", "email": ["a"]}, "", ""),
        ({"format": 7}, "", ""),
    ],
)  # fmt: skip
def test_subject_names_whom_it_is_about(subject: Any, principal: str, credential: str) -> None:
    record = abuse.read("signals", signal(subject))
    said = ["" if one is None else f"{one.realm} {one.kind} {one.value}"
            for one in (record.principal, record.credential)]  # fmt: skip
    assert said == [principal, credential]


def test_same_set_is_the_same_event_whenever_it_comes() -> None:
    first = abuse.read("signals", signal({"format": "opaque", "id": "u"}))
    again = abuse.read("signals", dict(reversed(signal({"format": "opaque", "id": "u"}).items())))
    other = abuse.read("signals", signal({"format": "opaque", "id": "u"}, txn="x"))
    assert first.digest == again.digest != other.digest
    assert (first.vendor_id, other.vendor_id) == ("1", "1")


def test_refused_one_is_a_reject_that_says_why() -> None:
    said = {
        "refused": {
            "err": "invalid_key",
            "why": "The signature is not the issuer's.",
            "digest": "a",
        }
    }
    parsed = abuse.parse("signals", [said, signal({"format": "opaque", "id": "u"})])
    assert len(parsed.records) == 1
    (reject,) = parsed.rejects
    assert reject.reason == (
        "is a SET that was refused: invalid_key, The signature is not the issuer's."
    )
