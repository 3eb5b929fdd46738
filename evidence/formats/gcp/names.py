"""Names in Google Cloud: projects, addresses, principals, keys, and the realms they are of.

Owns the turning of Google's names into actors. A service account is of the project in its
address, a person of the address's domain, a pool's principal of its project or organisation.
Pure; everything is remembered in bounded caches.
"""

import re
from functools import lru_cache

from evidence.formats import tables
from evidence.formats.record import ActorName

_KEY = re.compile(r"(?:projects/([^/]+)/)?serviceAccounts/([^/]+)/keys/([^/]+)$")
# Addresses of accounts that Google makes name their project before the @, by number or id.
_BEFORE_AT = re.compile(
    r"(?:service-)?([a-z0-9.:-]+?)(?:-compute)?@(?:developer|appspot|cloudservices|cloudbuild)"
    r"\.gserviceaccount\.com$"
)
_OF_PROJECT = re.compile(r"@([a-z0-9.-]+?)\.iam\.gserviceaccount\.com$")
MEMBER_KINDS = {
    "user": "user",
    "serviceAccount": "service_account",
    "group": "group",
    "domain": "account",
}


@lru_cache(maxsize=16_384)
def realm_of(owner: str) -> str:
    """The realm of a project's, organisation's or domain's names."""
    return f"gcp:{owner.lower()}"[:200] if owner not in ("", "-", "_") else "gcp"


@lru_cache(maxsize=65_536)
def named(address: str, kind: str = "") -> ActorName:
    """A service account's or a person's address, in the realm of what issued it."""
    low = address.lower()
    if low.endswith("gserviceaccount.com"):
        found = _OF_PROJECT.search(low) or _BEFORE_AT.match(low)
        return tables.actor(realm_of(found[1] if found else ""), "service_account", address)
    if ".svc.id.goog[" in low:
        return tables.actor(realm_of(low.split(".svc.id.goog[")[0]), "service_account", address)
    domain = low.rpartition("@")[2] if "@" in low else ""
    return tables.actor(realm_of(domain), kind or "user", address)


@lru_cache(maxsize=65_536)
def of_subject(subject: str) -> ActorName:
    """``user:``, ``serviceAccount:``, or the principal of a pool or of an agent."""
    kind, _, value = subject.partition(":")
    if kind in MEMBER_KINDS and value:
        return named(value, MEMBER_KINDS[kind])
    if subject.startswith(("principal:", "principalSet:")):
        found = re.search(r"/(?:projects|organizations)/([^/]+)", subject) or re.search(
            r"\.org-(\d+)\.", subject
        )
        owner = realm_of(found[1] if found else "")
        kind = "agent_id" if "://agents." in subject else "federated"
        return tables.actor(owner, kind, subject)
    return named(subject)


@lru_cache(maxsize=65_536)
def key_of(name: str) -> ActorName | None:
    """A service account's key by its resource name, however the project is written in it."""
    found = _KEY.search(name)
    if found is None:
        return tables.actor("gcp", "key", name) if name else None
    account = named(found[2]) if "@" in found[2] else None
    owner = account.realm if account is not None and account.realm != "gcp" else None
    return tables.actor(
        owner or realm_of(found[1] or ""), "key", f"serviceAccounts/{found[2]}/keys/{found[3]}"
    )


def by_way_of(chain: tuple[ActorName, ...]) -> str:
    """Who began a chain, and over whom it went on."""
    origin, *others = [one.value for one in chain]
    return f"{origin} via {', '.join(others)}" if others else origin


@lru_cache(maxsize=65_536)
def borrowed(account: ActorName, by: str) -> ActorName:
    """The credential of an impersonation: a token without an id, known by both its ends."""
    return tables.actor(account.realm, "session", f"{account.value} by {by}", account)


_ENDINGS = ("_id", "_name")
# What something is in, and what calls it, is not what it is.
_AROUND = frozenset({"project_id", "organization_id", "folder_id"})


def monitored(resource: tables.Row) -> str:
    """A monitored resource as ``<type>/<its own label>``; '' when its labels name nothing but where
    it is. Its own is the label whose stem is in its type, else the first."""
    kind, labels = resource.get("type"), resource.get("labels")
    if type(kind) is not str or type(labels) is not dict:
        return ""
    named = [
        (label == "name" or label.rpartition("_")[0] in kind, value)
        for label, value in labels.items()
        if type(value) is str and value and label not in _AROUND
        if label == "name" or label.endswith(_ENDINGS)
    ]
    own = next((value for fits, value in named if fits), named[0][1] if named else "")
    return f"{kind}/{own}" if own else ""
