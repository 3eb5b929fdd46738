"""What a service account is allowed by its project: held, let go, narrowed, and what refuses it."""

from collections.abc import Callable
from typing import Any

import pytest

from identities.enforcers import gcp, web
from identities.enforcers.contract import (
    PermanentFailure,
    Permission,
    Target,
    TemporaryFailure,
    confirms,
)
from identities.enforcers.gcp_entitled import KIND, NEEDS
from tests.identities.enforcers.gcp_lab import PROJECT, Lab, gcp_lab
from tests.identities.enforcers.test_gcp import enforcer, lab, now

__all__ = ["enforcer", "gcp_lab", "lab"]

READS = [Permission(("storage.objects.*",), ("*",))]
ELSE = "user:ann@example.com"
BEFORE_JUNE = {
    "title": "until June",
    "expression": 'request.time < timestamp("2027-06-01T00:00:00Z")',
}

type At = Callable[..., gcp.GcpEnforcer]


@pytest.fixture
def at(lab: Lab, enforcer: Any) -> At:
    lab.given |= set(NEEDS)
    return lambda **said: enforcer(entitlements=True, **said)


@pytest.fixture
def account(lab: Lab) -> str:
    """One that may read, delete buckets by nobody's leave, and publish until June."""
    address = lab.account()
    lab.policy.bind("roles/storage.objectViewer", ELSE, f"serviceAccount:{address}")
    lab.policy.bind("roles/pubsub.publisher", f"serviceAccount:{address}", ELSE, **BEFORE_JUNE)
    lab.policy.bind("roles/viewer", ELSE)
    return address


def allowed(address: str, hold: str = "REV-7") -> Target:
    return Target("gcp", PROJECT, KIND, address, {"hold": hold})


def whole(address: str) -> Target:
    return Target("gcp", PROJECT, "service_account", address)


def test_held_it_is_remembered_in_its_binding_and_let_go_as_it_was(
    lab: Lab, at: At, account: str
) -> None:
    of, before = allowed(account), [dict(one) for one in lab.policy.bindings]
    kept = at().allowed(of, now=now())
    for _ in range(2):  # twice leaves it as once
        at().hold(of, key="REV-7", now=now(), permissions=READS)
    assert lab.policy.given(account) == {
        "roles/storage.objectViewer": True,
        "roles/pubsub.publisher": False,
    }
    assert lab.policy.written == 1
    (held,) = [one for one in lab.policy.bindings if "countersign REV-7" in str(one)]
    assert held["members"] == [f"serviceAccount:{account}"]
    # Nobody else's binding is another one now.
    assert [one for one in lab.policy.bindings if ELSE in one["members"]] == [
        {"role": "roles/storage.objectViewer", "members": [ELSE, f"serviceAccount:{account}"]},
        {"role": "roles/pubsub.publisher", "members": [ELSE], "condition": BEFORE_JUNE},
        {"role": "roles/viewer", "members": [ELSE]},
    ]
    seen = at().verify(of, step="hold", now=now(), permissions=READS)
    assert (seen.state, confirms(seen, step="hold")) == ("held", True)
    assert "folders, the organisation, groups" in seen.detail
    assert at().verify(of, step="release", now=now()).state == "held"
    at().release(of, key="REV-8", now=now(), allowed=kept)
    assert at().verify(of, step="release", now=now()).state == "active"
    members = {
        (one["role"], who, str(one.get("condition"))) for one in before for who in one["members"]
    }
    assert members == {
        (one["role"], who, str(one.get("condition")))
        for one in lab.policy.bindings
        for who in one["members"]
    }


def test_two_holds_do_not_know_each_other(lab: Lab, at: At, account: str) -> None:
    first, second = allowed(account, "REV-7"), allowed(account, "REV-9")
    kept = at().allowed(first, now=now())
    for one in (first, second):
        at().hold(one, key=one.extra["hold"], now=now(), permissions=READS)
        assert at().verify(one, step="hold", now=now(), permissions=READS).state == "held"
    at().release(first, key="REV-10", now=now(), allowed=kept)
    assert lab.policy.given(account)["roles/pubsub.publisher"] is False
    assert at().verify(first, step="release", now=now()).state == "active"
    assert at().verify(second, step="release", now=now()).state == "held"
    at().release(second, key="REV-11", now=now(), allowed=kept)
    assert lab.policy.given(account)["roles/pubsub.publisher"] is True


def test_narrowed_it_is_out_for_good_and_what_is_left_again_is_put_back(
    lab: Lab, at: At, account: str
) -> None:
    of = allowed(account)
    at().hold(of, key="REV-7", now=now(), permissions=[])
    assert lab.policy.given(account) == dict.fromkeys(
        ("roles/storage.objectViewer", "roles/pubsub.publisher"), False
    )
    ends = Target("gcp", PROJECT, "service_account", account, {"hold": "REV-7"})
    assert at().verify(ends, step="narrow", now=now(), permissions=READS).state == "active"
    at().narrow(ends, permissions=READS, key="REV-8", now=now())
    assert lab.policy.given(account) == {"roles/storage.objectViewer": True}
    seen = at().verify(ends, step="narrow", now=now(), permissions=READS)
    assert confirms(seen, step="narrow")
    assert [one["role"] for one in lab.policy.bindings if ELSE in one["members"]] == [
        "roles/storage.objectViewer",
        "roles/pubsub.publisher",
        "roles/viewer",
    ]


