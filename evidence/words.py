"""Words of sentences that every app writes. Pure."""


def counted(count: int, thing: str, things: str = "") -> str:
    """`1 event`, `1,204 events`; `things` where the plural is not made by an s."""
    return f"{count:,} {thing if count == 1 else things or f'{thing}s'}"


def on_terminal(text: str) -> str:
    """Text of a log in a line on a terminal: nothing in it moves the cursor or turns the line around."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)
