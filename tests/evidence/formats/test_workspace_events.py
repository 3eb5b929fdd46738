"""Google Workspace: what single events say of their clients, resources, endings and addresses."""

from typing import Any

import pytest

from evidence.formats.record import ActorName, Record
from evidence.vocabulary import (
    AUTHENTICATION,
    CHANGE,
    ISSUANCE,
    OUTCOME_FAILED,
    OUTCOME_OK,
    OUTCOME_REFUSED,
    REVOCATION,
    USE,
)
from tests.evidence.formats import abuse

REALM = "workspace:c01acme"


def activity(service: str, name: str, *, kind: str = "", **said: Any) -> dict[str, Any]:
    """An activity of one event with these parameters."""
    return {
        "kind": "admin#reports#activity",
        "id": {
            "time": "2031-03-05T09:00:00.000Z",
            "uniqueQualifier": "9",
            "applicationName": service,
            "customerId": "C01acme",
        },
        "actor": {"callerType": "USER", "email": "rosa@example.com", "profileId": "1"},
        "events": [
            {
                "type": kind or "x",
                "name": name,
                "parameters": [{"name": one, "value": value} for one, value in said.items()],
            }
        ],
    }


def read(service: str, name: str, *, kind: str = "", **said: Any) -> Record:
    return abuse.read("google_workspace", activity(service, name, kind=kind, **said))


def with_details(listed: dict[str, Any], *, ids: list[str] | None = None) -> Record:
    """The record of an event that lists its resource apart from its parameters."""
    whole = {**activity("gmail", "delivery"), "resourceDetails": [listed]}
    if ids is not None:
        whole["events"][0]["resourceIds"] = ids
    return abuse.read("google_workspace", whole)


def test_single_event_that_is_no_list_says_the_same() -> None:
    listed = activity("login", "login_failure", affected_email_address="rosa@example.com")
    alone = {**listed, "events": listed["events"][0]}
    assert abuse.told(abuse.read("google_workspace", alone)) == abuse.told(
        abuse.read("google_workspace", listed)
    )
    assert abuse.read("google_workspace", alone).action == "login:login_failure"


@pytest.mark.parametrize(
    ("service", "name", "outcome"),
    [
        ("context_aware_access", "ACCESS_DENY_EVENT", OUTCOME_REFUSED),
        ("context_aware_access", "ACCESS_DENY_INTERNAL_ERROR_EVENT", OUTCOME_REFUSED),
        # Nobody is kept out while a rule is only watched.
        ("context_aware_access", "MONITOR_MODE_ACCESS_DENY_EVENT", OUTCOME_OK),
        ("chat", "room_unblocked", OUTCOME_OK),
        ("chat", "user_unblocked", OUTCOME_OK),
        ("groups", "reject_join_request", OUTCOME_OK),
        ("admin", "REJECT_FROM_QUARANTINE", OUTCOME_OK),
        ("admin", "ADD_TO_BLOCKED_OAUTH2_APPS", OUTCOME_OK),
        ("login", "risky_sensitive_action_blocked", OUTCOME_REFUSED),
        ("saml", "login_failure", OUTCOME_FAILED),
    ],
)
def test_ending_is_told_by_the_name_of_an_event(service: str, name: str, outcome: int) -> None:
    assert read(service, name).outcome == outcome


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("Challenge Failed.", OUTCOME_FAILED),
        ("Challenge Passed.", OUTCOME_OK),
        ("", OUTCOME_OK),
    ],
)
def test_challenge_ends_as_its_status_says(status: str, outcome: int) -> None:
    assert read("login", "login_challenge", login_challenge_status=status).outcome == outcome


@pytest.mark.parametrize(("success", "outcome"), [(False, OUTCOME_FAILED), (True, OUTCOME_OK)])
def test_mail_that_was_not_sent_is_a_failure(success: bool, outcome: int) -> None:
    whole = activity("gmail", "smtp_out_connection")
    inner: list[dict[str, Any]] = [
        {"name": "mail_event_type", "intValue": "0"},
        {"name": "success", "boolValue": success},
    ]
    whole["events"][0]["parameters"] = [
        {"name": "event_info", "messageValue": {"parameter": inner}}
    ]
    assert abuse.read("google_workspace", whole).outcome == outcome
    whole["events"][0]["parameters"] = {"event_info": {"success": success}}
    assert abuse.read("google_workspace", whole).outcome == outcome


