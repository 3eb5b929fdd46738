"""Microsoft Graph: sign-in, filters and windows, paging, refusals, and what arrives as events."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from evidence.models import Connection, Event, Pull, Source
from evidence.sources.contract import Page
from evidence.sources.failures import Later, Stopped
from evidence.sources.graph import CONNECTOR, LATE_SECONDS, LOGS
from evidence.sources.windows import written
from tests.connector_secrets import Kept
from tests.evidence.sources import pulling
from tests.evidence.sources.pulling import NOW
from tests.evidence.sources.server import Answer, Request, There, serving

TENANT = "6f0c1a52-7d11-4b0e-9a55-0c1f2d3e4f50"
SECRET = "graph-s3cret"
KINDS = {
    "interactiveUser": "users",
    "nonInteractiveUser": "background",
    "servicePrincipal": "applications",
    "managedIdentity": "managed",
}
FILTER = re.compile(
    r"(?P<at>\w+) ge (?P<begins>\S+Z)(?: and \w+ lt (?P<ends>\S+Z))?"
    r"(?: and signInEventTypes/any\(t: t eq '(?P<kind>\w+)'\))?"
)


def sign_in(number: int, kind: str, at: datetime, **more: Any) -> dict[str, Any]:
    """A sign-in as beta lists it; a user's names no service principal, others no user."""
    who = (
        {"userPrincipalName": f"user{number}@example.com", "userId": f"u-{number}"}
        if kind.endswith("User")
        else {"servicePrincipalId": f"sp-{number}", "servicePrincipalName": f"app {number}"}
    )
    return {
        "id": f"{kind}-{number}",
        "createdDateTime": written(at),
        "appId": "app-1",
        "appDisplayName": "Ledger",
        "ipAddress": "198.51.100.7",
        "correlationId": f"cor-{number}",
        "resourceDisplayName": "Microsoft Graph",
        "resourceTenantId": "00000000-1111-4222-8333-444444444444",
        "signInEventTypes": [kind],
        "uniqueTokenIdentifier": f"uti-{kind}-{number}",
        "status": {"errorCode": 0},
        **who,
        **more,
    }


def audit(number: int, at: datetime) -> dict[str, Any]:
    return {
        "id": f"Directory_{number}",
        "category": "ApplicationManagement",
        "correlationId": f"cor-a{number}",
        "result": "success",
        "activityDisplayName": "Add service principal",
        "activityDateTime": written(at),
        "loggedByService": "Core Directory",
        "initiatedBy": {"user": {"id": "u-1", "userPrincipalName": "user1@example.com"}},
        "targetResources": [{"id": "sp-9", "displayName": "app 9", "type": "ServicePrincipal"}],
    }


class Tenant:
    """Microsoft Graph and the sign-in service of one tenant: its rows, newest first, in pages."""

    def __init__(self, there: There) -> None:
        self.there = there
        self.rows: dict[str, list[dict[str, Any]]] = {name: [] for name in LOGS}
        self.page = 1000
        self.links: dict[str, tuple[str, int]] = {}
        there.on("POST", f"/{TENANT}/oauth2/v2.0/token", self.token)
        there.on("GET", "/beta/auditLogs/signIns", self.listed)
        there.on("GET", "/v1.0/auditLogs/directoryAudits", self.listed)

    def token(self, request: Request) -> Answer:
        form = request.form()
        known = form.get("client_secret") == SECRET or form.get("client_assertion") == "ey.workload"
        if not known or form["grant_type"] != "client_credentials":
            said = "AADSTS7000215: Invalid client secret provided. Trace ID: 1"
            return Answer(401, {"error": "invalid_client", "error_description": said})
        return Answer(body={"token_type": "Bearer", "expires_in": 3599, "access_token": "tok-1"})

    def listed(self, request: Request) -> Answer:
        if request.headers.get("authorization") != "Bearer tok-1":
            return Answer(401, {"error": {"code": "InvalidAuthenticationToken"}})
        if "$skiptoken" in request.query:
            if request.query["$skiptoken"] not in self.links:
                return Answer(400, {"error": {"code": "BadRequest", "message": "Skip token"}})
            filter_, skip = self.links[request.query["$skiptoken"]]
        else:
            filter_, skip = request.query["$filter"], 0
        said = FILTER.fullmatch(filter_)
        assert said is not None, filter_
        name = KINDS[said["kind"]] if said["kind"] else "audits"
        at, ends = said["at"], said["ends"] or "9"
        found = [row for row in self.rows[name] if said["begins"] <= row[at] < ends]
        found.sort(key=lambda row: str(row[at]), reverse=True)
        size = min(int(request.query.get("$top", self.page)), self.page)
        body: dict[str, Any] = {"@odata.context": "x", "value": found[skip : skip + size]}
        if skip + size < len(found):
            token = f"skip-{len(self.links)}"
            self.links[token] = (filter_, skip + size)
            body["@odata.nextLink"] = f"{self.there.url}{request.path}?$skiptoken={token}"
        return Answer(body=body)

    def settings(self, **said: str) -> dict[str, str]:
        return {
            "tenant": TENANT,
            "client_id": "client-1",
            "secret": "GRAPH_SECRET",
            "url": self.there.url,
            "login": self.there.url,
        } | said


