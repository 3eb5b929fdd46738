"""What the logs of Microsoft's clouds have in common: tenants, addresses, exports, new keys.

Owns the turning of those into names that are the same in every one of these logs. The meaning
of each log stands in its own module (entra, azure, microsoft365). Pure.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from evidence.formats.members import remembered
from evidence.formats.paths import steps, text
from evidence.formats.record import ActorName
from evidence.formats.tables import From, Froms, Name, Names, Row, Shared, Together, names
from evidence.formats.written import Writing, first_value, twice

# An identifier that stands for none.
NOBODY = "00000000-0000-0000-0000-000000000000"
GUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
_VERSION_4 = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_IN_BRACKETS = re.compile(r"\[([0-9A-Fa-f:.%]+)\](?::\d+)?")
_TENANT = re.compile(r"(?i)/tenants/([\w.-]+)")
# "[KeyIdentifier=…,KeyType=Password,KeyUsage=Verify,DisplayName=…]", one for each key there is.
_KEY = re.compile(r"(?i)\[\s*KeyIdentifier\s*=\s*([0-9a-f-]{36})")
# The dash has been seen as an en dash and as a hyphen, the end with and without a space.
_KEY_CHANGE = re.compile(
    r"(?i)(?:(?:add|remove) service principal credentials"
    r"|(?:create|update) application \W{1,3} certificates and secrets management"
    r"|(?:add|update) service principal|(?:add|update) application)\W*$"
)
_LONGEST_TEXT, _LONGEST_REMEMBERED = 1 << 20, 2000


@lru_cache(maxsize=4096)
def changes_keys(action: str) -> bool:
    """Whether an action may add or remove a key."""
    return _KEY_CHANGE.match(action) is not None


def anywhere(*ways: From) -> Callable[[Row], str | None]:
    """The text that the first of these paths finds, whichever case an export writes names in."""
    return _of_texts(None, ways)


def of_texts[T](make: Callable[..., T], *texts: tuple[From, ...]) -> Callable[[Row], T]:
    """What a function makes of several texts, each found as by `anywhere`."""
    return _of_texts(make, *texts)


def _of_texts(make: Callable[..., Any] | None, *texts: tuple[From, ...]) -> Callable[[Row], Any]:
    def write(often: Counter[tuple[str, ...]] | None) -> Writing:
        writing = Writing("def written(record):", often=often)
        for number, ways in enumerate(texts):
            lower = (way.lower() for way in ways if isinstance(way, str))
            writing.text(f"text{number}", tuple(dict.fromkeys((*ways, *lower))))
        found = ", ".join(f"text{number}" for number in range(len(texts)))
        writing.say(f"return {writing.named(make)}({found})" if make else f"return {found}")
        return writing

    return twice(write)


def value_at(path: str) -> Callable[[Row], Any]:
    """The same for a value of any type."""
    return first_value((path, path.lower()))


def tenant(*ways: From) -> Callable[[Row], str]:
    """The realm of names that Entra issued: ``entra:<tenant id>``, ``entra`` where none is said."""
    return of_texts(_tenant, ways)


@lru_cache(maxsize=4096)
def _tenant(found: str | None) -> str:
    return f"entra:{(tenant_in(found) or found).lower()}" if found else "entra"


def tenant_in(path: str | None) -> str | None:
    """The tenant in the path of a resource, such as ``/tenants/<id>/providers/…``."""
    inside = _TENANT.match(path or "")
    return inside[1] if inside is not None else None


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


class Actors(NamedTuple):
    """The four actors of a table, found together."""

    principal: tuple[Shared]
    credential: tuple[Shared]
    agent: tuple[Shared]
    on_behalf: tuple[Shared]


def together(
    decide: tuple[str, ...],
    *ways: tuple[Name | Names, ...],
    view: Callable[[Row], Row] = lambda record: record,
) -> Actors:
    """Principal, credential, agent and on whose behalf, remembered by what decides them.

    What finds them is given a record that holds nothing but what stands at the paths of `decide`
    (after a ``?``: true where there is such a member), as `view` shows it. Of records that have
    some of these members in lower case nothing is remembered, unless all of theirs are.
    """
    find = (
        _together(decide, ways, view, folded=False),
        _together(decide, ways, view, folded=True),
    )
    return Actors(*((Shared(find, place),) for place in range(4)))


def _together(
    decide: tuple[str, ...],
    ways: tuple[tuple[Name | Names, ...], ...],
    view: Callable[[Row], Row],
    *,
    folded: bool,
) -> Together:
    finds = [names(each, folded=folded) for each in ways]
    paths = dict.fromkeys(path.lower() if folded else path for path in decide)
    at = [[step.name for step in steps(path.lstrip("?"))] for path in paths]
    twins = frozenset(name.lower() for name, *_ in at) - {name for name, *_ in at}

    def make_of(record: Row, realm: str) -> tuple[ActorName | None, ...]:
        record = view(record)
        return tuple(find(record, realm) for find in finds)

    def make(values: Any) -> tuple[ActorName | None, ...]:
        record: Row = {}
        for (*above, name), value in zip(at, values[1:], strict=True):
            if value is not None:
                here = record
                for step in above:
                    here = here.setdefault(step, {})
                here[name] = value
        return make_of(record, values[0])

    def write(often: Counter[tuple[str, ...]] | None) -> Writing:
        writing = Writing("def written(record, realm):", folded=folded, often=often)
        values = [
            f"True if {path[1:]!r} in record else None" if path[0] == "?" else writing.value(path)
            for path in paths
        ]
        known = f"{writing.named(remembered(make))}([realm, {', '.join(values)}])"
        if twins:
            whole = f"{writing.named(make_of)}(record, realm)"
            known = f"{known} if record.keys().isdisjoint({writing.named(twins)}) else {whole}"
        writing.say(f"return {known}")
        return writing

    return twice(write)


@lru_cache(maxsize=16_384)
def _is_version_4(host: str) -> bool:
    return _VERSION_4.fullmatch(host) is not None


def plain_address(*ways: From) -> Callable[[Row], str | None]:
    """An address without the port that some of these logs put behind it."""
    return of_texts(_plain_address, ways)


def _plain_address(found: str | None) -> str | None:
    if found is None or (":" not in found and "]" not in found):
        return found
    if "]" in found:
        match = _IN_BRACKETS.fullmatch(found)
        return match[1] if match else found
    host, _, port = found.partition(":")
    return host if port.isdecimal() and _is_version_4(host) else found


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
    return {
        name: loaded(value) if type(value) is str and value and value[0] in "{[" else value
        for name, value in record.items()
    }


class Keys(NamedTuple):
    """The keys that a change added and removed, in their order."""

    added: tuple[str, ...]
    removed: tuple[str, ...]


NO_KEYS = Keys((), ())


def keys_changed(new: Any, old: Any) -> Keys:
    """What two values of the property KeyDescription say of the keys between them."""
    texts = type(new) is str and (type(old) is str or old is None)
    # More than one thing is asked of a change: what it was is remembered.
    if texts and len(new) + len(old or "") <= _LONGEST_REMEMBERED:
        return _keys_between(new, old)
    return _keys_between.__wrapped__(new, old)


@lru_cache(maxsize=4096)
def _keys_between(new: Any, old: Any) -> Keys:
    after, before = tuple(_key_ids(new)), tuple(_key_ids(old))
    if not before:
        return Keys(after, before)
    return Keys(
        tuple(key for key in after if key not in before),
        tuple(key for key in before if key not in after),
    )


def properties_changed(
    changes: Any, name: str, wanted: frozenset[str]
) -> Iterator[tuple[str, Row]]:
    """The changes of some properties in a list of changes, which names them in this member."""
    low = name.lower()
    for change in changes[:200] if type(changes) is list else ():
        if type(change) is dict:
            said = change.get(name)
            # What is no text, or holds what is not kept, is looked at closely.
            if type(said) is not str or not said:
                said = _plain(said) or _plain(change.get(low))
            if said in wanted:
                yield said, change


def _plain(value: Any) -> str:
    return text(value) or ""


def _key_ids(value: Any) -> Iterator[str]:
    if type(value) is str:
        for match in _KEY.finditer(value[:_LONGEST_TEXT]):
            yield match[1].lower()
    elif type(value) is list:
        for one in value[:200]:
            if type(one) is str:
                yield from _key_ids(one)
