"""Directory audits of Entra: what was changed, and which keys a change added or removed.

Owns the meaning of `targetResources` and of the properties that tell of keys and sign-in. One
action, "Update application – Certificates and secrets management", stands for adding and for
removing a key, another, "Update service principal", also for disabling it: only the property's
values before and after tell which. Pure.
"""

import re
from typing import Any, NamedTuple

from evidence.formats import microsoft
from evidence.formats.members import latest
from evidence.formats.microsoft import anywhere, value_at
from evidence.formats.record import ActorName, Issued
from evidence.formats.tables import Row, actor
from evidence.vocabulary import ISSUANCE, REVOCATION

_targets = value_at("targetResources")
_NAME = "displayName"
_KEYS, _TRUSTS, _ENABLED = "KeyDescription", "FederatedIdentityCredentials", "AccountEnabled"
_TELL = frozenset({_KEYS, _TRUSTS, _ENABLED})
_CLIENT_IDS = frozenset({"TargetId.ServicePrincipalNames", "AppPrincipalId", "AppId"})
_new, _old = value_at("newValue"), value_at("oldValue")
_properties = value_at("modifiedProperties")
# Of a record in lower case too, before its id, which is written so in both.
_target_name = anywhere(
    "userPrincipalName", "displayName", "userprincipalname", "displayname", "id"
)
_target_id, _target_type = anywhere("id"), anywhere("type")


class _Change(NamedTuple):
    """What the targets of a change say: how the first is called, the keys of the first that gained
    or lost any, the first that gained some with the first of these, how many more issuers are
    trusted than before, and whether somebody may no longer sign in."""

    resource: str | None = None
    keys: microsoft.Keys = microsoft.NO_KEYS
    gained: tuple[Row, str] | None = None
    trusts: int = 0
    disables: bool = False


_NO_CHANGE = _Change()


@latest
def _change(targets: Any) -> _Change:
    if type(targets) is not list:
        return _NO_CHANGE
    resource, keys, gained, trusts, disables = _NO_CHANGE
    for target in targets[:50]:
        if type(target) is not dict:
            continue
        if resource is None:
            resource = _target_name(target)
            kind = None if resource is None else _target_type(target)
            resource = f"{kind}/{resource}" if kind else resource
        its_keys, changes = microsoft.NO_KEYS, _properties(target)
        for said, change in microsoft.properties_changed(changes, _NAME, _TELL) if changes else ():
            if said == _KEYS:
                its_keys = microsoft.keys_changed(_new(change), _old(change))
            elif said == _TRUSTS:
                trusts += _trusted(_new(change)) - _trusted(_old(change))
            else:
                disables = disables or (_is_false(_new(change)) and not _is_false(_old(change)))
        if its_keys.added and gained is None:
            gained = target, its_keys.added[0]
        if not (keys.added or keys.removed):
            keys = its_keys
    return _Change(resource, keys, gained, trusts, disables)


# Trust in tokens of another issuer is a credential too; its property lists all that there are.
_NAMED = re.compile(r'"[Nn]ame"\s*:')


def _trusted(value: Any) -> int:
    return len(_NAMED.findall(str(value)))


def _is_false(value: Any) -> bool:
    """Values of AccountEnabled are written ``[false]``."""
    return "false" in str(value)[:20].lower()


def resource(record: Row) -> str | None:
    """What a directory audit changed, as ``ServicePrincipal/its name``."""
    return _change(_targets(record)).resource


_client = re.compile(rf"^\W*({microsoft.GUID.pattern})")


def _client_id(target: Row, named: str | None) -> str | None:
    """The client id that the change names beside the object it changed."""
    if named is not None:
        return named.lower()
    for _, change in microsoft.properties_changed(_properties(target), _NAME, _CLIENT_IDS):
        match = _client.match(str(_new(change))[:200])
        if match:
            return match[1].lower()
    return None


_named_client = anywhere("additionalDetails{key=AppId}.value", "additionaldetails{key=AppId}.value")


def issued(record: Row, realm: str) -> Issued | None:
    """The key that a change added; of several the first, which nobody makes at once by hand."""
    gained = _change(_targets(record)).gained
    if gained is None:
        return None
    target, key = gained
    return Issued(actor(realm, "key", key), _holder(record, target, realm), True, None)


def _holder(record: Row, target: Row, realm: str) -> ActorName | None:
    number = (_target_id(target) or "").lower()
    client = _client_id(target, _named_client(record))
    app = actor(realm, "app", client) if client else None
    if _target_type(target) == "ServicePrincipal" and number:
        return actor(realm, "service_principal", number, app)
    # The object id of a registration is not its client id: it is a kind of its own.
    return app or (actor(realm, "app_object", number) if number else None)


_MAY_DISABLE = frozenset({"Update service principal", "Update user", "Update application"})


def activity(record: Row, action: str) -> int | None:
    """A change of keys, or of whether somebody may sign in, by what it did: one action stands for
    both ways."""
    if action in _MAY_DISABLE:
        change = _change(_targets(record))
        if change.trusts:
            return ISSUANCE if change.trusts > 0 else REVOCATION
        return REVOCATION if change.disables else None
    if microsoft.changes_keys(action):
        added, removed = _change(_targets(record)).keys
        if added or removed:
            return ISSUANCE if added else REVOCATION
    return None