@pytest.mark.parametrize(
    ("name", "said", "activity_is", "client", "resource"),
    [
        (
            "AUTHORIZE_API_CLIENT_ACCESS",
            {"DOMAIN_NAME": "example.com", "API_CLIENT_NAME": "1077"},
            ISSUANCE,
            "1077",
            "1077",
        ),
        (
            "REMOVE_API_CLIENT_ACCESS",
            {"DOMAIN_NAME": "example.com", "API_CLIENT_NAME": "1077"},
            REVOCATION,
            "1077",
            "1077",
        ),
        (
            "ADD_TO_TRUSTED_OAUTH2_APPS",
            {"ORG_UNIT_NAME": "acme", "OAUTH2_APP_ID": "1077"},
            CHANGE,
            "1077",
            "1077",
        ),
        ("REMOVE_FROM_TRUSTED_OAUTH2_APPS", {"OAUTH2_APP_ID": "1077"}, CHANGE, "1077", "1077"),
        ("ADD_APPLICATION_TO_WHITELIST", {"APP_ID": "1077"}, CHANGE, "1077", "1077"),
        (
            "REVOKE_3LO_TOKEN",
            {"APP_ID": "1077", "USER_EMAIL": "ben@example.com"},
            REVOCATION,
            "1077",
            "ben@example.com/1077",
        ),
        # The password of an application is no application.
        (
            "REVOKE_ASP",
            {"USER_EMAIL": "ben@example.com", "ASP_ID": "3"},
            REVOCATION,
            None,
            "ben@example.com/3",
        ),
    ],
)
def test_client_that_an_administrator_lets_in_or_out_is_shown(
    name: str, said: dict[str, str], activity_is: int, client: str | None, resource: str
) -> None:
    record = read("admin", name, **said)
    app = ActorName(REALM, "app", client) if client else None
    assert (record.activity, record.agent, record.resource) == (activity_is, app, resource)


def test_client_is_the_same_when_let_in_and_when_it_acts_for_a_person() -> None:
    let_in = read("admin", "AUTHORIZE_API_CLIENT_ACCESS", API_CLIENT_NAME="1077")
    acting = activity("drive", "view", doc_id="doc-1")
    acting["actor"]["applicationInfo"] = {"oauthClientId": "1077", "impersonation": True}
    assert let_in.agent == abuse.read("google_workspace", acting).principal


@pytest.mark.parametrize(
    ("service", "said", "resource"),
    [
        ("groups", {"group_email": "all@example.com", "user_email": "ben@example.com"}, "all@"),
        ("groups", {"user_email": "ben@example.com"}, "ben@"),
        ("groups_enterprise", {"group_id": "g-1", "member_id": "m-1"}, "g-1"),
        ("groups_enterprise", {"member_id": "m-1"}, "m-1"),
        ("saml", {"application_name": "Payroll"}, "Payroll"),
        ("chat", {"room_id": "r-1", "message_id": "spaces/r-1/messages/7"}, "r-1"),
        ("chat", {"message_id": "spaces/r-1/messages/7"}, "spaces/"),
        ("vault", {"matter_id": "matter-1"}, "matter-1"),
        ("calendar", {"event_id": "e-1", "calendar_id": "c-1"}, "c-1"),
        ("calendar", {"event_id": "e-1"}, "e-1"),
        ("keep", {"note_name": "notes/1"}, "notes/1"),
        ("data_studio", {"ASSET_ID": "asset-1"}, "asset-1"),
        ("chrome", {"APP_ID": "extension-1"}, "extension-1"),
        ("chrome", {"TAB_URL": "https://a.example", "URL": "https://b.example"}, "https://b"),
        ("chrome", {"TAB_URL": "https://a.example"}, "https://a"),
        ("access_transparency", {"RESOURCE_NAME": "calendar/1"}, "calendar/1"),
        ("context_aware_access", {"CAA_APPLICATION": "GMAIL"}, "GMAIL"),
        ("admin", {"ROLE_NAME": "auditors"}, "auditors"),
        ("admin", {"DOMAIN_NAME": "example.com", "RULE_NAME": "rule-1"}, "rule-1"),
        ("admin", {"DOMAIN_NAME": "example.com"}, "example.com"),
        ("admin", {"DOMAIN_NAME": "example.com", "ORG_UNIT_NAME": "staff"}, "staff"),
        ("admin", {"ALERT_ID": "alert-1"}, "alert-1"),
    ],
)
def test_resource_is_what_an_event_is_about(
    service: str, said: dict[str, str], resource: str
) -> None:
    found = read(service, "something", **said).resource
    assert found is not None
    assert found.startswith(resource)
    assert found in said.values()


