"""Who is asked whether something is theirs, and in which words. Pure.

Owns the order in which evidence counts. There is no score: the stronger evidence comes first, of
two equally strong ones the kind that stands first in ORDER, and what names somebody else stays
beside the question as a doubt. A tag is never more than inferred: whoever may tag a thing may
write one.
"""

import re
from collections.abc import Callable, Collection, Iterable
from typing import Any, NamedTuple

from evidence.vocabulary import INFERRED, KEY

# What evidence says of an owner: its strength, and its place among equals.
STRENGTH_OF = {
    "service": KEY,  # the register names who owns the service it serves
    "cmdb": INFERRED,
    "owner": INFERRED,
    "team": INFERRED,
    "codeowners": INFERRED,
    "neighbours": INFERRED,
    "issuer": INFERRED,  # who issued its key is known; that they own it is not
    "behalf": INFERRED,
    "creator": INFERRED,
    "naming": INFERRED,
}
ORDER = tuple(STRENGTH_OF)
# Who made a thing is seldom who owns it: what is beside it, when most of that is one party's,
# says more.
WEAK = ORDER[ORDER.index("neighbours") + 1 :]
# Of what is asked for each reason, the share that a yes is expected of before anybody has answered:
# the order in which people are asked, never what anybody owns.
EXPECTED = {
    "service": 0.9, "cmdb": 0.9, "owner": 0.85, "team": 0.85, "codeowners": 0.9, "neighbours": 0.9,
    "issuer": 0.6, "behalf": 0.6, "creator": 0.6, "naming": 0.7, "step passed_on": 0.7,
    "step sponsor": 0.3, "step backup": 0.3, "step team": 0.3, "step nobody": 0.9,
}  # fmt: skip
LONGEST_WORDS = 300
MOST_REASONS = 12
TEAM_WORD = "team"


class Reason(NamedTuple):
    """One thing that the evidence says: whose it might be, and the sentence."""

    party: str  # Party.pk as text
    kind: str
    words: str

    @property
    def strength(self) -> int:
        return STRENGTH_OF[self.kind]

    def as_json(self) -> dict[str, Any]:
        return {
            "party": self.party,
            "kind": self.kind,
            "words": self.words[:LONGEST_WORDS],
            "strength": self.strength,
        }


class Choice(NamedTuple):
    """Who is asked, and the kind and strength of what names them; None: it names nobody."""

    party: str | None
    strength: int = 0
    kind: str = ""


def from_json(rows: Iterable[dict[str, Any]]) -> list[Reason]:
    return [Reason(row["party"], row["kind"], row["words"]) for row in rows]


def ordered(reasons: Iterable[Reason]) -> list[Reason]:
    """The stronger first, then by kind; said once, and at most so many."""
    found = sorted(
        dict.fromkeys(reasons), key=lambda one: (-one.strength, ORDER.index(one.kind), one)
    )
    return found[:MOST_REASONS]


def choose(
    reasons: Iterable[Reason],
    refused: Collection[str] = (),
    useless: Callable[[str, str], bool] = lambda _party, _kind: False,
) -> Choice:
    """Of those who have not said no, the one whom the evidence names first.

    `useless`: whether a party has nearly always said no to what this kind of evidence gave them.
    """
    for one in ordered(reasons):
        if one.party not in refused and not useless(one.party, one.kind):
            return Choice(one.party, one.strength, one.kind)
    return Choice(None)


def folded(name: str) -> str:
    """``@acme/payments-team``, ``Team Payments`` and ``payments`` alike: `payments`."""
    words = re.findall(r"[^\W_]+", name.strip().rsplit("/", 1)[-1].lower())
    rest = [word for word in words if word not in (TEAM_WORD, "squad", "the")]
    return "".join(rest or words)


def login_of(name: str) -> str:
    """What a log or a tag calls a person, as logins and mail addresses are compared."""
    return name.strip().removeprefix("mailto:").lstrip("@").rsplit("/", 1)[-1].strip().lower()


def tag(kind: str, value: str) -> str:
    """A hint as rules match it: `owner=payments squad`."""
    return f"{kind}={' '.join(value.split()).lower()}"[:200]


def begins(name: str) -> list[str]:
    """The beginnings of a name at its separators, the longest first: what it may be called after.

    ``payments-api-worker`` → ``payments-api-worker``, ``payments-api``, ``payments``.
    """
    parts = re.split(r"[-_./: ]+", name.strip().lower())[:6]
    return ["-".join(parts[:length]) for length in range(len(parts), 0, -1) if parts[0]]
