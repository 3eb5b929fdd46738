"""Okta: where tokens come from and where they are used, organisations, exports."""

from pathlib import Path
from typing import Any

import pytest

from evidence.formats.record import ActorName, Issued
from evidence.vocabulary import CHANGE, ISSUANCE, OUTCOME_OK, REVOCATION
from tests.evidence.formats import abuse
from tests.evidence.formats.abuse import read, sample

RECORDS = sample("okta")


def changed(number: int, **data: Any) -> dict[str, Any]:
    record: dict[str, Any] = RECORDS[number]
    return {**record, "debugContext": {"debugData": {"requestId": "r", **data}}}


def test_api_token_is_the_same_when_issued_and_when_used() -> None:
    issued, used = read("okta", RECORDS[2]), read("okta", RECORDS[3])
    rosa = ActorName("okta:acme", "user", "rosa@example.com")
    assert used.credential is not None
    assert issued.issued == Issued(used.credential, rosa, standing=True, expires_at=None)
    assert issued.activity == ISSUANCE


def test_access_token_is_the_same_when_issued_and_when_used() -> None:
    issued, used = read("okta", RECORDS[5]), read("okta", RECORDS[9])
    app = ActorName("okta:acme", "app", "0oa3")
    assert used.credential is not None
    assert issued.issued == Issued(
        used.credential, app, standing=False, expires_at=1_930_370_400_000_000
    )


def test_chain_of_grants_turns_from_person_to_agent() -> None:
    person, agent = read("okta", RECORDS[7]), read("okta", RECORDS[8])
    assert (person.principal, person.agent) == (agent.on_behalf, agent.principal)


def test_target_of_what_an_app_changes_is_not_on_whose_behalf() -> None:
    assert read("okta", RECORDS[9]).on_behalf is None


@pytest.mark.parametrize(
    ("debug", "realm"),
    [
        ({"origin": "https://acme.okta.com"}, "okta:acme"),
        ({"origin": "https://acme-admin.okta.com"}, "okta:acme"),
        ({"origin": "https://Acme.oktapreview.com/"}, "okta:acme.oktapreview.com"),
        ({"issuer": "https://acme.okta.com/oauth2/aus1"}, "okta:acme"),
        ({"tenantId": "00oACME"}, "okta:00oacme"),
        # An app's own page, and a host that only looks like Okta's.
        ({"origin": "https://app.example.com"}, "okta"),
        ({"origin": "https://acme.okta.com.example.com"}, "okta"),
        ({"origin": 7}, "okta"),
        ({}, "okta"),
    ],
)
def test_organisation_is_read_from_hosts_of_okta_only(debug: dict[str, Any], realm: str) -> None:
    record = read("okta", changed(0, **debug))
    assert record.realm == realm
    assert record.principal == ActorName(realm, "user", "rosa@example.com")


def test_lower_case_export_says_the_same() -> None:
    plain = RECORDS[3]
    low = {name.lower(): value for name, value in plain.items()}
    assert abuse.told(read("okta", low)) == abuse.told(read("okta", plain))
    flagged = {**low, "p_log_type": "Okta.SystemLog"}
    assert abuse.told(read("okta", flagged)) == abuse.told(read("okta", plain))


def test_event_hook_lists_its_events_inside() -> None:
    hook = {
        "eventType": "com.okta.event_hook",
        "source": "https://acme.okta.com/api/v1/eventHooks/who1",
        "data": {"events": RECORDS[:2]},
    }
    parsed = abuse.parse("okta", hook)
    assert [one.action for one in parsed.records] == [one["eventType"] for one in RECORDS[:2]]


def test_labelled_rows_name_principal_and_action_where_okta_does(data: Path) -> None:
    parsed = abuse.parse("okta", abuse.labelled(data, "okta"))
    events = [one for one in parsed.records if one.action != "okta:not stated"]
    assert (len(parsed.records), len(events)) == (52, 37)
    # Two events name nobody: one without an actor, one whose actor is an address.
    assert sum(one.principal is None for one in events) == 3
    assert sum(one.outcome == OUTCOME_OK for one in events) == 21


def test_key_of_an_agent_is_its_own() -> None:
    made = read("okta", RECORDS[16]).issued
    assert made == Issued(
        ActorName("okta:acme", "key", "kid-1"),
        ActorName("okta:acme", "agent_id", "wlp7"),
        standing=True,
        expires_at=None,
    )


@pytest.mark.parametrize(
    ("event", "activity"),
    [
        ("workload_principal.create", CHANGE),
        ("workload_principal.activate", CHANGE),
        ("workload_principal.ai_agent.connection.create", CHANGE),
        ("workload_principal.ai_agent.credential.create", ISSUANCE),
        ("workload_principal.ai_agent.credential.deactivate", REVOCATION),
        ("workload_principal.ai_agent.connection.delete", REVOCATION),
        ("workload_principal.delete", REVOCATION),
    ],
)
def test_what_happens_to_agents_is_told_by_its_last_word(event: str, activity: int) -> None:
    assert read("okta", {**RECORDS[18], "eventType": event}).activity == activity


@pytest.mark.parametrize("word", ["unknown", "Unknown", "", None, {"id": 1}])
def test_session_that_okta_does_not_know_is_none(word: Any) -> None:
    context = {"externalSessionId": word, "rootSessionId": word}
    record = read("okta", {**RECORDS[0], "authenticationContext": context})
    assert (record.conversation, record.credential) == (None, None)
    root = {**context, "rootSessionId": "sess-0"}
    known = read("okta", {**RECORDS[0], "authenticationContext": root})
    assert known.credential == ActorName("okta:acme", "session", "sess-0")


@pytest.mark.parametrize("name", ["type", "alternateId", "displayName", "id"])
def test_object_in_the_place_of_a_text_reads_the_same_again(name: str) -> None:
    target = {**RECORDS[0]["target"][0], name: {"b": 1, "a": 2}}
    parsed = abuse.parse("okta", {**RECORDS[0], "target": [target]})
    again = abuse.parse("okta", parsed.kept)
    assert abuse.told(parsed.records[0]) == abuse.told(again.records[0])
    assert "{" not in str(parsed.records[0].resource)


def test_reason_of_what_is_allowed_is_no_error() -> None:
    outcome = {"result": "ALLOW", "reason": "Sign-on policy evaluation resulted in ALLOW"}
    record = read("okta", {**RECORDS[0], "outcome": outcome})
    assert (record.outcome, record.error) == (OUTCOME_OK, None)
    outcome = {"result": "DENY", "reason": "Sign-on policy evaluation resulted in DENY"}
    assert read("okta", {**RECORDS[0], "outcome": outcome}).error == outcome["reason"]


def test_member_that_comes_into_an_application_is_a_change() -> None:
    record = {**RECORDS[0], "eventType": "app.user_management"}
    assert read("okta", record).activity == CHANGE
