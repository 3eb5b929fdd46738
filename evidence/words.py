"""Words of sentences that every app writes. Pure."""

from collections.abc import Sequence


def percent(part: int, whole: int) -> int:
    """Whole percent, rounded down: 100 only where it is all. `whole` is more than 0."""
    return 100 * part // whole


def counted(count: int, thing: str, things: str = "") -> str:
    """`1 event`, `1,204 events`; `things` where the plural is not made by an s."""
    return f"{count:,} {thing if count == 1 else things or f'{thing}s'}"


def listed(names: Sequence[str]) -> str:
    """``a, b and c``; of none, empty."""
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


def on_terminal(text: str) -> str:
    """Text of a log in a line on a terminal: nothing in it moves the cursor or turns the line around."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)
