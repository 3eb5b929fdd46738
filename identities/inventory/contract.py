"""What a system's lists are: how they are asked for, and what they say of one thing.

Owns the shapes between the modules that know one system and the reading that drives them
(identities/inventory/reading.py). A system only reads, through the client of its connection
(evidence/sources), knows nothing of the database, and keeps nothing but where a list goes on.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

import orjson

from evidence.formats.record import ActorName
from evidence.formats.times import EPOCH, moment
from evidence.sources.contract import Asked
from evidence.sources.failures import Stopped
from identities.enforcers.possible_aws import Possible

ACTIVE, HELD, EXPIRED = "active", "held", "expired"
# A list of one thing is cut to this; how many more there are is said.
MOST_RIGHTS = 2_000


class Forbidden(Stopped):
    """The system may not be asked this with the credential it was given."""


class Absent(Stopped):
    """There is no such list or thing: a feature nobody bought, or it went a moment ago."""


class Hint(NamedTuple):
    """Who might own it, by the system's word: shown to who claims, never decided by."""

    kind: str  # owner, team, creator, iac, codeowners, cmdb
    value: str
    seen_in: str  # "tag Owner"


class Found(NamedTuple):
    """One principal or credential as a list shows it.

    `rights`: what it may do; None where that was not read. `missing`: what could not be read of
    it. `scope`: what was asked for it, when the list is made of many answers (a user, a
    repository): what was not answered ends nothing.
    """

    name: ActorName
    kind: str
    credential: bool = False
    holder: ActorName | None = None
    title: str = ""
    status: str = ACTIVE
    created_at: datetime | None = None
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    last_used_of: str = ""
    hints: tuple[Hint, ...] = ()
    rights: tuple[Possible, ...] | None = None
    missing: str = ""
    scope: str = ""


class Batch(NamedTuple):
    """What one step through a list brought.

    `cursor`: where the list goes on (JSON). `unread`: scopes that could not be asked, with what
    stopped it in `said`.
    """

    found: tuple[Found, ...]
    cursor: Mapping[str, Any]
    unread: tuple[str, ...] = ()
    said: str = ""


class Reader(Protocol):
    """One system while it is read: whose lists these are, and what was learnt on the way."""

    realm: str

    def close(self) -> None:
        """Let go of what it holds."""


class Part(NamedTuple):
    """One list. `needs`: the least right, in the system's words. An optional one that is refused
    leaves the reading whole, and says so."""

    name: str
    read: Callable[[Any, Mapping[str, Any]], Iterator[Batch]]
    needs: str
    optional: bool = False


class System(NamedTuple):
    """One kind of system, and the connectors whose settings lead to it. `narrowed_by`: what may
    leave its principals less than the lists say, and is not read."""

    name: str
    title: str
    fits: Callable[[str, Mapping[str, str]], bool]  # connector's name, settings
    open: Callable[[Asked], Reader]  # raises Stopped or Later
    parts: tuple[Part, ...]
    narrowed_by: str = ""


def explained(answer: Any) -> Exception | None:
    """For Http.request: which refusals a reading can go on after."""
    place = str(answer.request.url).split("?", 1)[0][:200]
    if answer.status_code == 403:
        return Forbidden(
            f"{place} answered 403: the credential may not read this",
            "Give it the rights that this list needs.",
        )
    if answer.status_code in (404, 410):
        return Absent(f"{place} answered {answer.status_code}", "It is not offered there.")
    return None


def json_of(answer: Any, kind: type) -> Any:
    """The JSON of an answer, which has to be a list or an object. Raises Stopped."""
    try:
        found = orjson.loads(answer.content)
    except (ValueError, RecursionError):
        found = None
    if type(found) is not kind:
        place = str(answer.request.url).split("?", 1)[0][:200]
        word = "list" if kind is list else "object"
        raise Stopped(f"{place} answers with no {word} in JSON.", "Check the address.")
    return found


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; anything else that stands there is nobody."""
    return [one for one in value if type(one) is dict] if type(value) is list else []


def text(value: Any, longest: int = 500) -> str:
    """A text or number of an answer, bounded and storable; empty for anything else."""
    if type(value) is int:
        return str(value)
    return value[:longest].replace("\0", "") if type(value) is str else ""


def inside(value: Any, *names: str) -> Any:
    """The member of a member; None where one is missing or no object."""
    for name in names:
        value = value.get(name) if type(value) is dict else None
    return value


def when(value: Any) -> datetime | None:
    """A moment as systems write it: RFC 3339 text, or a datetime of an SDK.

    What lies before 2000 or after 2100 was not meant as a time: such ends are no end.
    """
    found = moment(value.isoformat() if isinstance(value, datetime) else value)
    return None if found is None else EPOCH + timedelta(microseconds=found)
