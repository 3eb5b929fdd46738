"""What the address of a list may ask for: anything else is refused, never ignored.

A list that ignores what it is asked to leave out answers with more than was asked for, and whoever
reads it by script takes that for the answer. A page that people read shows what it is narrowed by,
and an old bookmark or what a mail program adds to a link shuts nobody out: there it is dropped.
"""

from collections.abc import Mapping

from identities.permissions import NotPossible


def checked(said: Mapping[str, str], known: Mapping[str, tuple[str, ...]]) -> None:
    """NotPossible for a parameter that a list does not know, and for a value it cannot have.

    `known`: what it is narrowed by, with the values of each; none named: any text.
    """
    for name, value in said.items():
        if name not in known:
            raise NotPossible(
                f"This list is not narrowed by {name[:40]!r}, only by {', '.join(sorted(known))}."
            )
        if value and known[name] and value not in known[name]:
            raise NotPossible(f"{name} is {value[:40]!r}; choose one of {', '.join(known[name])}.")


def understood(said: Mapping[str, str], known: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """What of an address a list knows: the rest is dropped."""
    return {
        name: value
        for name, value in said.items()
        if name in known and (not value or not known[name] or value in known[name])
    }
