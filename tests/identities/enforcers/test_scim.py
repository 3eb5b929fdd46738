"""The SCIM enforcer over HTTP: the life of a user, groups, versions, lists, lies and refusals."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from identities.enforcers import scim, scim_server, web
from identities.enforcers.contract import (
    KnownSession,
    PermanentFailure,
    Permission,
    Step,
    Target,
    TemporaryFailure,
    confirms,
)
from tests.evidence.sources.server import Answer, Request
from tests.identities.enforcers.scim_lab import TOKEN, Provider, error, scim_lab

__all__ = ["scim_lab"]

type Set = Callable[..., scim.ScimEnforcer]

NAME = 'svc "report" \\ ä'
WHO = "the administrator of Countersign"


@pytest.fixture
def lab(scim_lab: Provider) -> Provider:
    """Three users, the last of them ours, in two groups."""
    scim_lab.user("u1", "ana@example.org")
    scim_lab.user("u2", "svc")
    scim_lab.user("u/3", NAME, externalId="ext-3", emails=[{"value": "svc@example.org"}])
    scim_lab.group("g1", "Readers", "u1", "u/3")
    scim_lab.group("g2", "Writers", "u/3")
    return scim_lab


@pytest.fixture
def enforcer(lab: Provider, tmp_path: Path) -> Set:
    (tmp_path / "token").write_text(TOKEN)

    def make(**said: Any) -> scim.ScimEnforcer:
        entry = {
            "url": lab.url,
            "token": f"file:{tmp_path / 'token'}",
            "realms": ["app:example"],
            "principals": {"user": "userName", "user_id": "id", "mail": "emails.value"},
        }
        return scim.ScimEnforcer(scim_server.provider(entry | said), allow_private=True)

    return make


def target(lab: Provider, name: str = NAME, kind: str = "user") -> Target:
    return Target("scim", lab.url, kind, name)


def now() -> datetime:
    return datetime.now(UTC)


def do(at: scim.ScimEnforcer, step: str, what: Target, **said: Any) -> None:
    getattr(at, step)(what, key="REV-7", now=now(), **said)


def seen(at: scim.ScimEnforcer, what: Target, step: Step = "revoke", **said: Any) -> str:
    return at.verify(what, step=step, now=now(), **said).state


@pytest.mark.parametrize(
    ("name", "kind"), [(NAME, "user"), ("u/3", "user_id"), ("SVC@example.org", "mail")]
)
@pytest.mark.parametrize("patch", [True, False])
@pytest.mark.parametrize(("stop", "start"), [("hold", "release"), ("suspend", "resume")])
def test_a_user_is_stopped_and_let_in_again_once(
    lab: Provider, enforcer: Set, name: str, kind: str, patch: bool, stop: Step, start: Step
) -> None:
    if kind == "mail":
        lab.filters = False  # this lab compares addresses exactly
    lab.config = {"patch": {"supported": patch}}
    at, what = enforcer(), target(lab, name, kind)
    for step, active in ((stop, False), (start, True)):
        for _ in range(2):
            do(at, step, what)
            found = at.verify(what, step=step, now=now())
            assert confirms(found, step=step), found
        assert lab.users["u/3"]["active"] is active
    method = "PATCH" if patch else "PUT"
    assert lab.changes() == [(method, "/Users/u/3")] * 2
    assert lab.users["u/3"]["emails"] == [{"value": "svc@example.org"}]
    assert lab.users["u2"]["active"] is True
    agents = {one.headers["user-agent"] for one in lab.there.asked if one.method == method}
    assert agents == {"countersign countersign-key/REV-7"}


def test_a_revocation_deactivates_or_deletes_as_it_is_set(lab: Provider, enforcer: Set) -> None:
    at, what = enforcer(), target(lab)
    do(at, "revoke", what)
    assert (seen(at, what), lab.users["u/3"]["active"]) == ("denied", False)
    deleting = enforcer(revoke="delete", principals={"user_id": "id"})
    what = target(lab, "u/3", "user_id")
    assert seen(deleting, what) == "held"
    do(deleting, "revoke", what, delete=False)
    kept = deleting.verify(what, step="revoke", now=now())
    assert (confirms(kept, step="revoke"), confirms(kept, step="revoke", delete=False)) == (
        False,
        True,
    )
    for _ in range(2):
        do(deleting, "revoke", what)
        assert seen(deleting, what) == "gone"
    assert lab.changes().count(("DELETE", "/Users/u/3")) == 1
    with pytest.raises(PermanentFailure, match="finds no user u/3"):
        do(deleting, "release", what)


def test_a_provider_that_says_done_and_does_nothing_is_found_out(
    lab: Provider, enforcer: Set
) -> None:
    lab.lies = True
    at, what = enforcer(), target(lab)
    for step in ("hold", "suspend", "revoke"):
        do(at, step, what)
        assert seen(at, what, "hold") == "active"
    left = [Permission(("member",), ("Readers",))]
    do(at, "narrow", what, permissions=left)
    assert seen(at, what, "narrow", permissions=left) == "active"


def test_a_user_that_is_not_found_by_name_is_not_taken_for_gone(
    lab: Provider, enforcer: Set
) -> None:
    at, what = enforcer(), target(lab, "renamed")
    assert seen(at, what) == "unknown"
    for step in ("hold", "revoke", "release"):
        with pytest.raises(PermanentFailure, match="deleted, or named otherwise") as caught:
            do(at, step, what)
        assert caught.value.who_must_act == f"the administrator of {lab.url}"
    # An id is never given to another.
    assert seen(at, target(lab, "u9", "user_id")) == "gone"
    do(at, "revoke", target(lab, "u9", "user_id"))
    (lacks,) = at.own_rights([target(lab), what])
    assert (lacks.permission, lacks.resource) == ("stop user", "renamed")
    assert lab.changes() == []


def test_of_several_users_of_a_name_none_is_changed(lab: Provider, enforcer: Set) -> None:
    lab.user("u4", NAME)
    with pytest.raises(PermanentFailure, match="has 2 users whose userName is"):
        do(enforcer(), "hold", target(lab))
    assert lab.changes() == []


@pytest.mark.parametrize("filters", [True, False])
def test_a_filter_finds_the_one_it_names(lab: Provider, enforcer: Set, filters: bool) -> None:
    lab.filters = filters
    for number in range(7):
        lab.user(f"x{number}", f"other-{number}")
    at = enforcer()
    do(at, "hold", target(lab))
    name = 'x" or userName pr or userName eq "svc'
    with pytest.raises(PermanentFailure, match="finds no user"):
        do(at, "hold", target(lab, name))
    assert lab.users["u2"]["active"] is True
    assert lab.changes() == [("PATCH", "/Users/u/3")]


@pytest.mark.parametrize("shows", [True, False])
def test_narrowing_takes_a_user_out_of_groups_that_are_not_left(
    lab: Provider, enforcer: Set, shows: bool
) -> None:
    lab.shows_groups = shows
    at, what = enforcer(), target(lab)
    left = [Permission(("mem*",), ("Read*",))]
    assert seen(at, what, "narrow", permissions=left) == "active"
    for _ in range(2):
        do(at, "narrow", what, permissions=left)
        found = at.verify(what, step="narrow", now=now(), permissions=left)
        assert confirms(found, step="narrow")
    assert lab.changes() == [("PATCH", "/Groups/g2")]
    assert [one["members"] for one in lab.groups.values()] == [
        [{"value": "u1"}, {"value": "u/3"}],
        [],
    ]


@pytest.mark.parametrize(
    "left", [[], [Permission(("reports:read",), ("*",))], [Permission(("member",), ())]]
)
def test_narrowing_without_the_name_of_a_group_is_refused(
    lab: Provider, enforcer: Set, left: list[Permission]
) -> None:
    with pytest.raises(PermanentFailure, match="What is left names no group") as caught:
        do(enforcer(), "narrow", target(lab), permissions=left)
    assert caught.value.who_must_act == "whoever asked for it"
    assert lab.changes() == []


def test_a_group_by_way_of_another_is_said(lab: Provider, enforcer: Set) -> None:
    lab.users["u/3"]["groups"] = [{"value": "g9", "display": "Everybody", "type": "indirect"}]
    at, what = enforcer(), target(lab)
    left = [Permission(("member",), ("Readers", "Writers"))]
    do(at, "narrow", what, permissions=left)
    with pytest.raises(PermanentFailure, match="is in Everybody by way of another group"):
        seen(at, what, "narrow", permissions=left)
    assert lab.changes() == []


def test_a_provider_without_patch_has_no_group_written(lab: Provider, enforcer: Set) -> None:
    lab.config = {"patch": {"supported": False}}
    with pytest.raises(PermanentFailure, match="a whole group is not written for one member"):
        do(enforcer(), "narrow", target(lab), permissions=[Permission(("member",), ("Readers",))])
    assert lab.changes() == []


def test_what_somebody_else_changed_meanwhile_is_read_again(lab: Provider, enforcer: Set) -> None:
    at, what = enforcer(), target(lab)
    lab.config = {"patch": {"supported": False}}

    def between(asked: Request) -> Answer:
        lab.there.on("PUT", "/*", lab.answer)
        lab.users["u/3"]["title"] = "set by somebody else"
        lab._touch(lab.users["u/3"])
        return lab.answer(asked)

    lab.there.on("PUT", "/*", between)
    do(at, "hold", what)
    assert (lab.users["u/3"]["active"], lab.users["u/3"]["title"]) == (
        False,
        "set by somebody else",
    )
    assert lab.changes() == [("PUT", "/Users/u/3")] * 2
    lab.fail("/Users/u/3", *[Answer(200, dict(lab.users["u/3"])), error(412)] * 3)
    with pytest.raises(TemporaryFailure, match="was changed meanwhile"):
        do(at, "release", target(lab, "u/3", "user_id"))


@pytest.mark.parametrize(
    "fault",
    [
        Answer(200, "<html>"),
        Answer(200, "{"),
        Answer(200, {}),
        Answer(200, {"totalResults": 3, "Resources": []}),
        Answer(200, {"totalResults": 1, "Resources": [7]}),
        Answer(200, {"totalResults": 1, "Resources": [{"userName": NAME}]}),
        error(500, "", "boom"),
        Answer(429, {}, {"Retry-After": "7"}),
    ],
)
def test_an_answer_that_says_nothing_is_asked_for_again(
    lab: Provider, enforcer: Set, fault: Answer
) -> None:
    lab.fail("/Users", fault)
    with pytest.raises(TemporaryFailure) as caught:
        do(enforcer(), "hold", target(lab))
    assert caught.value.retry_after >= (7.0 if fault.status == 429 else 1.0)
    assert lab.changes() == []


def test_a_filter_that_never_ends_is_given_up(
    lab: Provider, enforcer: Set, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scim_server, "MOST_PAGES", 1)
    lab.filters = False
    with pytest.raises(PermanentFailure, match="its filter does not narrow"):
        do(enforcer(), "hold", target(lab))


@pytest.mark.parametrize(
    ("fault", "said", "who"),
    [
        (error(400, "mutability", "active is read-only"), r"400 mutability \(active is", ""),
        (error(409, "uniqueness"), "409 uniqueness", ""),
        (error(403, "", "no"), "allow Countersign's client to change users", ""),
        (error(401), "does not accept Countersign's own credentials", WHO),
        (Answer(404, "<html>"), "no SCIM provider says so: check url", WHO),
        (
            Answer(308, "", {"Location": "https://other.example.org/"}),
            "name the final address",
            WHO,
        ),
    ],
)
def test_a_refusal_names_its_kind_and_who_must_act(
    lab: Provider, enforcer: Set, fault: Answer, said: str, who: str
) -> None:
    lab.there.on("PATCH", "/*", fault)
    with pytest.raises(PermanentFailure, match=said) as caught:
        do(enforcer(), "hold", target(lab))
    assert caught.value.who_must_act == (who or f"the administrator of {lab.url}")


def test_what_hides_behind_a_wrong_address_is_not_taken_for_gone(
    lab: Provider, enforcer: Set
) -> None:
    lab.fail("/Users/u/3", Answer(404, {"message": "no route"}))
    with pytest.raises(PermanentFailure, match="no SCIM provider says so"):
        seen(enforcer(), target(lab, "u/3", "user_id"))
    lab.fail("/Users/u/3", Answer(200, lab.users["u2"]))
    with pytest.raises(TemporaryFailure, match="answers with another user"):
        seen(enforcer(), target(lab, "u/3", "user_id"))
    lab.fail("/Users/u/3", Answer(200, {"id": "u/3", "active": "False"}))
    assert seen(enforcer(), target(lab, "u/3", "user_id")) == "unknown"


def test_a_provider_that_does_not_answer_is_given_up(
    lab: Provider, enforcer: Set, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(_: Request) -> Answer:
        time.sleep(0.6)
        return Answer(204)

    lab.there.on("PATCH", "/*", late)
    monkeypatch.setattr(web, "TIMEOUT", 0.2)
    with pytest.raises(TemporaryFailure, match="did not answer"):
        do(enforcer(), "hold", target(lab))


def test_our_token_stands_in_no_failure(lab: Provider, enforcer: Set) -> None:
    def telling(asked: Request) -> Answer:
        return error(418, "", f"no: {asked.headers['authorization']}")

    lab.there.on("PATCH", "/*", telling)
    with pytest.raises(PermanentFailure, match="no: Bearer") as caught:
        do(enforcer(), "hold", target(lab))
    assert TOKEN not in caught.value.reason


def test_what_scim_cannot_see_is_said_to_live_on(lab: Provider, enforcer: Set) -> None:
    since, hour = now(), timedelta(hours=1)
    known = [KnownSession("a", since - hour, since + hour), KnownSession("b", since + hour)]
    found = enforcer().residual(target(lab), since=since, now=since, sessions=known)
    assert [(one.what.split(",")[0], one.until) for one in found] == [
        ("sessions and tokens opened before", None),
        ("session a", since + hour),
    ]
    at = enforcer(session_seconds=60)
    assert at.residual(target(lab), since=since, now=since)[0].until == since + hour / 60
    assert at.residual(target(lab), since=since, now=since + hour) == []


def test_a_target_of_another_provider_is_refused_before_anything_is_asked(
    lab: Provider, enforcer: Set
) -> None:
    for what in (Target("scim", "https://x/scim", "user", "a"), target(lab, "a", "group")):
        with pytest.raises(PermanentFailure, match="is no user of"):
            do(enforcer(), "hold", what)
    outside = scim.ScimEnforcer(enforcer()._of, allow_private=False)
    with pytest.raises(PermanentFailure, match="is refused: it does not speak https"):
        do(outside, "hold", target(lab))
    assert lab.there.asked == []


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"token": "given-itself"}, "token: a secret is named, not given"),
        ({"url": "api.example.com"}, "url is no address"),
        ({"realms": []}, "realms is no list"),
        ({"principals": {"user": "name"}}, "principals does not say which kinds are id"),
        ({"principals": []}, "principals does not say"),
        ({"revoke": "erase"}, "revoke is neither deactivate nor delete"),
        ({"revoke": "delete"}, "revoke: delete needs principals by id"),
        ({"session_seconds": -1}, "session_seconds is no number"),
        ({"ca_file": 7}, "ca_file is no text"),
        ({"pass": "x"}, "there is no pass"),
    ],
)
def test_wrong_settings_name_their_place(said: dict[str, Any], problem: str) -> None:
    right = {
        "url": "https://api.example.com/scim/v2/",
        "token": "env:SCIM_TOKEN",
        "realms": ["app:example"],
        "principals": {"user": "userName"},
    }
    assert scim_server.provider(right).url == "https://api.example.com/scim/v2"
    with pytest.raises(PermanentFailure) as caught:
        scim_server.provider(right | said)
    assert problem in caught.value.reason
    assert caught.value.who_must_act == WHO