@pytest.mark.parametrize("step", ["hold", "narrow"])
def test_a_role_that_gives_both_is_refused_before_anything_is_changed(
    lab: Lab, at: At, account: str, step: str
) -> None:
    lab.policy.bind("roles/storage.admin", f"serviceAccount:{account}")
    with pytest.raises(PermanentFailure, match=r"roles/storage\.admin gives .* both") as caught:
        getattr(at(), step)(allowed(account), permissions=READS, key="REV-7", now=now())
    assert caught.value.who_must_act == "an administrator of the Google Cloud project agents-prod"
    assert lab.policy.written == 0


@pytest.mark.parametrize(
    ("word", "known"),
    [
        ("bigquery.jobs.create", True),
        ("storage.*", True),
        ("google.iam.admin.v1.CreateServiceAccountKey", False),
        ("SetIamPolicy", False),
    ],
)
def test_a_word_that_is_no_permission_is_never_cut(
    lab: Lab, at: At, account: str, word: str, known: bool
) -> None:
    left = [*READS, Permission((word,), ("*",))]
    if known:
        at().narrow(whole(account), permissions=left, key="REV-7", now=now())
        assert lab.policy.given(account) == {"roles/storage.objectViewer": True}
        return
    with pytest.raises(PermanentFailure, match="is no permission of Google Cloud"):
        at().narrow(whole(account), permissions=left, key="REV-7", now=now())
    assert lab.policy.written == 0


def test_a_basic_role_takes_no_condition_and_is_narrowed(lab: Lab, at: At, account: str) -> None:
    lab.policy.bind("roles/editor", f"serviceAccount:{account}")
    with pytest.raises(PermanentFailure, match="a basic role, which takes no condition"):
        at().hold(allowed(account), permissions=READS, key="REV-7", now=now())
    assert lab.policy.written == 0
    at().narrow(whole(account), permissions=READS, key="REV-8", now=now())
    assert "roles/editor" not in lab.policy.given(account)


def test_a_policy_that_somebody_changes_meanwhile_is_read_anew(
    lab: Lab, at: At, account: str
) -> None:
    lab.policy.overtaken = 1
    with pytest.raises(TemporaryFailure, match="409"):
        at().narrow(whole(account), permissions=READS, key="REV-7", now=now())
    assert lab.policy.given(account)["roles/pubsub.publisher"] is True
    at().narrow(whole(account), permissions=READS, key="REV-7", now=now())
    assert "roles/pubsub.publisher" not in lab.policy.given(account)


def test_a_role_that_gives_more_by_now_is_not_let_in(lab: Lab, at: At, account: str) -> None:
    of = allowed(account)
    kept = at().allowed(of, now=now())
    at().hold(of, key="REV-7", now=now(), permissions=READS)
    lab.policy.roles["roles/pubsub.publisher"].append("pubsub.topics.delete")
    with pytest.raises(PermanentFailure, match=r"new: allows by role roles/pubsub\.publisher"):
        at().release(of, key="REV-8", now=now(), allowed=kept)
    assert lab.policy.given(account)["roles/pubsub.publisher"] is False


def test_a_project_that_says_ok_and_does_nothing_is_seen_through(
    lab: Lab, at: At, account: str
) -> None:
    lab.lies = True
    at().hold(allowed(account), permissions=READS, key="REV-7", now=now())
    assert (
        at().verify(allowed(account), step="hold", now=now(), permissions=READS).state == "active"
    )
    at().narrow(whole(account), permissions=READS, key="REV-8", now=now())
    assert (
        at().verify(whole(account), step="narrow", now=now(), permissions=READS).state == "active"
    )


@pytest.mark.parametrize("lacking", NEEDS[:2])
def test_a_right_that_is_missing_is_named_by_the_step_and_the_night_before(
    lab: Lab, at: At, account: str, lacking: str
) -> None:
    assert at().own_rights([whole(account)]) == []
    lab.given.remove(lacking)
    with pytest.raises(web.Refused) as caught:
        at().narrow(whole(account), permissions=READS, key="REV-7", now=now())
    assert caught.value.right == lacking
    for found in (at().own_rights([whole(account)]), at().own_rights()):
        assert [one.permission for one in found] == [lacking]
        assert "roles/resourcemanager.projectIamAdmin" in found[0].sentence


def test_without_the_setting_nothing_of_it_is_changed_or_asked_for(
    lab: Lab, enforcer: Any, account: str
) -> None:
    for of, step in ((allowed(account), "hold"), (whole(account), "narrow")):
        assert "entitlements: true" in gcp.not_set_up(of, step)
        with pytest.raises(PermanentFailure, match="entitlements: true"):
            getattr(enforcer(), step)(of, permissions=READS, key="REV-7", now=now())
    with pytest.raises(PermanentFailure, match="has no disable"):
        enforcer(entitlements=True).suspend(allowed(account), key="REV-7", now=now())
    assert (lab.policy.written, lab.accounts[account].get("disabled")) == (0, None)
    assert enforcer().own_rights([whole(account)]) == []


def test_what_it_is_allowed_is_read_in_the_same_words(lab: Lab, at: At, account: str) -> None:
    found = at().reading(whole(account))
    assert [(one.via, one.actions) for one in found.possible] == [
        ("role roles/pubsub.publisher", ("pubsub.topics.publish",)),
        ("role roles/storage.objectViewer", ("storage.objects.get", "storage.objects.list")),
    ]
    assert found.missing.startswith("what folders, the organisation")
    assert at().reading(whole(account)).digest == found.digest
    at().hold(allowed(account), permissions=READS, key="REV-7", now=now())
    after = at().reading(whole(account))
    assert [one.via for one in after.possible] == ["role roles/storage.objectViewer"]
    assert after.digest != found.digest
