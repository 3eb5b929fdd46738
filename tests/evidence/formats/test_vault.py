"""Vault audit: tokens from login to revocation, actions, digests and what was logged raw."""

from typing import Any

import orjson
import pytest

from evidence.formats import recognise
from evidence.formats.record import ActorName
from evidence.vocabulary import (
    AUTHENTICATION,
    CHANGE,
    ISSUANCE,
    OUTCOME_FAILED,
    OUTCOME_OK,
    OUTCOME_REFUSED,
    OUTCOME_UNKNOWN,
    REVOCATION,
    USE,
)
from tests.evidence.formats.abuse import parse, read
from tests.evidence.formats.conftest import SAMPLES

BODY = (SAMPLES / "vault.jsonl").read_bytes()
ROWS: list[dict[str, Any]] = [orjson.loads(line) for line in BODY.splitlines()]
CLERK = ActorName("vault:main", "account", "e-0001")
FIRST = ActorName("vault:main", "token", "hmac-sha256:" + "b" * 64, CLERK)
SECOND = ActorName("vault:main", "token", "hmac-sha256:" + "c" * 64, CLERK)


def test_entry_reads_whole() -> None:
    assert read("vault", ROWS[3])._replace(digest=b"") == (
        "Records[0]",
        b"",
        1_930_366_860_123_456,
        "vault:main",
        1,
        USE,
        OUTCOME_OK,
        "read kv",
        "secret/data/books/db",
        CLERK,
        FIRST,
        None,
        None,
        "req-01/response",
        "req-01",
        None,
        None,
        None,
        None,
        "198.51.100.7",
        "sample/1.0",
        None,
        None,
        None,
        None,
        None,
    )


def test_token_of_a_login_is_used_makes_a_child_and_revokes_it() -> None:
    login, used, child, by_child, revoked = (read("vault", ROWS[row]) for row in (1, 3, 4, 5, 6))
    assert login.issued == (FIRST, CLERK, False, 1_930_370_400_000_000)
    assert used.credential == FIRST
    assert (child.credential, child.issued) == (
        FIRST,
        (SECOND, CLERK, False, 1_930_367_520_000_000),
    )
    assert by_child.credential == SECOND
    assert (revoked.activity, revoked.resource) == (REVOCATION, f"accessor/{SECOND.value}")


def test_request_and_response_are_two_events_of_one_request() -> None:
    asked, answered = (read("vault", row) for row in ROWS[2:4])
    assert (asked.outcome, answered.outcome) == (OUTCOME_UNKNOWN, OUTCOME_OK)
    assert asked.request_id == answered.request_id == "req-01"
    assert asked.vendor_id != answered.vendor_id


CALLS = [
    (0, "update auth/approle/login", AUTHENTICATION, OUTCOME_UNKNOWN),
    (1, "update auth/approle/login", ISSUANCE, OUTCOME_OK),
    (4, "update auth/token/create", ISSUANCE, OUTCOME_OK),
    (5, "read database/creds", ISSUANCE, OUTCOME_OK),
    (6, "update auth/token/revoke-accessor", REVOCATION, OUTCOME_OK),
    (7, "read kv", USE, OUTCOME_REFUSED),
    (8, "update auth/userpass/login", AUTHENTICATION, OUTCOME_FAILED),
    (9, "update sys/policies", CHANGE, OUTCOME_OK),
    (10, "update kv", CHANGE, OUTCOME_OK),
]


@pytest.mark.parametrize(("row", "action", "activity", "outcome"), CALLS)
def test_call(row: int, action: str, activity: int, outcome: int) -> None:
    record = read("vault", ROWS[row])
    assert (record.action, record.activity, record.outcome) == (action, activity, outcome)


PATHS = [
    ("auth/token/renew-self", "token", "update auth/token/renew-self"),
    ("sys/leases/revoke/database/creds/books/x", "system", "update sys/leases/revoke"),
    ("team/auth/kubernetes/login", "kubernetes", "update auth/kubernetes/login"),
    ("transit/encrypt/key", "transit", "update transit"),
    ("aws/sts/deploy", "aws", "update aws/sts"),
    ("secret/x", "", "update secret"),
]


