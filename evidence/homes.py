"""The ids of names as a source gives them: those of whom it says only the vendor are its own.

Owns where that is asked (docs/decisions/0038): at the door, when deposits are read again, and when
lists are kept. The rule itself is formats/unstated.py's.
"""

from datetime import datetime

from evidence import names
from evidence.formats import unstated
from evidence.formats.record import ActorName
from evidence.models import Source


def actor_ids(source: Source, found: set[ActorName], *, now: datetime) -> dict[ActorName, int]:
    """The ids of these names by how their records write them, making those that are new."""
    moved = unstated.at_home(found, source.realms, source.name)
    if not moved:
        return names.actor_ids(found, now=now)
    ids = names.actor_ids({moved.get(name, name) for name in found}, now=now)
    return {name: ids[moved.get(name, name)] for name in found}
