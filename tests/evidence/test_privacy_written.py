"""Secrets as people and programs write them down: in pairs, arguments, headers, texts in texts."""

from base64 import b64encode, urlsafe_b64encode
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import privacy

SECRET = "Qz9f3ac81d2277be40K"


def text(value: Any) -> str:
    return orjson.dumps(value).decode()


def coded(value: str) -> str:
    return b64encode(value.encode()).decode()


def escaped(value: Any, letters: str = "") -> str:
    """JSON in which these letters, or all of its names', are written as escapes."""
    written = text(value)
    for letter in letters or "paswordtk":
        written = written.replace(letter, f"\\u{ord(letter):04x}")
    return written


WRITTEN: dict[str, Any] = {
    "a pair": {"environment": [{"name": "DB_PASSWORD", "value": SECRET}]},
    "a pair with a type": [{"name": "API_KEY", "type": "PLAINTEXT", "value": SECRET}],
    "a pair, turned": [{"value": SECRET, "name": "DB_PASSWORD"}],
    "a parameter": [{"parameterKey": "DBPassword", "parameterValue": SECRET}],
    "a pair of a whole name": [{"key": "token", "value": SECRET}],
    "a pair in text": text([{"name": "DB_PASSWORD", "value": SECRET}]),
    "headers as pairs": [{"name": "X-Api-Key", "value": SECRET}],
    "a list": {"password": [SECRET, f"{SECRET}2"]},
    "an object": {"password": {"value": SECRET}},
    "many": {"passwords": [SECRET]},
    "numbered": {"password1": SECRET},
    "again": {"new_password_confirmation": SECRET},
    "with a space": {"Admin Password": SECRET},
    "with a path": {"db/password": SECRET},
    "with a colon": {"db:password": SECRET},
    "token": {"token": SECRET},
    "secret": {"secret": SECRET},
    "client_token": {"client_token": SECRET},
    "credential": {"credential": SECRET},
    "text in text": text({"b": text({"password": SECRET})}),
    "text in text in text": text({"a": text({"b": text({"password": SECRET})})}),
    "--password": f"mysql --user root --password {SECRET} db",
    "--token as a list": ["tool", "--token", SECRET],
    "curl": f"curl -u admin:{SECRET} https://x.example",
    "mysql": f"mysql -uroot -p{SECRET} db",
    "YAML": f"db:\n  password: {SECRET}\n",
    "the end of a text": f"the password: {SECRET}",
    "in a sentence": f"password: {SECRET} is what he sent",
    "token header": f"Authorization: token {SECRET}",
    "SSWS header": f"Authorization: SSWS {SECRET}",
    "Bearer header": f"Authorization: Bearer {SECRET}",
    "Cookie header": f"Cookie: session={SECRET}; a=b",
    "an address in an address": "https://x.example/cb?next="
    + quote(f"https://y.example/?access_token={SECRET}", safe=""),
    "a token before the host": f"https://{SECRET}@git.example/repo",
    "XML": f"<Password>{SECRET}</Password>",
    "XML with a namespace": f"<wsse:Password Type='x'>{SECRET}</wsse:Password>",
    "XML attributes": f'<add key="ApiKey" value="{SECRET}"/>',
    "for HTML": "{&quot;password&quot;:&quot;" + SECRET + "&quot;}",
    **{
        f"{start}…": start + SECRET + "A" * 22
        for start in (
            "npm_", "pypi-AgEIcHlwaS5vcmc", "SG.abcdefghijklmnopqrstuv.", "glsa_", "glc_",
            "sk-or-v1-", "sk-lf-", "gsk_", "xai-", "r8_", "pplx-", "tvly-", "dop_v1_", "shpat_",
            "ATATT3xFfGF0", "lin_api_", "PMAK-", "ntn_", "AGE-SECRET-KEY-1", "dckr_pat_",
            "pat-na1-", "sntrys_", "nvapi-", "fw_", "lsv2_pt_",
        )
    },
    "base64 of JSON": coded(text({"user": "ann", "password": SECRET})),
    "base64 for addresses": urlsafe_b64encode(text({"a": "??>>~~", "password": SECRET}).encode())
    .decode()
    .rstrip("="),
    "base64 of a command": f"sh -c {coded(f'mysql --user root --password {SECRET} db')}",
    "base64 of a known beginning": coded(f"token is ghp_{SECRET * 2} of ann"),
    "base64 of lines": {"data": {"config": coded(f"[db]\nuser=ann\npassword={SECRET}\n")}},
    "base64 after a path": "https://x.example/state/" + coded(text({"apiKey": SECRET})),
    "base64 behind words in another script": coded("Schlüssel für Änne: " + text({"token": SECRET})),
    "escaped name in a text": escaped({"password": SECRET}, "psw"),
    "escaped name in a text in a text": text({"b": escaped({"password": SECRET}, "psw")}),
    "escaped quotes in a text": text({"password": SECRET}).replace('"', "\\u0022"),
    "escaped sign": f"password\\u003d{SECRET}",
    "a slash in a password": f"postgres://app:{SECRET[:9]}/{SECRET[9:]}@db.example:5432/x",
    "a slash after many digits": f"amqp://app:123456/{SECRET}@mq/x",
    "Databricks": "dapi" + "0123456789abcdef" * 2,
    "an old Vault token": "x s." + SECRET + "AbCdE z",
}  # fmt: skip


