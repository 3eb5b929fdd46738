"""Which outside systems can grant what, and the adapter of an account there.

Owns the table, a row each, and what of it is offered. What a kind means at its target is its
adapter's (identities/enforcers/grants_*.py). Must not know of rows of grants.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings

from evidence.models import Actor
from identities.actions.revocations import (
    of_aws,
    of_github,
    of_kubernetes,
    of_okta,
    of_vault,
    of_webhook,
)
from identities.actions.revocations.systems import ADMINISTRATOR, MOST_CHECKED
from identities.enforcers import (
    grants_aws,
    grants_github,
    grants_kubernetes,
    grants_okta,
    grants_vault,
    grants_webhook,
)
from identities.enforcers.contract import PermanentFailure, Permission, Target
from identities.enforcers.grants import SHORTER, Given, Granter, Kind

MOST_EXTRA = 20


@dataclass(frozen=True, slots=True)
class What:
    """What is given and where, as a bundle says it. `words`: shown for it wherever it stands."""

    system: str
    account: str
    kind: str
    name: str
    permissions: tuple[Permission, ...] = ()
    extra: Mapping[str, str] = field(default_factory=dict)
    bundle: str = ""
    bundle_version: int | None = None
    words: str = ""

    @property
    def target(self) -> Target:
        return Target(self.system, self.account, self.kind, self.name, dict(self.extra))


class Offer(NamedTuple):
    """One kind of thing that an account can give (enforcers/grants.py, Kind)."""

    system: str
    account: str
    kind: str
    about: Kind


class System(NamedTuple):
    """`granter`: the adapter for an account, PermanentFailure where none is set up. `accounts`:
    those that are set up."""

    granter: Callable[[str], Granter]
    accounts: Callable[[], Collection[str]]
    kinds: Mapping[str, Kind]


def _aws_accounts() -> list[str]:
    realms = (
        Actor.objects.filter(realm__startswith="aws:")
        .order_by("realm")
        .values_list("realm", flat=True)
        .distinct()[:MOST_CHECKED]
    )
    return [one.removeprefix("aws:") for one in realms]


def _aws(account: str) -> Granter:
    return grants_aws.AwsGranter(of_aws.clients(account), account=account)


def _kubernetes(account: str) -> Granter:
    for one in of_kubernetes.clusters():
        if one.url == account:
            return grants_kubernetes.KubernetesGranter(one, allow_private=settings.ALLOW_PRIVATE)
    raise _not_set_up(account)


def _vault(account: str) -> Granter:
    for one in of_vault.servers():
        if one.account == account:
            return grants_vault.VaultGranter(one, allow_private=settings.ALLOW_PRIVATE)
    raise _not_set_up(account)


def _github(account: str) -> Granter:
    for one in of_github.organisations():
        if one.account == account:
            return grants_github.GitHubGranter(one, allow_private=settings.ALLOW_PRIVATE)
    raise _not_set_up(account)


def _okta(account: str) -> Granter:
    for one in of_okta.orgs():
        if one.url == account:
            return grants_okta.OktaGranter(one, allow_private=settings.ALLOW_PRIVATE)
    raise _not_set_up(account)


def _webhook(account: str) -> Granter:
    for one in of_webhook.receivers():
        if one.name == account and one.grants:
            return grants_webhook.WebhookGranter(one, allow_private=settings.ALLOW_PRIVATE)
    raise _not_set_up(account)


def _not_set_up(account: str) -> PermanentFailure:
    return PermanentFailure(f"No enforcer for {account} is set up.", who_must_act=ADMINISTRATOR)


REGISTRY: dict[str, System] = {
    "aws": System(_aws, _aws_accounts, grants_aws.KINDS),
    "kubernetes": System(
        _kubernetes, lambda: [one.url for one in of_kubernetes.clusters()], grants_kubernetes.KINDS
    ),
    "vault": System(
        _vault, lambda: [one.account for one in of_vault.servers()], grants_vault.KINDS
    ),
    "okta": System(_okta, lambda: [one.url for one in of_okta.orgs()], grants_okta.KINDS),
    "webhook": System(
        _webhook,
        lambda: [one.name for one in of_webhook.receivers() if one.grants],
        grants_webhook.KINDS,
    ),
    "github": System(
        _github, lambda: [one.account for one in of_github.organisations()], grants_github.KINDS
    ),
}


def granter(system: str, account: str) -> Granter:
    """The adapter that gives and takes there; PermanentFailure when there is none."""
    row = REGISTRY.get(system)
    if row is None:
        raise PermanentFailure(f"Nothing can be granted in {system}.", who_must_act=ADMINISTRATOR)
    return row.granter(account)


def kind_of(system: str, kind: str) -> Kind | None:
    row = REGISTRY.get(system)
    return None if row is None else row.kinds.get(kind)


def offer(systems: Collection[str] = ()) -> list[Offer]:
    """What the accounts that are set up can give, of these systems or of all. A system whose
    settings are wrong offers nothing: `doctor` says what is wrong with them."""
    found = []
    for name, row in REGISTRY.items():
        if systems and name not in systems:
            continue
        try:
            accounts = row.accounts()
        except PermanentFailure:
            continue
        found += [
            Offer(name, account, kind, about)
            for account in accounts
            for kind, about in row.kinds.items()
        ]
    return found


def longest(system: str, kind: str) -> timedelta | None:
    """The longest that this kind is given for; None where its target sets no bound. What the target
    does not end by itself is given for less (product.md, rule 6)."""
    about = kind_of(system, kind)
    if about is None:
        return None
    return about.longest if about.ends_itself else min(about.longest or SHORTER, SHORTER)


def why_not(
    what: What, *, starts_at: datetime, ends_at: datetime, key: str = "GRT-0"
) -> str | None:
    """Why this cannot be given for this time, in a sentence; asks no target."""
    about = kind_of(what.system, what.kind)
    if about is None:
        known = ", ".join(
            f"{name} {kind}" for name, row in REGISTRY.items() for kind in sorted(row.kinds)
        )
        return f"Nothing grants a {what.kind[:40]} in {what.system[:40]}; there is: {known}."
    if not what.account or not what.name:
        return f"Say in which account, and {about.name}."
    strange = sorted(set(what.extra) - set(about.needs) - set(about.may))
    if len(what.extra) > MOST_EXTRA or strange:
        return (
            f"{what.kind} in {what.system} knows no {strange[0][:40] if strange else 'such list'}."
        )
    for name, words in about.needs.items():
        if not what.extra.get(name):
            return f"{what.kind} in {what.system} needs {name}: {words}."
    if about.takes_permissions and not what.permissions:
        return f"Say which actions on which resources the {what.kind} gives."
    cap = longest(what.system, what.kind)
    if cap is not None and ends_at - starts_at > cap:
        return (
            f"A {what.kind} in {what.system} is given for {cap.total_seconds() / 3600:g} hours at"
            f" most{'' if about.ends_itself else ', as it ends only while Countersign runs'}."
        )
    try:
        adapter = granter(what.system, what.account)
        given = Given(key, what.target, what.permissions, starts_at, ends_at)
        return adapter.why_not(given) or None
    except PermanentFailure as problem:
        return problem.reason