def test_parameter_of_several_values_names_the_first() -> None:
    whole = activity("rules", "rule_match")
    rules = [{"name": "rule_name", "multiValue": ["card numbers", "names"]}]
    whole["events"][0]["parameters"] = rules
    assert abuse.read("google_workspace", whole).resource == "card numbers"


def test_resource_that_is_listed_apart_is_read_where_no_parameter_says_one() -> None:
    assert with_details({"id": "1/<m@example.com>"}).resource == "1/<m@example.com>"
    assert with_details({"id": "1/<m>"}, ids=["<m@example.com>"]).resource == "<m@example.com>"
    assert with_details({"title": "private"}).resource is None


def test_address_and_user_agent_of_chrome_are_read() -> None:
    record = read("chrome", "CONTENT_TRANSFER", REMOTE_IP="198.51.100.7", USER_AGENT="sample/1.0")
    assert (record.address, record.user_agent) == ("198.51.100.7", "sample/1.0")


@pytest.mark.parametrize(
    ("service", "kind", "name", "activity_is"),
    [
        ("user_accounts", "2sv_change", "2sv_disable", CHANGE),
        ("login", "2sv_change", "2sv_enroll", CHANGE),
        ("user_accounts", "titanium_change", "titanium_unenroll", CHANGE),
        ("login", "email_forwarding_change", "email_forwarding_out_of_domain", CHANGE),
        ("login", "login", "login_challenge", AUTHENTICATION),
        ("admin", "DOMAIN_SETTINGS", "TOGGLE_SSO_ENABLED", CHANGE),
        ("admin", "SECURITY_SETTINGS", "ALLOW_STRONG_AUTHENTICATION", CHANGE),
        ("admin", "SECURITY_SETTINGS", "ENFORCE_STRONG_AUTHENTICATION", CHANGE),
        ("admin", "SECURITY_SETTINGS", "WEAK_PROGRAMMATIC_LOGIN_SETTINGS_CHANGED", CHANGE),
        ("admin", "SECURITY_SETTINGS", "ALLOW_SERVICE_FOR_OAUTH2_ACCESS", CHANGE),
        ("admin", "SECURITY_SETTINGS", "UNTRUST_DOMAIN_OWNED_OAUTH2_APPS", CHANGE),
        ("admin", "SECURITY_SETTINGS", "BLOCK_ON_DEVICE_ACCESS", CHANGE),
        ("admin", "DOMAIN_SETTINGS", "UPLOAD_OAUTH_CERTIFICATE", CHANGE),
        ("admin", "DOMAIN_SETTINGS", "VIEW_DNS_LOGIN_DETAILS", USE),
        ("admin", "EMAIL_SETTINGS", "EMAIL_LOG_SEARCH", USE),
        ("admin", "ALERT_CENTER", "ALERT_CENTER_LIST_RELATED_ALERTS", USE),
        ("admin", "DOMAIN_SETTINGS", "CREATE_PLAY_FOR_WORK_TOKEN", ISSUANCE),
        ("admin", "DOMAIN_SETTINGS", "DELETE_PLAY_FOR_WORK_TOKEN", REVOCATION),
        ("admin", "USER_SETTINGS", "REVOKE_3LO_DEVICE_TOKENS", REVOCATION),
        ("gcp", "CLOUD_OSLOGIN", "IMPORT_SSH_PUBLIC_KEY", ISSUANCE),
        ("gcp", "CLOUD_OSLOGIN", "DELETE_SSH_PUBLIC_KEY", REVOCATION),
        ("drive", "acl_change", "change_user_access", CHANGE),
        ("drive", "access", "view", USE),
        ("data_studio", "ACL_CHANGE", "SOMETHING", CHANGE),
        ("keep", "user_action", "modified_acl", CHANGE),
    ],
)
def test_activity_of_an_event(service: str, kind: str, name: str, activity_is: int) -> None:
    assert read(service, name, kind=kind).activity == activity_is


