"""Google Cloud audit logs: credentials, windows of receipt, page tokens, refusals, events."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from evidence.models import Connection, Event, Pull, Source
from evidence.sources.contract import Page
from evidence.sources.failures import Later, Stopped
from evidence.sources.gcp import AUDIT, CONNECTOR, SCOPE
from evidence.sources.windows import moment, written
from tests.connector_secrets import Kept
from tests.evidence.sources import pulling
from tests.evidence.sources.pulling import NOW, rsa_key
from tests.evidence.sources.server import Answer, Request, There, serving
from tests.evidence.sources.test_tokens import verified

ACCOUNT = "reader@ledger-prod.iam.gserviceaccount.com"
FILTER = re.compile(
    r'receiveTimestamp>="(\S+)" AND receiveTimestamp<"(\S+)" AND timestamp>="(\S+)"'
    r"(?: AND \((.*)\))?"
)


def entry(number: int, at: datetime, *, received: datetime | None = None) -> dict[str, Any]:
    return {
        "insertId": f"ins-{number}",
        "logName": "projects/ledger-prod/logs/cloudaudit.googleapis.com%2Factivity",
        "timestamp": written(at),
        "receiveTimestamp": written(received or at),
        "severity": "NOTICE",
        "resource": {"type": "project", "labels": {"project_id": "ledger-prod"}},
        "protoPayload": {
            "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
            "serviceName": "iam.googleapis.com",
            "methodName": "google.iam.admin.v1.GetServiceAccount",
            "resourceName": "projects/-/serviceAccounts/112233",
            "authenticationInfo": {"principalEmail": "rosa@example.com"},
            "requestMetadata": {"callerIp": "198.51.100.7"},
            "status": {},
        },
    }


class Cloud:
    """Google's token endpoints and Cloud Logging, over entries in the order of their time."""

    def __init__(self, there: There) -> None:
        self.there = there
        self.key = rsa_key()
        self.rows: list[dict[str, Any]] = []
        self.page = 1000
        self.empty_first = False
        self.tokens: dict[str, tuple[str, int]] = {}
        there.on("POST", "/token", self.by_key)
        there.on("POST", "/sts", self.by_workload)
        there.on("POST", "/impersonate", self.borrowed)
        there.on("POST", "/v2/entries:list", self.listed)

    def by_key(self, request: Request) -> Answer:
        claims = verified(request.form()["assertion"], self.key)
        assert (claims["iss"], claims["scope"], claims["aud"]) == (
            ACCOUNT,
            SCOPE,
            f"{self.there.url}/token",
        )
        return Answer(body={"access_token": "ya29.key", "expires_in": 3599})

    def by_workload(self, request: Request) -> Answer:
        form = request.form()
        if form["subject_token"] != "workload-jwt":
            return Answer(400, {"error": "invalid_grant", "error_description": "bad"})
        return Answer(body={"access_token": "ya29.sts", "expires_in": 3600})

    def borrowed(self, request: Request) -> Answer:
        assert request.headers["authorization"] == "Bearer ya29.sts"
        assert request.json()["scope"] == [SCOPE]
        return Answer(body={"accessToken": "ya29.borrowed", "expireTime": "2026-11-24T13:00:00Z"})

    def listed(self, request: Request) -> Answer:
        if not request.headers.get("authorization", "").startswith("Bearer ya29."):
            return Answer(401, {"error": {"message": "no credentials"}})
        said = request.json()
        assert said["orderBy"] == "timestamp asc"
        found = FILTER.fullmatch(said["filter"])
        rows = sorted(self.rows, key=lambda row: str(row["timestamp"]))
        if found is not None:
            rows = [row for row in rows if found[1] <= row["receiveTimestamp"] < found[2]]
            assert moment(found[3]) == moment(found[1]) - timedelta(days=1)
        elif "data_access" in said["filter"]:
            rows = []
        first, token = 0, said.get("pageToken")
        if token:
            if self.tokens.get(token, ("", 0))[0] != said["filter"]:
                return Answer(400, {"error": {"message": "page_token is not valid"}})
            first = self.tokens[token][1]
        size = 0 if self.empty_first and not token else min(said["pageSize"], self.page)
        body: dict[str, Any] = {}
        if rows[first : first + size]:
            body["entries"] = rows[first : first + size]
        if first + size < len(rows):
            body["nextPageToken"] = f"page-{len(self.tokens)}"
            self.tokens[body["nextPageToken"]] = (said["filter"], first + size)
        return Answer(body=body)

    def key_file(self, **said: Any) -> str:
        return json.dumps(
            {
                "type": "service_account",
                "client_email": ACCOUNT,
                "private_key_id": "k1",
                "private_key": self.key,
                "token_uri": f"{self.there.url}/token",
            }
            | said
        )

    def workload_file(self, file: Path, **said: Any) -> str:
        return json.dumps(
            {
                "type": "external_account",
                "audience": "//iam.googleapis.com/projects/1/locations/global/x",
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                "token_url": f"{self.there.url}/sts",
                "credential_source": {"file": str(file)},
            }
            | said
        )

    def settings(self, **said: str) -> dict[str, str]:
        return {
            "resources": "projects/ledger-prod",
            "credentials": "GCP_KEY",
            "url": self.there.url,
        } | said


