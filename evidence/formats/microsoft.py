"""What the logs of Microsoft's clouds have in common: tenants, addresses, exports, new keys.

Owns the turning of those into names that are the same in every one of these logs. The meaning
of each log stands in its own module (entra, azure, microsoft365). Pure.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from evidence.formats.tables import Froms, Name, Row, getter
from evidence.formats.written import first_value

# An identifier that stands for none.
NOBODY = "00000000-0000-0000-0000-000000000000"
GUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
_IP_AND_PORT = re.compile(r"(\d{1,3}(?:\.\d{1,3}){3}):\d+|\[([0-9A-Fa-f:.%]+)\](?::\d+)?")
_TENANT = re.compile(r"(?i)/tenants/([\w.-]+)")
# "[KeyIdentifier=…,KeyType=Password,KeyUsage=Verify,DisplayName=…]", one for each key there is.
_KEY = re.compile(r"(?i)\[\s*KeyIdentifier\s*=\s*([0-9a-f-]{36})")
# The dash has been seen as an en dash and as a hyphen, the end with and without a space.
_KEY_CHANGE = re.compile(
    r"(?i)(?:(?:add|remove) service principal credentials"
    r"|(?:create|update) application \W{1,3} certificates and secrets management"
    r"|(?:add|update) service principal|(?:add|update) application)\W*$"
)
_LONGEST_TEXT = 1 << 20


@lru_cache(maxsize=4096)
def changes_keys(action: str) -> bool:
    """Whether an action may add or remove a key."""
    return _KEY_CHANGE.match(action) is not None


def anywhere(*ways: str) -> Callable[[Row], str | None]:
    """The text that the first of these paths finds, whichever case an export writes names in."""
    lower = tuple(way.lower() for way in ways)
    return getter(ways if lower == ways else (*ways, *lower))


def value_at(path: str) -> Callable[[Row], Any]:
    """The same for a value of any type."""
    return first_value((path, path.lower()))


def tenant(*ways: str) -> Callable[[Row], str]:
    """The realm of names that Entra issued: ``entra:<tenant id>``, ``entra`` where none is said."""
    find = anywhere(*ways)

    def get(record: Row) -> str:
        found = find(record)
        if found is None:
            return "entra"
        inside = _TENANT.match(found)
        return f"entra:{(inside[1] if inside else found).lower()}"

    return get


def user(upn: Froms, number: Froms, realm: str | Callable[[Row], str] = "", when: str = "") -> Name:
    """A person or account by its login name; its object id is the name that never changes."""
    return Name("user", upn, realm, when, Name("user", number, realm, fold=True), fold=True)


def application(number: Froms, realm: str | Callable[[Row], str] = "", when: str = "") -> Name:
    """An application by its client id."""
    return Name("app", number, realm, when, fold=True)


def principal(
    number: Froms, app: Froms, realm: str | Callable[[Row], str] = "", when: str = ""
) -> Name:
    """A service principal by its object id; the application is what it is an instance of."""
    return Name("service_principal", number, realm, when, application(app, realm), fold=True)


def managed(
    number: Froms, app: Froms, realm: str | Callable[[Row], str] = "", when: str = ""
) -> Name:
    """A managed identity, which logs that do not know it for one call a service principal."""
    return Name("managed_identity", number, realm, when, principal(number, app, realm), fold=True)


def plain_address(*ways: str) -> Callable[[Row], str | None]:
    """An address without the port that some of these logs put behind it."""
    find = anywhere(*ways)

    def get(record: Row) -> str | None:
        found = find(record)
        if found is None or ("]" not in found and found.count(":") != 1):
            return found
        match = _IP_AND_PORT.fullmatch(found)
        return (match[1] or match[2]) if match else found

    return get


def loaded(value: Any) -> Any:
    """What an export wrote as JSON inside a text; any other value as it is."""
    if type(value) is str and value[:1] in ("{", "[") and len(value) <= _LONGEST_TEXT:
        try:
            return orjson.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def from_workspace(record: Row) -> Row:
    """A row of a Log Analytics table with its texts of JSON read."""
    return {name: loaded(value) for name, value in record.items()}


class Keys(NamedTuple):
    """The keys that a change added and removed, in their order."""

    added: list[str]
    removed: list[str]


NO_KEYS = Keys([], [])


def keys_changed(new: Any, old: Any) -> Keys:
    """What two values of the property KeyDescription say of the keys between them."""
    after, before = list(_key_ids(new)), list(_key_ids(old))
    if not before:
        return Keys(after, before)
    return Keys(
        [key for key in after if key not in before], [key for key in before if key not in after]
    )


def _key_ids(value: Any) -> Iterator[str]:
    if type(value) is str:
        for match in _KEY.finditer(value[:_LONGEST_TEXT]):
            yield match[1].lower()
    elif type(value) is list:
        for one in value[:200]:
            if type(one) is str:
                yield from _key_ids(one)
