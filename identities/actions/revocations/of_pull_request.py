"""Repositories in the table of outside systems: which names and credentials are written down there.

Owns the way from them to what the pull request enforcer takes, and its book: rows that wait for a
merge, and the enforcers of the systems that files describe. Must not know what an edit removes.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.conf import settings

from evidence.models import Actor
from identities.enforcers import configured, pull_request, pull_request_repos
from identities.enforcers.contract import KnownSession, PermanentFailure, Residual, Seen, Target
from identities.enforcers.pull_request_repos import Repository
from identities.models import Credential

from . import (
    of_aws,
    of_entra,
    of_gcp,
    of_github,
    of_kubernetes,
    of_okta,
    of_scim,
    of_vault,
    unset,
    waiting,
)
from .owned import bound, live, owned
from .systems import ADMINISTRATOR, NoTarget, System

NAME = "pull_request"
# Where it can be looked at what a file describes. What receivers of webhooks say is of their own rows.
DESCRIBED = (
    of_aws, of_entra, of_gcp, of_github, of_kubernetes, of_okta, of_scim, of_vault,
)  # fmt: skip


def repositories() -> list[Repository]:
    """Those that are set up. Raises PermanentFailure when their settings are wrong."""
    found = [
        pull_request_repos.repository(entry)
        for entry in configured.entries(settings.ENFORCERS, NAME)
    ]
    names = [one.name for one in found]
    for one in names:
        if names.count(one) > 1:
            raise configured.wrong(f"{NAME}: two entries are named {one}")
    return found


def enforcer(account: str) -> pull_request.PullRequestEnforcer:
    """The adapter of one repository. Raises PermanentFailure where there is none."""
    for one in repositories():
        if one.name == account:
            return pull_request.PullRequestEnforcer(
                one, Kept(), base=settings.BASE_URL, allow_private=bool(settings.ALLOW_PRIVATE)
            )
    raise PermanentFailure(f"No enforcer for {account} is set up.", who_must_act=ADMINISTRATOR)


def _of_credential(credential: Credential, names: Sequence[Actor], now: datetime) -> Target | None:  # noqa: ARG001 -- the table gives each the same
    actor = credential.actor
    try:
        known = repositories()
    except PermanentFailure as problem:
        if unset.named(NAME, [actor]):
            raise NoTarget(problem.reason) from None
        return None
    for one in known:
        if any(actor.realm in w.realms and actor.kind in w.credentials for w in one.written):
            return _target(one, actor)
    return None


def principals(names: Iterable[Actor]) -> list[Target]:
    """Where these names are written down, each once in a repository."""
    known = sorted(set(names), key=lambda actor: actor.pk)
    try:
        repos = repositories()
    except PermanentFailure:
        return unset.named(NAME, known)
    return [
        _target(one, actor)
        for one in repos
        for actor in known
        if any(actor.realm in w.realms and actor.kind in w.principals for w in one.written)
    ]


def _target(one: Repository, actor: Actor) -> Target:
    return Target(NAME, one.name, actor.kind, actor.value, {"realm": actor.realm})


def _owned(now: datetime) -> Mapping[str, list[Target]]:
    """What is written down of identities, by repository."""
    found: list[Target] = []
    known = repositories()
    for one in known:
        for written in one.written:
            found += bound(principals, written.realms, written.principals, now=now)
            found += live(_of_credential, written.realms, written.credentials, now=now)
    return owned([one.name for one in known], found)


class Kept:
    """The book of the enforcer, in rows. It knows the row that a worker holds."""

    def asked(self, target: Target, *, step: str, now: datetime) -> pull_request.Asked | None:
        row = waiting.held(target, step=step, now=now)
        if row is None:
            return None
        return pull_request.Asked(row.key, row.state, row.sent_at, row.case_key)

    def wait(self, asked: pull_request.Asked, *, until: datetime, why: str, now: datetime) -> None:
        waiting.give_back(asked.key, until=until, why=why, now=now)

    def at_target(self, target: Target, *, now: datetime) -> list[Seen]:
        """What each system shows that has an enforcer of its own for this name."""
        return [
            system.enforcer(one.account).verify(one, step="revoke", now=now)
            for system, one in _described(target)
        ]

    def left_at_target(
        self, target: Target, *, since: datetime, now: datetime, sessions: Sequence[KnownSession]
    ) -> list[Residual] | None:
        those = _described(target)
        if not those:
            return None
        return [
            left
            for system, one in those
            for left in system.enforcer(one.account).residual(
                one, since=since, now=now, sessions=sessions
            )
        ]


def _described(target: Target) -> list[tuple[System, Target]]:
    """The targets that this name is in systems with an enforcer of ours."""
    names = list(
        Actor.objects.filter(
            realm=target.extra.get("realm", ""), kind=target.kind, value=target.name
        ).select_related("parent")
    )
    return [(one.SYSTEM, found) for one in DESCRIBED for found in one.SYSTEM.of_names(names)]


SYSTEM = System(enforcer, _of_credential, pull_request.cannot, _owned, of_names=principals)