def test_page_without_activities_is_no_record() -> None:
    empty = {"kind": "admin#reports#activities", "etag": "e", "nextPageToken": "next"}
    parsed = abuse.parse("google_workspace", [activity("login", "login_success"), empty])
    assert [one.action for one in parsed.records] == ["login:login_success"]
    assert [one.reason for one in parsed.rejects] == ["is a page without activities"]


@pytest.mark.parametrize("shape", ["list", "one", "flat", "flat with names"])
@pytest.mark.parametrize(
    "name",
    [
        "parsed_query",
        "query",
        "additional_details",
        "INVESTIGATION_QUERY",
        "subject",
        "attachment_url",
    ],
)
def test_what_people_wrote_is_not_kept(name: str, shape: str) -> None:
    whole = activity("drive", "search", doc_id="doc-1", **{name: "wholly private"})
    assert_gone(whole, shape)


@pytest.mark.parametrize("shape", ["list", "one", "flat"])
def test_subject_of_a_mail_is_not_kept(shape: str) -> None:
    whole = activity("gmail", "delivery", doc_id="doc-1")
    inner = [{"name": "subject", "value": "wholly private"}, {"name": "size", "intValue": "7"}]
    said = {"name": "message_info", "messageValue": {"parameter": inner}}
    whole["events"][0]["parameters"].append(said)
    whole["resourceDetails"] = [{"id": "1", "type": "EMAIL", "title": "wholly private"}]
    assert_gone(whole, shape)


def assert_gone(whole: dict[str, Any], shape: str) -> None:
    """Content is gone from each form of an activity, and what it is about is not."""
    event = whole["events"][0]
    if shape == "one":
        whole = {**whole, "events": event}
    elif shape.startswith("flat"):
        whole = {name: value for name, value in whole.items() if name != "events"} | event
    if shape == "flat with names":
        whole["parameters"] = {one["name"]: one["value"] for one in event["parameters"]}
    parsed = abuse.parse("google_workspace", whole)
    assert b"wholly private" not in parsed.kept
    assert {one.kind for one in parsed.redactions} == {"content"}
    assert [one.resource for one in parsed.records] == ["doc-1"]


def test_damaged_events_survive() -> None:
    whole = activity(
        "gmail", "delivery", doc_id="d", USER_EMAIL="u", APP_ID="a", login_challenge_status="x"
    )
    inner = [{"name": "success", "boolValue": False}, {"name": "subject", "value": "private"}]
    for name in ("event_info", "message_info"):
        said = {"name": name, "messageValue": {"parameter": inner}}
        whole["events"][0]["parameters"].append(said)
    whole["resourceDetails"] = [{"id": "1", "title": "private"}]
    whole["events"][0]["resourceIds"] = ["1"]
    apart = {**whole, "events": [{"name": "delivery", "resourceIds": ["1"]}]}
    abuse.survives("google_workspace", [whole, apart, {**whole, "events": whole["events"][0]}])


@pytest.mark.parametrize("details", [[], [None], {}, "x"])
def test_resource_that_is_listed_and_says_nothing_is_none(details: Any) -> None:
    event = {"name": "view", "resourceDetails": details, "resourceIds": []}
    whole = {**activity("drive", "view"), "events": [event], "resourceDetails": details}
    assert abuse.read("google_workspace", whole).resource is None
