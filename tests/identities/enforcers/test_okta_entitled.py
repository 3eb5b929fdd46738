"""What an app or a person is allowed: narrowed for good, what refuses it, and what is seen after."""

from collections.abc import Callable
from typing import Any

import pytest

from identities.enforcers import okta, web
from identities.enforcers.contract import PermanentFailure, Permission, Target, confirms
from tests.identities.enforcers.okta_allowed import Allowed
from tests.identities.enforcers.okta_lab import Org, okta_lab
from tests.identities.enforcers.test_okta import ANA, APP, enforcer, lab, now, target

__all__ = ["enforcer", "lab", "okta_lab"]

ID = "00uANA"
LEFT = [Permission(("okta.users.read",), ("*",)), Permission(("read_only_admin",), ("*",))]

type At = Callable[..., okta.OktaEnforcer]


@pytest.fixture
def at(lab: Org, enforcer: Any) -> At:
    for scope in ("okta.users.read", "okta.users.manage", "okta.apps.manage"):
        lab.allowed.scope(APP, scope)
    lab.allowed.role(APP, "READ_ONLY_ADMIN", "CLIENT")
    lab.allowed.role(APP, "CUSTOM", "CLIENT", **{"resource-set": "iamHELPDESK"})
    lab.allowed.role(ID, "USER_ADMIN", "USER")
    lab.allowed.role(ID, "READ_ONLY_ADMIN", "USER")
    admins = lab.allowed.group("admins", ID, "00uADMIN")
    lab.allowed.role(admins, "APP_ADMIN", "GROUP")
    lab.allowed.group("everybody", ID, kind="BUILT_IN")
    return lambda **said: enforcer(entitlements=True, **said)


@pytest.mark.parametrize(
    ("kind", "name", "who", "stays", "changes"),
    [
        ("app", APP, APP, ["READ_ONLY_ADMIN", "okta.users.read"], 3),
        ("user", ANA, ID, ["READ_ONLY_ADMIN", "everybody"], 2),
    ],
)
def test_what_is_not_left_is_taken_away_and_nothing_else(
    lab: Org, at: At, kind: str, name: str, who: str, stays: list[str], changes: int
) -> None:
    of = target(lab, kind, name)
    assert at().verify(of, step="narrow", now=now(), permissions=LEFT).state == "active"
    for _ in range(2):  # twice leaves it as once
        at().narrow(of, permissions=LEFT, key="REV-7", now=now())
    assert lab.allowed.shown(who) == stays
    assert len(lab.changes()) == changes
    seen = at().verify(of, step="narrow", now=now(), permissions=LEFT)
    assert (confirms(seen, step="narrow"), "Not read: " in seen.detail) == (True, True)
    # Nobody else is in fewer groups, and it is not stopped.
    assert lab.allowed.shown("00uADMIN") == ["admins"]
    assert (lab.apps[APP]["status"], lab.users[ID]["status"]) == ("ACTIVE", "ACTIVE")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda org: org.role(ID, "CUSTOM", "USER", **{"resource-set": "iamALL"}), "role CUSTOM on iamALL"),
        (lambda org: org.role(_admins(org), "READ_ONLY_ADMIN", "GROUP"), "also gives a role that is left"),
        (lambda org: org.apps.setdefault(_admins(org), []).append({"id": "0oa1"}), "also opens apps"),
        (lambda org: org.groups[_admins(org)].update(type="APP_GROUP"), "not changed in Okta"),
    ],
)  # fmt: skip
def test_what_gives_both_is_refused_before_anything_is_changed(
    lab: Org, at: At, change: Any, named: str
) -> None:
    change(lab.allowed)
    left = [*LEFT, Permission(("CUSTOM",), ("iamHELPDESK",))]
    of = target(lab, "user", ANA)
    with pytest.raises(PermanentFailure, match="both what is left and more") as caught:
        at().narrow(of, permissions=left, key="REV-7", now=now())
    assert named in caught.value.reason
    assert lab.changes() == []
    assert at().verify(of, step="narrow", now=now(), permissions=left).state == "active"


def _admins(org: Allowed) -> str:
    return next(one for one, row in org.groups.items() if row["profile"]["name"] == "admins")


def test_a_word_that_is_no_grant_is_never_cut(lab: Org, at: At) -> None:
    left = [*LEFT, Permission(("user.session.start",), ("*",))]
    with pytest.raises(
        PermanentFailure, match=r"user\.session\.start is no scope or administrator"
    ):
        at().narrow(target(lab, "app", APP), permissions=left, key="REV-7", now=now())
    assert lab.changes() == []


def test_an_org_that_says_ok_and_does_nothing_is_seen_through(lab: Org, at: At) -> None:
    lab.lies = True
    for of in (target(lab, "app", APP), target(lab, "user", ANA)):
        at().narrow(of, permissions=LEFT, key="REV-7", now=now())
        assert at().verify(of, step="narrow", now=now(), permissions=LEFT).state == "active"


def test_what_is_gone_is_narrowed(lab: Org, at: At) -> None:
    del lab.apps[APP]
    of = target(lab, "app", APP)
    assert "already gone" in at().narrow(of, permissions=LEFT, key="REV-7", now=now()).detail
    assert at().verify(of, step="narrow", now=now(), permissions=LEFT).state == "gone"


@pytest.mark.parametrize(
    ("kind", "name", "lacking"),
    [
        ("app", APP, "okta.appGrants.manage"),
        ("app", APP, "okta.roles.manage"),
        ("user", ANA, "okta.groups.manage"),
    ],
)
def test_a_scope_that_is_missing_is_named_by_the_step_and_the_night_before(
    lab: Org, at: At, kind: str, name: str, lacking: str
) -> None:
    of = target(lab, kind, name)
    assert at().own_rights([of]) == []
    lab.scopes.remove(lacking)
    with pytest.raises(web.Refused) as caught:
        at(access_token_seconds=60).narrow(of, permissions=LEFT, key="REV-7", now=now())
    assert caught.value.right == lacking
    assert [one.permission for one in at().own_rights([of])] == [lacking]


def test_nothing_is_held_and_without_the_setting_nothing_is_narrowed(
    lab: Org, enforcer: Any
) -> None:
    with pytest.raises(PermanentFailure, match="entitlements: true"):
        enforcer().narrow(target(lab, "app", APP), permissions=LEFT, key="REV-7", now=now())
    allowed = Target("okta", lab.url, "app_entitlement", APP)
    assert okta.cannot(allowed, "hold") == (
        "Okta has no hold for what apps are allowed: narrow it for good, or hold whoever is allowed"
        " it."
    )
    with pytest.raises(PermanentFailure, match="Okta has no hold"):
        enforcer(entitlements=True).hold(allowed, key="REV-7", now=now())
    assert lab.changes() == []
