"""Calls of Microsoft Graph: what was asked for, without of whom.

Owns the name of such a call and its path. Source: MicrosoftGraphActivityLogs of the table reference
of Azure Monitor. Pure.
"""

import re
from functools import lru_cache
from typing import Any

from evidence.formats.microsoft import anywhere
from evidence.formats.tables import Row

# What in a path of Microsoft Graph names one thing: ids, addresses, what a function is asked.
_ONE_THING = re.compile(r"[0-9A-Fa-f-]{32,}|.*(?:@|%40|\d{4}|=).*|.{41,}|\d+x\d+")


def asked(uri: Any) -> str:
    """The path of a call: what follows the host, without what was searched for."""
    path = uri[:2048].partition("?")[0] if type(uri) is str else ""
    if "://" in path:
        path = "/" + path.partition("://")[2].partition("/")[2]
    return path.replace("//", "/")


@lru_cache(maxsize=8192)
def call(method: str, path: str) -> str:
    """``GET /users/{id}/messages``: what was asked for, without of whom."""
    parts = [part for part in path.split("/") if part]
    if parts and parts[0] in ("v1.0", "beta"):
        parts = parts[1:]
    kept = ["{id}" if _ONE_THING.fullmatch(part) else part.split("(")[0] for part in parts]
    return f"{method.upper()} /{'/'.join(kept)}"


_uri = anywhere("requestUri")


def path(record: Row) -> str | None:
    return asked(_uri(record)) or None
