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
    assert sum(one.issued is not None for one in parsed.records) == (1 if shape == "single" else 8)


@pytest.mark.parametrize("prefix", ["<38>Mar  4 05:00:00 v1 vault[966]: ", "@cee: "])
def test_entries_behind_a_prefix_are_read(prefix: str) -> None:
    body = b"\n".join(prefix.encode() + orjson.dumps(row) for row in ROWS) + b"\nodd\n"
    assert recognise(body) == "vault"
    parsed = parse("vault", body)
    assert [one.digest for one in parsed.records] == [
        one.digest for one in parse("vault", ROWS).records
    ]
    assert [one.reason for one in parsed.rejects] == ["is no audit entry behind a prefix"]


def test_answer_that_is_wrapped_names_the_token_that_unwraps_it() -> None:
    wrapped = read("vault", ROWS[19])
    accessor = ROWS[19]["response"]["wrap_info"]["accessor"]
    unwrap = {**ROWS[3]["request"], "path": "sys/wrapping/unwrap", "operation": "update"}
    request = {**unwrap, "client_token_accessor": accessor}
    used = read("vault", {**ROWS[3], "auth": {"accessor": accessor}, "request": request})
    assert wrapped.issued is not None
    assert used.credential is not None
    assert wrapped.issued.credential.value == used.credential.value == accessor
    assert wrapped.issued.expires_at == 1_930_369_080_000_000 + 300_000_000


def test_batch_token_is_known_by_its_digest_and_never_by_itself() -> None:
    digest = ROWS[18]["auth"]["client_token"]
    used = read("vault", ROWS[18]).credential
    assert used is not None
    assert used.value == digest
    auth = {**ROWS[18]["auth"], "metadata": {}, "token_ttl": 600}
    login = {**ROWS[1], "response": {"auth": auth}}
    made = read("vault", login)
    assert made.issued is not None
    assert (made.activity, made.issued.credential) == (ISSUANCE, used)
    plain = {**auth, "client_token": "not a digest"}
    raw = {"auth": plain, "request": {**ROWS[18]["request"], "client_token": "not a digest"}}
    assert read("vault", {**ROWS[18], **raw}).credential is None


def test_lease_and_certificate_are_what_an_engine_hands_out() -> None:
    lease, certificate = read("vault", ROWS[5]).issued, read("vault", ROWS[17]).issued
    assert lease is not None
    assert certificate is not None
    assert lease.credential == ActorName("vault:main", "secret", "database/creds/books/abc")
    assert (lease.issued_to, lease.standing) == (CLERK, False)
    number = ActorName("vault:main", "certificate", "hmac-sha256:" + "9" * 64)
    assert (certificate.credential, certificate.standing) == (number, False)


def test_secret_id_that_was_logged_raw_is_not_named() -> None:
    raw = {**ROWS[12], "response": {"data": {"secret_id_accessor": "plain"}}}
    record = read("vault", raw)
    assert (record.activity, record.issued) == (ISSUANCE, None)


def _answered(operation: str, *said: tuple[str, str]) -> dict[str, Any]:
    """What the KMIP engine says of an operation that it answered so."""
    batch = [("Operation", operation), *said]
    tree = {
        "tag": "BatchItem",
        "value": [{"tag": tag, "type": "Enumeration", "value": value} for tag, value in batch],
    }
    return {
        "type": "kmip-response",
        "time": "2031-03-04T05:30:00Z",
        "cluster": "main",
        "request": {"client_certificate_serial_number": "7931"},
        "response": {"data": {"kmip_response": tree}},
    }


KMIP = [
    ([("ResultStatus", "0x00000000")], OUTCOME_OK, None),
    (
        [("ResultStatus", "0x00000001"), ("ResultReason", "0x0000000C")],
        OUTCOME_REFUSED,
        "permission denied",
    ),
    (
        [("ResultStatus", "0x00000001"), ("ResultReason", "0x00000001")],
        OUTCOME_FAILED,
        "0x00000001",
    ),
    ([("ResultStatus", "0x00000001")], OUTCOME_FAILED, "status 1"),
    ([("ResultStatus", "0x00000002")], OUTCOME_UNKNOWN, None),
]


@pytest.mark.parametrize(("said", "outcome", "error"), KMIP)
def test_call_of_the_kmip_engine_ends_as_its_answer_says(
    said: list[tuple[str, str]], outcome: int, error: str | None
) -> None:
    parsed = parse("vault", _answered("0x0000000a", *said))
    assert [(one.outcome, one.error) for one in parsed.records] == [(outcome, error)]
    again = parse("vault", parsed.kept)
    assert [(one.outcome, one.error) for one in again.records] == [(outcome, error)]


UNNAMED = {"display_name": "token", "entity_id": "", "accessor": "hmac-sha256:" + "7" * 64}


def test_token_without_a_name_is_nobody_s() -> None:
    record = read("vault", {**ROWS[3], "auth": UNNAMED})
    assert record.principal is None
    assert record.credential == ActorName("vault:main", "token", UNNAMED["accessor"])


def test_token_without_a_name_makes_one_with_a_name_and_does_not_become_it() -> None:
    child = {"display_name": "token-ci", "accessor": "hmac-sha256:" + "8" * 64}
    made = read("vault", {**ROWS[4], "auth": UNNAMED, "response": {"auth": child}})
    assert made.principal is None
    assert made.issued is not None
    assert made.issued.issued_to == ActorName("vault:main", "user", "token-ci")


def test_token_without_a_name_is_the_same_when_issued_and_when_used() -> None:
    root = ActorName("vault:main", "user", "root")
    auth = {"display_name": "root", "accessor": "hmac-sha256:" + "9" * 64}
    made = read("vault", {**ROWS[4], "auth": auth, "response": {"auth": UNNAMED}})
    used = read("vault", {**ROWS[3], "auth": UNNAMED})
    assert made.issued is not None
    assert (made.principal, made.issued.issued_to) == (root, root)
    assert made.issued.credential == used.credential


@pytest.mark.parametrize("path", ["", "-self", "-accessor"])
def test_question_after_capabilities_changes_nothing(path: str) -> None:
    request = {**ROWS[3]["request"], "operation": "update", "mount_type": "system"}
    for space in ("", "team/"):
        asked = {**request, "path": f"{space}sys/capabilities{path}"}
        record = read("vault", {**ROWS[3], "request": asked})
        assert (record.action, record.activity) == (f"update sys/capabilities{path}", USE)
