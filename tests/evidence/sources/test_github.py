"""GitHub's audit log: tokens and Apps, windows and `after`, refusals, and what arrives as events."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from evidence.models import Connection, Event, Pull, Source
from evidence.sources.contract import Page
from evidence.sources.failures import Later, Stopped
from evidence.sources.github import CONNECTOR
from tests.connector_secrets import Kept
from tests.evidence.sources import pulling
from tests.evidence.sources.pulling import NOW, rsa_key
from tests.evidence.sources.server import Answer, Request, There, serving
from tests.evidence.sources.test_tokens import verified

TOKEN = "ghp_s3cretS3cretS3cretS3cretS3cretS3cr3t"
PHRASE = re.compile(r"created:(\S+)\.\.(\S+)")


def entry(number: int, at: datetime, action: str = "repo.create") -> dict[str, Any]:
    stamp = int(at.timestamp() * 1000)
    return {
        "@timestamp": stamp,
        "_document_id": f"doc-{number}",
        "action": action,
        "actor": "octo-rosa",
        "actor_ip": "198.51.100.9",
        "created_at": stamp,
        "org": "acme",
        "repo": "acme/ledger",
        "hashed_token": "E8Fzcgs3TQXqhrKKC/qNR+2XZnaK3ykQBSAt1kPMiJs=",
        "programmatic_access_type": "Fine-grained personal access token",
    }


class Org:
    """The audit log of `acme`: entries by time, with an `after` cursor in the Link header."""

    def __init__(self, there: There) -> None:
        self.there = there
        self.rows: list[dict[str, Any]] = []
        self.page = 100
        self.worn = False
        self.tokens = {TOKEN}
        self.permissions = {"organization_administration": "read", "metadata": "read"}
        self.key = rsa_key()
        there.on("GET", "/orgs/acme/audit-log", self.listed)
        there.on("GET", "/enterprises/acme/audit-log", self.listed)
        there.on("POST", "/app/installations/7/access_tokens", self.installed)

    def installed(self, request: Request) -> Answer:
        claims = verified(request.headers["authorization"].removeprefix("Bearer "), self.key)
        assert claims["iss"] == "Iv1.app"
        assert claims["exp"] - claims["iat"] <= 600
        self.tokens = {"ghs_installation"}
        ends = (NOW + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        body = {"token": "ghs_installation", "expires_at": ends, "permissions": self.permissions}
        return Answer(201, body)

    def listed(self, request: Request) -> Answer:
        # Both stand on every answer, whatever is left.
        headers = {"X-RateLimit-Remaining": "1700", "X-RateLimit-Reset": "1900000000"}
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return Answer(401, {"message": "Bad credentials"}, headers)
        rows = sorted(self.rows, key=lambda row: int(row["@timestamp"]))
        if "phrase" in request.query:
            said = PHRASE.fullmatch(request.query["phrase"])
            assert said is not None
            begins, ends = (datetime.fromisoformat(one).timestamp() * 1000 for one in said.groups())
            rows = [row for row in rows if begins <= row["@timestamp"] <= ends]
            assert request.query["order"] == "asc"
        kind = request.query["include"]
        git = [row for row in rows if row["action"].startswith("git.")]
        if kind != "all":
            rows = git if kind == "git" else [row for row in rows if row not in git]
        after = request.query.get("after", "")
        if after and self.worn:
            return Answer(422, {"message": "Invalid cursor"}, headers)
        first = int(after or 0)
        size = min(int(request.query["per_page"]), self.page)
        if first + size < len(rows):
            query = {**request.query, "after": str(first + size)}
            url = str(httpx.URL(f"{self.there.url}{request.path}", params=query))
            headers["Link"] = f'<{url}>; rel="next", <{url}>; rel="prev"'
        return Answer(200, rows[first : first + size], headers)

    def settings(self, **said: str) -> dict[str, str]:
        return {"owner": "acme", "token": "GITHUB_PAT", "url": self.there.url} | said

    def app(self, **said: str) -> dict[str, str]:
        app = {"token": "", "app": "Iv1.app", "installation": "7", "key": "GITHUB_KEY"}
        return self.settings() | app | said


@pytest.fixture
def org(secret_file: Kept) -> Iterator[Org]:
    with serving() as there:
        made = Org(there)
        secret_file("GITHUB_PAT", TOKEN)
        secret_file("GITHUB_KEY", made.key)
        yield made


@pytest.fixture
def connected(org: Org, source: Callable[..., Source], settings: Any) -> Source:
    settings.ALLOW_PRIVATE = True
    made = source("github")
    pulling.connect(made, "github", org.settings())
    return made


def filled(org: Org, count: int = 5) -> None:
    for number in range(count):
        at = NOW - timedelta(hours=2) + timedelta(minutes=number)
        org.rows.append(entry(number, at, "git.clone" if number % 2 else "repo.create"))


def brought(found: list[Page]) -> list[str]:
    return re.findall(r"doc-\d+", b"".join(page.body for page in found).decode())


def test_first_pull_brings_all_and_the_next_what_is_new(org: Org) -> None:
    filled(org)
    first = pulling.pages(CONNECTOR, org.settings())
    assert brought(first) == [f"doc-{number}" for number in range(5)]
    assert first[-1].reached == NOW
    org.rows.append(entry(9, NOW + timedelta(minutes=1)))
    later = NOW + timedelta(minutes=6)
    assert brought(
        pulling.pages(CONNECTOR, org.settings(), cursor=first[-1].cursor, now=later)
    ) == ["doc-9"]
    said = org.there.asked[0]
    assert said.headers["x-github-api-version"] == "2022-11-28"


def test_pages_are_followed_and_say_how_far_they_are(org: Org) -> None:
    filled(org)
    org.page = 2
    found = pulling.pages(CONNECTOR, org.settings())
    assert brought(found) == [f"doc-{number}" for number in range(5)]
    begun = NOW - timedelta(hours=2)
    assert [page.reached for page in found] == [
        begun + timedelta(minutes=1),
        begun + timedelta(minutes=3),
        NOW,
    ]


def test_empty_log_is_a_pull_without_bodies(org: Org) -> None:
    (page,) = pulling.pages(CONNECTOR, org.settings())
    assert (page.body, page.reached) == (b"", NOW)


def test_late_entry_is_found_by_the_sweep(org: Org) -> None:
    first = pulling.pages(CONNECTOR, org.settings())
    org.rows.append(entry(1, NOW - timedelta(minutes=55)))
    soon = NOW + timedelta(minutes=5)
    second = pulling.pages(CONNECTOR, org.settings(), cursor=first[-1].cursor, now=soon)
    later = NOW + timedelta(hours=1)
    third = pulling.pages(CONNECTOR, org.settings(), cursor=second[-1].cursor, now=later)
    assert (brought(second), brought(third)) == ([], ["doc-1"])


def test_app_signs_in_with_its_key(org: Org) -> None:
    filled(org, 1)
    assert brought(pulling.pages(CONNECTOR, org.app())) == ["doc-0"]


def test_enterprise_has_an_address_of_its_own(org: Org) -> None:
    pulling.pages(CONNECTOR, org.settings(kind="enterprise"))
    assert org.there.asked[0].path == "/enterprises/acme/audit-log"


def test_cursor_that_github_no_longer_knows_begins_its_window_again(org: Org) -> None:
    filled(org)
    org.page = 2
    first = pulling.pages(CONNECTOR, org.settings())[0]
    org.worn, org.page = True, 100
    again = pulling.pages(CONNECTOR, org.settings(), cursor=first.cursor)
    assert brought(again) == [f"doc-{number}" for number in range(5)]


@pytest.mark.parametrize(
    ("answer", "kind", "words", "seconds"),
    [
        (Answer(429, headers={"Retry-After": "60"}), Later, "answered 429", 60.0),
        (Answer(403, headers={"Retry-After": "60"}), Later, "answered 403", 60.0),
        (
            Answer(
                403,
                headers={
                    "X-RateLimit-Remaining": "0",
                    "X-RateLimit-Reset": str(int(NOW.timestamp()) + 90),
                },
            ),
            Later,
            "answered 403",
            90.0,
        ),
        (
            Answer(
                403,
                {"message": "Resource not accessible by integration"},
                {"X-RateLimit-Remaining": "1700", "X-RateLimit-Reset": "1900000000"},
            ),
            Stopped,
            "may not read the audit log: Resource not accessible by integration",
            None,
        ),
        (Answer(401, {"message": "Bad credentials"}), Stopped, "does not accept the token", None),
        (Answer(404), Stopped, "shows this token no audit log of acme", None),
        (
            Answer(502, headers={"X-RateLimit-Remaining": "9", "X-RateLimit-Reset": "1900000000"}),
            Later,
            "answered 502",
            None,
        ),
        (Answer(200, b"{}"), Stopped, "no list of audit log entries", None),
        (Answer(200, b"["), Later, "breaks off", None),
        (
            Answer(200, [{}], {"Link": '<https://elsewhere.example/audit-log>; rel="next"'}),
            Stopped,
            "lies at https://elsewhere.example/audit-log",
            None,
        ),
    ],
)
def test_answers_that_are_no_page(
    org: Org, answer: Answer, kind: type[Exception], words: str, seconds: float | None
) -> None:
    org.there.fail(answer)
    with pytest.raises(kind, match=words) as problem:
        pulling.pages(CONNECTOR, org.settings())
    assert getattr(problem.value, "seconds", None) == seconds


def test_checks_of_an_app_name_the_missing_permission(org: Org) -> None:
    org.permissions = {"metadata": "read", "contents": "write"}
    (found,) = pulling.checks(CONNECTOR, org.app())
    assert (found.ok, found.said) == (
        False,
        "The installation lacks the permission organization_administration.",
    )


def test_checks_of_an_app_name_permissions_that_are_too_many(org: Org) -> None:
    org.permissions |= {"contents": "write"}
    found = pulling.checks(CONNECTOR, org.app())
    assert [(one.name, one.ok) for one in found] == [
        ("sign in as the App's installation", True),
        ("read web events", True),
        ("read git events", True),
    ]
    assert found[0].said.endswith("it also has, and does not need: contents")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "does not accept the App's signature"),
        (404, "knows no such installation"),
        (403, "installation is suspended"),
    ],
)
def test_checks_say_why_an_app_cannot_sign_in(org: Org, status: int, words: str) -> None:
    org.there.fail(Answer(status))
    (found,) = pulling.checks(CONNECTOR, org.app())
    assert words in found.said


def test_checks_name_each_kind_that_cannot_be_read(org: Org) -> None:
    org.there.fail(None, Answer(403, {"message": "no"}))
    found = pulling.checks(CONNECTOR, org.settings())
    assert [(one.name, one.ok) for one in found] == [
        ("read web events", True),
        ("read git events", False),
    ]
    assert "read:audit_log" in found[1].fix


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"owner": "../x"}, "no name of GitHub"),
        ({"token": ""}, "Neither a token nor a whole GitHub App"),
        ({"token": "", "app": "1", "installation": "2"}, "Neither a token nor a whole GitHub App"),
    ],
)
def test_settings_that_make_no_sense_are_named(org: Org, said: dict[str, str], words: str) -> None:
    with pytest.raises(Stopped, match=words):
        pulling.pages(CONNECTOR, org.settings(**said))


def test_private_address_is_refused_unless_allowed(org: Org) -> None:
    with pytest.raises(Stopped, match="is refused"):
        pulling.pages(CONNECTOR, org.settings(), private=False)
    assert org.there.asked == []


def test_pull_that_is_cut_after_any_page_loses_and_doubles_nothing(
    connected: Source, org: Org
) -> None:
    filled(org, 12)
    org.page = 2
    now, turns = NOW, 0
    while pulling.pull(connected, now=now, enough=lambda: True).state != "done":
        now += timedelta(seconds=1)
        turns += 1
    assert (Event.objects.count(), turns) == (12, 6)


def test_events_have_their_principal_and_token(
    connected: Source, org: Org, caplog: pytest.LogCaptureFixture
) -> None:
    filled(org)
    row = pulling.pull(connected)
    assert (row.state, row.events, row.rejects) == ("done", 5, 0)
    assert pulling.named("principal") == {("github:acme", "user", "octo-rosa")}
    assert pulling.named("credential") == {
        ("github:acme", "token", "E8Fzcgs3TQXqhrKKC/qNR+2XZnaK3ykQBSAt1kPMiJs=")
    }
    kept = str(list(Connection.objects.values())) + str(list(Pull.objects.values())) + caplog.text
    assert TOKEN not in kept


def test_git_events_that_are_gone_become_a_gap(connected: Source, org: Org) -> None:
    pulling.connect(connected, "github", org.settings(), days=10)
    pulling.pull(connected)
    gap = pulling.gaps().get()
    assert (gap.during.lower, gap.during.upper) == (
        NOW - timedelta(days=10),
        NOW - timedelta(days=7),
    )
    assert gap.reason == "GitHub keeps Git events for 7 days"
