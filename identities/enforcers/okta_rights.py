"""What Countersign's app in an Okta org may not do, read without changing anything.

Owns the look at granted scopes, at administrator roles and at each target. Must not make a step.

Sources: developer.okta.com, OAuth 2.0 scopes; Client role assignments
(`/oauth2/v1/clients/{clientId}/roles`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .contract import MissingRight, PermanentFailure, State, Target, plain
from .okta_orgs import READ_ROLES
from .okta_people import person
from .okta_server import Server, in_address
from .okta_things import thing
from .web import Refused

MOST_LOOKED_AT = 20

type Look = Callable[[Server, Target], tuple[State, str]]


def missing(at: Server, targets: Sequence[Target], *, look: Look) -> list[MissingRight]:
    """Scopes first, then roles; what is missing there is missing for every target."""
    org = at.org
    try:
        granted = at.access(anew=True).scopes
    except Refused as problem:
        return [MissingRight(problem.right, org.url, problem.reason)]
    found = [
        MissingRight(
            scope,
            org.url,
            f"Countersign's app {org.client_id} lacks the scope {scope}: grant it at {org.url}.",
        )
        for scope in org.scopes
        if scope not in granted
    ]
    if found:
        return found
    path = f"/oauth2/v1/clients/{in_address(org.client_id)}/roles"
    roles = at.listed(path, scope=READ_ROLES)
    if not any(one.get("status") != "INACTIVE" for one in roles):
        sentence = (
            f"Countersign's app {org.client_id} has no administrator role at {org.url}, without"
            " which no scope works: give it one."
        )
        return [MissingRight("act as an administrator", org.url, sentence)]
    for target in targets[:MOST_LOOKED_AT]:
        try:
            look(at, target)
            why = _unstoppable(at, target)
        except PermanentFailure as problem:
            why = problem.reason
        if why:
            found.append(MissingRight(f"stop {target.kind}", target.name, plain(why)))
    return found


def _unstoppable(at: Server, target: Target) -> str:
    """What Okta's own rules keep from being stopped."""
    if target.kind == "user":
        state = person(at, target.name).state
        if state not in ("ACTIVE", "SUSPENDED", "DEPROVISIONED"):
            return f"{target.name} is {state}: Okta suspends only who is ACTIVE."
    if target.kind == "secret":
        one = thing(at, target)
        one.look()
        if one.only_one():
            return (
                f"{one.words} is the only active secret of its app: make another, or hold the app."
            )
    return ""
