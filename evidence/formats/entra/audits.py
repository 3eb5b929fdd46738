"""Directory audits of Entra: what was changed, and which keys a change added or removed.

Owns the meaning of `targetResources` and of the properties KeyDescription and AccountEnabled. One
action, "Update application – Certificates and secrets management", stands for adding and for
removing a key, another, "Update service principal", also for disabling it: only the property's
values before and after tell which. Pure.
"""

import re
from collections.abc import Sequence

from evidence.formats import microsoft
from evidence.formats.microsoft import anywhere, value_at
from evidence.formats.record import ActorName, Issued
from evidence.formats.tables import Row, actor
from evidence.vocabulary import ISSUANCE, REVOCATION

_targets = value_at("targetResources")


def _targets_of(record: Row) -> Sequence[Row]:
    found = _targets(record)
    if type(found) is not list:
        return ()
    return [one for one in found[:50] if type(one) is dict]


_NAME, _KEYS = "displayName", frozenset({"KeyDescription"})
_CLIENT_IDS = frozenset({"TargetId.ServicePrincipalNames", "AppPrincipalId", "AppId"})
_new, _old = value_at("newValue"), value_at("oldValue")
_properties = value_at("modifiedProperties")
# Of a record in lower case too, before its id, which is written so in both.
_target_name = anywhere(
    "userPrincipalName", "displayName", "userprincipalname", "displayname", "id"
)
_target_id, _target_type = anywhere("id"), anywhere("type")


def resource(record: Row) -> str | None:
    """What a directory audit changed, as ``ServicePrincipal/its name``."""
    for target in _targets_of(record):
        name, kind = _target_name(target), _target_type(target)
        if name is not None:
            return f"{kind}/{name}" if kind else name
    return None


def _keys(target: Row) -> microsoft.Keys:
    """The keys that a change to this target added and removed."""
    found, changes = microsoft.NO_KEYS, _properties(target)
    for change in microsoft.properties_changed(changes, _NAME, _KEYS) if changes else ():
        found = microsoft.keys_changed(_new(change), _old(change))
    return found


_client = re.compile(rf"^\W*({microsoft.GUID.pattern})")


def _client_id(target: Row, named: str | None) -> str | None:
    """The client id that the change names beside the object it changed."""
    if named is not None:
        return named.lower()
    for change in microsoft.properties_changed(_properties(target), _NAME, _CLIENT_IDS):
        match = _client.match(str(_new(change))[:200])
        if match:
            return match[1].lower()
    return None


_named_client = anywhere("additionalDetails{key=AppId}.value", "additionaldetails{key=AppId}.value")


def issued(record: Row, realm: str) -> Issued | None:
    """The key that a change added; of several the first, which nobody makes at once by hand."""
    for target in _targets_of(record):
        added = _keys(target).added
        if added:
            return Issued(actor(realm, "key", added[0]), _holder(record, target, realm), True, None)
    return None


def _holder(record: Row, target: Row, realm: str) -> ActorName | None:
    number = (_target_id(target) or "").lower()
    client = _client_id(target, _named_client(record))
    app = actor(realm, "app", client) if client else None
    if _target_type(target) == "ServicePrincipal" and number:
        return actor(realm, "service_principal", number, app)
    # The object id of a registration is not its client id: it is a kind of its own.
    return app or (actor(realm, "app_object", number) if number else None)


# Trust in tokens of another issuer is a credential too; its property lists all that there are.
_FEDERATED = frozenset({"FederatedIdentityCredentials"})
_NAMED = re.compile(r'"[Nn]ame"\s*:')


def _trusts(target: Row) -> int:
    """How many more trusts there are after the change than before."""
    return sum(
        len(_NAMED.findall(str(_new(change)))) - len(_NAMED.findall(str(_old(change))))
        for change in microsoft.properties_changed(_properties(target), _NAME, _FEDERATED)
    )


_MAY_DISABLE = frozenset({"Update service principal", "Update user", "Update application"})
_ENABLED = frozenset({"AccountEnabled"})


def _is_disabled(target: Row) -> bool:
    """Whether the change took away that it may sign in; values are written ``[false]``."""
    return any(
        "false" in str(_new(change))[:20].lower() and "false" not in str(_old(change))[:20].lower()
        for change in microsoft.properties_changed(_properties(target), _NAME, _ENABLED)
    )


def activity(record: Row, action: str) -> int | None:
    """A change of keys, or of whether somebody may sign in, by what it did: one action stands for
    both ways."""
    if action in _MAY_DISABLE:
        targets = _targets_of(record)
        trusts = sum(map(_trusts, targets))
        if trusts:
            return ISSUANCE if trusts > 0 else REVOCATION
        return REVOCATION if any(map(_is_disabled, targets)) else None
    if microsoft.changes_keys(action):
        for target in _targets_of(record):
            keys = _keys(target)
            if keys.added or keys.removed:
                return ISSUANCE if keys.added else REVOCATION
    return None
