"""The worker's road to a Kubernetes cluster: from asking to effective, with real tokens."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from evidence.formats.record import ActorName
from evidence.models import Actor
from evidence.names import actor_ids
from identities import checks
from identities.acting import COUNTERSIGN
from identities.actions import revocations
from identities.models import (
    Binding,
    Credential,
    CredentialState,
    Entitlement,
    Identity,
    Revocation,
    RevocationTry,
)
from identities.permissions import NotPossible
from tests.identities.conftest import NOW
from tests.identities.enforcers.kubernetes_lab import OURS, SUBJECT, Lab, kubernetes_lab
from tests.identities.revoking import ask, work

__all__ = ["kubernetes_lab"]

# Committed rows: the worker uses transactions of its own.
pytestmark = pytest.mark.django_db(transaction=True)

REALM = "k8s:lab"
SECOND = timedelta(seconds=1)


@pytest.fixture
def lab(kubernetes_lab: Lab, settings: Any, tmp_path: Path) -> Lab:
    """The cluster, set up as an installation sets it up."""
    (tmp_path / "token").write_text(OURS)
    entry = {
        "url": kubernetes_lab.there.url,
        "realms": [REALM],
        "token": f"file:{tmp_path}/token",
        "tokens": f"file:{tmp_path}/{{name}}.token",
    }
    (tmp_path / "enforcers.yaml").write_text(yaml.safe_dump({"kubernetes": [entry]}))
    settings.ENFORCERS, settings.ALLOW_PRIVATE = str(tmp_path / "enforcers.yaml"), True
    return kubernetes_lab


@pytest.fixture
def bound(lab: Lab, active: Callable[..., Identity]) -> Identity:
    """An identity that is the cluster's service account."""
    identity = active("reporting")
    Binding.objects.create(
        identity=identity,
        actor=_actor("service_account", "system:serviceaccount:agents:reporting"),
        basis="declared",
        state="confirmed",
        during=(None, None),
        recorded_at=NOW,
        by="test",
    )
    return identity


def _actor(kind: str, value: str) -> Actor:
    name = ActorName(REALM, kind, value)
    return Actor.objects.get(pk=actor_ids([name], now=NOW)[name])


def _credential(identity: Identity, kind: str, value: str) -> Credential:
    key = Credential.objects.create(
        actor=_actor(kind, value),
        identity=identity,
        kind=kind,
        standing=kind == "secret",
        issued_at=NOW,
        state_at=NOW,
    )
    CredentialState.objects.create(
        credential=key, state="active", during=(NOW, None), recorded_at=NOW
    )
    return key


def _whole(identity: Identity, step: str, now: datetime) -> Revocation:
    """What is asked of the cluster when this is asked of the identity."""
    rows = revocations.request(
        identity=identity, step=step, by=COUNTERSIGN, because="test", now=now
    )
    return next(row for row in rows if row.system == "kubernetes")


def test_a_token_secret_from_requested_to_effective_with_a_real_use_before_and_after(
    lab: Lab, bound: Identity, tmp_path: Path
) -> None:
    token = lab.token(secret="reporting-token")
    (tmp_path / "agents.reporting-token.token").write_text(token)
    key, now = _credential(bound, "secret", "namespaces/agents/secrets/reporting-token"), _now()
    row = ask(bound, "revoke", now=now, credential=key)
    assert (row.system, row.target["name"]) == ("kubernetes", "agents/reporting-token")
    assert lab.uses(token) == 200
    assert work(now) == ["confirmed", "effective"]
    assert lab.uses(token) == 401
    key.refresh_from_db()
    assert key.state == "revoked"
    tries = RevocationTry.objects.filter(revocation=row).order_by("id")
    said = list(tries.values_list("did", "result", "detail"))
    assert [one[:2] for one in said] == [("send", "ok"), ("verify", "gone"), ("probe", "denied")]
    assert token not in str(said)