@pytest.mark.parametrize("name", WRITTEN)
def test_it_is_found_and_json_stays_json(name: str) -> None:
    record = orjson.dumps({"eventName": "Put", "requestParameters": {"v": WRITTEN[name]}, "z": 1})
    clean, hits = privacy.redact(record)
    kept = orjson.loads(clean)
    assert SECRET.encode() not in clean
    assert SECRET[9:].encode() not in clean
    assert "0123456789abcdef" not in clean.decode()
    assert coded(SECRET)[8:20] not in clean.decode()
    assert (len(hits), kept["eventName"], kept["z"]) == (1, "Put", 1)
    # The look over many texts at once names this one.
    assert privacy.hit_among([b"x" * 40, record, b"{}"]) >= {1}


STAYS: list[Any] = [
    {"nextToken": SECRET, "clientToken": SECRET, "secretId": "prod/db", "tokenType": "Bearer"},
    {"authorization": {"action": "Microsoft.Storage/write", "scope": "/subscriptions/1"}},
    {"client_token": "hmac-sha256:" + "0a" * 32},
    {"secret": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db-Ab3dE6"},
    {"secret": "projects/p/secrets/s/versions/1"},
    {"objectRef": {"resource": "secrets", "name": "db-password", "apiVersion": "v1"}},
    [{"name": "PASSWORD_FILE", "value": "/run/secrets/password"}],
    [{"name": "token_count", "value": "1234567890a"}],
    {"eventName": "GetSecretValue", "awsRegion": "eu-west-1"},
    "password: must contain at least eight letters",
    "Authorization: user is not allowed to do that",
    "docker run --password-stdin --token-file /run/token1234",
    "secret: 3 of them were listed",
    "API token: ledger",
    "mailto://somebody@example.com and https://host/path@here",
    "https://host:443/path@here and https://[2001:db8::1]:80/a@b and https://host:{port}/x@y",
    "registry.example:5000/app@sha256:" + "0a" * 32,
    coded("nothing of the kind stands in here, whatever it looks like"),
    coded(coded(text({"password": SECRET}))),
    escaped({"passport": SECRET}, "ps"),
    "0af7651916cd43dd8448eb211c80319c0af7651916cd43dd8448eb211c80319c",
]


@pytest.mark.parametrize("value", STAYS)
def test_what_only_looks_like_it_stays(value: Any) -> None:
    record = orjson.dumps({"v": value})
    assert privacy.redact(record) == (record, [])


def test_members_of_a_message_are_suspicious() -> None:
    assert privacy.suspicious(b"\x0a\x08password\x12\x04\x0a\x02ab")
    assert privacy.suspicious(b"\x0a\x0dclient_secret\x12\x04\x0a\x02ab")
    assert not privacy.suspicious(b"\x0a\x08passport\x12\x04\x0a\x02ab")


@given(st.text(max_size=40), st.integers(0, 3), st.text(max_size=12))
def test_base64_is_looked_into_wherever_it_begins(before: str, more: int, after: str) -> None:
    inside = coded(f"{'x' * more} password={SECRET} and so on")
    record = orjson.dumps({"v": [before + " " + inside, after]})
    clean, hits = privacy.redact(record)
    assert inside.encode() not in clean
    assert [hit.kind for hit in hits] == ["password"]
    assert orjson.loads(clean)["v"][1] == after
    assert privacy.suspicious(record)


MARK = "[content:12:0123456789abcdef]"
NEARLY_MARKS = (
    *(f"{MARK}x", "[content:12]abcd", "[content:x1]", "[content:1234567890123]"),
    *("[content:12:0123456789abcde]", "[content:12:0123456789abcdef0]", "[contend:12]"),
)


def test_mark_of_dropped_content_is_told_at_the_first_look() -> None:
    for mark in (MARK, "[content:7]"):
        assert privacy.hit_among([orjson.dumps({"token": mark})]) == set()
    for other in NEARLY_MARKS:
        record = orjson.dumps({"token": other})
        assert privacy.hit_among([record]) == {0}
        assert privacy.redact(record)[1]