@pytest.fixture
def cloud(secret_file: Kept) -> Iterator[Cloud]:
    with serving() as there:
        made = Cloud(there)
        secret_file("GCP_KEY", made.key_file())
        yield made


@pytest.fixture
def connected(cloud: Cloud, source: Callable[..., Source], settings: Any) -> Source:
    settings.ALLOW_PRIVATE = True
    made = source("gcp")
    pulling.connect(made, "gcp", cloud.settings())
    return made


def filled(cloud: Cloud, count: int = 5) -> None:
    cloud.rows += [
        entry(number, NOW - timedelta(hours=2) + timedelta(minutes=number))
        for number in range(count)
    ]


def brought(found: list[Page]) -> list[str]:
    return re.findall(r"ins-\d+", b"".join(page.body for page in found).decode())


def test_first_pull_brings_all_and_the_next_what_is_new(cloud: Cloud) -> None:
    filled(cloud)
    first = pulling.pages(CONNECTOR, cloud.settings())
    assert brought(first) == [f"ins-{number}" for number in range(5)]
    assert first[-1].reached == NOW
    cloud.rows.append(entry(9, NOW + timedelta(minutes=1)))
    later = NOW + timedelta(minutes=6)
    again = pulling.pages(CONNECTOR, cloud.settings(), cursor=first[-1].cursor, now=later)
    assert brought(again) == ["ins-9"]


def test_empty_log_is_a_pull_without_bodies(cloud: Cloud) -> None:
    (page,) = pulling.pages(CONNECTOR, cloud.settings())
    assert (page.body, page.reached) == (b"", NOW)


def test_pages_are_followed_also_behind_an_empty_one(cloud: Cloud) -> None:
    filled(cloud)
    cloud.page, cloud.empty_first = 2, True
    found = pulling.pages(CONNECTOR, cloud.settings())
    assert [len(page.body) > 0 for page in found] == [False, True, True, True]
    assert brought(found) == [f"ins-{number}" for number in range(5)]


def test_entry_that_is_received_hours_late_is_found_at_once(cloud: Cloud) -> None:
    first = pulling.pages(CONNECTOR, cloud.settings())
    at, received = NOW - timedelta(hours=20), NOW + timedelta(minutes=2)
    cloud.rows.append(entry(1, at, received=received))
    soon = NOW + timedelta(minutes=5)
    assert brought(
        pulling.pages(CONNECTOR, cloud.settings(), cursor=first[-1].cursor, now=soon)
    ) == ["ins-1"]


def test_filter_of_the_source_goes_along(cloud: Cloud) -> None:
    more = 'protoPayload.serviceName="iam.googleapis.com" OR severity=ERROR'
    pulling.pages(CONNECTOR, cloud.settings(filter=more, resources="folders/1, organizations/2"))
    said = cloud.there.asked[-1].json()
    assert said["filter"].endswith(f" AND ({more})")
    assert said["resourceNames"] == ["folders/1", "organizations/2"]
    assert AUDIT in pulling.asked(CONNECTOR, cloud.settings()).settings["filter"]


def test_page_token_that_has_ended_begins_its_window_again(cloud: Cloud) -> None:
    filled(cloud)
    cloud.page = 2
    first = pulling.pages(CONNECTOR, cloud.settings())[0]
    cloud.tokens.clear()
    again = pulling.pages(CONNECTOR, cloud.settings(), cursor=first.cursor)
    assert brought(again) == [f"ins-{number}" for number in range(5)]


