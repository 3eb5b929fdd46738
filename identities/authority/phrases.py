"""What a delegation allows, in words that leave no action out: the riskiest first. Tables.

Owns the verbs. An operation that no table knows is named as it is, never guessed to be harmless.
"""

import re
from collections.abc import Iterable, Sequence

from evidence.words import counted, listed

from . import names

# In the order of risk.
DELETE, ADMINISTER, WRITE, RUN, READ = "delete", "administer", "write", "run", "read"
ORDER = (DELETE, ADMINISTER, WRITE, RUN, READ)
_FIRST = {
    DELETE: "delete deletecollection deregister destroy drop erase prune purge remove terminate"
    " truncate wipe",
    ADMINISTER: "accept administer allow assign associate assume attach authorize bind detach"
    " disable elevate enable escalate federate generate grant impersonate manage pass revoke share"
    " sudo unassign",
    WRITE: "abort add append apply cancel commit complete copy create edit encrypt import insert"
    " install merge modify move patch post publish push put rebuild record register rename replace"
    " reset resize restore resume retry save schedule send set stop submit suspend sync tag transfer"
    " untag update upload upsert write",
    RUN: "call converse exec execute invoke launch run start trigger use",
    READ: "batchget check count describe download estimate export fetch filter find get"
    " head list lookup observe peek poll preview query read receive scan search select show"
    " simulate subscribe test validate verify view watch",
}
VERBS = {verb: risk for risk, verbs in _FIRST.items() for verb in verbs.split()}
# To write one of these is to change who may do what.
_RIGHTS = re.compile(
    r"accesskey|acl|assumerole|consent|credential|federat|grant|group|identityprovider|instanceprofile"
    r"|login|member|mfadevice|oauth|password|permission|policy|policies|principal|role|secret"
    r"|serviceaccount|signingcert|sso|token|trust|user",
    re.IGNORECASE,
)
_RIGHTS_SERVICES = frozenset(
    {"iam", "organizations", "sso", "sso-admin", "identitystore", "ram", "kms", "sts"}
)
_PIECES = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_BETWEEN = re.compile(r"[.:/_\s-]+")
MOST_RESOURCES, MOST_PHRASES, LONGEST = 3, 4, 80


def phrase(actions: Sequence[str], resources: Sequence[str]) -> str:
    """``Delete, write and read invoices/*``; every action is in it."""
    return _sentence(_what(actions), resources)


def phrases(pairs: Iterable[tuple[Sequence[str], Sequence[str]]]) -> list[str]:
    """One phrase for each set of resources, the one with the riskiest action first; of more than
    MOST_PHRASES sets, the last phrase names what is allowed on all others."""
    merged: dict[tuple[str, ...], list[str]] = {}
    for actions, resources in pairs:
        merged.setdefault(tuple(sorted(set(resources))), []).extend(actions)
    ranked = sorted(
        merged.items(), key=lambda one: (min(map(_rank, one[1]), default=len(ORDER)), one[0])
    )
    said = [_sentence(_what(actions), resources) for resources, actions in ranked[:MOST_PHRASES]]
    if rest := ranked[MOST_PHRASES:]:
        others = {resource for resources, _ in rest for resource in resources}
        what = _what([action for _, actions in rest for action in actions])
        said.append(_capital(f"{listed(what)}{_on(what)} {counted(len(others), 'other resource')}"))
    return said


def risk(action: str) -> str:
    """delete, administer, write, run or read; empty for what is none of them by its name, or all."""
    if action.strip("*: ") == "" or action.endswith(":*"):
        return ""
    service, _, operation = action.rpartition(":")
    words = [one for one in _BETWEEN.split(operation.strip("*")) if one]
    if not words:
        return ""
    # ``GetObject``, ``storage.objects.delete``: the verb is first or last; of two the riskier.
    found = min(
        _verb(words[0]), _verb(words[-1]), key=lambda one: ORDER.index(one) if one else len(ORDER)
    )
    rights = names.lower(service) in _RIGHTS_SERVICES or _RIGHTS.search(operation)
    return ADMINISTER if found == WRITE and rights else found


def _verb(word: str) -> str:
    pieces = _PIECES.findall(word)
    return VERBS.get(pieces[0].lower(), "") if pieces else ""


def _rank(action: str) -> int:
    """All of a service comes first, and what is not known before what is only written."""
    found = risk(action)
    if found:
        return ORDER.index(found) + 1
    return 0 if "*" in action else ORDER.index(WRITE) + 1


def _what(actions: Sequence[str]) -> list[str]:
    """The words of these actions, each once."""
    said: dict[str, int] = {}
    for action in actions:
        said.setdefault(_words(action), _rank(action))
    return sorted(said, key=lambda one: said[one])


def _words(action: str) -> str:
    if action.strip("*: ") == "":
        return "everything"
    service, _, operation = action.rpartition(":")
    if operation == "*":
        return f"all of {_title(service)}"
    found = risk(action)
    if " " in action and found:
        # Kubernetes: the action names what it is done to (`get pods/log`).
        return f"{found} {operation.partition(' ')[2]}"
    return found or f"“{action}”"


def _title(service: str) -> str:
    return service.upper() if len(service) <= 3 else service


def _sentence(what: list[str], resources: Sequence[str]) -> str:
    if not what:
        return "nothing"
    shown = list(dict.fromkeys(resources))
    names_ = ["all resources" if one == "*" else _cut(one) for one in shown[:MOST_RESOURCES]]
    if len(shown) > MOST_RESOURCES:
        names_.append(f"{len(shown) - MOST_RESOURCES:,} more")
    return _capital(f"{listed(what)}{_on(what)} {listed(names_)}")


def _on(what: Sequence[str]) -> str:
    """A verb takes what it is done to; the name of an operation does not."""
    return "" if what[-1] in ORDER else " on"


def _cut(resource: str) -> str:
    return resource if len(resource) <= LONGEST else f"{resource[: LONGEST - 1]}…"


def _capital(said: str) -> str:
    return said[0].upper() + said[1:]
