"""The Vault enforcer against a server that keeps state: each kind, each step, each fault."""

from datetime import timedelta
from typing import Any

import pytest

from identities.enforcers import vault
from identities.enforcers.contract import (
    KnownSession,
    PermanentFailure,
    Target,
    confirms,
)
from tests.identities.enforcers.vault_lab import (
    KINDS,
    ROLE,
    Lab,
    Set,
    made,
    now,
    revoke,
    state,
    target,
    vault_enforcer,
    vault_lab,
)

__all__ = ["vault_enforcer", "vault_lab"]

DIGEST = f"hmac-sha256:{'0a' * 32}"


@pytest.fixture
def lab(vault_lab: Lab) -> Lab:
    return vault_lab


@pytest.fixture
def enforcer(vault_enforcer: Set) -> Set:
    return vault_enforcer


@pytest.mark.parametrize(
    ("kind", "left"),
    [
        ("token", "gone"),
        ("lease", "gone"),
        ("lease_prefix", "gone"),
        ("secret_id", "gone"),
        ("entity", "denied"),
    ],
)
def test_each_kind_is_ended_and_seen_to_be_and_a_second_time_changes_nothing(
    lab: Lab, enforcer: Set, kind: str, left: str
) -> None:
    at, one = enforcer(), made(lab, kind)
    assert state(at, one) == "active"
    first = revoke(at, one)
    seen = at.verify(one, step="revoke", now=now())
    assert (seen.state, confirms(seen, step="revoke")) == (left, True)
    second = revoke(at, one)
    assert "already" in second or second == first
    assert state(at, one) == left
    keys = [one.headers["user-agent"] for one in lab.there.asked if "-key/" in str(one.headers)]
    assert set(keys) == {"countersign countersign-key/REV-7"}


@pytest.mark.parametrize("kind", KINDS[:-1])
def test_what_is_gone_already_is_success(lab: Lab, enforcer: Set, kind: str) -> None:
    at, one = enforcer(), made(lab, kind)
    for all_of_it in (lab.tokens, lab.leases, lab.secret_ids):
        all_of_it.clear()
    revoke(at, one)
    assert state(at, one) == "gone"


def test_an_entity_or_an_approle_that_is_gone_takes_everything_with_it(
    lab: Lab, enforcer: Set
) -> None:
    at, entity, secret = enforcer(), made(lab, "entity"), made(lab, "secret_id")
    lab.entities.clear()
    lab.roles.clear()
    assert at.hold(entity, key="REV-7", now=now()).detail.endswith("is already gone.")
    assert (state(at, entity), state(at, secret)) == ("gone", "gone")
    assert revoke(at, secret).endswith("is already gone.")
    with pytest.raises(PermanentFailure, match="is gone: there is nothing to release"):
        at.release(entity, key="REV-8", now=now())


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_lies_is_seen_to_have_done_nothing(
    lab: Lab, enforcer: Set, kind: str
) -> None:
    at, one = enforcer(), made(lab, kind)
    lab.lies = True
    revoke(at, one)
    seen = at.verify(one, step="revoke", now=now())
    assert (seen.state, confirms(seen, step="revoke")) == ("active", False)


def test_a_revoked_token_takes_its_children_and_leases_with_it(lab: Lab, enforcer: Set) -> None:
    at, parent = enforcer(), lab.login()
    child, lease, orphan = lab.login(parent=parent), lab.lease(token=parent), lab.login()
    assert (lab.uses(parent), lab.uses(child)) == (200, 200)
    revoke(at, target(lab, "token", parent))
    assert (lab.uses(parent), lab.uses(child), lab.uses(orphan)) == (403, 403, 200)
    since, later = now(), now() + timedelta(hours=1)
    known = [KnownSession(name, since - timedelta(1), later) for name in (child, lease, orphan)]
    known.append(KnownSession("4f:aa:01 of a certificate", since - timedelta(1), later))
    left = at.residual(target(lab, "token", parent), since=since, now=since, sessions=known)
    assert [(one.what, one.until) for one in left] == [
        (f"{orphan}, which was issued with it", later),
        ("4f:aa:01 of a certificate, which was issued with it", later),
    ]


