"""Records that name no org, tenant, account or cluster: of whose realm they and their names are."""

from typing import Any

import orjson
import pytest

from evidence.formats import FORMATS, TABLES, recognise, unstated
from evidence.formats.record import ActorName, Asked, Record

AT = "2026-11-20T10:00:00Z"
# A record of each format that names its vendor and not whose; the word of its realm, and who acts.
RECORDS: dict[str, tuple[dict[str, Any], str, str]] = {
    "okta": (
        {
            "eventType": "user.session.start",
            "published": AT,
            "uuid": "u",
            "actor": {"type": "User", "alternateId": "rosa@example.com"},
        },
        "okta",
        "rosa@example.com",
    ),
    "github": (
        {"action": "user.login", "actor": "rosa", "created_at": 1_795_168_800_000},
        "github",
        "rosa",
    ),
    "github_webhook": (
        {"installation": {"id": 7}, "sender": {"login": "rosa"}, "action": "created"},
        "github",
        "rosa",
    ),
    "auth0": (
        {"log_id": "l", "type": "s", "date": AT, "user_id": "auth0|rosa", "client_id": "c"},
        "auth0",
        "auth0|rosa",
    ),
    "snowflake": (
        {"QUERY_ID": "q", "QUERY_TYPE": "SELECT", "USER_NAME": "ROSA", "START_TIME": AT},
        "snowflake",
        "ROSA",
    ),
    "kubernetes": (
        {
            "auditID": "a",
            "stage": "ResponseComplete",
            "verb": "get",
            "requestURI": "/api",
            "user": {"username": "system:serviceaccount:default:default"},
            "requestReceivedTimestamp": AT,
        },
        "k8s",
        "system:serviceaccount:default:default",
    ),
    "vault": (
        {
            "type": "response",
            "time": AT,
            "auth": {"entity_id": "e-1", "accessor": "a-1"},
            "request": {"id": "r", "operation": "read", "path": "kv/x"},
        },
        "vault",
        "e-1",
    ),
    "databricks": (
        {
            "serviceName": "clusters",
            "actionName": "start",
            "timestamp": 1_795_168_800_000,
            "userIdentity": {"email": "rosa@example.com"},
        },
        "databricks",
        "rosa@example.com",
    ),
    "google_workspace": (
        {
            "id": {"applicationName": "login", "time": AT},
            "actor": {"email": "rosa@example.com"},
            "events": [{"name": "login_success"}],
        },
        "workspace",
        "rosa@example.com",
    ),
    "gcp": (
        {
            "timestamp": AT,
            "insertId": "i",
            "protoPayload": {
                "methodName": "x.y.Get",
                "authenticationInfo": {"principalSubject": "principal://x/subject/rosa"},
            },
        },
        "gcp",
        "principal://x/subject/rosa",
    ),
    "entra": (
        {
            "createdDateTime": AT,
            "id": "s",
            "userPrincipalName": "rosa@example.com",
            "userId": "u",
            "appId": "app",
        },
        "entra",
        "rosa@example.com",
    ),
    "microsoft365": (
        {
            "Operation": "Send",
            "Workload": "Exchange",
            "UserId": "rosa@example.com",
            "CreationTime": AT,
        },
        "entra",
        "rosa@example.com",
    ),
    "azure": (
        {
            "eventTimestamp": AT,
            "operationName": {"value": "x/write"},
            "caller": "rosa@example.com",
            "eventDataId": "d",
        },
        "azure",
        "rosa@example.com",
    ),
    "teleport": (
        {"event": "session.start", "uid": "u", "time": AT, "user": "rosa", "code": "T2000I"},
        "teleport",
        "rosa",
    ),
    "asana": (
        {
            "event_category": "logins",
            "event_type": "user_login_succeeded",
            "created_at": AT,
            "actor": {"actor_type": "user", "email": "rosa@example.com", "gid": "7"},
        },
        "asana",
        "rosa@example.com",
    ),
    "ocsf": (
        {
            "class_uid": 3002,
            "activity_id": 1,
            "time": 1_795_168_800_000,
            "metadata": {"version": "1.4.0", "product": {"name": "Okta", "vendor_name": "Okta"}},
            "actor": {"user": {"name": "rosa@example.com"}},
            "user": {"name": "rosa@example.com"},
        },
        "okta",
        "rosa@example.com",
    ),
}


