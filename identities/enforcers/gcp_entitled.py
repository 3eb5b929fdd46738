"""What a service account is allowed by its project's own policy: held, let go and narrowed there.

Owns which bindings a step is about, how a held one is remembered, and the policy that is written.
A binding gives a role, and a role is whole: one that gives both what is left and more is refused
before anything is changed. A hold leaves the account in its binding, under a condition that is
never true and whose title says for which holds (docs/decisions 74). Must not know who asked.

Sources: cloud.google.com, IAM, "Allow policies" (etag: a write on a policy that changed meanwhile
is refused with 409 ABORTED; version 3 for conditions), "Overview of IAM Conditions" (no conditions
on basic roles; 100 conditional bindings; title up to 100 characters, description up to 256), API
reference of projects.getIamPolicy, projects.setIamPolicy, roles.get, queryTestablePermissions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from evidence.words import counted

from . import widening
from .contract import PermanentFailure, Permission, Seen, Sent, Target, TemporaryFailure, plain
from .gcp_projects import RESOURCES, Absent, Google
from .leaving import judged
from .patterns import overlaps
from .possible_aws import Possible
from .web import pause

KIND = "service_account_entitlement"
READ, WRITE, ROLES = (
    "resourcemanager.projects.getIamPolicy",
    "resourcemanager.projects.setIamPolicy",
    "iam.roles.get",
)
NEEDS = (READ, WRITE, ROLES)
OURS, NEVER, LONGEST_KEPT = "countersign ", "false", 256
BASIC = frozenset({"roles/owner", "roles/editor", "roles/viewer"})
MOST_NAMED, MOST_PAGES, MOST_ACTIONS = 5, 50, 2_000
NOT_READ = "what folders, the organisation, groups and policies of single resources give"

type Binding = dict[str, Any]


class Bound(NamedTuple):
    """The policy, and the bindings of one account: all that a role of them gives is left (within),
    nothing of it (out), or some (mixed). Held ones are among them."""

    policy: dict[str, Any]
    within: list[Binding]
    out: list[Binding]
    mixed: list[Binding]


class Reading(NamedTuple):
    """What one account is allowed now. `digest` is over all of it; `missing`: what was not read."""

    principal: str
    possible: list[Possible]
    missing: str
    digest: str


class Policy:
    """What one project's own policy says of one account."""

    def __init__(self, google: Google, target: Target) -> None:
        self.google, self.target = google, target
        self.member = f"serviceAccount:{target.name}"
        self._roles: dict[str, tuple[str, ...] | None] = {}

    def read(self) -> dict[str, Any]:
        found = self.google.ask(
            "POST",
            ":getIamPolicy",
            right=READ,
            service=RESOURCES,
            body={"options": {"requestedPolicyVersion": 3}},
        )
        rows = found.get("bindings", [])
        if type(rows) is not list or not all(
            type(one) is dict and type(one.get("members", [])) is list for one in rows
        ):
            raise TemporaryFailure(
                f"Google answered with what is no policy of {self.google.project}.",
                retry_after=pause(),
            )
        return found

    def write(self, policy: dict[str, Any], bindings: Sequence[Binding], *, key: str) -> None:
        """Only where it is still what was read: Google refuses it otherwise, and it is read anew."""
        kept = [one for one in bindings if one.get("members")]
        body = {"policy": policy | {"bindings": kept, "version": 3}}
        self.google.ask("POST", ":setIamPolicy", right=WRITE, service=RESOURCES, body=body, key=key)

    def names(self, one: Binding) -> bool:
        return any(str(who).lower() == self.member.lower() for who in one["members"])

    def theirs(self, policy: Mapping[str, Any]) -> list[Binding]:
        return [one for one in policy.get("bindings", []) if self.names(one)]

    def gives(self, one: Binding) -> list[Possible]:
        """What a binding gives whom it names, held or not. Of a role that is not there nobody
        knows."""
        role = str(one.get("role", ""))
        if role not in self._roles:
            self._roles[role] = self._permissions(role)
        found, before = self._roles[role], original(one)
        if found is None:
            return [Possible.unread(via=f"role {role}, which is not there")]
        conditions = {} if before is None else {"expression": before.get("expression", "")}
        return [Possible("allow", found, ("*",), conditions, via=f"role {role}")]

    def _permissions(self, role: str) -> tuple[str, ...] | None:
        try:
            said = self.google.ask("GET", "", right=ROLES, under=role).get(
                "includedPermissions", []
            )
        except Absent:
            return None
        return tuple(str(one) for one in said) if type(said) is list else None

    def bound(self, left: Sequence[Permission]) -> Bound:
        policy = self.read()
        found = Bound(policy, [], [], [])
        for one in self.theirs(policy):
            how = judged(self.gives(one), left)
            {"within": found.within, "beyond": found.out, "mixed": found.mixed}[how].append(one)
        return found

    def require_known(self, left: Sequence[Permission]) -> None:
        """What is left is in words of Google's: another word would be cut, and was signed to stay.
        A word is known where a role of theirs gives it, or Google lists it for the project."""
        given = {permission.lower() for found in self._roles.values() for permission in found or ()}
        unknown = {
            action
            for one in left
            for action in one.actions
            if not any(overlaps(action.lower(), permission) for permission in given)
        }
        token = ""
        for _ in range(MOST_PAGES if unknown else 0):
            body = {"fullResourceName": f"//{RESOURCES}/projects/{self.google.project}"}
            said = self.google.ask(
                "POST",
                "",
                right="reading of permissions",
                under="permissions:queryTestablePermissions",
                body=body | {"pageSize": 1000} | ({"pageToken": token} if token else {}),
            )
            rows = said.get("permissions", [])
            listed = [str(one.get("name", "")).lower() for one in rows if type(one) is dict]
            unknown = {
                one for one in unknown if not any(overlaps(one.lower(), name) for name in listed)
            }
            token = str(said.get("nextPageToken") or "")
            if not unknown or not token:
                break
        if unknown:
            named = ", ".join(sorted(unknown)[:MOST_NAMED])
            raise PermanentFailure(
                f"{plain(named)} is no permission of Google Cloud, so which role gives it cannot be"
                " told: delegate what stays by permissions (storage.objects.get), or change the"
                " bindings there. Nothing was changed.",
                who_must_act="whoever asked for it",
            )