@pytest.fixture
def tenant(secret_file: Kept) -> Iterator[Tenant]:
    secret_file("GRAPH_SECRET", SECRET)
    with serving() as there:
        yield Tenant(there)


@pytest.fixture
def connected(tenant: Tenant, source: Callable[..., Source], settings: Any) -> Source:
    settings.ALLOW_PRIVATE = True
    made = source("entra")
    pulling.connect(made, "graph", tenant.settings())
    return made


def filled(tenant: Tenant, at: datetime = NOW - timedelta(hours=2)) -> None:
    for number in range(3):
        for kind, name in KINDS.items():
            tenant.rows[name].append(sign_in(number, kind, at + timedelta(minutes=number)))
        tenant.rows["audits"].append(audit(number, at + timedelta(minutes=number)))


def brought(found: list[Page]) -> list[str]:
    return re.findall(
        r'"id":"((?:\w+User|servicePrincipal|managedIdentity|Directory).\d+)"', text(found)
    )


def text(found: list[Page]) -> str:
    return "".join(page.body.decode() for page in found)


def test_first_pull_brings_every_log_and_the_next_one_nothing_new(tenant: Tenant) -> None:
    filled(tenant)
    first = pulling.pages(CONNECTOR, tenant.settings())
    assert len(brought(first)) == 15
    assert first[-1].reached == NOW
    later = NOW + timedelta(minutes=20)
    tenant.rows["users"].append(sign_in(9, "interactiveUser", NOW + timedelta(minutes=1)))
    again = pulling.pages(CONNECTOR, tenant.settings(), cursor=first[-1].cursor, now=later)
    assert brought(again) == ["interactiveUser-9"]


def test_nothing_in_the_tenant_is_a_pull_without_bodies(tenant: Tenant) -> None:
    found = pulling.pages(CONNECTOR, tenant.settings())
    assert [page.body for page in found] == [b""] * 20  # five logs, four windows of six hours
    assert found[-1].reached == NOW


def test_window_of_several_pages_is_followed(tenant: Tenant) -> None:
    filled(tenant)
    tenant.page = 1
    found = pulling.pages(CONNECTOR, tenant.settings(logs="applications"))
    assert brought(found) == [f"servicePrincipal-{number}" for number in (2, 1, 0)]


def test_late_sign_in_is_found_by_the_sweep(tenant: Tenant) -> None:
    first = pulling.pages(CONNECTOR, tenant.settings(logs="users"))
    at = NOW - timedelta(hours=1, minutes=50)
    tenant.rows["users"].append(sign_in(1, "interactiveUser", at))
    soon = pulling.pages(
        CONNECTOR,
        tenant.settings(logs="users"),
        cursor=first[-1].cursor,
        now=NOW + timedelta(minutes=5),
    )
    assert brought(soon) == []
    swept = pulling.pages(
        CONNECTOR,
        tenant.settings(logs="users"),
        cursor=soon[-1].cursor,
        now=NOW + timedelta(hours=1),
    )
    assert brought(swept) == ["interactiveUser-1"]


