"""A service account that a stopped token made is stopped in its cluster; a binding waits for people."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from evidence import intake
from evidence.models import Actor, Source
from identities.acting import COUNTERSIGN
from identities.actions import following, revocations
from identities.models import Credential, Identity, Making, Revocation
from tests.identities.enforcers.kubernetes_lab import Lab, kubernetes_lab
from tests.identities.revoking import work
from tests.identities.test_revocations_kubernetes import bound, lab

__all__ = ["bound", "kubernetes_lab", "lab"]

# Committed rows: the worker uses transactions of its own.
pytestmark = pytest.mark.django_db(transaction=True)


def audited(resource: str, name: str, at: datetime, namespace: str = "") -> dict[str, Any]:
    """A line of the cluster's audit log: the token `stolen` creates this."""
    where = {"resource": resource, "name": name, "apiVersion": "v1"}
    user = {
        "username": "system:serviceaccount:agents:reporting",
        "extra": {"authentication.kubernetes.io/credential-id": ["JTI=stolen"]},
    }
    return {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "auditID": f"{resource}-{name}",
        "stage": "ResponseComplete",
        "verb": "create",
        "user": user,
        "objectRef": where | ({"namespace": namespace} if namespace else {}),
        "responseStatus": {"code": 201},
        "requestReceivedTimestamp": at.isoformat(),
        "stageTimestamp": at.isoformat(),
        "cluster": "lab",
    }


def test_a_service_account_is_deleted_and_a_binding_waits_for_people(
    lab: Lab, bound: Identity
) -> None:
    now = datetime.now(UTC)
    lab.make("serviceaccounts", "evil", "kube-system")
    evil = {"kind": "ServiceAccount", "name": "evil", "namespace": "kube-system"}
    lab.bind("evil", evil, namespace="")
    source = Source.objects.create(name="audit", created_at=now, created_by="test")
    lines = [
        audited("serviceaccounts", "evil", now, "kube-system"),
        audited("clusterrolebindings", "evil", now),
    ]
    intake.take(
        source=source,
        body="\n".join(map(json.dumps, lines)).encode(),
        by="test",
        now=now,
        format="kubernetes",
    )
    while following.follow_next(now=now):
        pass
    assert sorted(Making.objects.values_list("kind", flat=True)) == [
        "cluster_role_binding",
        "service_account",
    ]
    actor = Actor.objects.get(value="stolen")
    token = Credential.objects.create(
        actor=actor, identity=bound, kind="token", standing=False, state_at=now
    )
    ask = revocations.Ask(bound, "revoke", "test", token, by_hand=True, takes_made=True)
    (made,) = revocations.request_all([ask], by=COUNTERSIGN, now=now)
    assert sorted(row.words for row in made.along) == [
        "Revoke cluster role binding clus…evil",
        "Revoke service account kube-system/evil",
    ]
    for minutes in range(3):
        work(now + timedelta(minutes=minutes))
    assert ("serviceaccounts", "kube-system", "evil") not in lab.objects
    assert lab.subjects("evil", "") == []
    states = dict(Revocation.objects.values_list("target__kind", "state"))
    assert (states["service_account"], states["cluster_role_binding"]) == ("effective", "failed")
    by_hand = Revocation.objects.get(target__kind="cluster_role_binding")
    assert by_hand.failed_why == "No enforcer changes a cluster_role_binding of k8s:lab."
