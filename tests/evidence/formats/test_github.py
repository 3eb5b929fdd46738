"""GitHub: tokens from their grant to their use, actors, and the events of webhooks."""

from pathlib import Path
from typing import Any

import pytest

from evidence.formats.record import ActorName, Issued
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


def test_labelled_rows_name_principal_and_action_where_github_does(data: Path) -> None:
    rows = abuse.labelled(data, "github")
    parsed = abuse.parse("github", rows)
    assert (len(parsed.records), parsed.rejects) == (89, [])
    assert all("not stated" not in one.action for one in parsed.records)
    named = ("actor", "sender", "pusher", "comment", "review", "commits")
    nobody = [
        row
        for row, one in zip(rows, parsed.records, strict=True)
        if one.principal is None and any(row.get(name) for name in named)
    ]
    assert nobody == []