@pytest.mark.parametrize(("stops", "starts"), [("hold", "release"), ("suspend", "resume")])
def test_a_disabled_entity_is_denied_everything_and_works_again_as_before(
    lab: Lab, enforcer: Set, stops: str, starts: str
) -> None:
    name = lab.entity(team="data")
    token, at, one = lab.login(entity=name), enforcer(), target(lab, "entity", name)
    assert lab.uses(token) == 200
    for _ in range(2):
        getattr(at, stops)(one, key="REV-7", now=now())
    seen = at.verify(one, step=stops, now=now())  # type: ignore[arg-type]  # one of the words
    assert (seen.state, confirms(seen, step=stops), lab.uses(token)) == ("denied", True, 403)  # type: ignore[arg-type]  # the same
    assert lab.entities[name]["metadata"] == {"team": "data", "countersign": "REV-7"}
    for _ in range(2):
        getattr(at, starts)(one, key="REV-8", now=now())
    assert (state(at, one, starts), lab.uses(token)) == ("active", 200)
    assert lab.entities[name]["metadata"] == {"team": "data"}


def test_what_somebody_else_disabled_is_not_enabled(lab: Lab, enforcer: Set) -> None:
    at, one = enforcer(), made(lab, "entity")
    lab.entities[one.name]["disabled"] = True
    assert at.hold(one, key="REV-7", now=now()).detail.endswith("was disabled already.")
    with pytest.raises(PermanentFailure, match="was not disabled from here") as caught:
        at.release(one, key="REV-8", now=now())
    assert caught.value.who_must_act == f"the administrator of {lab.address}"
    assert lab.entities[one.name]["disabled"] is True


def test_what_lives_on_of_each_kind_and_until_when(lab: Lab, enforcer: Set) -> None:
    since = now()

    def left(one: Target, **said: Any) -> list[tuple[str, timedelta | None]]:
        found = enforcer(**said).residual(one, since=since, now=since)
        return [(one.what, one.until - since if one.until else None) for one in found]

    entity, secret = made(lab, "entity"), made(lab, "secret_id")
    assert left(entity) == [
        (
            "secrets that it took before, each until its lease ends or is revoked",
            timedelta(hours=768),
        )
    ]
    assert left(entity, max_lease_seconds=0) == []
    logins = "tokens that this secret id was logged in for before"
    assert left(secret) == [(logins, timedelta(hours=1))]
    lab.roles[ROLE] |= {"token_max_ttl": 0}
    assert left(secret, max_lease_seconds=60) == [(logins, timedelta(seconds=60))]
    lab.roles[ROLE] |= {"token_period": 600}
    assert left(secret) == [(logins, None)]
    lab.roles.clear()
    assert left(secret, max_lease_seconds=60) == [(logins, timedelta(seconds=60))]
    assert left(target(lab, "lease", "aws/sts/deploy/abcd1234")) == [
        ("the session that AWS gave, which ends by itself alone", timedelta(hours=36))
    ]
    assert left(made(lab, "lease")) == left(made(lab, "token")) == []


def test_a_lease_that_its_engine_could_not_end_is_there_and_says_so(
    lab: Lab, enforcer: Set
) -> None:
    at, one = enforcer(), made(lab, "lease")
    lab.leases[one.name]["failed"] = "dial tcp: connection refused"
    seen = at.verify(one, step="revoke", now=now())
    assert (seen.state, seen.detail) == (
        "active",
        f"Lease {one.name} is there: its engine could not end it (dial tcp: connection refused).",
    )


def test_a_secret_id_past_its_end_is_as_good_as_gone(lab: Lab, enforcer: Set) -> None:
    at, one = enforcer(), made(lab, "secret_id")
    lab.secret_ids[one.name]["ends"] = "2025-01-01T00:00:00Z"
    assert state(at, one) == "gone"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("step", ["hold", "release", "suspend", "resume", "narrow"])
