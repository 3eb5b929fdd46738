"""What is shown of links before they are made or taken back: facts, and their digest.

Pure rows for pages and scripts; what they say is found by foreseeing.py.
"""

from typing import Any, NamedTuple

from identities.models import Identity


class Fact(NamedTuple):
    """One row, what it is about and its value for scripts, and what of it would make somebody
    think again when it changes. `weakens`: it takes something away that was found."""

    about: str
    value: Any
    kind: str
    words: str
    url: str = ""
    same: Any = None
    weakens: bool = False


class Changes(NamedTuple):
    """What was found; `digest` "" where it is not known in full, and `why` says why. `others`:
    identities whose owners sign as well."""

    facts: list[Fact]
    digest: str
    why: str = ""
    # Whoever signs as well: for other identities, or for those of the links themselves.
    others: tuple[Identity, ...] = ()
    own: bool = False  # only for those of the links themselves

    @property
    def needs_reason(self) -> bool:
        """Whether something is taken away that was found, or nobody knows, or others are asked."""
        return bool(self.why or (self.others and not self.own)) or any(
            one.weakens for one in self.facts
        )

    @property
    def rows(self) -> list[dict[str, str]]:
        """For components/dry_run.html."""
        slow = [{"kind": "waits", "words": self.why, "url": ""}] if self.why else []
        return slow + [{"kind": one.kind, "words": one.words, "url": one.url} for one in self.facts]

    def as_data(self) -> dict[str, Any]:
        """The same for scripts: each fact with its value, and the digest to act with."""
        return {
            "digest": self.digest,
            "why_not_known": self.why,
            "needs_reason": self.needs_reason,
            "others_sign": [one.key for one in self.others],
            "facts": [
                {
                    "about": one.about,
                    "value": one.value,
                    "words": one.words,
                    "url": one.url,
                    "weakens": one.weakens,
                }
                for one in self.facts
            ],
        }
