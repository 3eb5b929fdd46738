"""The API: what one may see and do, errors in one place, lists at a fixed cost."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from evidence.formats.record import ActorName
from evidence.models import LedgerEntry
from evidence.names import actor_ids
from identities.acting import COMMAND
from identities.actions import changes, findings, tokens
from identities.models import Binding, Credential, Finding, Identity, ProposedChange, User
from identities.permissions import NotAllowed, NotPossible
from tests.identities.conftest import DAY, NOW, party
from tests.signed_in import by_hand

pytestmark = pytest.mark.django_db

Make = Callable[..., Any]
LATER = NOW + 90 * DAY


@pytest.fixture
def call(user: Make) -> Callable[..., Any]:
    """Ask as somebody with a token of these scopes; without any, as who has just confirmed that it
    is them."""

    def ask(who: User, method: str, path: str, body: Any = None, *scopes: str) -> Any:
        headers = by_hand(who)
        if scopes:
            _, secret = tokens.create(
                user=who, name="test", scopes=scopes, lasts=DAY, by=COMMAND, now=datetime.now(UTC)
            )
            headers = {"Authorization": f"Bearer {secret}"}
        return Client().generic(
            method,
            path,
            json.dumps(body) if body is not None else "",
            content_type="application/json",
            headers=headers,
        )

    return ask


def finding(identity: Identity | None, **said: Any) -> Finding:
    row = Finding.objects.create(
        **{
            "identity": identity,
            "rule": "no_authority",
            "family": f"f{Finding.objects.count()}",
            "strength": 3,
            "words": "x",
            "first_at": NOW,
            "last_at": NOW,
            "opened_at": NOW,
            "state_at": NOW,
        }
        | said
    )
    row.refresh_from_db()
    return row


@pytest.mark.parametrize("group", ["reviewer", "responder", "auditor", "administrator"])
def test_readers_see_every_identity(active: Make, user: Make, call: Make, group: str) -> None:
    rows = [active("a"), active("b")]
    answer = call(user("who", group), "GET", "/api/identities/").json()
    assert ([row["key"] for row in answer["rows"]], answer["after"]) == (
        [row.key for row in reversed(rows)],
        None,
    )


def test_owners_see_what_they_answer_for(
    active: Make, user: Make, service: Make, call: Make
) -> None:
    ann = user("ann", "owner")
    mine = active("mine", owner=ann)
    led = active("led", service=service("ai", ai_system=True, ai_owner=party(ann)))
    other = active("other")
    for row in (mine, led, other):
        finding(row)
        Credential.objects.create(
            actor_id=actor_ids([ActorName("aws", "access_key", f"AKIA{row.name:0>16}")], now=NOW)[
                ActorName("aws", "access_key", f"AKIA{row.name:0>16}")
            ],
            identity=row,
            kind="access_key",
            standing=True,
            state_at=NOW,
        )
    wanted = [led.key, mine.key]
    assert [r["key"] for r in call(ann, "GET", "/api/identities/").json()["rows"]] == wanted
    assert [r["identity"] for r in call(ann, "GET", "/api/findings/").json()["rows"]] == wanted
    assert [r["identity"] for r in call(ann, "GET", "/api/credentials/").json()["rows"]] == wanted
    assert call(ann, "GET", f"/api/identities/{other.key}/").status_code == 404
    assert call(ann, "GET", "/api/unclaimed/").status_code == 403


def test_nobody_in_no_group_sees_nothing(active: Make, user: Make, call: Make) -> None:
    row = active()
    who = user("who")
    assert call(who, "GET", "/api/identities/").json() == {"rows": [], "after": None}
    assert call(who, "GET", f"/api/identities/{row.key}/").status_code == 404


def test_lists_cost_the_same_at_one_and_at_thirty(active: Make, user: Make) -> None:
    who = user("who", "reviewer")
    _, secret = tokens.create(
        user=who, name="t", scopes=["read"], lasts=DAY, by=COMMAND, now=datetime.now(UTC)
    )
    client = Client(headers={"Authorization": f"Bearer {secret}"})

    def row(number: int) -> None:
        one = active(f"i{number}")
        finding(one, assignee=who)
        name = ActorName("aws", "access_key", f"AKIA{number:016d}")
        actor = actor_ids([name], now=NOW)[name]
        Credential.objects.create(
            actor_id=actor,
            identity=one,
            kind="access_key",
            standing=True,
            issued_to_id=actor,
            issued_by_id=actor,
            state_at=NOW,
        )

    def costs() -> list[int]:
        found = []
        for path in ("identities", "credentials", "findings", "unclaimed"):
            with CaptureQueriesContext(connection) as seen:
                assert client.get(f"/api/{path}/").status_code == 200
            found.append(len(seen))
        return found

    row(0)
    client.get("/api/identities/")
    first = costs()
    for number in range(1, 30):
        row(number)
    assert costs() == first


def test_pages_follow_the_cursor(active: Make, user: Make, call: Make) -> None:
    keys = [active(f"i{n}").key for n in range(5)]
    who = user("who", "reviewer")
    seen, path = [], "/api/identities/?limit=2"
    while True:
        answer = call(who, "GET", path).json()
        seen += [row["key"] for row in answer["rows"]]
        if answer["after"] is None:
            break
        path = f"/api/identities/?limit=2&after={answer['after']}"
    assert seen == list(reversed(keys))
    assert call(who, "GET", "/api/identities/?after=x").status_code == 400


def test_domain_errors_are_403_and_409_with_their_sentence(
    active: Make, user: Make, call: Make
) -> None:
    row = active()
    refused = call(user("aud", "auditor"), "POST", f"/api/identities/{row.key}/activate/", {})
    assert (refused.status_code, refused.json()) == (
        403,
        {"detail": "You are an auditor: auditors read everything and change nothing."},
    )
    late = call(user("rev", "reviewer"), "POST", f"/api/identities/{row.key}/activate/", {})
    assert (late.status_code, late.json()) == (
        409,
        {"detail": "svc-report is active: it cannot be made active now."},
    )


def test_activation_by_api_needs_what_every_path_needs(
    identity: Make, user: Make, call: Make
) -> None:
    row = identity()
    answer = call(user("rev", "reviewer"), "POST", f"/api/identities/{row.key}/activate/", {})
    assert (answer.status_code, answer.json()["detail"]) == (
        409,
        "svc-report cannot become active without an owner, a purpose and an expiry.",
    )
    row.refresh_from_db()
    assert row.state == "draft"


def test_attest_then_activate_by_api(identity: Make, user: Make, call: Make) -> None:
    ann = user("ann", "owner")
    row = identity(owner=ann)
    said = {"purpose": "reports for Finance", "expires_at": LATER.isoformat()}
    assert call(ann, "POST", f"/api/identities/{row.key}/attest/", said).status_code == 200
    answer = call(ann, "POST", f"/api/identities/{row.key}/activate/", {})
    assert (answer.status_code, answer.json()["state"], answer.json()["owner"]) == (
        200,
        "active",
        "Ann",
    )


def test_scope_is_asked_for_each_method(active: Make, user: Make, call: Make) -> None:
    row = active()
    who = user("who", "responder")
    path = f"/api/identities/{row.key}/revocations/"
    body = {"step": "hold", "because": "x"}
    assert call(who, "POST", path, body, "read").status_code == 403
    assert call(who, "GET", path, None, "act").status_code == 403
    refused = call(who, "POST", path, body, "act")
    assert (refused.status_code, refused.json()["code"]) == (403, "person_required")
    made = call(who, "POST", path, body)
    assert (made.status_code, [r["state"] for r in made.json()["rows"]]) == (202, ["effective"])
    assert [r["step"] for r in call(who, "GET", path, None, "read").json()["rows"]] == ["hold"]


def test_session_without_csrf_changes_nothing(active: Make, user: Make) -> None:
    row = active()
    client = Client(enforce_csrf_checks=True)
    client.force_login(
        user("rita", "responder"), backend="django.contrib.auth.backends.ModelBackend"
    )
    path = f"/api/identities/{row.key}/revocations/"
    body = json.dumps({"step": "hold", "because": "x"})
    assert client.post(path, body, content_type="application/json").status_code == 403
    assert client.get(path).status_code == 200


def test_proposals_are_answered_by_api(active: Make, user: Make, call: Make) -> None:
    rev = user("rev", "reviewer")
    row = active()
    made = []
    for number, seen in enumerate((45, 30, 2)):
        name = ActorName("otel:lab", "agent", f"agent-{number}")
        made.append(
            Binding.objects.create(
                identity=row,
                actor_id=actor_ids([name], now=NOW)[name],
                basis="observed",
                state="proposed",
                seen=seen,
                during=(None, None),
                recorded_at=NOW,
                by="countersign",
            )
        )
    dry = call(rev, "POST", "/api/unclaimed/confirm/", {"least_calls": 40, "dry_run": True})
    assert [r["actor"] for r in dry.json()["would_confirm"]] == ["agent-0"]
    done = call(rev, "POST", "/api/unclaimed/confirm/", {"least_calls": 40})
    assert (done.json()["confirmed"], done.json()["left"]) == (
        [],
        ["agent-0: proposed; a second person signs it"],
    )
    one = call(rev, "POST", f"/api/bindings/{made[1].pk}/confirm/", {})
    assert (one.status_code, one.json()["proposed"][0]["state"]) == (202, "proposed")
    no = call(rev, "POST", f"/api/bindings/{made[2].pk}/reject/", {"reason": "another's"})
    assert (no.status_code, no.json()["state"]) == (200, "rejected")
    assert call(rev, "POST", f"/api/bindings/{made[2].pk}/confirm/", {}).status_code == 404


def test_register_by_api_says_every_problem(user: Make, call: Make) -> None:
    root = user("root", "administrator")
    body = {"name": "x.yaml", "text": "identities: [{name: a}]", "dry_run": True}
    answer = call(root, "POST", "/api/identities/register/", body)
    assert (answer.status_code, answer.json()["problems"]) == (
        422,
        [{"path": "identities[0].kind", "problem": "is needed for an identity that is new"}],
    )


# Findings


@pytest.mark.parametrize("disposition", ["confirmed", "expected", "false", "duplicate"])
def test_disposition_keeps_who_when_and_why(active: Make, user: Make, disposition: str) -> None:
    rev, row = user("rev", "reviewer"), finding(active())
    done = findings.dispose(
        finding=row, disposition=disposition, reason="looked", by=rev, now=NOW + DAY
    )
    row.refresh_from_db()
    asked = ["change.proposed", "change.signed"]
    if disposition == "confirmed":
        asked, by = [], rev
    else:  # what takes it off the list of open ones is signed by a second person
        assert isinstance(done, ProposedChange)
        assert row.state == "open"
        by = user("sam", "responder")
        changes.sign(change=done, by=by, now=NOW + DAY)
    row.refresh_from_db()
    assert (row.state, row.state_at, row.state_by, row.state_reason) == (
        disposition,
        NOW + DAY,
        by.ref,
        "looked",
    )
    assert list(LedgerEntry.objects.order_by("pk").values_list("act", "subject")) == [
        (act, row.key) for act in (*asked, f"finding.{disposition}")
    ]


@pytest.mark.parametrize("state", ["expected", "false", "duplicate", "withdrawn"])
def test_settled_finding_is_not_settled_again(active: Make, user: Make, state: str) -> None:
    with pytest.raises(NotPossible, match=f"is {state} already"):
        findings.dispose(
            finding=finding(active(), state=state),
            disposition="confirmed",
            reason="x",
            by=user("rev", "reviewer"),
            now=NOW,
        )


@pytest.mark.parametrize(
    ("group", "allowed"),
    [
        ("reviewer", True),
        ("responder", True),
        ("auditor", False),
        ("administrator", False),
        ("owner", False),
    ],
)
def test_who_may_settle_a_finding(active: Make, user: Make, group: str, allowed: bool) -> None:
    row, who = finding(active()), user("who", group)
    if allowed:
        assert findings.assign(finding=row, to=who, by=who, now=NOW).assignee == who
    else:
        with pytest.raises(NotAllowed):
            findings.assign(finding=row, to=who, by=who, now=NOW)
