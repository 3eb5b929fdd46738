"""Entra: one meaning in every export's shape, keys and tokens from birth to use, agents."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from evidence.formats.paths import lower_names
from evidence.formats.record import ActorName, Record
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
from tests.evidence.formats import abuse

TENANT = "6f0c1a52-7d11-4b0e-9a55-0c1f2d3e4f50"
REALM = f"entra:{TENANT}"
INSIDE = {
    "id": "sign-in-1",
    "createdDateTime": "2031-03-04T05:01:00Z",
    "userId": "person-1",
    "userPrincipalName": "Rosa@Example.com",
    "appId": "app-1",
    "appDisplayName": "Editor",
    "ipAddress": "198.51.100.8",
    "userAgent": "sample/1.0",
    "sessionId": "session-1",
    "resourceDisplayName": "Mail",
    "status": {"errorCode": 0},
    "uniqueTokenIdentifier": "uti-1",
    "correlationId": "correlation-1",
}
OUTSIDE = {
    "time": "2031-03-04T05:02:30Z",
    "resourceId": f"/tenants/{TENANT}/providers/Microsoft.aadiam",
    "operationName": "Sign-in activity",
    "category": "SignInLogs",
    "tenantId": TENANT,
    "resultType": "0",
    "correlationId": "correlation-1",
}
WORKSPACE = {name[0].upper() + name[1:]: value for name, value in INSIDE.items()} | {
    "IPAddress": INSIDE["ipAddress"],
    "Status": orjson.dumps(INSIDE["status"]).decode(),
    "TenantId": "workspace-1",
    "AADTenantId": TENANT.upper(),
    "TimeGenerated": OUTSIDE["time"],
    "OperationName": "Sign-in activity",
    "Category": "SignInLogs",
    "Type": "SigninLogs",
}
SHAPES: dict[str, dict[str, Any]] = {
    "graph": {**INSIDE, "homeTenantId": TENANT},
    "diagnostic settings": {**OUTSIDE, "properties": INSIDE},
    "properties as text": {**OUTSIDE, "properties": orjson.dumps(INSIDE).decode()},
    "lower case": lower_names({**OUTSIDE, "properties": INSIDE}),
    "graph in lower case": lower_names({**INSIDE, "homeTenantId": TENANT}),
    "outer names in lower case": {**lower_names(OUTSIDE), "properties": INSIDE},
    "workspace": WORKSPACE,
}
ROSA = ActorName(REALM, "user", "rosa@example.com", ActorName(REALM, "user", "person-1", None))


@pytest.mark.parametrize("shape", SHAPES)
def test_sign_in_means_the_same_in_every_shape(shape: str) -> None:
    record = abuse.read("entra", SHAPES[shape])
    assert abuse.told(record)._replace(at=None) == Record(
        position="",
        digest=b"",
        at=None,
        realm=REALM,
        plane=1,
        activity=AUTHENTICATION,
        outcome=OUTCOME_OK,
        action="Sign-in activity",
        resource="Mail",
        principal=ROSA,
        credential=ActorName(REALM, "token", "uti-1"),
        agent=ActorName(REALM, "app", "app-1"),
        vendor_id="sign-in-1",
        request_id="sign-in-1",
        address="198.51.100.8",
        user_agent="sample/1.0",
        conversation="session-1",
        issued=record.issued,
    )
    assert record.at == 1_930_366_860_000_000
    assert record.issued is not None
    assert record.issued[:3] == (ActorName(REALM, "token", "uti-1"), ROSA, False)


V1 = {
    name: value
    for name, value in INSIDE.items()
    if name not in ("userAgent", "sessionId", "uniqueTokenIdentifier")
}
GRAPH, VAULT = "00000003-0000-0000-c000-000000000000", "cfa8b339-82a2-471a-a3c9-0fc0be7a4093"


def test_application_that_was_signed_in_to_is_no_tenant() -> None:
    rows = [{**V1, "resourceId": resource} for resource in (GRAPH, VAULT)]
    for shape in (rows, [lower_names(row) for row in rows]):
        read = abuse.parse("entra", {"value": shape}).records
        assert [record.realm for record in read] == ["entra", "entra"]
        assert read[0].principal == read[1].principal
    stated = {**V1, "resourceId": f"/tenants/{TENANT}/providers/Microsoft.aadiam"}
    assert abuse.read("entra", stated).realm == REALM


def test_sign_in_without_a_tenant_is_of_the_only_one_of_its_source() -> None:
    row = {**INSIDE, "resourceId": GRAPH, "appliedConditionalAccessPolicies": []}
    one = abuse.ASKED._replace(realms=frozenset({REALM, "aws:111122223333"}))
    record, stated = (
        abuse.parse("entra", each, one).records[0] for each in (row, {**row, "tenantId": TENANT})
    )
    assert record._replace(digest=b"") == stated._replace(digest=b"")
    assert (record.realm, record.principal) == (REALM, ROSA)
    assert record.issued is not None
    assert record.issued[:2] == (ActorName(REALM, "token", "uti-1"), ROSA)
    # Its digest is of the realm that it has now, and so the same wherever it comes again.
    wide = abuse.parse("entra", row).records[0]
    assert record.digest != wide.digest
    assert record.digest == abuse.parse("entra", [{"log": row}], one).records[0].digest


@pytest.mark.parametrize("others", [{"entra:other"}, set()])
def test_sign_in_without_a_tenant_is_refused_where_it_may_be_of_none_or_several(
    others: set[str],
) -> None:
    realms = {REALM, *others} if others else {"aws:111122223333"}
    read = abuse.parse("entra", V1, abuse.ASKED._replace(realms=frozenset(realms)))
    assert read.records == []
    assert "speaks for the realm 'entra'" in read.rejects[0].reason


def sample(number: int) -> Record:
    return abuse.read("entra", abuse.sample("entra")[number - 1])


def test_key_from_its_issuing_to_the_sign_in_that_uses_it() -> None:
    issued, used = sample(8).issued, sample(3)
    assert issued is not None
    assert issued.credential == used.credential
    assert issued.issued_to == used.principal
    assert (issued.standing, issued.expires_at) == (True, None)


def test_token_from_its_sign_in_to_the_calls_made_with_it() -> None:
    issued = sample(3).issued
    calls = [
        sample(11),
        *(abuse.read("azure", abuse.sample("azure")[number]) for number in (1, 5, 6)),
    ]
    assert issued is not None
    assert [call.credential for call in calls] == [issued.credential] * 4
    assert [call.principal for call in calls[:2]] == [sample(3).principal] * 2
    person = sample(1).issued
    file = abuse.read("microsoft365", abuse.sample("microsoft365")[2])
    assert person is not None
    assert file.credential == person.credential


def key(number: int) -> str:
    return f"[KeyIdentifier={number:08d}-0000-4000-8000-000000000000,KeyType=Password]"


def listed(*keys: int) -> str:
    return orjson.dumps([key(number) for number in keys]).decode()


def change(action: str, new: Any, old: Any, kind: str = "Application") -> dict[str, Any]:
    change = {"displayName": "KeyDescription", "newValue": new, "oldValue": old}
    return {
        "id": "Directory_1",
        "activityDisplayName": action,
        "activityDateTime": "2031-03-04T05:01:00Z",
        "initiatedBy": {"user": {"id": "person-1"}},
        "result": "success",
        "targetResources": [{"id": "object-1", "type": kind, "modifiedProperties": [change]}],
    }


UPDATE = "Update application – Certificates and secrets management "


@pytest.mark.parametrize(
    ("action", "new", "old", "activity", "issued"),
    [
        (UPDATE, listed(1), "[]", ISSUANCE, 1),
        (UPDATE, listed(1, 2), listed(1), ISSUANCE, 2),
        (UPDATE, [key(3)], None, ISSUANCE, 3),
        (UPDATE.replace("–", "-").strip(), listed(1), "[]", ISSUANCE, 1),
        ("Create application – Certificates and secrets management ", listed(1), "", ISSUANCE, 1),
        (UPDATE, "[]", listed(1), REVOCATION, None),
        (UPDATE, listed(1), listed(1), CHANGE, None),
        (UPDATE, '"Client Secret"', None, CHANGE, None),
        (UPDATE, {"a": 1}, 7, CHANGE, None),
        ("Add service principal credentials", listed(1), "[]", ISSUANCE, 1),
        ("Add service principal credentials", '"Client Secret"', None, ISSUANCE, None),
        ("Remove service principal credentials", "[]", listed(1), REVOCATION, None),
        ("Delete service principal", None, None, REVOCATION, None),
        ("Add member to role", None, None, CHANGE, None),
    ],
)
def test_change_of_keys(action: str, new: Any, old: Any, activity: int, issued: int | None) -> None:
    record = abuse.read("entra", change(action, new, old))
    assert record.action == action.strip()
    assert record.activity == activity
    made = record.issued and record.issued.credential
    name = f"{issued:08d}-0000-4000-8000-000000000000" if issued else ""
    assert made == (ActorName("entra", "key", name) if issued else None)


def test_registration_is_not_taken_for_its_client_id() -> None:
    bare, named = change(UPDATE, listed(1), "[]"), change(UPDATE, listed(1), "[]")
    named["additionalDetails"] = [{"key": "AppId", "value": "APP-1"}]
    holders = [abuse.read("entra", one).issued for one in (bare, named)]
    assert [one and one.issued_to for one in holders] == [
        ActorName("entra", "app_object", "object-1"),
        ActorName("entra", "app", "app-1"),
    ]


BLUEPRINT = ActorName(REALM, "app", "blueprint-1")
AGENT = ActorName(REALM, "agent_id", "agent-1", BLUEPRINT)


def test_agents_on_their_own_for_a_person_and_as_a_user_of_their_own() -> None:
    alone, for_rosa, as_user = (sample(number) for number in (5, 6, 7))
    identity = ActorName(REALM, "service_principal", "agent-1", ActorName(REALM, "app", "agent-1"))
    assert (alone.principal, alone.agent, alone.on_behalf) == (identity, AGENT, None)
    assert (for_rosa.principal, for_rosa.agent) == (identity, AGENT)
    assert for_rosa.on_behalf is not None
    assert for_rosa.on_behalf.value == "rosa@example.com"
    assert as_user.principal is not None
    assert as_user.principal.value == "triage-agent@example.com"
    assert as_user.agent == ActorName(REALM, "agent_id", "agent-1")


def test_managed_identity_is_the_principal_that_other_logs_name() -> None:
    principal = ActorName(
        REALM, "service_principal", "sp-managed", ActorName(REALM, "app", "app-managed")
    )
    assert sample(4).principal == ActorName(REALM, "managed_identity", "sp-managed", principal)


@pytest.mark.parametrize(
    ("method", "uri", "action", "activity"),
    [
        ("get", "https://graph.microsoft.com/v1.0/me/photos/96x96/$value", "GET /me/photos/{id}/$value", USE),
        ("GET", "https://graph.microsoft.com/beta//users/rosa%40example.com/messages?$top=3", "GET /users/{id}/messages", USE),
        ("GET", "https://graph.microsoft.com/v1.0/groups/6f0c1a52-7d11-4b0e-9a55-0c1f2d3e4f50/members", "GET /groups/{id}/members", USE),
        ("POST", "https://graph.microsoft.com/v1.0/$batch", "POST /$batch", USE),
        ("POST", "https://graph.microsoft.com/v1.0/users", "POST /users", CHANGE),
        ("PATCH", "/v1.0/policies/authorizationPolicy", "PATCH /policies/authorizationPolicy", CHANGE),
        ("POST", "https://graph.microsoft.com/v1.0/applications(appId='abc')/addPassword", "POST /{id}/addPassword", ISSUANCE),
        ("POST", "https://graph.microsoft.com/v1.0/users/rosa@example.com/revokeSignInSessions", "POST /users/{id}/revokeSignInSessions", REVOCATION),
    ],
)  # fmt: skip
def test_call_of_graph_by_what_was_asked(method: str, uri: str, action: str, activity: int) -> None:
    call = {"requestMethod": method, "requestUri": uri, "signInActivityId": "uti-1"}
    record = abuse.read("entra", {**call, "appId": "app-1", "responseStatusCode": 200})
    assert (record.action, record.activity) == (action, activity)
    assert record.resource is not None
    assert "?" not in record.resource


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (0, OUTCOME_OK),
        ("0", OUTCOME_OK),
        (50126, OUTCOME_FAILED),
        (53003, OUTCOME_REFUSED),
        (50053, OUTCOME_REFUSED),
        (50074, OUTCOME_UNKNOWN),
        ("nonsense", OUTCOME_FAILED),
        (None, OUTCOME_OK),
    ],
)
def test_sign_in_ends_as_its_code_says(code: Any, outcome: int) -> None:
    shape = {**OUTSIDE, "properties": {**INSIDE, "status": {"errorCode": code}}}
    record = abuse.read("entra", shape)
    assert record.outcome == outcome
    # Only a sign-in that went through was given its token.
    assert (record.issued is not None) == (outcome == OUTCOME_OK)


def test_real_records_survive_damage(data: Path) -> None:
    records = abuse.labelled(data, "azure_signin")
    abuse.survives("entra", [records[number] for number in (0, 7, 8, 12, 20)])


@pytest.mark.parametrize("nobody", ["00000000-0000-0000-0000-000000000000", ""])
@pytest.mark.parametrize("low", [False, True])
def test_id_that_stands_for_none_is_nobody(nobody: str, low: bool) -> None:
    record = {**abuse.sample("entra")[17], "userId": nobody}
    found = abuse.read("entra", lower_names(record) if low else record)
    assert found.principal is not None
    assert (found.principal.kind, found.agent, found.on_behalf) == ("managed_identity", None, None)


@pytest.mark.parametrize("low", [False, True])
def test_service_without_an_id_is_known_by_its_name(low: bool) -> None:
    nobody = "00000000-0000-0000-0000-000000000000"
    app = {"displayName": "Directory Sync", "servicePrincipalId": nobody, "appId": None}
    record = {**abuse.sample("entra")[21], "initiatedBy": {"app": app, "user": None}}
    found = abuse.read("entra", lower_names(record) if low else record)
    assert found.principal is not None
    assert (found.principal.kind, found.principal.value) == ("service", "Directory Sync")


@pytest.mark.parametrize(
    ("old", "new", "activity"),
    [("[true]", "[false]", REVOCATION), ("[false]", "[true]", CHANGE), ("[]", "[true]", CHANGE)],
)
def test_update_that_disables_is_a_revocation(old: str, new: str, activity: int) -> None:
    record = abuse.sample("entra")[21]
    changed = [{"displayName": "AccountEnabled", "oldValue": old, "newValue": new}]
    target = {**record["targetResources"][0], "modifiedProperties": changed}
    assert abuse.read("entra", {**record, "targetResources": [target]}).activity == activity


@pytest.mark.parametrize(
    ("stated", "at"),
    [
        ("2031-03-04T5:32:08.107Z", 1_930_368_728_107_000),
        ("2031-03-04 5:32:08", 1_930_368_728_000_000),
        ("2031-03-04T5:99:08Z", None),
    ],
)
def test_hour_of_one_digit_is_an_hour(stated: str, at: int | None) -> None:
    risk = {"riskEventType": "unfamiliarFeatures", "detectedDateTime": stated}
    assert abuse.read("entra", {**risk, "activityDateTime": stated}).at == at