def original(one: Binding) -> dict[str, Any] | None:
    """The condition that a binding had before it was held; its own where it is not held."""
    condition = one.get("condition")
    if type(condition) is not dict:
        return None
    if not holders(one):
        return condition
    try:
        kept = orjson.loads(str(condition.get("description") or "null"))
    except ValueError:
        kept = None
    return kept if type(kept) is dict else None


def holders(one: Binding) -> set[str]:
    """The holds that a binding is held for; none where it is in force."""
    condition = one.get("condition")
    about = condition if type(condition) is dict else {}
    title = str(about.get("title", ""))
    if about.get("expression") != NEVER or not title.startswith(OURS):
        return set()
    return set(title.removeprefix(OURS).split())


def _held(one: Binding, member: str, by: set[str]) -> Binding:
    """The same role for this account alone, under a condition that is never true."""
    before = original(one)
    kept = "" if before is None else orjson.dumps(before).decode()
    return {
        "role": one["role"],
        "members": [member],
        "condition": {"title": f"{OURS}{' '.join(sorted(by))}", "expression": NEVER}
        | ({"description": kept} if kept else {}),
    }


def _given_back(one: Binding, member: str) -> Binding:
    before = original(one)
    made = {"role": one["role"], "members": [member]}
    return made if before is None else made | {"condition": before}


def _without(one: Binding, at: Policy) -> Binding:
    return one | {
        "members": [who for who in one["members"] if str(who).lower() != at.member.lower()]
    }


def hold(at: Policy, left: Sequence[Permission], *, key: str) -> Sent:
    """Each binding that gives nothing of what is left never applies, until it is let go."""
    found, holder = at.bound(left), _hold(at.target)
    at.require_known(left)
    _require_whole(at, [one for one in found.mixed if not holders(one)])
    changed: list[Binding] = []
    for one in found.policy.get("bindings", []):
        if one not in found.out or holder in holders(one):
            changed.append(one)
            continue
        _can_be_held(at, one)
        changed += [_without(one, at), _held(one, at.member, holders(one) | {holder})]
    if changed != found.policy.get("bindings", []):
        at.write(found.policy, changed, key=key)
    return Sent("", f"{at.target.name} is held out of {_many(found.out)}.")


def narrow(at: Policy, left: Sequence[Permission], *, key: str) -> Sent:
    """Out of them for good. What was held before and is left now is put back in the same write."""
    found = at.bound(left)
    at.require_known(left)
    _require_whole(at, found.mixed)
    holder = at.target.extra.get("hold", "")
    changed: list[Binding] = []
    for one in found.policy.get("bindings", []):
        if one in found.out:
            changed.append(_without(one, at))
        elif one in found.within and holder in holders(one):
            changed += [_without(one, at), _let_go(one, at, holder)]
        else:
            changed.append(one)
    if changed != found.policy.get("bindings", []):
        at.write(found.policy, changed, key=key)
    return Sent("", f"{at.target.name} is taken out of {_many(found.out)}.")


