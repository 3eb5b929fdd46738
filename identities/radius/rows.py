"""The rows of a blast radius and what each says: how it is related, what is known, whether it lives.

Owns the words. Pure apart from the moment it is handed.
"""

from dataclasses import dataclass
from datetime import datetime

# How a row hangs on what one started with, in the order in which pages list them.
RELATIONS = {
    "touched": "Touched",
    "minted": "Minted",
    "assumed": "Assumed",
    "passed_on": "Delegated to",
    "reachable": "Could reach",
    "shares": "Share the key, role or address",
    "same_system": "Of the same system",
    "depends": "Depend on it",
}
TOUCHED, REACHABLE, NO_EVIDENCE = "touched", "reachable", "no_evidence"
LIVES, DEAD, NOT_KNOWN = "lives", "dead", ""
EXACT, KEY, INFERRED, ONE_OF = "exact", "key", "inferred", "one of"
# Attribution.strength, and what a page says of it.
STRENGTHS = {4: EXACT, 3: KEY, 2: INFERRED, 1: ONE_OF}


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that a start touched, became, could reach, shares with or holds up.

    `key` is unique among the rows of its relation. `ref` names it for its page: CRED-3, NHI-2,
    DLG-4. `through` is the actor by which it was reached; None: by the start itself.
    """

    relation: str
    kind: str  # resource, credential, session, role, delegation, rights, identity, agent, service
    key: str
    name: str
    note: str = ""
    state: str = TOUCHED
    life: str = NOT_KNOWN
    life_note: str = ""
    first_at: datetime | None = None
    last_at: datetime | None = None
    count: int | None = None
    least: bool = False  # there may be more than `count`
    outside: int = 0
    refused: int = 0
    strength: str = ""
    ref: str = ""
    actor: int | None = None
    through: int | None = None
    action: str = ""

    @property
    def order(self) -> tuple[float, str]:
        """Newest first, and each in its place: what paging walks along."""
        last = self.last_at or self.first_at
        return (0.0 if last is None else -last.timestamp(), self.key)


def life(
    state: str, *, expires_at: datetime | None, effective_at: datetime | None, at: datetime
) -> tuple[str, str]:
    """Whether a credential works at `at`, and why: "dead" only where that is shown.

    Its own end is proof, because nobody can use it past that; a revocation is proof once it was
    seen to be effective, never because it was asked for.
    """
    if effective_at is not None and effective_at <= at:
        return DEAD, "proved dead"
    if expires_at is not None and expires_at <= at:
        return DEAD, "over by its own end"
    if state == "revoked":
        return LIVES, "revoked, not shown to be dead"
    if state == "held":
        return LIVES, "held, not revoked"
    return LIVES, "still works" if expires_at is None else f"works until {expires_at:%d %b %H:%M}"
