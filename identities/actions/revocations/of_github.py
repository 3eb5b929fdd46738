"""GitHub organisations in the table of outside systems: which Apps, members and credentials are
targets.

Owns the way from a credential and an identity's names to what the GitHub enforcer takes. What kind
a credential is, and of which organisation, says the list that showed it: a token that GitHub lists
nowhere would look as if it were gone. Must not know of rows of revocations.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from django.conf import settings

from evidence.models import Actor
from identities.enforcers import configured, github, github_server
from identities.enforcers.contract import PermanentFailure, Target
from identities.models import Credential, Discovery

from .owned import bound, owned
from .systems import ADMINISTRATOR, MOST_CHECKED, NoTarget, System

# The lists of identities/inventory/github.py, and what the enforcer calls what stands in them.
LISTS = {
    "fine-grained tokens": "token",
    "authorised credentials": "authorization",
    "deploy keys": "deploy_key",
}
PRINCIPALS = {"app": "app", "user": "member"}


def organisations() -> list[github_server.Organisation]:
    """Those that are set up. Raises PermanentFailure when their settings are wrong."""
    return [
        github_server.organisation(entry)
        for entry in configured.entries(settings.ENFORCERS, "github")
    ]


def _enforcer(account: str) -> github.GitHubEnforcer:
    for one in organisations():
        if one.account == account:
            return github.GitHubEnforcer(one, allow_private=bool(settings.ALLOW_PRIVATE))
    raise PermanentFailure(f"No enforcer for {account} is set up.", who_must_act=ADMINISTRATOR)


def _of_credential(credential: Credential, names: Sequence[Actor], now: datetime) -> Target | None:  # noqa: ARG001 -- the table gives each the same
    actor = credential.actor
    if not actor.realm.startswith("github:"):
        return None
    try:
        those = [one for one in organisations() if actor.realm in one.realms]
    except PermanentFailure as problem:
        raise NoTarget(problem.reason) from None
    if not those or actor.kind not in ("api_token", "key", "token"):
        return None
    # The log names a token by its hash, and above it by the id that lists name.
    known = actor.parent if actor.kind == "token" else actor
    listed = None if known is None else _listed([known.pk]).get(known.pk)
    if known is None or listed is None:
        raise NoTarget(
            f"No list of GitHub's shows {credential.short}: a classic token without single sign-on"
            " is ended by its owner alone, one of an App by holding the App."
        )
    return _target(listed, known.value, those)


def _listed(actors: Iterable[int]) -> dict[int, Discovery]:
    """What the newest reading of GitHub's lists shows of these, ended or not."""
    rows = Discovery.objects.filter(
        actor__in=list(actors), part__in=LISTS, superseded_at__isnull=True
    )
    return {
        row.actor_id: row for row in rows.select_related("source__connection").order_by("read_at")
    }


def _target(listed: Discovery, name: str, those: Sequence[github_server.Organisation]) -> Target:
    kind, connected = LISTS[listed.part], getattr(listed.source, "connection", None)
    owner = "" if connected is None else str(connected.settings.get("owner", ""))
    extra = {"repository": listed.scope} if kind == "deploy_key" else {}
    for one in those:
        if one.owner.lower() == owner.lower():
            return Target("github", one.account, kind, name, extra)
    raise NoTarget(f"The GitHub organisation {owner or 'of its list'} is not set up for writing.")


def principals(names: Iterable[Actor]) -> list[Target]:
    """The Apps and members that these names are, in each organisation of their realm."""
    known = [one for one in names if one.realm.startswith("github:") and one.kind in PRINCIPALS]
    if not known:
        return []
    try:
        accounts = [(realm, one.account) for one in organisations() for realm in one.realms]
    except PermanentFailure:
        # Nobody can act there, and the row says why; our own door is closed all the same.
        accounts = [(realm, realm) for realm in {actor.realm for actor in known}]
    found = {
        (account, PRINCIPALS[actor.kind], actor.value)
        for actor in known
        for realm, account in accounts
        if realm == actor.realm
    }
    return [Target("github", *one) for one in sorted(found)]


def _owned(now: datetime) -> Mapping[str, list[Target]]:
    """The principals and listed credentials of each organisation."""
    known = organisations()
    realms = {realm for one in known for realm in one.realms}
    found = bound(principals, realms, PRINCIPALS, now=now)
    rows = Credential.objects.filter(
        state="active", actor__kind__in=["api_token", "key"], actor__realm__in=realms
    ).select_related("actor")
    keys = {row.actor_id: row.actor for row in rows.order_by("-number")[:MOST_CHECKED]}
    for number, listed in _listed(keys).items():
        actor = keys[number]
        with suppress(NoTarget):
            theirs = [one for one in known if actor.realm in one.realms]
            found.append(_target(listed, actor.value, theirs))
    return owned([one.account for one in known], found)


SYSTEM = System(_enforcer, _of_credential, github.cannot, _owned, of_names=principals)
