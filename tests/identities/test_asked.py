"""What a question says, over HTTP: names of resources, types, and members of context."""

import posixpath
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from django.test import Client
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from evidence.formats.record import ActorName
from identities.authority import Grant, Request, compile_slice, judge, judge_asked
from identities.models import Identity
from identities.question_members import DESCRIPTIVE, UNDERSTOOD
from tests.identities.conftest import DAY, NOW
from tests.identities.test_decisions import BODY, bound, grant, post

pytestmark = pytest.mark.django_db

Make = Callable[..., Any]
INSIDE = (True, "inside")
UNCLEAR = (False, "unclear_resource")
OUTSIDE = (False, "wrong_resource")


@pytest.fixture
def ask(client: Client, active: Make, token: Make) -> Callable[..., tuple[bool, str]]:
    """Ask over HTTP as svc-report, by default for invoices/1; `sentence` is the last one."""
    active(expires_at=datetime.now(UTC) + DAY)
    secret = token()

    def put(name: str = "invoices/1", /, **said: Any) -> tuple[bool, str]:
        body = BODY | {"resource": {"type": "s3", "id": name}} | said
        answer = post(client, body, secret)
        assert answer.status_code == 200, answer.content
        context = answer.json()["context"]
        put.sentence = context["reason_user"]["en"]  # type: ignore[attr-defined]  # for the tests
        return answer.json()["decision"], context["reason"]

    return put


@pytest.fixture
def invoices(ask: Any) -> Any:
    """Delegated is s3:GetObject on invoices/*, to the identity that asks."""
    grant(Identity.objects.get())
    return ask


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ("invoices/2026/a.json", INSIDE),
        ("invoices/v1..v2/..hidden/a..json", INSIDE),
        ("invoices//a", INSIDE),
        ("invoices/a b/%C3%A9t%C3%A9%20.pdf", INSIDE),
        ("invoices/été/100%.pdf", INSIDE),
        ("invoices/a%2Fb", INSIDE),
        ("invoices/./a", INSIDE),
        ("invoices/2025/../2026/a", INSIDE),
        ("arn:aws:s3:::invoices/2025/../2026/a", INSIDE),
        ("hr-records/x", OUTSIDE),
        ("hr-records/../invoices/x", OUTSIDE),
        ("invoices/../hr-records/x", UNCLEAR),
        ("invoices//../../hr-records/x", UNCLEAR),
        ("invoices/../../etc/passwd", UNCLEAR),
        ("invoices/a/../../hr-records/x", UNCLEAR),
        ("arn:aws:s3:::invoices/../hr-records/x", UNCLEAR),
        ("invoices/%2e%2e/hr-records/x", UNCLEAR),
        ("invoices/%2E%2e%2Fhr-records/x", UNCLEAR),
        ("invoices/%252e%252e%252fhr-records/x", UNCLEAR),
        ("invoices/%25252e%25252e/hr-records/x", UNCLEAR),
        ("invoices/%%32%65%%32%65/hr-records/x", UNCLEAR),
        ("invoices/a%2fb/%2e%2e/%2e%2e/hr-records/x", UNCLEAR),
        ("invoices/%c0%ae%c0%ae/hr-records/x", UNCLEAR),
        ("invoices/%u002e%u002e/hr-records/x", UNCLEAR),
        ("invoices/..%c0%afhr-records/x", UNCLEAR),
        ("invoices\\..\\hr-records\\x", OUTSIDE),
        ("invoices/..\\hr-records\\x", UNCLEAR),
        ("invoices/%5c..%5c../hr-records/x", UNCLEAR),
        ("invoices/..;a=b/hr-records/x", UNCLEAR),
        ("invoices/.. /hr-records/x", UNCLEAR),
        ("invoices/.../hr-records/x", UNCLEAR),
        ("invoices/..?/hr-records/x", UNCLEAR),
        ("invoices/%00/x", UNCLEAR),
        ("invoices/a\nb", UNCLEAR),
        ("invoices/a\u200bb", UNCLEAR),
        ("invoices/\uff0e\uff0e/hr-records/x", UNCLEAR),
        ("invoices/..\uff0fhr-records/x", UNCLEAR),
        ("invoices/..\u2215hr-records/x", UNCLEAR),
        ("invoices/\u2025/hr-records/x", UNCLEAR),
        ("invoices/%EF%BC%8E%EF%BC%8E/hr-records/x", UNCLEAR),
    ],
)
def test_resource_is_allowed_only_as_every_system_reads_it(
    invoices: Any, resource: str, expected: tuple[bool, str]
) -> None:
    assert invoices(resource) == expected


