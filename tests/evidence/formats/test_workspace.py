"""Google Workspace: activities of several events, delegation, and flattened exports."""

from typing import Any

import pytest

from evidence.formats.record import ActorName
from evidence.vocabulary import REVOCATION
from tests.evidence.formats import abuse
from tests.evidence.formats.abuse import read, sample

ACTIVITIES = [one for one in sample("saas") if one.get("kind") == "admin#reports#activity"]


def test_activity_of_two_events_becomes_two_records() -> None:
    parsed = abuse.parse("google_workspace", ACTIVITIES[2])
    assert [(one.position, one.action) for one in parsed.records] == [
        ("Records[0].events[0]", "drive:view"),
        ("Records[0].events[1]", "drive:download"),
    ]
    assert len({one.digest for one in parsed.records}) == 2
    again = abuse.parse("google_workspace", parsed.kept)
    assert [one.digest for one in again.records] == [one.digest for one in parsed.records]


def test_many_events_that_share_much_are_not_multiplied() -> None:
    event = {"type": "x", "name": "view"}
    many: dict[str, Any] = {**ACTIVITIES[2], "events": [event] * 900, "note": "x" * 50_000}
    parsed = abuse.parse("google_workspace", many)
    assert [one.action for one in parsed.records] == ["drive:view"]
    assert len(parsed.kept) < 200_000


def test_domain_wide_delegation_is_the_application_for_the_person() -> None:
    record = abuse.parse("google_workspace", ACTIVITIES[2]).records[0]
    realm = "workspace:c01acme"
    assert record.principal == ActorName(realm, "app", "client-8.apps.example.com")
    assert record.on_behalf == ActorName(realm, "user", "rosa@example.com")


def test_flattened_activity_says_the_same() -> None:
    activity = ACTIVITIES[1]
    event = activity["events"][0]
    flat = {k: v for k, v in activity.items() if k not in ("events", "kind")} | {
        "name": event["name"],
        "type": event["type"],
        "parameters": {one["name"]: one["value"] for one in event["parameters"]},
    }
    assert abuse.told(read("google_workspace", flat)) == abuse.told(
        read("google_workspace", activity)
    )


def test_call_of_meet_says_its_participants_address_and_meeting() -> None:
    said = {"ip_address": "198.51.100.7", "meeting_code": "ABCHEXPTQY", "device_type": "web"}
    call = {
        "kind": "admin#reports#activity",
        "id": {
            "time": "2031-03-05T09:00:00.000Z",
            "uniqueQualifier": "9",
            "applicationName": "meet",
            "customerId": "c01acme",
        },
        "actor": {"callerType": "USER", "email": "rosa@example.com"},
        "events": [
            {
                "type": "call",
                "name": "call_ended",
                "parameters": [{"name": name, "value": value} for name, value in said.items()],
            }
        ],
    }
    record = read("google_workspace", call)
    assert (record.action, record.address) == ("meet:call_ended", "198.51.100.7")
    assert record.resource == "ABCHEXPTQY"


@pytest.mark.parametrize(
    ("service", "name", "signs_in"),
    [
        ("login", "login_success", True),
        ("login", "suspicious_login", True),
        ("login", "suspicious_programmatic_login", True),
        ("login", "logout", True),
        # Google does this to them.
        ("login", "account_disabled_password_leak", False),
        ("admin", "login_success", False),
    ],
)
def test_sign_in_without_an_actor_is_whose_it_is(service: str, name: str, signs_in: bool) -> None:
    address = "rosa@example.com"
    record = read(
        "google_workspace",
        {
            "kind": "admin#reports#activity",
            "id": {"applicationName": service, "customerId": "C01acme"},
            "name": name,
            "parameters": {"affected_email_address": address},
        },
    )
    person = ActorName("workspace:c01acme", "user", address)
    assert (record.principal, record.resource) == (person if signs_in else None, address)


def test_account_that_google_disables_is_a_revocation() -> None:
    event = {"id": {"applicationName": "login"}, "kind": "admin#reports#activity"}
    record = read("google_workspace", {**event, "name": "account_disabled_spamming"})
    assert record.activity == REVOCATION
