"""On whose behalf an act is done: a signed-in person, this app itself, or a command.

Owns the one way from a user to the text that evidence and the ledger keep. Knows nothing of
what may be done (identities/permissions.py).
"""

from typing import NamedTuple

from identities.models import User


class Acting(NamedTuple):
    """Who acts, as the ledger names them; `user` is None for the app and its commands."""

    ref: str  # "user:<uuid>", "countersign", "command"
    name: str
    user: User | None = None


# The app's own acts: deadlines, enforcement, what a decided case carries out.
COUNTERSIGN = Acting("countersign", "Countersign")
# Whoever can run manage.py on the server has the database anyway; the ledger says so.
COMMAND = Acting("command", "command line")

type By = User | Acting


def acting(by: By) -> Acting:
    """The same, whether a user or an acting party was given."""
    return by if isinstance(by, Acting) else Acting(by.ref, by.called, by)