def test_unclear_resource_says_how_it_may_be_read(invoices: Any) -> None:
    invoices("invoices/../hr-records/x")
    assert re.sub(r"DLG-\d+", "DLG", invoices.sentence) == (
        "DLG covers invoices/../hr-records/x as it is written, but some systems read it as"
        " hr-records/x, which is not covered."
    )
    invoices("invoices/%2e%2e/hr-records/x")
    assert invoices.sentence == (
        "The resource id has `..` beside percent-encodings or backslashes: ask with one name that"
        " every system reads alike."
    )


def test_what_a_delegation_writes_exactly_is_allowed_as_written(ask: Any) -> None:
    grant(Identity.objects.get(), resources=["CORP\\svc", "a#b", "*.pdf"])
    assert [ask(name) for name in ("CORP\\svc", "a#b", "hr/x?.pdf", "hr/x;a.pdf", "hr/x.pdf")] == [
        INSIDE,
        INSIDE,
        UNCLEAR,
        UNCLEAR,
        INSIDE,
    ]


def test_urls_and_full_names_keep_their_host(ask: Any) -> None:
    written = ["https://api.example.org/v1/*", "//cloud.example.org/projects/*"]
    grant(Identity.objects.get(), resources=written)
    assert ask("https://api.example.org/v1/a") == INSIDE
    assert ask("//cloud.example.org/projects/p") == INSIDE
    assert ask("https://api.example.org/v1/../v2/a") == UNCLEAR
    assert ask("//cloud.example.org/projects/../../x") == UNCLEAR


PIECES = [
    ".", "..", "%2e", "%2E", "%252e", "%c0%ae", "%u002e", "\uff0e", "\u2024", "...", ".. ", "..;x",
    "/", "//", "%2f", "%2F", "%252f", "%5c", "\\", "\uff0f", "\u2044", "%c0%af", "%00", "%", "%25",
    "a", "b.pdf", "hr-records", "?", "#", ";", " ", "invoices",
]  # fmt: skip
TRICKY = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    climb=st.sampled_from(
        ["..", "%2e%2e", "%2E.", ".%252e", "%c0%ae.", "\uff0e\uff0e", "%25252e.", "..;x", "\u2025"]
    ),
    slash=st.sampled_from(
        ["/", "%2f", "%2F", "%252f", "\\", "%5c", "%255C", "\uff0f", "\u2215", "//", "%c0%af"]
    ),
    deep=st.lists(st.sampled_from(["a", "2026", "b%20c"]), max_size=3),
)
def test_no_encoding_of_a_path_outside_is_allowed(
    invoices: Any, climb: str, slash: str, deep: list[str]
) -> None:
    path = slash.join([*deep, *[climb] * (len(deep) + 1), "hr-records", "x"])
    assert invoices(f"invoices/{path}") == UNCLEAR
    assert invoices("/".join(["invoices", *deep, "x"])) == INSIDE


def systems(name: str) -> list[str]:
    """The paths that differently behaving systems make of a name."""
    found = []
    for backslashes in (False, True):
        text = name.replace("\\", "/") if backslashes else name
        for times in range(6):
            for unreserved in (False, True):
                read = text
                for _ in range(times):
                    read = (
                        re.sub("%2e", ".", read, flags=re.IGNORECASE)
                        if unreserved
                        else unquote(read)
                    )
                if backslashes:
                    read = read.replace("\\", "/")
                found += [posixpath.normpath(read), posixpath.normpath(re.sub(";[^/]*", "", read))]
    return found


