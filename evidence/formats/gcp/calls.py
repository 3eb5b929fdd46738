"""Google's methods as actions: what they are, and those of clusters in the clusters' own words.

Owns the names of methods. Knows no entry's shape. Pure.
"""

import re
from functools import lru_cache

from evidence.formats import clusters
from evidence.vocabulary import AUTHENTICATION, CHANGE, ISSUANCE, REVOCATION, USE

_VERSION = re.compile(r"v\d+(?:(?:alpha|beta)\d+)?$")
_VERBS = frozenset(
    [
        "get",
        "list",
        "watch",
        "create",
        "update",
        "patch",
        "delete",
        "deletecollection",
        "proxy",
        "connect",
    ]
)
_LAST = r"(?:.*\.)?"
PATTERNS = (
    (_LAST + r"(?:(?:Create|Upload)ServiceAccountKey|CreateKey)$", ISSUANCE),
    (_LAST + r"(?:Generate(?:Access|Id)Token|Sign(?:Jwt|Blob)|ExchangeToken)$", ISSUANCE),
    (
        r"storage\.hmacKeys\.create|cloudsql\.sslCerts\.create|.*\.CreateOauthClientCredential$",
        ISSUANCE,
    ),
    (r"google\.admin\.AdminService\.(?:suspend|delete|archive)User$", REVOCATION),
    (
        _LAST + r"(?:Delete|Disable)(?:ServiceAccount(?:Key)?|Key|OauthClientCredential)$",
        REVOCATION,
    ),
    (r"storage\.hmacKeys\.delete|.*\.(?:revoke|signOut)\w*$", REVOCATION),
    (r"google\.login\.|google\.ssh-serialport\.|google\.cloud\.oslogin\.", AUTHENTICATION),
    (r"(?:google\.)?storage\.objects\.|.*\.(?:InsertJob|InsertAll|Query)$", USE),
    (
        _LAST + r"(?i:create|insert|update|patch|delete|set|add|remove|enable|disable|undelete|move"
        r"|import|upload|restore|destroy|attach|detach|change|replace|rotate|assign|authorize"
        r"|unauthorize|grant|toggle|unsuspend)\w*$",
        CHANGE,
    ),
    (r".*(?:Created|Updated|Deleted|Changed|Added|Removed|Enabled|Disabled)$", CHANGE),
)


@lru_cache(maxsize=16_384)
def of_cluster(method: str) -> str | None:
    """``io.k8s.core.v1.pods.exec.create`` as ``create pods/exec``."""
    parts = method.removeprefix("io.k8s.").split(".")
    if parts[-1] not in _VERBS:
        return None
    at = next((place for place, part in enumerate(parts) if _VERSION.match(part)), -1)
    named = parts[at + 1 : -1]
    if not named:
        return clusters.called(parts[-1], clusters.URLS)
    return clusters.called(parts[-1], named[0], "/".join(named[1:]))
