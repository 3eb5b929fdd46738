"""Records that name a vendor and not whose: which org, tenant, account or cluster of it they are of.

Owns the realm of such records and names (docs/decisions/0038): the one of that vendor for which
their source may speak, else one that the source has for itself. So two tenants whose records name
none are never taken for one. Pure.
"""

from collections.abc import Callable, Collection, Iterable
from functools import lru_cache

from evidence.formats.record import ActorName, Record
from evidence.formats.tables import Unreadable, realm_named

# Realms that say no more than a vendor. Not among them: `aws`, `anthropic` and `openai`, which give
# ids and names that are nobody else's anywhere.
WORDS = frozenset(
    """
    1password asana atlassian auth0 azure box cloudflare crowdstrike cyberark databricks delinea
    entra gcp github k8s notion ocsf okta onelogin postgres snowflake teleport umbrella vault
    workspace zendesk
    """.split()  # noqa: SIM905  a table of words reads better than a column of strings
)


def stated(word: str, realms: Collection[str]) -> str:
    """The one realm of a vendor for which a source may speak; '' where there is none, or several."""
    named = [realm for realm in realms if realm.startswith(f"{word}:")]
    return realm_named(named[0]) if word in WORDS and len(named) == 1 else ""


def home(realm: str, realms: Collection[str], source: str) -> str:
    """The realm in which what is of this one is kept; `source`: its name, '' where there is none."""
    if realm not in WORDS or not source:
        return realm
    return stated(realm, realms) or f"{realm}:source/{source}"


@lru_cache(maxsize=65_536)
def _moved(name: ActorName, realms: tuple[str, ...], source: str) -> ActorName:
    parent = None if name.parent is None else _moved(name.parent, realms, source)
    return name._replace(realm=home(name.realm, realms, source), parent=parent)


def at_home(
    names: Iterable[ActorName], realms: Collection[str], source: str
) -> dict[ActorName, ActorName]:
    """Those of these names that are kept in another realm than they were read in, and how."""
    own = tuple(sorted(realms))
    return {name: _moved(name, own, source) for name in names if _of_a_vendor(name)}


def _of_a_vendor(name: ActorName) -> bool:
    return name.realm in WORDS or (name.parent is not None and _of_a_vendor(name.parent))


def in_realm_of(
    realms: frozenset[str], record: Record, digest: Callable[[str, str], bytes]
) -> Record:
    """A record whose realm is none of these, in the one of them that it can be of.

    Raises Unreadable.
    """
    word = record.realm
    realm = stated(word, realms)
    if not realm:
        raise Unreadable(f"speaks for the realm {word!r}, which this source may not speak for")

    def named(who: ActorName | None) -> ActorName | None:
        if who is None:
            return None
        own = realm if who.realm == word else who.realm
        return ActorName(own, who.kind, who.value, named(who.parent))

    issued = record.issued
    if issued is not None:
        credential = named(issued.credential) or issued.credential
        issued = issued._replace(credential=credential, issued_to=named(issued.issued_to))
    return record._replace(
        digest=digest(realm, record.vendor_id or ""),
        realm=realm,
        principal=named(record.principal),
        credential=named(record.credential),
        agent=named(record.agent),
        on_behalf=named(record.on_behalf),
        issued=issued,
    )