@settings(max_examples=600, deadline=None)
@given(TRICKY)
@example("../hr-records")
@example("a/../b")
@example("a%2fb/%2e%2e/%2e%2e/hr-records")
def test_what_is_allowed_stays_inside_in_every_system(tail: str) -> None:
    slice_ = compile_slice("NHI-1", [Grant("DLG-1", 1, ("read",), ("invoices/*",))])
    verdict = judge_asked(slice_, Request("read", f"invoices/{tail}"), now=NOW)
    if verdict.allowed:
        for path in systems(f"invoices/{tail}"):
            assert path == "invoices" or path.startswith("invoices/")


def test_past_behaviour_is_judged_by_the_name_in_the_log() -> None:
    """S3 resolves no dots: this key lies in the bucket of invoices, whatever its name."""
    slice_ = compile_slice("NHI-1", [Grant("DLG-1", 1, ("s3:GetObject",), ("invoices/*",))])
    done = Request("s3:GetObject", "invoices/../hr-records/x")
    assert judge(slice_, done, now=NOW).allowed
    assert not judge_asked(slice_, done, now=NOW).allowed


# Types


@pytest.mark.parametrize(
    ("written", "type_", "allowed"),
    [
        ({}, "s3", True),
        ({}, "Object", True),
        ({}, "AWS::S3::Object", True),
        ({}, "aws_s3_bucket", True),
        ({}, "resource", True),
        ({}, "invoice", True),
        (
            {"actions": ["s3:*", "*"], "resources": ["arn:aws:logs:*:1:x", "invoices/*"]},
            "Logs",
            True,
        ),
        ({}, "payroll-database", False),
        ({}, "database", False),
        ({}, "s3 payroll", False),
        ({}, "ſ3", False),
        ({}, "aws", False),
        ({"resources": ["inv*"]}, "inv", False),
        ({"resources": ["*"]}, "payroll-database", True),
        ({"resources": ["arn:aws:s3:::invoices/*"]}, "invoices", True),
        ({"actions": ["*"]}, "payroll-database", False),
    ],
)
def test_type_is_one_that_the_delegation_names(
    ask: Any, written: dict[str, Any], type_: str, allowed: bool
) -> None:
    grant(Identity.objects.get(), **written)
    said = {"resource": {"type": type_, "id": "invoices/1"}}
    assert ask(**said) == (INSIDE if allowed else (False, "wrong_type"))


def test_wrong_type_says_which_are_understood(invoices: Any) -> None:
    invoices(resource={"type": "payroll-database", "id": "invoices/1"})
    assert invoices.sentence.split(" ", 1)[1] == (
        "names no resource of the type payroll-database; types that it names: resource, bucket,"
        " file, invoice, key, object, prefix, s3."
    )


def test_tool_is_the_type_of_an_action_without_a_service(ask: Any) -> None:
    grant(Identity.objects.get(), actions=["tools/call"], resources=["read_invoice", "pay*"])
    said = {"action": {"name": "tools/call"}, "resource": {"type": "tool", "id": "pay_invoice"}}
    assert ask(**said) == INSIDE


# Members of context and properties


def with_member(path: str, value: Any) -> dict[str, Any]:
    """The members of a question with one more, by its path."""
    place, *inner = path.split(".")
    if place == "context":
        return {"context": {inner[0]: value}}
    return {place: BODY[place] | {"properties": {inner[1]: value}}}


