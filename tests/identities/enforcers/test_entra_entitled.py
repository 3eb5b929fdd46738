"""What a service principal is allowed: narrowed for good, what refuses it, and what is seen after."""

from collections.abc import Callable
from typing import Any

import pytest

from identities.enforcers import entra, web
from identities.enforcers.contract import PermanentFailure, Permission, Target, confirms
from tests.identities.enforcers.entra_grants import OWN, READER
from tests.identities.enforcers.entra_lab import GRAPH, NARROWING, ROLES, TENANT, Lab, entra_lab
from tests.identities.enforcers.test_entra import enforcer, lab, now

__all__ = ["enforcer", "entra_lab", "lab"]

LEFT = [
    Permission(("Mail.Read", "User.Read"), ("Microsoft Graph",)),
    Permission(("directory readers",), ("the whole directory",)),
]
GROUP = "55555555-0000-4fff-8fff-555555555555"

type At = Callable[..., entra.EntraEnforcer]


@pytest.fixture
def at(lab: Lab, enforcer: Any) -> At:
    lab.given |= NARROWING
    return lambda **said: enforcer(entitlements=True, **said)


@pytest.fixture
def principal(lab: Lab) -> Target:
    """One with two app roles, two scopes and two directory roles, of each one that stays."""
    number, _ = lab.principal()
    lab.principals[GRAPH] |= {
        "displayName": "Microsoft Graph",
        "oauth2PermissionScopes": [
            {"id": "1", "value": "User.Read"},
            {"id": "2", "value": "Files.Read"},
        ],
    }
    for name in ("Mail.Read", "Mail.Send"):
        lab.grants.app_role(number, ROLES[name], GRAPH)
    lab.grants.delegate(number, "User.Read Files.Read", GRAPH)
    lab.grants.role(number, READER)
    lab.grants.role(number, OWN)
    return Target("entra", TENANT, "service_principal", number)


def test_what_is_not_left_is_taken_away_and_nothing_else(
    lab: Lab, at: At, principal: Target
) -> None:
    assert at().verify(principal, step="narrow", now=now(), permissions=LEFT).state == "active"
    for _ in range(2):  # twice leaves it as once
        at().narrow(principal, permissions=LEFT, key="REV-7", now=now())
    assert lab.grants.shown(principal.name) == sorted([ROLES["Mail.Read"], "User.Read", READER])
    assert len(lab.changes()) == 3
    seen = at().verify(principal, step="narrow", now=now(), permissions=LEFT)
    assert confirms(seen, step="narrow")
    assert seen.detail.endswith("Not read: roles in Azure subscriptions and memberships that somebody may activate.")  # fmt: skip
    assert lab.principals[principal.name]["accountEnabled"] is True


def test_a_grant_of_which_no_scope_is_left_is_deleted(lab: Lab, at: At, principal: Target) -> None:
    lab.grants.delegate(principal.name, "Files.Read", GRAPH)
    at().narrow(principal, permissions=LEFT, key="REV-7", now=now())
    assert [one["scope"] for one in lab.grants.delegated.values()] == ["User.Read"]


def test_a_whole_application_is_narrowed_by_its_client_id(
    lab: Lab, at: At, principal: Target
) -> None:
    app = lab.principals[principal.name]["appId"]
    of = Target("entra", TENANT, "application", app)
    at().narrow(of, permissions=[], key="REV-7", now=now())
    assert lab.grants.shown(principal.name) == []
    assert confirms(at().verify(of, step="narrow", now=now()), step="narrow")


@pytest.mark.parametrize(
    ("left", "named"),
    [
        (
            [Permission(("Mail.Read",), ("mailbox of ann",))],
            "app role Mail.Read on Microsoft Graph",
        ),
        (
            [Permission(("microsoft.directory/applications/create",), ("*",))],
            "directory role microsoft.directory/applications/credentials/update",
        ),
    ],
)
def test_what_gives_both_is_refused_before_anything_is_changed(
    lab: Lab, at: At, principal: Target, left: list[Permission], named: str
) -> None:
    with pytest.raises(PermanentFailure, match="both what is left and more") as caught:
        at().narrow(principal, permissions=left, key="REV-7", now=now())
    assert named in caught.value.reason
    assert lab.changes() == []


def test_a_word_that_is_no_grant_is_never_cut(lab: Lab, at: At, principal: Target) -> None:
    left = [*LEFT, Permission(("Add service principal",), ("*",))]
    with pytest.raises(PermanentFailure, match="Add service principal is no app role, scope or"):
        at().narrow(principal, permissions=left, key="REV-7", now=now())
    assert lab.changes() == []
    # One that is, and that it never had, is.
    left = [*LEFT, Permission(("Application.Read.All",), ("*",))]
    at().narrow(principal, permissions=left, key="REV-7", now=now())
    assert len(lab.changes()) == 3


def test_what_a_group_gives_is_not_called_narrowed(lab: Lab, at: At, principal: Target) -> None:
    lab.grants.groups[principal.name] = [GROUP]
    lab.grants.role(GROUP, OWN)
    with pytest.raises(PermanentFailure, match=r"more is given to group Robots \(directory role"):
        at().narrow(principal, permissions=LEFT, key="REV-7", now=now())
    assert lab.grants.shown(principal.name) == sorted([ROLES["Mail.Read"], "User.Read", READER])
    assert at().verify(principal, step="narrow", now=now(), permissions=LEFT).state == "active"


def test_a_tenant_that_says_ok_and_does_nothing_is_seen_through(
    lab: Lab, at: At, principal: Target
) -> None:
    lab.lies = True
    at().narrow(principal, permissions=LEFT, key="REV-7", now=now())
    seen = at().verify(principal, step="narrow", now=now(), permissions=LEFT)
    assert (seen.state, "app role Mail.Send" in seen.detail) == ("active", True)


@pytest.mark.parametrize("lacking", sorted(NARROWING - {"Mail.Read", "Mail.Send"}))
def test_a_right_that_is_missing_is_named_by_the_step_and_the_night_before(
    lab: Lab, at: At, principal: Target, lacking: str
) -> None:
    assert at().own_rights([principal]) == []
    lab.given.remove(lacking)
    with pytest.raises(web.Refused) as caught:
        at().narrow(principal, permissions=LEFT, key="REV-7", now=now())
    assert caught.value.right == lacking
    for found in (at().own_rights([principal]), at().own_rights()):
        assert [one.permission for one in found] == [lacking]


def test_nothing_is_held_and_without_the_setting_nothing_is_narrowed(
    lab: Lab, enforcer: Any, principal: Target
) -> None:
    with pytest.raises(PermanentFailure, match="entitlements: true"):
        enforcer().narrow(principal, permissions=LEFT, key="REV-7", now=now())
    allowed = Target("entra", TENANT, "service_principal_entitlement", principal.name)
    assert "narrow it for good" in entra.cannot(allowed, "hold")
    with pytest.raises(PermanentFailure, match="knows no service_principal_entitlement"):
        enforcer(entitlements=True).hold(allowed, key="REV-7", now=now())
    assert lab.changes() == []
