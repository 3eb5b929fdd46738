"""Records that state no realm, of a source that may speak for one only: they are of that one.

Owns the giving of the source's realm to a record and to the names in it. Pure.
"""

from collections.abc import Callable

from evidence.formats.record import ActorName, Record
from evidence.formats.tables import Unreadable, realm_named


def in_realm_of(
    realms: frozenset[str], record: Record, unstated: str, digest: Callable[[str, str], bytes]
) -> Record:
    """A record whose realm is none of these, in the one of them that it can be of.

    `unstated`: the realm of this format's records that state none; '' where there are no such.
    Raises Unreadable.
    """
    vendor = f"{unstated}:"
    of_vendor = [realm for realm in realms if unstated and realm.startswith(vendor)]
    if record.realm != unstated or len(of_vendor) != 1:
        raise Unreadable(
            f"speaks for the realm {record.realm!r}, which this source may not speak for"
        )
    realm = realm_named(of_vendor[0])

    def named(who: ActorName | None) -> ActorName | None:
        if who is None:
            return None
        own = realm if who.realm == unstated else who.realm
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