def test_workload_token_takes_the_place_of_a_secret(tenant: Tenant, secret_file: Kept) -> None:
    secret_file("WORKLOAD", "ey.workload")
    filled(tenant)
    said = tenant.settings(secret="", assertion="WORKLOAD", logs="audits")
    assert len(brought(pulling.pages(CONNECTOR, said))) == 3
    form = tenant.there.asked[0].form()
    assert form["client_assertion_type"].endswith(":jwt-bearer")
    assert "client_secret" not in form


def test_page_that_the_cursor_names_and_that_is_gone_is_read_from_its_window_again(
    tenant: Tenant,
) -> None:
    filled(tenant)
    tenant.page = 1
    found = pulling.pages(CONNECTOR, tenant.settings(logs="users"))
    middle = next(page for page in found if page.cursor["users"].get("page"))
    tenant.links.clear()
    again = pulling.pages(CONNECTOR, tenant.settings(logs="users"), cursor=middle.cursor)
    assert brought(again) == [f"interactiveUser-{number}" for number in (2, 1, 0)]


def test_page_that_is_gone_at_once_ends_the_pull(tenant: Tenant) -> None:
    filled(tenant)
    tenant.page = 1
    tenant.there.fail(*[None] * 5, Answer(400, {"error": {"code": "BadRequest", "message": "no"}}))
    with pytest.raises(Stopped, match="refuses to list interactive sign-ins of users: BadRequest"):
        pulling.pages(CONNECTOR, tenant.settings(logs="users"))


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (Answer(429, headers={"Retry-After": "17"}), Later, "answered 429"),
        (
            Answer(429, headers={"Retry-After": "Tue, 24 Nov 2026 12:00:30 GMT"}),
            Later,
            "answered 429",
        ),
        (Answer(503), Later, "answered 503"),
        (Answer(504), Later, "answered 504"),
        (Answer(401, {"error": {"code": "Expired"}}), Stopped, "answered 401"),
        (Answer(404), Stopped, "answered 404"),
        (Answer(302, headers={"Location": "http://127.0.0.1/"}), Stopped, "leads to"),
        (Answer(200, b"<html>"), Stopped, "with a web page"),
        (
            Answer(403, {"error": {"code": "Authorization_RequestDenied", "message": "x"}}),
            Stopped,
            "may not read interactive sign-ins of users: Authorization_RequestDenied",
        ),
        (
            Answer(
                403, {"error": {"code": "Authentication_RequestFromNonPremiumTenantOrB2CTenant"}}
            ),
            Stopped,
            "may not read interactive sign-ins of users: Authentication_RequestFromNonPremium",
        ),
        (
            Answer(200, {"value": [{}], "@odata.nextLink": "https://elsewhere.example/x"}),
            Stopped,
            "lies at elsewhere.example",
        ),
    ],
)
def test_answers_that_are_no_page(
    tenant: Tenant, answer: Answer, kind: type[Exception], words: str
) -> None:
    tenant.there.fail(None, answer)
    with pytest.raises(kind, match=words) as problem:
        pulling.pages(CONNECTOR, tenant.settings())
    if answer.status == 429:
        assert getattr(problem.value, "seconds", None) in (17.0, 30.0)


