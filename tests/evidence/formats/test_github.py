"""GitHub: tokens from their grant to their use, actors, and the events of webhooks."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from evidence.formats import recognise
from evidence.formats.record import ActorName, Issued
from evidence.vocabulary import CHANGE, OUTCOME_FAILED, OUTCOME_OK, OUTCOME_UNKNOWN, USE
from tests.evidence.formats import abuse
from tests.evidence.formats.abuse import read, sample

RECORDS = sample("github")
REPOSITORY = {"repository": {"full_name": "Acme/ledger"}}


def test_token_is_the_same_when_granted_and_when_used() -> None:
    granted, used = read("github", RECORDS[0]), read("github", RECORDS[1])
    rosa = ActorName("github:acme", "user", "octo-rosa")
    assert used.credential is not None
    assert granted.issued == Issued(used.credential, rosa, standing=True, expires_at=None)
    assert used.credential.parent == ActorName("github:acme", "api_token", "555")


def test_token_known_by_its_id_alone_is_the_name_above_its_hash() -> None:
    bare = {k: v for k, v in RECORDS[0].items() if k != "hashed_token"}
    granted, used = read("github", bare).issued, read("github", RECORDS[1]).credential
    assert granted is not None
    assert used is not None
    assert granted.credential == used.parent


def test_key_is_the_same_when_added_and_when_used() -> None:
    added, used = read("github", RECORDS[8]).issued, read("github", RECORDS[9])
    assert added is not None
    assert added.credential == used.credential


@pytest.mark.parametrize(
    ("members", "kind"),
    [
        ({"actor": "octo-rosa"}, "user"),
        ({"actor": "dependabot[bot]"}, "app"),
        ({"actor": "acme-ci", "actor_is_bot": True}, "app"),
        ({"actor": "Copilot", "actor_is_agent": True}, "agent"),
    ],
)
def test_actor_is_a_person_an_app_or_an_agent(members: dict[str, Any], kind: str) -> None:
    record = read("github", {"action": "repo.create", "org": "Acme", **members})
    assert record.principal == ActorName("github:acme", kind, members["actor"])


@pytest.mark.parametrize(
    ("payload", "action"),
    [
        ({"action": "opened", "pull_request": {}}, "pull_request.opened"),
        (
            {"action": "submitted", "review": {}, "pull_request": {}},
            "pull_request_review.submitted",
        ),
        ({"action": "created", "comment": {}, "issue": {}}, "issue_comment.created"),
        (
            {"action": "created", "comment": {}, "pull_request": {}},
            "pull_request_review_comment.created",
        ),
        ({"action": "completed", "workflow_job": {}}, "workflow_job.completed"),
        ({"commits": [], "pusher": {"name": "b"}, "ref": "r"}, "push"),
        ({"pages": [], "sender": {"login": "b"}}, "gollum"),
        ({"action": "created", "key": {"id": 4}}, "deploy_key.created"),
        ({"action": "privatized"}, "repository.privatized"),
    ],
)
def test_webhook_event_is_told_from_its_objects(payload: dict[str, Any], action: str) -> None:
    assert read("github_webhook", {**payload, **REPOSITORY}).action == action


MADE, CHANGED, LATER = "2031-03-04T05:00:00Z", "2031-03-04T06:00:00Z", 1_930_374_000  # 07:00


@pytest.mark.parametrize(
    ("payload", "hour"),
    [
        ({"action": "opened", "issue": {"created_at": MADE}}, 5),
        ({"action": "edited", "issue": {"created_at": MADE}}, None),
        ({"action": "edited", "issue": {"created_at": MADE, "updated_at": CHANGED}}, 6),
        # When a push came is the server's word, when it was committed whoever's committed.
        (
            {
                "commits": [{"timestamp": MADE}],
                "head_commit": {"timestamp": CHANGED},
                "repository": {"full_name": "Acme/ledger", "pushed_at": LATER},
            },
            7,
        ),
        ({"commits": [{"timestamp": MADE}], "head_commit": {"timestamp": CHANGED}}, 6),
        ({"commits": [{"timestamp": MADE}, {"timestamp": CHANGED}]}, 6),
        ({"commits": ["x"], "pusher": {"name": "b"}}, None),
        # The last push says nothing of when somebody joined.
        (
            {
                "action": "added",
                "member": {"login": "b"},
                "repository": {"full_name": "Acme/ledger", "pushed_at": LATER},
            },
            None,
        ),
        ({"action": "created", "alert": {"created_at": MADE}}, 5),
    ],
)
def test_webhook_says_when_it_was(payload: dict[str, Any], hour: int | None) -> None:
    at = read("github_webhook", {**REPOSITORY, **payload}).at
    wanted = None if hour is None else (LATER + (hour - 7) * 3600) * 1_000_000
    assert at == wanted


COMMIT = {"author": {"name": "ceo", "username": "ceo"}, "committer": {"name": "ceo"}}


@pytest.mark.parametrize(
    ("sender", "principal"),
    [
        ({}, None),
        ({"sender": {"login": ""}}, None),
        ({"sender": {"login": "mia"}}, ActorName("github:acme", "user", "mia")),
    ],
)
def test_push_is_its_senders_and_never_its_committers(
    sender: dict[str, Any], principal: ActorName | None
) -> None:
    """Whoever commits writes any name into a commit, and git's user.name is the pusher's."""
    pushed = {"commits": [COMMIT], "head_commit": COMMIT, "pusher": {"name": "ceo"}, "ref": "r"}
    assert read("github_webhook", {**REPOSITORY, **pushed, **sender}).principal == principal


def test_labelled_pushes_without_a_sender_name_nobody(data: Path) -> None:
    pushes = [row for row in abuse.labelled(data, "github") if "pusher" in row or "commits" in row]
    read_pushes = abuse.parse("github", pushes).records
    assert (len(read_pushes), {one.principal for one in read_pushes}) == (10, {None})


def test_labelled_rows_name_principal_and_action_where_github_does(data: Path) -> None:
    rows = abuse.labelled(data, "github")
    parsed = abuse.parse("github", rows)
    assert (len(parsed.records), parsed.rejects) == (89, [])
    assert all("not stated" not in one.action for one in parsed.records)
    named = ("actor", "sender", "comment", "review")
    nobody = [
        row
        for row, one in zip(rows, parsed.records, strict=True)
        if one.principal is None and any(row.get(name) for name in named)
    ]
    assert nobody == []


def test_grant_names_the_token_that_later_calls_use() -> None:
    granted = read("github", RECORDS[17])
    used = read("github", {**RECORDS[1], "token_id": 888, "hashed_token": "other="})
    assert granted.issued is not None
    assert used.credential is not None
    # Not the token with which the grant was made.
    assert granted.issued.credential == used.credential.parent
    assert granted.issued.issued_to == ActorName("github:acme", "user", "octo-bot")


@pytest.mark.parametrize(
    ("conclusion", "outcome"),
    [
        ("success", OUTCOME_OK),
        ("failure", OUTCOME_FAILED),
        ("timed_out", OUTCOME_FAILED),
        ("neutral", OUTCOME_UNKNOWN),
        ("", OUTCOME_OK),
        (None, OUTCOME_OK),
    ],
)
def test_run_of_a_workflow_ends_as_it_concluded(conclusion: str | None, outcome: int) -> None:
    assert read("github", {**RECORDS[18], "conclusion": conclusion}).outcome == outcome


@pytest.mark.parametrize("tag", ["github_audit", "github_audit[2345]"])
def test_entries_that_a_server_forwards_are_read(tag: str) -> None:
    rows = [row for row in RECORDS if "_document_id" in row]
    lines = [f"<38>Mar  4 05:00:00 ghe1 {tag}: {orjson.dumps(row).decode()}" for row in rows]
    body = "\n".join([*lines, f"<38>Mar  4 05:00:00 ghe1 {tag}: {{:action=>1}}", ""]).encode()
    assert recognise(body) == "github"
    parsed = abuse.parse("github", body)
    assert [one.digest for one in parsed.records] == [
        one.digest for one in abuse.parse("github", rows).records
    ]
    assert [one.reason for one in parsed.rejects] == ["is no audit entry behind a syslog header"]
    again = abuse.parse("github", parsed.kept)
    assert [abuse.said(one) for one in again.records] == [abuse.said(one) for one in parsed.records]


@pytest.mark.parametrize(
    ("action", "activity"),
    [
        ("repo.access", CHANGE),
        ("repo.download_zip", USE),
        ("workflows.delete_workflow_run", CHANGE),
        ("workflows.disable_workflow", CHANGE),
        ("workflows.enable_workflow", CHANGE),
        ("workflows.created_workflow_run", USE),
    ],
)
def test_what_changes_a_repository_or_its_workflows_is_a_change(action: str, activity: int) -> None:
    row = {"action": action, "actor": "octo-rosa", "repo": "Acme/ledger"}
    assert read("github", row).activity == activity


def test_run_of_a_workflow_is_the_session_wherever_it_stands() -> None:
    row = {"action": "workflows.delete_workflow_run", "actor": "octo-rosa", "org": "Acme"}
    beside = read("github", {**row, "workflow_run_id": 501})
    inside = read("github", {**row, "data": {"workflow_run_id": 501}})
    assert (beside.conversation, inside.conversation) == ("501", "501")


def test_address_is_beside_the_country_where_it_stands_nowhere_else() -> None:
    row = {
        "action": "user.login",
        "actor": "octo-rosa",
        "actor_location": {"country_name": "USA", "ip": "198.51.100.7"},
    }
    assert read("github", row).address == "198.51.100.7"
    assert read("github", {**row, "actor_ip": "203.0.113.9"}).address == "203.0.113.9"