@pytest.mark.parametrize(("path", "engine", "action"), PATHS)
def test_action_of_path(path: str, engine: str, action: str) -> None:
    request = {**ROWS[3]["request"], "operation": "update", "path": path, "mount_type": engine}
    assert read("vault", {**ROWS[3], "request": request}).action == action


WHO = [
    ({"entity_id": "e-9", "display_name": "x"}, ("account", "e-9")),
    (
        {"metadata": {"service_account_name": "a", "service_account_namespace": "n"}},
        ("service_account", "n/a"),
    ),
    ({"metadata": {"role_name": "clerk"}}, ("service", "clerk")),
    ({"metadata": {"username": "rosa"}, "display_name": "userpass-rosa"}, ("user", "rosa")),
    ({"display_name": "root"}, ("user", "root")),
]


@pytest.mark.parametrize(("auth", "expected"), WHO)
def test_principal(auth: dict[str, Any], expected: tuple[str, str]) -> None:
    assert read("vault", {**ROWS[3], "auth": auth}).principal == ActorName("vault:main", *expected)


def test_failed_login_names_the_user_of_its_path() -> None:
    assert read("vault", ROWS[8]).principal == ActorName("vault:main", "user", "rosa")


def test_root_token_stands_until_it_is_revoked() -> None:
    issued = read("vault", ROWS[11]).issued
    assert issued is not None
    assert (issued.standing, issued.expires_at) == (True, None)


def test_wrapped_token_is_issued_by_its_accessor() -> None:
    accessor = "hmac-sha256:" + "f" * 64
    wrap = {"wrapped_accessor": accessor, "ttl": 60}
    issued = read("vault", {**ROWS[4], "response": {"wrap_info": wrap}}).issued
    assert issued is not None
    assert issued.credential == ActorName("vault:main", "token", accessor, CLERK)


def test_digests_of_vault_stay_and_raw_bodies_go() -> None:
    parsed = parse("vault", ROWS)
    assert ("hmac-sha256:" + "2" * 64).encode() in parsed.kept
    assert b"private words" not in parsed.kept
    assert {one.kind for one in parsed.redactions} == {"content"}


def test_trace_of_an_audited_header_is_read() -> None:
    record = read("vault", ROWS[10])
    assert record.trace_id == bytes.fromhex("4bf92f3577b34da6a3ce929d0e0e4736")
    assert record.span_id == bytes.fromhex("00f067aa0ba902b7")


def test_cluster_that_nobody_names_is_vault() -> None:
    row = {name: value for name, value in ROWS[3].items() if name != "cluster"}
    assert read("vault", row).realm == "vault"


SHAPES = {
    "lines": BODY,
    "list": orjson.dumps(ROWS),
    "single": orjson.dumps(ROWS[1]),
    "forwarded": b"\n".join(orjson.dumps({"log": orjson.dumps(row).decode()}) for row in ROWS),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_shape_is_recognised_and_read(shape: str) -> None:
    assert recognise(SHAPES[shape]) == "vault"
    parsed = parse("vault", SHAPES[shape])
    assert parsed.rejects == []
    assert sum(one.issued is not None for one in parsed.records) == (1 if shape == "single" else 3)


@pytest.mark.parametrize("prefix", ["<38>Mar  4 05:00:00 v1 vault[966]: ", "@cee: "])
def test_entries_behind_a_prefix_are_read(prefix: str) -> None:
    body = b"\n".join(prefix.encode() + orjson.dumps(row) for row in ROWS) + b"\nodd\n"
    assert recognise(body) == "vault"
    parsed = parse("vault", body)
    assert [one.digest for one in parsed.records] == [
        one.digest for one in parse("vault", ROWS).records
    ]
    assert [one.reason for one in parsed.rejects] == ["is no audit entry behind a prefix"]
