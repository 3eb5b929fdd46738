"""Groups of an Okta org: somebody joins and leaves, and what others gave stays."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from identities.enforcers import okta_orgs
from identities.enforcers.contract import PermanentFailure, Target
from identities.enforcers.grants import Given
from identities.enforcers.grants_okta import MANAGE, READ, OktaGranter
from tests.evidence.sources.server import Answer, Request
from tests.identities.enforcers.okta_answers import error, gone, lacking, pem
from tests.identities.enforcers.okta_lab import CLIENT, Org, okta_lab

__all__ = ["okta_lab"]

Make = Callable[..., OktaGranter]
GROUP = "00gONCALL"


@pytest.fixture
def members(okta_lab: Org) -> dict[str, set[str]]:
    """Who is in which group, by id."""
    there: dict[str, set[str]] = {GROUP: set(), "00gFROMAD": set()}
    okta_lab.scopes |= {READ, MANAGE}
    okta_lab.person()

    def may(asked: Request) -> bool:
        held = okta_lab.issued[asked.headers["authorization"].removeprefix("Bearer ")]
        return bool(({MANAGE} if asked.method != "GET" else {READ, MANAGE}) & held)

    def group(asked: Request) -> Answer:
        if not may(asked):
            return lacking(READ, asked.path)
        _, name, *rest = asked.path.removeprefix("/api/v1").strip("/").split("/")
        if name not in there:
            return gone(name)
        if not rest:
            kind = "OKTA_GROUP" if name == GROUP else "APP_GROUP"
            return Answer(200, {"id": name, "type": kind, "profile": {"name": name}})
        if name != GROUP:
            return error(403, "E0000006", "You do not have permission")
        if not okta_lab.lies:
            (there[name].add if asked.method == "PUT" else there[name].discard)(rest[-1])
        return Answer(204)

    def theirs(asked: Request) -> Answer:
        who = asked.path.split("/")[4]
        return Answer(200, [{"id": name} for name, some in there.items() if who in some])

    for method in ("GET", "PUT", "DELETE"):
        okta_lab.there.on(method, "/api/v1/groups/*", group)
    okta_lab.there.on("GET", "/api/v1/users/00uANA/groups", theirs)
    return there


@pytest.fixture
def okta(okta_lab: Org, members: dict[str, set[str]], tmp_path: Path) -> Make:
    (tmp_path / "key").write_text(pem())

    def make(**said: Any) -> OktaGranter:
        entry = {
            "url": okta_lab.url,
            "client_id": CLIENT,
            "private_key": f"file:{tmp_path}/key",
            "realm": "okta:lab",
        }
        return OktaGranter(okta_orgs.org(entry | said), allow_private=True)

    return make


def to(org: Org, group: str = GROUP, user: str = "ana@example.org") -> Given:
    now = datetime.now(UTC)
    target = Target("okta", org.url, "group", group, {"user": user})
    return Given("GRT-7", target, (), now, now + timedelta(hours=1))


def state(granter: OktaGranter, one: Given) -> tuple[str, str]:
    now = datetime.now(UTC)
    return granter.granted(one, now=now).state, granter.ended(one, now=now).state


def test_somebody_joins_a_group_and_leaves_it(
    okta_lab: Org, okta: Make, members: dict[str, set[str]]
) -> None:
    now, one, granter = datetime.now(UTC), to(okta_lab), okta(app_session_seconds=600)
    assert state(granter, one) == ("gone", "gone")
    granter.grant(one, now=now)
    assert members[GROUP] == {"00uANA"}
    assert state(granter, one) == ("active", "active")
    granter.end(one, now=now)
    granter.end(one, now=now)
    assert state(granter, one) == ("gone", "gone")
    (lives,) = granter.residual(one, since=now, now=now)
    assert lives.until == now + timedelta(seconds=600)
    assert granter.residual(one, since=now, now=now + timedelta(seconds=600)) == []


def test_a_change_that_was_only_answered_is_not_believed(
    okta_lab: Org, okta: Make, members: dict[str, set[str]]
) -> None:
    now, one, granter = datetime.now(UTC), to(okta_lab), okta()
    okta_lab.lies = True
    granter.grant(one, now=now)
    assert state(granter, one) == ("gone", "gone")
    members[GROUP].add("00uANA")
    granter.end(one, now=now)
    assert state(granter, one) == ("active", "active")


@pytest.mark.parametrize(
    ("group", "inside", "status", "words"),
    [
        (GROUP, True, "ACTIVE", "somebody else gave"),
        (GROUP, False, "SUSPENDED", "is SUSPENDED at Okta"),
        ("00gFROMAD", False, "ACTIVE", "come from elsewhere"),
        ("00gNONE", False, "ACTIVE", "has no group 00gNONE"),
    ],
)
def test_what_cannot_be_given_is_said(
    okta_lab: Org,
    okta: Make,
    members: dict[str, set[str]],
    group: str,
    inside: bool,
    status: str,
    words: str,
) -> None:
    okta_lab.users["00uANA"]["status"] = status
    if inside:
        members[group].add("00uANA")
    before = {name: set(some) for name, some in members.items()}
    with pytest.raises(PermanentFailure, match=words):
        okta().grant(to(okta_lab, group), now=datetime.now(UTC))
    assert members == before


def test_a_missing_scope_and_strange_names_are_said(okta_lab: Org, okta: Make) -> None:
    okta_lab.scopes -= {READ, MANAGE}
    with pytest.raises(PermanentFailure, match=r"okta\.groups"):
        okta().grant(to(okta_lab), now=datetime.now(UTC))
    assert "no id of a group" in okta().why_not(to(okta_lab, "everyone"))
    assert "no whole login" in okta().why_not(to(okta_lab, user="me"))
