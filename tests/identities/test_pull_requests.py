"""The pull request enforcer where something is wrong: files, permissions, answers, names, settings."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from identities.enforcers.contract import KnownSession, PermanentFailure, TemporaryFailure
from identities.enforcers.pull_request import PullRequestEnforcer
from tests.evidence.sources.server import Answer, Request
from tests.identities.enforcers.github_lab import error
from tests.identities.enforcers.repository_lab import Repository, repository_lab
from tests.identities.repository_rows import (
    PATH,
    TEXT,
    WHO,
    WITHOUT,
    SetUp,
    at,
    repo,
    set_up,
    target,
)

__all__ = ["repo", "repository_lab", "set_up"]

pytestmark = pytest.mark.django_db
ADMINISTRATOR = "the administrator of Countersign"


def revoke(enforcer: PullRequestEnforcer, **said: Any) -> str:
    return enforcer.revoke(said.get("what", target()), key="REV-7", now=datetime.now(UTC)).reference


def seen(enforcer: PullRequestEnforcer) -> str:
    return enforcer.verify(target(), step="revoke", now=datetime.now(UTC)).state


def test_a_revocation_asked_for_twice_opens_one(repo: Repository) -> None:
    assert seen(at()) == "active"
    for _ in range(2):
        assert revoke(at()).endswith("/pull/1")
    assert [method for method, _ in repo.changes()] == ["POST", "PUT", "POST"]
    agents = {
        one.headers["user-agent"]
        for one in repo.there.asked
        if one.path.endswith(("/pulls", "/refs")) and one.method == "POST"
    }
    assert agents == {"countersign countersign-key/REV-7"}
    repo.merge(1)
    assert (seen(at()), repo.files()) == ("gone", {PATH: WITHOUT})


def test_several_files_are_changed_by_one(repo: Repository, set_up: SetUp) -> None:
    repo.commit("main", {"users.yaml": "- ana\n- svc\n", "off.yaml": "- ana\n"})
    line = {
        "realms": ["app:example"],
        "principals": ["user"],
        "remove": "line",
        "match": "- {name}",
    }
    edits = [
        {**line, "path": PATH, "remove": "member", "match": '"{name}"'},
        {**line, "path": "users.yaml"},
        {**line, "path": "off.yaml"},
    ]
    set_up(edits=edits)
    revoke(at())
    assert repo.files("countersign/rev-7") == {
        PATH: WITHOUT,
        "users.yaml": "- ana\n",
        "off.yaml": "- ana\n",
    }
    assert (
        "`svc` is revoked, and teams/agents.tf, users.yaml still names it" in repo.pulls[0]["body"]
    )
    repo.merge(1)
    assert at().names(target()) is False


def test_what_is_there_twice_is_left_to_a_person(repo: Repository) -> None:
    repo.commit("main", {PATH: TEXT + TEXT})
    with pytest.raises(
        PermanentFailure, match="Nothing is guessed in acme/infrastructure"
    ) as caught:
        revoke(at())
    assert (caught.value.who_must_act, repo.changes()) == (WHO, [])


def test_a_fork_s_pull_request_is_not_ours(repo: Repository) -> None:
    head = {"ref": "countersign/rev-7", "label": "somebody:countersign/rev-7"}
    fork = {"number": 9, "state": "open", "html_url": "https://github.example/9", "head": head}
    repo.fail("GET", "/pulls", Answer(200, [fork]))
    assert revoke(at()).endswith("/pull/1")


@pytest.mark.parametrize(
    ("method", "path", "fault"),
    [
        ("GET", f"/contents/{PATH}", error(502, "Server Error")),
        ("GET", f"/contents/{PATH}", Answer(200, "<html>")),
        ("GET", f"/contents/{PATH}", Answer(200, {"type": "file", "encoding": "base64"})),
        ("GET", "/pulls", Answer(200, {})),
        ("GET", "/pulls", Answer(200, "[7]")),
        ("GET", "/pulls", Answer(200, "[{")),
        ("GET", "/pulls", Answer(200, [{"head": {"label": "acme:countersign/rev-7"}}])),
        ("GET", "/git/ref/heads/main", Answer(200, {})),
        ("PUT", f"/contents/{PATH}", error(409, "does not match")),
        ("POST", "/pulls", Answer(403, {}, {"Retry-After": "60"})),
        ("POST", "/pulls", error(429, "limit")),
    ],
)
def test_an_answer_that_says_nothing_is_asked_for_again(
    repo: Repository, method: str, path: str, fault: Answer
) -> None:
    repo.fail(method, path, fault)
    with pytest.raises(TemporaryFailure):
        revoke(at())
    assert repo.pulls == []
    revoke(at())
    assert (len(repo.pulls), repo.files("countersign/rev-7")) == (1, {PATH: WITHOUT})


@pytest.mark.parametrize(
    ("method", "path", "fault", "said", "who"),
    [
        ("GET", f"/contents/{PATH}", error(404, "Not Found"), "no file teams/agents.tf", WHO),
        ("GET", f"/contents/{PATH}", Answer(200, {"type": "dir"}), "is no file of up to", WHO),
        (
            "GET",
            f"/contents/{PATH}",
            Answer(200, {"type": "file", "encoding": "none", "content": "", "sha": "x"}),
            "is no file of up to 1 MB",
            WHO,
        ),
        (
            "GET",
            f"/contents/{PATH}",
            Answer(200, {"type": "file", "encoding": "base64", "content": "/w==", "sha": "x"}),
            "is no text in UTF-8",
            WHO,
        ),
        ("POST", "/git/refs", error(422, "refused"), r"answered 422 \(refused", ADMINISTRATOR),
        ("POST", "/pulls", error(403, "Resource not accessible"), "pull_requests .write.", ""),
        ("GET", "/pulls", error(404, "Not Found"), "lacks the permission pull_requests", WHO),
        (
            "GET",
            "/pulls",
            error(401, "Bad credentials"),
            "does not accept Countersign",
            ADMINISTRATOR,
        ),
    ],
)
def test_a_refusal_names_who_must_act(
    repo: Repository, method: str, path: str, fault: Answer, said: str, who: str
) -> None:
    repo.fail(method, path, fault)
    with pytest.raises(PermanentFailure, match=said) as caught:
        revoke(at())
    assert caught.value.who_must_act == (who or "an owner of the GitHub organisation acme")
    assert repo.pulls == []


@pytest.mark.parametrize("kilobytes", [760, 990])
def test_a_file_that_github_answers_with_is_changed(repo: Repository, kilobytes: int) -> None:
    """In base64 it is more than other answers may be."""
    more = "# filler\n" * (kilobytes * 1_000 // 9)
    repo.commit("main", {PATH: TEXT + more})
    revoke(at())
    assert repo.files("countersign/rev-7")[PATH] == WITHOUT + more


def test_a_file_that_is_larger_is_left_to_a_person_and_not_tried_for_ever(
    repo: Repository,
) -> None:
    repo.commit("main", {PATH: TEXT + "# filler\n" * 200_000})
    acts: list[Callable[[PullRequestEnforcer], str]] = [revoke, seen]
    for act in acts:
        with pytest.raises(PermanentFailure, match="is no file of up to 1 MB") as caught:
            act(at())
        assert caught.value.who_must_act == WHO
    assert repo.changes() == []


def test_our_token_stands_in_no_failure(repo: Repository) -> None:
    def telling(asked: Request) -> Answer:
        return error(418, f"no: {asked.headers['authorization']}")

    repo.there.on("POST", "/repos/*", telling)
    with pytest.raises(PermanentFailure, match="no: Bearer") as caught:
        revoke(at())
    assert "[a secret of this source]" in caught.value.reason
    assert not any(token in caught.value.reason for token in repo.signing.issued)


@pytest.mark.parametrize("name", ['svc", "*', "a b", "${svc}", "x`y", "svc\n"])
def test_a_name_that_would_change_more_is_never_written(repo: Repository, name: str) -> None:
    with pytest.raises(PermanentFailure, match="has letters that may mean something in a file"):
        revoke(at(), what=target(name))
    assert repo.changes() == []


def test_a_target_of_another_repository_is_refused(repo: Repository) -> None:
    for what, said in (
        (target(account="other"), "is of other, not of terraform"),
        (target(kind="role"), "do not say where a role of app:example is written down"),
    ):
        with pytest.raises(PermanentFailure, match=said):
            revoke(at(), what=what)
    with pytest.raises(PermanentFailure, match="No enforcer for nowhere is set up"):
        at("nowhere")
    assert repo.there.asked == []


def test_what_no_file_shows_is_said_to_live_on(repo: Repository, set_up: SetUp) -> None:
    since, hour = datetime.now(UTC), timedelta(hours=1)
    known = [KnownSession("a", since - hour), KnownSession("b", since + hour)]
    assert at().residual(target(), since=since, now=since + hour, sessions=known) == []
    set_up(edit={"session_seconds": None})
    left = at().residual(target(), since=since, now=since + hour, sessions=known)
    assert [(one.what, one.until) for one in left] == [
        ("sessions opened before, which no file shows", None),
        ("session a", None),
    ]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"name": "Terraform"}, "name is missing, or no name"),
        ({"repository": "a/b"}, "repository is missing, or no name"),
        ({"branch": "a..b"}, "branch is missing, or no name"),
        ({"prefix": "/x"}, "prefix is missing, or no name"),
        ({"merge_seconds": 0}, "merge_seconds is no number"),
        ({"edits": []}, "edits is no list"),
        ({"key": "given-itself"}, "key: a secret is named, not given"),
        ({"token": "env:X"}, "there is no token"),
        ({"administrator": 7}, "administrator is no text"),
        ({"edit": {"path": "/etc/x"}}, "edit 1: path is missing, or no path"),
        ({"edit": {"path": "a/../b"}}, "edit 1: path is missing, or no path"),
        ({"edit": {"path": 7}}, "edit 1: path is no text"),
        ({"edit": {"match": "svc"}}, "match does not say where {name} stands"),
        ({"edit": {"end": "}"}}, "only a block has an end"),
        ({"edit": {"proof": "none"}}, "proof is none of target, file"),
        ({"edit": {"session_seconds": "x"}}, "session_seconds is no number"),
        ({"edit": {"realms": "x"}}, "realms is no list"),
        ({"edit": {"principals": []}}, "do not say whom it names"),
        ({"edit": {"script": "sed"}}, "edit 1: there is no script"),
    ],
)
def test_wrong_settings_name_their_place(set_up: SetUp, said: dict[str, Any], problem: str) -> None:
    set_up(**said)
    with pytest.raises(PermanentFailure) as caught:
        at()
    assert problem in caught.value.reason
    assert caught.value.who_must_act == ADMINISTRATOR


def test_names_of_entries_are_given_once(set_up: SetUp, settings: Any) -> None:
    text = Path(settings.ENFORCERS).read_text().removeprefix("pull_request:\n")
    Path(settings.ENFORCERS).write_text(f"pull_request:\n{text}{text}")
    with pytest.raises(PermanentFailure, match="two entries are named terraform"):
        at()