def test_what_vault_has_no_step_for_is_refused_with_what_to_do(
    lab: Lab, enforcer: Set, kind: str, step: str
) -> None:
    one = made(lab, kind)
    if kind == "entity" and step != "narrow":
        assert vault.cannot(one, step) == ""
        return
    more: dict[str, Any] = {"permissions": []} if step == "narrow" else {}
    with pytest.raises(PermanentFailure) as caught:
        getattr(enforcer(), step)(one, key="REV-7", now=now(), **more)
    assert caught.value.reason == f"{one.name}: {vault.cannot(one, step)}"
    assert f"Vault has no {step} for a" in caught.value.reason
    assert "hold the identity." in caught.value.reason
    assert lab.there.asked == []


@pytest.mark.parametrize("kind", ["token", "secret_id"])
def test_a_digest_ends_nothing_and_says_what_would_help(lab: Lab, enforcer: Set, kind: str) -> None:
    with pytest.raises(PermanentFailure, match="only by a digest") as caught:
        revoke(enforcer(), target(lab, kind, DIGEST))
    assert ("hmac_accessor=false" in caught.value.reason) is (kind == "token")
    (missing,) = [
        one
        for one in enforcer().own_rights([target(lab, kind, DIGEST)])
        if "name" in one.permission
    ]
    assert (missing.resource, "hold the identity" in missing.sentence) == (DIGEST, True)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("entity", "../../sys/seal"),
        ("entity", "x?disabled=1"),
        ("token", "a/b"),
        ("token", "short"),
        ("lease", "database/../sys/seal"),
        ("lease", "no-path"),
        ("lease_prefix", "/"),
        ("lease_prefix", "database/creds"),
        ("secret_id", "a b"),
        ("policy", "root"),
    ],
)
def test_a_name_that_is_none_goes_nowhere(lab: Lab, enforcer: Set, kind: str, name: str) -> None:
    step: Any = "hold" if kind == "entity" else "revoke"
    with pytest.raises(PermanentFailure, match=r"is no name that Vault gives|does not know the"):
        enforcer().verify(target(lab, kind, name), step=step, now=now())
    assert lab.there.asked == []


def test_a_secret_id_of_no_known_role_goes_nowhere(lab: Lab, enforcer: Set) -> None:
    for role in ("", "sys/seal", "auth/approle/role/..", "auth/approle/role/a/b"):
        one = Target("vault", lab.address, "secret_id", lab.secret_id(), {"role": role})
        with pytest.raises(PermanentFailure, match="Of which AppRole"):
            revoke(enforcer(), one)
    assert lab.there.asked == []


def test_what_is_of_another_server_or_namespace_is_refused_before_anything_is_asked(
    lab: Lab, enforcer: Set
) -> None:
    name = lab.login()
    foreign = Target("vault", "https://other.example.com", "token", name)
    with pytest.raises(PermanentFailure, match=f"not of {lab.address}"):
        revoke(enforcer(), foreign)
    with pytest.raises(PermanentFailure, match="of another namespace"):
        revoke(enforcer(), target(lab, "token", f"{name}.Ab3xZ"))
    there = Target("vault", f"{lab.address}/team-a", "token", name)
    with pytest.raises(PermanentFailure, match="of another namespace"):
        revoke(enforcer(namespace="team-a"), there)
    assert lab.there.asked == []


def test_a_namespace_is_asked_in_itself(lab: Lab, enforcer: Set) -> None:
    lab.namespace, name = "team-a", f"{lab.login()}.Ab3xZ"
    lab.tokens[name] = lab.tokens.pop(name.partition(".")[0])
    at, one = enforcer(namespace="team-a"), Target("vault", f"{lab.address}/team-a", "token", name)
    assert state(at, one) == "active"
    revoke(at, one)
    assert state(at, one) == "gone"