def test_answer_without_an_end_is_refused_within_bounds(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evidence.sources.contract.LONGEST_PAGE", 100_000)
    tenant.there.fail(None, Answer(200, b"[" * 200_000))
    with pytest.raises(Stopped, match="answers with more than"):
        pulling.pages(CONNECTOR, tenant.settings())


def test_checks_name_each_log_that_cannot_be_read(tenant: Tenant) -> None:
    denied = Answer(403, {"error": {"code": "Authorization_RequestDenied"}})
    tenant.there.fail(None, None, denied)
    found = pulling.checks(CONNECTOR, tenant.settings())
    assert [(one.name, one.ok) for one in found] == [
        ("sign in as the application", True),
        ("read interactive sign-ins of users", True),
        ("read non-interactive sign-ins of users", False),
        ("read sign-ins of service principals", True),
        ("read sign-ins of managed identities", True),
        ("read directory audits", True),
    ]
    assert "AuditLog.Read.All and Directory.Read.All" in found[2].fix


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"secret": "WRONG"}, "refuses the application (AADSTS7000215)"),
        ({"secret": "NOT_THERE"}, "There is no secret NOT_THERE, which secret names"),
        ({"secret": ""}, "Neither a client secret nor a workload token"),
    ],
)
def test_check_says_why_it_cannot_sign_in(
    tenant: Tenant, said: dict[str, str], words: str, secret_file: Kept
) -> None:
    secret_file("WRONG", "wr0ng-s3cret")
    (found,) = pulling.checks(CONNECTOR, tenant.settings(**said))
    assert not found.ok
    assert words in found.said
    assert "wr0ng" not in f"{found.said} {found.fix}"


@pytest.mark.parametrize(
    ("said", "words"),
    [({"tenant": "example.com"}, "The tenant is no id"), ({"logs": "all"}, "no log named all")],
)
def test_settings_that_make_no_sense_are_named(
    tenant: Tenant, said: dict[str, str], words: str
) -> None:
    with pytest.raises(Stopped, match=words):
        pulling.pages(CONNECTOR, tenant.settings(**said))


def test_private_address_is_refused_unless_allowed(tenant: Tenant) -> None:
    with pytest.raises(Stopped, match="is refused"):
        pulling.pages(CONNECTOR, tenant.settings(), private=False)
    assert tenant.there.asked == []


def test_events_have_their_principals_and_one_realm(
    connected: Source, tenant: Tenant, caplog: pytest.LogCaptureFixture
) -> None:
    filled(tenant)
    row = pulling.pull(connected)
    assert (row.state, row.events, row.rejects) == ("done", 15, 0)
    principals = pulling.named("principal")
    assert {realm for realm, _, _ in principals} == {f"entra:{TENANT}"}
    assert {(kind, value) for _, kind, value in principals} == {
        *(("user", f"user{number}@example.com") for number in range(3)),
        *(("service_principal", f"sp-{number}") for number in range(3)),
        *(("managed_identity", f"sp-{number}") for number in range(3)),
    }
    assert ("token", "uti-servicePrincipal-1") in {
        (kind, value) for _, kind, value in pulling.named("credential")
    }
    kept = str(list(Connection.objects.values())) + str(list(Pull.objects.values())) + caplog.text
    assert SECRET not in kept
    assert "tok-1" not in kept
    connected.refresh_from_db()
    assert connected.watermark == NOW - timedelta(seconds=LATE_SECONDS)


def test_pull_that_is_cut_after_any_page_loses_and_doubles_nothing(
    connected: Source, tenant: Tenant
) -> None:
    filled(tenant)
    tenant.page = 2
    turns = 0
    now = NOW
    while pulling.pull(connected, now=now, enough=lambda: True).state != "done":
        turns += 1
        now += timedelta(seconds=1)
        if turns % 3 == 0:
            tenant.links.clear()
    assert Event.objects.count() == 15
    assert turns > 20


def test_stretch_that_microsoft_keeps_no_more_becomes_a_gap(
    connected: Source, tenant: Tenant
) -> None:
    pulling.connect(connected, "graph", tenant.settings(logs="audits", kept_days="1"), days=3)
    pulling.pull(connected)
    gap = pulling.gaps().get()
    assert (gap.during.lower, gap.during.upper, gap.reason) == (
        NOW - timedelta(days=3),
        NOW - timedelta(days=1),
        "Microsoft keeps directory audits for 1 days",
    )
