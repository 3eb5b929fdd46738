"""Systems without an enforcer of ours in the table of outside systems: told by signed webhook.

Owns the way from a credential and an identity's names to what the webhook enforcer takes: the
settings name realms and kinds. Must not know of rows of revocations, but by the book that is given
to the enforcer.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.conf import settings
from django.urls import reverse

from evidence.models import Actor
from identities.enforcers import configured, webhook, webhook_receivers
from identities.enforcers.contract import PermanentFailure, Target
from identities.enforcers.webhook_receivers import Receiver
from identities.models import Credential

from . import receiving, unset
from .owned import bound, live, owned
from .systems import ADMINISTRATOR, NoTarget, System


def receivers() -> list[Receiver]:
    """Those that are set up. Raises PermanentFailure when their settings are wrong."""
    found = [
        webhook_receivers.receiver(entry)
        for entry in configured.entries(settings.ENFORCERS, receiving.SYSTEM)
    ]
    names = [one.name for one in found]
    for one in names:
        if names.count(one) > 1:
            raise configured.wrong(f"webhook: two entries are named {one}")
    return found


def receiver(name: str) -> Receiver | None:
    """The receiver of this name. Raises PermanentFailure when the settings are wrong."""
    return next((one for one in receivers() if one.name == name), None)


def _enforcer(account: str) -> webhook.WebhookEnforcer:
    found = receiver(account)
    if found is None:
        raise PermanentFailure(f"No enforcer for {account} is set up.", who_must_act=ADMINISTRATOR)
    return webhook.WebhookEnforcer(
        found,
        receiving.Kept(),
        base=settings.BASE_URL,
        answer=settings.BASE_URL + reverse("api_receiver", args=[found.name]),
        allow_private=bool(settings.ALLOW_PRIVATE),
    )


def _cannot(target: Target, step: str) -> str:
    try:
        found = receiver(target.account)
    except PermanentFailure:
        return ""  # the row says what is wrong with the settings
    return "" if found is None else webhook.cannot(found, target, step)


def _of_credential(credential: Credential, names: Sequence[Actor], now: datetime) -> Target | None:  # noqa: ARG001 -- the table gives each the same
    actor = credential.actor
    try:
        known = receivers()
    except PermanentFailure as problem:
        if unset.named(receiving.SYSTEM, [actor]):
            raise NoTarget(problem.reason) from None
        return None
    for one in known:
        if actor.realm in one.realms and actor.kind in one.credentials:
            return _target(one, actor)
    return None


def principals(names: Iterable[Actor]) -> list[Target]:
    """What these names are at each receiver, once each."""
    try:
        known = receivers()
    except PermanentFailure:
        return unset.named(receiving.SYSTEM, names)
    return [
        _target(one, actor)
        for one in known
        for actor in sorted(set(names), key=lambda actor: actor.pk)
        if actor.realm in one.realms and actor.kind in one.principals
    ]


def _target(one: Receiver, actor: Actor) -> Target:
    return Target(receiving.SYSTEM, one.name, actor.kind, actor.value, {"realm": actor.realm})


def _owned(now: datetime) -> Mapping[str, list[Target]]:
    """The principals and live credentials of each receiver."""
    found: list[Target] = []
    known = receivers()
    for one in known:
        found += bound(principals, one.realms, one.principals, now=now)
        found += live(_of_credential, one.realms, one.credentials, now=now)
    return owned([one.name for one in known], found)


SYSTEM = System(_enforcer, _of_credential, _cannot, _owned, of_names=principals)