def read(name: str, *realms: str, home: str = "") -> Record:
    asked = Asked("lab", b"k" * 32, frozenset(realms), home=home)
    parsed = FORMATS[name].parse(orjson.dumps(RECORDS[name][0]), asked)
    assert parsed.rejects == []
    return parsed.records[0]


def who(record: Record) -> ActorName:
    assert record.principal is not None
    return record.principal


@pytest.mark.parametrize("name", RECORDS)
def test_record_without_a_realm_is_known_to_have_none(name: str) -> None:
    body, word, person = RECORDS[name]
    assert recognise(orjson.dumps(body)) == name
    record = read(name)
    assert (record.realm, word in unstated.WORDS) == (word, True)
    assert who(record).value == person
    assert who(record).realm in unstated.WORDS


@pytest.mark.parametrize("name", RECORDS)
def test_source_that_speaks_for_one_realm_of_the_vendor_means_that_one(name: str) -> None:
    word = RECORDS[name][1]
    record = read(name, f"{word}:Acme", "aws:123456789012")
    own = who(read(name))
    assert record.realm == f"{word}:acme"
    # Azure's own things are a subscription's, its people a tenant's.
    assert who(record).realm == ("entra" if word == "azure" else f"{word}:acme")
    assert who(record).value == own.value


@pytest.mark.parametrize("realms", [("{}:acme", "{}:other"), ("aws:1",)], ids=["two", "none"])
@pytest.mark.parametrize("name", RECORDS)
def test_source_that_speaks_for_none_or_two_may_not_send_it(
    name: str, realms: tuple[str, ...]
) -> None:
    body, word, _ = RECORDS[name]
    asked = Asked("lab", b"k" * 32, frozenset(one.format(word) for one in realms))
    parsed = FORMATS[name].parse(orjson.dumps(body), asked)
    assert (parsed.records, [one.reason for one in parsed.rejects]) == (
        [],
        [f"speaks for the realm {word!r}, which this source may not speak for"],
    )


@pytest.mark.parametrize("name", RECORDS)
def test_same_record_of_two_sources_is_two_and_of_one_realm_one(name: str) -> None:
    word = RECORDS[name][1]
    one, other = read(name, home="one"), read(name, home="other")
    assert one.digest != other.digest
    assert read(name, home="one").digest == one.digest
    same = {read(name, f"{word}:acme", home=home).digest for home in ("one", "other", "")}
    assert len(same) == 1
    moved = unstated.at_home([who(one)], [], "one")[who(one)]
    assert (moved.realm, moved.value) == (f"{who(one).realm}:source/one", who(one).value)


def test_names_are_moved_with_those_above_them() -> None:
    above = ActorName("k8s", "service_account", "x")
    token = ActorName("aws", "token", "t", above)
    key = ActorName("aws", "access_key", "AKIAX")
    moved = unstated.at_home([token, above, key], ["k8s:prod", "okta:acme"], "lab")
    assert moved == {
        above: above._replace(realm="k8s:prod"),
        token: token._replace(parent=above._replace(realm="k8s:prod")),
    }
    assert unstated.home("aws", [], "lab") == "aws"
    assert unstated.home("k8s", [], "") == "k8s"


def test_every_table_that_may_state_no_realm_has_a_word_of_its_own() -> None:
    opening = {
        table.realm.partition("{")[0].rstrip(":")
        for table in TABLES
        if isinstance(table.realm, str) and not table.realm.startswith("aws:")
    }
    # Ids that these give are nobody else's.
    assert opening - unstated.WORDS == {"anthropic", "openai"}