PLACES = ["context", "subject.properties", "action.properties", "resource.properties"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("value", ["x", {"a": 1}, [2], 0, False])
def test_member_that_is_not_understood_denies_and_is_named(
    invoices: Any, place: str, value: Any
) -> None:
    assert invoices(**with_member(f"{place}.classification", value)) == (False, "unknown_member")
    assert invoices.sentence == (
        f"{place}.classification is not understood and may be a limit: leave it out, or send it in"
        " context.metadata, which is not read. Understood: address, agent, credential, ip,"
        " ip_address, mfa, on_behalf, on_behalf_of, task."
    )


@pytest.mark.parametrize("place", PLACES)
def test_members_that_only_describe_change_nothing(invoices: Any, place: str) -> None:
    for name in [*DESCRIPTIVE, "ip"]:
        value = "10.0.0.1" if name == "ip" else {"any": ["thing"]}
        assert invoices(**with_member(f"{place}.{name}", value)) == INSIDE
    for nothing in (None, ""):
        assert invoices(**with_member(f"{place}.classification", nothing)) == INSIDE


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("written", "member", "value", "reason"),
    [
        ({"task": "reports"}, "task", "payroll", "task_not_covered"),
        ({"task": "reports"}, "task", "reports", "inside"),
        ({"task": "reports"}, "title", "reports", "not_stated"),
        ({"on_behalf": "ann"}, "on_behalf_of", "bob", "condition"),
        ({"on_behalf": "ann"}, "on_behalf_of", "ann", "inside"),
        ({"on_behalf": "ann"}, "title", "ann", "not_stated"),
        ({"conditions": {"address": ["10.0.0.0/8"]}}, "ip", "11.0.0.1", "condition"),
        ({"conditions": {"address": ["10.0.0.0/8"]}}, "ip", "10.0.0.1", "inside"),
        ({"conditions": {"address": ["10.0.0.0/8"]}}, "title", "10.0.0.1", "condition"),
        ({"conditions": {"mfa": True}}, "mfa", False, "condition"),
        ({"conditions": {"mfa": True}}, "mfa", True, "inside"),
        ({"conditions": {"mfa": True}}, "title", "mfa", "condition"),
    ],
)
def test_limits_of_the_delegation_are_compared_wherever_they_are_said(
    ask: Any, place: str, written: dict[str, Any], member: str, value: Any, reason: str
) -> None:
    grant(Identity.objects.get(), **written)
    assert ask(**with_member(f"{place}.{member}", value)) == (reason == "inside", reason)


def test_limits_that_are_not_stated_are_named(ask: Any) -> None:
    row = Identity.objects.get()
    grant(row, task="reports", on_behalf="ann")
    assert ask() == (False, "not_stated")
    assert ask.sentence.split(" ", 1)[1] == (
        "is limited to one task and one person, and the question states none: send context.task and"
        " context.on_behalf."
    )
    # Another delegation that has no such limits answers in its stead.
    grant(row, slug="always")
    assert ask() == INSIDE


def test_members_that_contradict_each_other_deny(ask: Any) -> None:
    grant(Identity.objects.get(), task="reports")
    said = {
        "context": {"task": "reports"},
        "resource": BODY["resource"] | {"properties": {"task": "payroll"}},
    }
    assert ask(**said) == (False, "contradiction")
    assert ask.sentence == "context.task and resource.properties.task say different things."


def test_agent_in_context_is_the_identity_that_asks(invoices: Any, active: Make) -> None:
    bound(Identity.objects.get(), ActorName("otel:lab", "agent", "report-agent"))
    active("other")
    assert invoices(context={"agent": "report-agent"}) == INSIDE
    assert invoices(context={"agent": "other"}) == (False, "other_agent")
    assert invoices(context={"agent": "nobody"}) == (False, "other_agent")


def test_members_are_documented() -> None:
    page = (Path(__file__).parents[2] / "docs/decision-endpoint.md").read_text()
    described = page.split("These describe the question")[1].split("Time is the server's")[0]
    assert set(re.findall(r"`(\w+)`", described)) == DESCRIPTIVE
    table = page.split("| member | is compared with |")[1].split("These describe")[0]
    rows = [line.split("|")[1] for line in table.splitlines()[2:] if line.startswith("|")]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(UNDERSTOOD)