@pytest.mark.parametrize("shape", ["text", "json", "borrowing"])
def test_workload_identity_takes_the_place_of_a_key(
    cloud: Cloud, tmp_path: Path, secret_file: Kept, shape: str, settings: Any
) -> None:
    settings.VAR = tmp_path / "var"
    file = tmp_path / "token"
    said: dict[str, Any] = {}
    file.write_text("workload-jwt\n")
    if shape == "json":
        file.write_text('{"id_token": "workload-jwt"}')
        format_ = {"type": "json", "subject_token_field_name": "id_token"}
        said = {"credential_source": {"file": str(file), "format": format_}}
    if shape == "borrowing":
        said = {"service_account_impersonation_url": f"{cloud.there.url}/impersonate"}
    secret_file("GCP_KEY", cloud.workload_file(file, **said))
    filled(cloud, 1)
    assert brought(pulling.pages(CONNECTOR, cloud.settings())) == ["ins-0"]
    used = cloud.there.asked[-1].headers["authorization"]
    assert used == ("Bearer ya29.borrowed" if shape == "borrowing" else "Bearer ya29.sts")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("no json s3cret", "is no JSON"),
        ('{"type": "authorized_user"}', "'authorized_user' are not for servers"),
        ('{"type": "service_account"}', "has no token_uri"),
        (
            json.dumps(
                {
                    "type": "service_account",
                    "token_uri": "http://127.0.0.1/",
                    "client_email": "a",
                    "private_key": "s3cret",
                }
            ),
            "no RSA private key",
        ),
        (
            json.dumps(
                {
                    "type": "external_account",
                    "audience": "a",
                    "subject_token_type": "b",
                    "token_url": "http://127.0.0.1/",
                    "credential_source": {"url": "http://x/"},
                }
            ),
            "from elsewhere than a file",
        ),
    ],
)
def test_credentials_that_cannot_be_used_are_named_without_being_shown(
    cloud: Cloud, secret_file: Kept, given: str, words: str
) -> None:
    secret_file("GCP_KEY", given)
    with pytest.raises(Stopped, match=words) as problem:
        pulling.pages(CONNECTOR, cloud.settings())
    assert "s3cret" not in f"{problem.value} {problem.value.fix}"


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (Answer(429, headers={"Retry-After": "5"}), Later, "answered 429"),
        (Answer(429), Later, "answered 429"),
        (Answer(503), Later, "answered 503"),
        (Answer(401), Stopped, "answered 401"),
        (
            Answer(403, {"error": {"message": "Permission denied"}}),
            Stopped,
            "may not read these logs: Permission denied",
        ),
        (Answer(404, {"error": {"message": "x"}}), Stopped, "knows no such resource: x"),
        (Answer(400, {"error": {"message": "bad filter"}}), Stopped, "request: bad filter"),
        (Answer(200, b"<html>"), Stopped, "with a web page"),
        (Answer(200, {"entries": {}}), Stopped, "no list of log entries"),
        (Answer(200, {"projects": []}), Stopped, "no list of log entries"),
    ],
)
def test_answers_that_are_no_page(
    cloud: Cloud, answer: Answer, kind: type[Exception], words: str
) -> None:
    cloud.there.fail(None, answer)
    with pytest.raises(kind, match=words):
        pulling.pages(CONNECTOR, cloud.settings())


def test_checks_tell_what_the_private_role_hides(cloud: Cloud) -> None:
    filled(cloud, 1)
    found = pulling.checks(CONNECTOR, cloud.settings())
    assert [(one.name, one.ok) for one in found] == [
        ("sign in with the credentials", True),
        ("read projects/ledger-prod", True),
        ("read Data Access entries of projects/ledger-prod", True),
    ]
    assert "roles/logging.privateLogViewer is missing" in found[2].said


def test_checks_name_the_resource_that_cannot_be_read(cloud: Cloud) -> None:
    denied = Answer(403, {"error": {"message": "logging.logEntries.list denied"}})
    cloud.there.fail(None, None, None, denied)
    found = pulling.checks(CONNECTOR, cloud.settings(resources="projects/a projects/b"))
    assert [one.ok for one in found] == [True, True, True, False, True]
    assert "roles/logging.viewer" in found[3].fix


def test_check_says_why_it_cannot_sign_in(cloud: Cloud) -> None:
    cloud.there.fail(Answer(400, {"error": "invalid_grant", "error_description": "x"}))
    (found,) = pulling.checks(CONNECTOR, cloud.settings())
    assert found.said == "Google refuses the credentials (invalid_grant)."
    assert "clock" in found.fix


@pytest.mark.parametrize("named", ["ledger-prod", " ".join(["projects/a"] * 101), "projects/a b"])
def test_resources_that_are_none_are_named(cloud: Cloud, named: str) -> None:
    with pytest.raises(Stopped, match=r"no resource of Google Cloud|resources are named"):
        pulling.pages(CONNECTOR, cloud.settings(resources=named))


def test_private_address_is_refused_unless_allowed(cloud: Cloud) -> None:
    with pytest.raises(Stopped, match="is refused"):
        pulling.pages(CONNECTOR, cloud.settings(), private=False)
    assert cloud.there.asked == []


def test_pull_that_is_cut_after_any_page_loses_and_doubles_nothing(
    connected: Source, cloud: Cloud
) -> None:
    filled(cloud, 12)
    cloud.page = 2
    now, turns = NOW, 0
    while pulling.pull(connected, now=now, enough=lambda: True).state != "done":
        now += timedelta(seconds=1)
        turns += 1
        if turns == 3:
            cloud.tokens.clear()
    assert Event.objects.count() == 12


def test_events_have_their_principal(
    connected: Source, cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    filled(cloud)
    row = pulling.pull(connected)
    assert (row.state, row.events, row.rejects) == ("done", 5, 0)
    assert {value for _, _, value in pulling.named("principal")} == {"rosa@example.com"}
    kept = str(list(Connection.objects.values())) + str(list(Pull.objects.values())) + caplog.text
    assert "ya29" not in kept
    assert "PRIVATE KEY" not in kept


def test_stretch_that_google_keeps_no_more_becomes_a_gap(connected: Source, cloud: Cloud) -> None:
    pulling.connect(connected, "gcp", cloud.settings(), days=40)
    pulling.pull(connected)
    assert pulling.gaps().get().during.lower == NOW - timedelta(days=40)
