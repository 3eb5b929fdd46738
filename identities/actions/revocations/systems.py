"""The shape of one outside system's row in the table of those that Countersign can change.

Owns the shape, and the sentence for what evidence does not say. The table is reach.py's; what a
row holds is its system's module (of_aws.py, of_oauth.py, ...).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from evidence.models import Actor
from identities.enforcers.contract import Enforcer, Seen, Target
from identities.models import Credential, Entitlement

ADMINISTRATOR = "the administrator of Countersign"
# Of what may have to be acted on, so many are looked at in one check.
MOST_CHECKED = 200


class NoTarget(Exception):
    """Nothing outside can be told from this: the sentence says what is missing."""


class System(NamedTuple):
    """One outside system, in the words of the table alone.

    `enforcer`: the adapter for an account there; PermanentFailure where none is set up.
    `of_credential`: the target a credential is there, given the names of its identity; None when it
    is another system's, NoTarget when evidence does not say enough. `of_names`: the principals
    that these names of an identity stand for there, each once. `of_entitlement`: the principal
    whose permissions these are; None where it is no name of this system. `cannot`: why a step
    cannot even be asked for; "" where it can. `owned`: what we may have to act on, by account.
    `probe`: a real use; None where there is nothing to try it with. `realms`: what the realms of its
    names begin with, where that is not the system's own name.
    """

    enforcer: Callable[[str], Enforcer]
    of_credential: Callable[[Credential, Sequence[Actor], datetime], Target | None]
    cannot: Callable[[Target, str], str]
    owned: Callable[[datetime], Mapping[str, list[Target]]]
    of_names: Callable[[Iterable[Actor]], list[Target]] = lambda _names: []
    of_entitlement: Callable[[Entitlement], Target | None] = lambda _row: None
    probe: Callable[[Target, datetime], Seen | None] = lambda _target, _now: None
    realms: str = ""
