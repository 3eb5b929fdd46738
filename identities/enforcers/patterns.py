"""Patterns with `*` and `?`, compared with each other. Pure.

Owns covering and overlapping of patterns; must not know what is named by them.
Both questions are answered by filling a table from the ends, so time is the product of the two
lengths whatever the patterns look like: they come from documents that others wrote.
"""


def covers(outer: str, inner: str) -> bool:
    """Whether everything `inner` matches, `outer` matches too.

    A "yes" is always true. Patterns that mean the same but are spelt differently (`*?`, `?*`)
    may get a "no", which callers must read as "not shown to be covered".
    """
    below = [False] * len(inner) + [True]
    for o in reversed(outer):
        row = [False] * (len(inner) + 1)
        if o == "*":
            row[-1] = below[-1]
            for j in range(len(inner) - 1, -1, -1):
                row[j] = below[j] or row[j + 1]
        else:
            for j, i in enumerate(inner):
                fits = i != "*" if o == "?" else i == o
                row[j] = fits and below[j + 1]
        below = row
    return below[0]


def overlaps(one: str, other: str) -> bool:
    """Whether some text is matched by both."""
    below = [False] * len(other) + [True]
    for j in range(len(other) - 1, -1, -1):
        below[j] = other[j] == "*" and below[j + 1]
    for a in reversed(one):
        row = [False] * (len(other) + 1)
        row[-1] = a == "*" and below[-1]
        for j in range(len(other) - 1, -1, -1):
            b = other[j]
            if a == "*" or b == "*":
                row[j] = (a == "*" and (below[j] or row[j + 1])) or (
                    b == "*" and (row[j + 1] or below[j])
                )
            else:
                row[j] = (a == b or a == "?" or b == "?") and below[j + 1]
        below = row
    return below[0]
