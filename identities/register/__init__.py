"""Registration files: what people write under version control about identities. Pure.

`read(name, text)` gives the entries of one file, or RegisterError with every problem: the file,
the path inside it, and what to write instead. What becomes of the entries is
identities/actions/registration.py.
"""

from .entries import (
    NEVER,
    ActorEntry,
    DelegationEntry,
    Entries,
    IdentityEntry,
    PersonEntry,
    Problem,
    RegisterError,
    ServiceEntry,
    TeamEntry,
    When,
)
from .reading import read

__all__ = [
    "NEVER",
    "ActorEntry",
    "DelegationEntry",
    "Entries",
    "IdentityEntry",
    "PersonEntry",
    "Problem",
    "RegisterError",
    "ServiceEntry",
    "TeamEntry",
    "When",
    "read",
]
