"""Targets of entries whose settings are wrong: nobody can act there, and the row has to say why.

Owns the one look at what such an entry still names: its realms, in itself or its parts. Must not know any one system.
"""

from collections.abc import Iterable

from django.conf import settings

from evidence.models import Actor
from identities.enforcers import configured
from identities.enforcers.contract import PermanentFailure, Target


def named(system: str, names: Iterable[Actor]) -> list[Target]:
    """A target for each name in a realm that an entry of this system names, in the place of the
    ones that cannot be made. Nothing where even that cannot be read."""
    try:
        entries = configured.entries(settings.ENFORCERS, system)
    except PermanentFailure:
        return []
    parts = [one.get("edits") for one in entries]
    within = [one for some in parts if isinstance(some, list) for one in some]
    lists = [one.get("realms") for one in (*entries, *within) if isinstance(one, dict)]
    realms = {str(realm) for some in lists if isinstance(some, list) for realm in some}
    found = {(one.realm, one.kind, one.value) for one in names if one.realm in realms}
    return [Target(system, *one) for one in sorted(found)]