def release(at: Policy, *, before: Mapping[str, str], key: str) -> Sent:
    """What this hold alone holds applies again, unless its role gives more by now."""
    policy, holder = at.read(), _hold(at.target)
    held = [one for one in at.theirs(policy) if holder in holders(one)]
    returns = [one for one in held if holders(one) == {holder}]
    more = widening.wider(before, _allowed(at, returns))
    if more:
        named = "; ".join(more[:MOST_NAMED]) + ("; …" if len(more) > MOST_NAMED else "")
        raise PermanentFailure(
            f"The roles that {at.target.name} had give more than when it was held, so it stays out"
            f" of them: {named}. Take that back there and try again, or review it anew.",
            who_must_act=at.google.administrator,
        )
    changed: list[Binding] = []
    for one in policy.get("bindings", []):
        changed += [_without(one, at), _let_go(one, at, holder)] if one in held else [one]
    if held:
        at.write(policy, changed, key=key)
    return Sent("", f"{at.target.name} is put back into {_many(returns)}.")


def _let_go(one: Binding, at: Policy, holder: str) -> Binding:
    """In force again, unless another hold still holds it."""
    rest = holders(one) - {holder}
    return _held(one, at.member, rest) if rest else _given_back(one, at.member)


def allowed(at: Policy) -> dict[str, str]:
    """What its bindings give it, those included that are held: to give to `release`."""
    return _allowed(at, at.theirs(at.read()))


def reading(at: Policy) -> Reading:
    """What the bindings in force give it; of a role with very many permissions the first of them."""
    rights = [right for one in at.theirs(at.read()) if not holders(one) for right in at.gives(one)]
    missing = [NOT_READ]
    kept = []
    for one in sorted(rights, key=lambda one: (one.via, str(one.conditions))):
        if len(one.actions) > MOST_ACTIONS:
            missing.append(f"{len(one.actions) - MOST_ACTIONS} more permissions of {one.via}")
        kept.append(replace(one, actions=one.actions[:MOST_ACTIONS]))
    text = orjson.dumps([one.as_json() for one in rights], option=orjson.OPT_SORT_KEYS)
    digest = hashlib.sha256(text).hexdigest()
    return Reading(at.target.name, kept, "; ".join(missing), digest)


def _allowed(at: Policy, some: Sequence[Binding]) -> dict[str, str]:
    return widening.allowed(right.as_json() for one in some for right in at.gives(one))


def seen(at: Policy, left: Sequence[Permission], *, step: str, now: datetime) -> Seen:
    """What the policy shows. A hold is held, a narrowing denies, a release leaves it active."""
    name, holder = at.target.name, at.target.extra.get("hold", "")
    if step == "release":
        held = [one for one in at.theirs(at.read()) if _hold(at.target) in holders(one)]
        if held:
            return Seen("held", f"{_listed(held)} still holds {name}.", now)
        return Seen("active", f"No binding holds {name} for this.", now)
    found = at.bound(left)
    for_good = step == "narrow"
    more = [one for one in (*found.out, *found.mixed) if for_good or not holders(one)]
    if more:
        return Seen("active", f"{_listed(more)} gives {name} more.", now)
    unseen = [one for one in found.out if holder not in holders(one)]
    if unseen and not for_good:
        return Seen("active", f"{_listed(unseen)} is not held for this.", now)
    waiting = [one for one in found.within if for_good and holder in holders(one)]
    if waiting:
        return Seen("active", f"{_listed(waiting)} still holds {name}.", now)
    said = (
        f"The policy of {at.google.project} gives {name} nothing beyond"
        f" {counted(len(left), 'permission')}. Not read: {NOT_READ}."
    )
    return Seen("denied" if for_good else "held", said, now)


def _hold(target: Target) -> str:
    found = target.extra.get("hold", "")
    if not found.startswith("REV-"):
        raise PermanentFailure(
            f"The target does not say which hold of {target.name} it is.",
            who_must_act="the administrator of Countersign",
        )
    return found


def _require_whole(at: Policy, mixed: Sequence[Binding]) -> None:
    """Nothing is changed where a role would have to be cut in two."""
    if mixed:
        raise PermanentFailure(
            f"{_listed(mixed)} gives {at.target.name} both what is left and more, and a role is"
            " taken away whole: give it a role there that gives only what is left, take this one"
            " away, and try again. Nothing was changed.",
            who_must_act=at.google.administrator,
        )


def _can_be_held(at: Policy, one: Binding) -> None:
    """Where Google has no room for what has to be remembered, that is said before it is tried."""
    kept = original(one)
    if one["role"] in BASIC:
        why = f"{one['role']} is a basic role, which takes no condition"
    elif kept is not None and len(orjson.dumps(kept)) > LONGEST_KEPT:
        why = f"the condition of {one['role']} is too long to be remembered beside another"
    else:
        return
    raise PermanentFailure(
        f"{plain(why)}, so it cannot be held for a while: narrow it, or hold {at.target.name} as a"
        " whole. Nothing was changed.",
        who_must_act="whoever asked for it",
    )


def _many(some: Sequence[Binding]) -> str:
    return counted(len(some), "role binding")


def _listed(some: Sequence[Binding]) -> str:
    return plain(", ".join(str(one.get("role", "")) for one in some[:MOST_NAMED]))
