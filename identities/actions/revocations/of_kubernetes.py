"""Kubernetes clusters in the table of outside systems: service accounts and what tokens hang on.

Owns the way from a credential and an identity's service accounts to what the Kubernetes enforcer
takes. Must not know of rows of revocations.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.conf import settings

from evidence.formats.clusters import SERVICE_ACCOUNT
from evidence.models import Actor
from identities.enforcers import configured, kubernetes
from identities.enforcers.contract import PermanentFailure, Seen, Target
from identities.enforcers.kubernetes_cluster import Cluster, cluster
from identities.models import Binding, Credential, Entitlement

from .owned import bound, live, owned
from .systems import ADMINISTRATOR, NoTarget, System

SECRET = re.compile(r"namespaces/([^/]+)/secrets/([^/]+)")
KINDS = ("secret", "pod", "token", "certificate")


def clusters() -> list[Cluster]:
    """Each cluster. Raises PermanentFailure when their settings are wrong."""
    return [cluster(entry) for entry in configured.entries(settings.ENFORCERS, "kubernetes")]


def _enforcer(account: str) -> kubernetes.KubernetesEnforcer:
    for one in clusters():
        if one.url == account:
            return kubernetes.KubernetesEnforcer(one, allow_private=bool(settings.ALLOW_PRIVATE))
    raise PermanentFailure(f"No enforcer for {account} is set up.", who_must_act=ADMINISTRATOR)


def _of_credential(credential: Credential, names: Sequence[Actor], now: datetime) -> Target | None:  # noqa: ARG001 -- the table gives each the same
    actor = credential.actor
    if actor.kind == "service_account" and actor.realm.startswith("k8s"):
        return next(iter(accounts([actor])), None)
    if actor.kind not in KINDS or not actor.realm.startswith("k8s"):
        return None
    try:
        those = [one.url for one in clusters() if actor.realm in one.realms]
    except PermanentFailure as problem:
        raise NoTarget(problem.reason) from None
    if not those:
        return None
    if actor.kind == "secret":
        found = SECRET.fullmatch(actor.value)
        if found is None:
            raise NoTarget(f"{credential.short} is no Secret of a namespace: end it there.")
        return Target("kubernetes", those[0], "secret", f"{found[1]}/{found[2]}")
    if actor.kind != "pod":
        return Target("kubernetes", those[0], actor.kind, actor.value)
    above = [credential.issued_to, actor.parent, credential.seen_with, *names]
    for owner in above:
        if owner is not None and owner.value.startswith(SERVICE_ACCOUNT):
            extra = {"service_account": _account(owner)}
            return Target("kubernetes", those[0], "pod", actor.value, extra)
    raise NoTarget(f"As which service account pod {credential.short} runs cannot be told.")


def _account(actor: Actor) -> str:
    """namespace/name of system:serviceaccount:namespace:name."""
    return actor.value.removeprefix(SERVICE_ACCOUNT).replace(":", "/", 1)


def accounts(names: Iterable[Actor]) -> list[Target]:
    """The service accounts that these names are, each once."""
    found = {}
    for actor in names:
        if actor.kind != "service_account" or not actor.realm.startswith("k8s"):
            continue
        try:
            those = [one.url for one in clusters() if actor.realm in one.realms]
        except PermanentFailure:
            # Nobody can act on it there, and its row says why; our own door is closed all the same.
            those = [actor.realm]
        for at in those[:1]:
            name = _account(actor)
            found[at, name] = Target("kubernetes", at, "service_account", name)
    return [found[key] for key in sorted(found)]


def _of_entitlement(row: Entitlement) -> Target | None:
    """The account whose bindings these are: a reading names it by its user name alone, so its
    cluster is that of the name which is bound to the identity."""
    if row.system != "kubernetes":
        return None
    bound = Binding.objects.filter(identity=row.identity_id, superseded_at=None)
    found = accounts(
        one.actor
        for one in bound.filter(
            state="confirmed", actor__value=row.principal, actor__kind="service_account"
        ).select_related("actor")
    )
    if len(found) != 1:
        raise NoTarget(
            f"In which cluster {row.principal} is cannot be told: it is bound in {len(found)} that"
            " an enforcer changes. Have it changed there."
        )
    return found[0]


def _probe(target: Target, now: datetime) -> Seen | None:
    """What the cluster says of a held token; None where none is held."""
    return _enforcer(target.account).probe(target, now=now)


def _owned(now: datetime) -> Mapping[str, list[Target]]:
    """The service accounts and live token Secrets of each cluster."""
    known = clusters()
    realms = {realm for one in known for realm in one.realms}
    those = bound(accounts, realms, ["service_account"], now=now)
    return owned(
        [one.url for one in known], [*those, *live(_of_credential, realms, ["secret"], now=now)]
    )


SYSTEM = System(
    _enforcer,
    _of_credential,
    kubernetes.cannot,
    _owned,
    of_names=accounts,
    of_entitlement=_of_entitlement,
    probe=_probe,
    realms="k8s",
)