def test_a_pod_ends_with_the_tokens_bound_to_it(lab: Lab, bound: Identity) -> None:
    token, now = lab.token(pod="reporting-0"), _now()
    uid = lab.objects["pods", "agents", "reporting-0"]["metadata"]["uid"]
    row = ask(bound, "revoke", now=now, credential=_credential(bound, "pod", uid))
    assert row.target["extra"] == {"service_account": "agents/reporting"}
    assert work(now) == ["confirmed", "effective"]
    assert lab.uses(token) == 401
    single = _credential(bound, "token", "0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a")
    with pytest.raises(NotPossible, match="Kubernetes ends no token by itself"):
        ask(bound, "revoke", now=now, credential=single)


def test_an_identity_is_held_released_and_revoked_by_its_service_account(
    lab: Lab, bound: Identity
) -> None:
    token, now = lab.token(), _now()
    before = lab.subjects("reports")
    held = _whole(bound, "hold", now)
    work(now)
    held.refresh_from_db()
    assert (held.state, lab.uses(token)) == ("effective", 403)
    later = now + timedelta(minutes=1)
    released = _whole(bound, "release", later)
    work(later)
    released.refresh_from_db()
    assert (released.state, lab.uses(token), lab.subjects("reports")) == ("effective", 200, before)
    lab.lies = True
    revoked = _whole(bound, "revoke", later)
    for minute in range(20):
        work(later + timedelta(minutes=minute))
    revoked.refresh_from_db()
    assert (revoked.state, "does not show it" in revoked.failed_why) == ("failed", True)
    lab.lies, last = False, later + timedelta(hours=1)
    revocations.retry(revocation=revoked, by=COUNTERSIGN, now=last)
    work(last)
    revoked.refresh_from_db()
    assert (revoked.state, lab.uses(token)) == ("effective", 401)
    assert SUBJECT not in lab.subjects("reports")


def test_doctor_says_which_right_is_missing(lab: Lab, bound: Identity) -> None:
    _credential(bound, "secret", "namespaces/agents/secrets/reporting-token")
    name = f"enforcer kubernetes {lab.there.url}"
    assert (name, True, "may do everything it needs", "") in checks.doctor()
    lab.forbidden.add(("delete", "secrets"))
    ((_, well, said, fix),) = [one for one in checks.doctor() if one[0] == name]
    assert (well, said) == (False, "may not delete secrets in agents")
    assert fix.startswith("In Countersign's ClusterRole: ")


def _now() -> datetime:
    return datetime.now(UTC)


def _allowed(identity: Identity) -> Entitlement:
    """What a list shows its service account to be allowed."""
    return Entitlement.objects.create(
        identity=identity, system="kubernetes", during=(NOW, None), read_at=NOW, digest="list:x",
        principal="system:serviceaccount:agents:reporting", possible=[], keys=[], missing="",
        recorded_at=NOW,
    )  # fmt: skip


def test_what_it_is_allowed_is_held_let_go_and_narrowed_through_rows(
    lab: Lab, bound: Identity
) -> None:
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    lab.make("clusterroles", "view", rules=rules)
    found, now, token = _allowed(bound), _now(), lab.token()
    hold = ask(bound, "hold", now=now, entitlement=found)
    assert hold.words == "Hold service account entitlement agents/reporting"
    assert work(now) == ["confirmed", "effective"]
    hold.refresh_from_db()
    assert (lab.uses(token), {*hold.target["allowed"].values()}) == (
        403, {"allows by ClusterRole view"},
    )  # fmt: skip
    bound.refresh_from_db()
    assert bound.state == "active"
    ask(bound, "release", now=now + SECOND, entitlement=found, held_by=hold.key)
    assert (work(now + SECOND), lab.uses(token)) == (["confirmed", "effective"], 200)
    row = ask(bound, "narrow", now=now + 2 * SECOND, entitlement=found)
    assert (work(now + 2 * SECOND), lab.uses(token)) == (["confirmed", "effective"], 403)
    assert row.target["permissions"] == []


def test_whose_cluster_cannot_be_told_is_refused(lab: Lab, bound: Identity) -> None:
    found = _allowed(bound)
    Binding.objects.all().delete()
    with pytest.raises(NotPossible, match="it is bound in 0 that an enforcer changes"):
        ask(bound, "hold", now=_now(), entitlement=found)
