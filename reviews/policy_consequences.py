"""How a policy softens what its outcomes do: held before it is cut for good, and a brake; and what
it lets tokens do. Pure.

Owns the three fields, how they are read and what they say in words. What acts on them is
reviews/actions/quarantining.py, reviews/actions/braking.py and identities/api/deciding.py.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from evidence.words import counted
from reviews.policy_reading import Problem, members, whole

LONGEST_QUARANTINE = 90  # days
# What `api` may name, and in words; the same as in identities/api/deciding.py, a test compares them.
API = {
    "hold": "hold an identity or a credential, which can be released",
    "cut_off": "end break-glass access before its time",
}


@dataclass(frozen=True, slots=True)
class Brake:
    """Silence stops and asks before it cuts more than this within one hour; None: no bound."""

    identities: int | None = None
    percent: int | None = None  # of the policy's scope

    def most(self, population: int) -> int:
        """How many identities silence may cut within one hour, of a scope of this size."""
        bounds = [] if self.identities is None else [self.identities]
        if self.percent is not None:
            bounds.append(population * self.percent // 100)
        return min(bounds)


def quarantine(value: Any) -> int:
    """Days for which what is revoked is held first."""
    return whole(0, LONGEST_QUARANTINE)(value)


def brake(value: Any) -> Brake:
    """`{"identities": 50, "percent": 5}`, or one of them."""
    found = members(value, {"identities": whole(1, 1_000_000), "percent": whole(1, 100)})
    if not found:
        raise Problem("Say identities, percent or both; leave the field out for no brake.")
    return Brake(**found)


def words(
    quarantine_days: int, brake: Brake | None, api: Iterable[str]
) -> Iterator[tuple[str, str]]:
    """What the three say: (about, sentence)."""
    if quarantine_days:
        held = counted(quarantine_days, "day")
        said = (
            f"A credential, a delegation or what a system allows is held for {held} first and can"
        )
        said += " be restored; then it is revoked for good, or what a system allows narrowed for"
        yield "What is revoked", f"{said} good. What is critical is cut at once."
    if brake is not None:
        bounds = []
        if brake.identities is not None:
            bounds.append(counted(brake.identities, "identity", "identities"))
        if brake.percent is not None:
            bounds.append(f"{brake.percent} % of the scope")
        said = f"When silence would cut more than {' or '.join(bounds)} within one hour, the rest"
        said += " waits on the release list for a person; so does what a campaign decided, if its"
        yield "Brake", f"{said} end cuts more at once. What is signed to go out at once goes out."
    if may := [API[one] for one in api]:
        said = f"Without a person, a token with the scope `act` may {' and '.join(may)}. Everything"
        yield "API tokens", f"{said} else that decides, a person does, signed in."
