"""Patterns with `*` and `?`, compared with each other. Pure.

Owns covering and overlapping of patterns; must not know what is named by them.
Both questions are answered by filling a table from the ends, so time is the product of the two
lengths whatever the patterns look like: they come from documents that others wrote. Most pairs
differ before the first wildcard or behind the last, and fill none.
"""

import re

_WILD = re.compile(r"[*?]")


def _ends(pattern: str) -> tuple[str, str]:
    """What stands before the first wildcard and behind the last; twice all of it without one."""
    head = _WILD.split(pattern, maxsplit=1)[0]
    tail = pattern[max(pattern.rfind("*"), pattern.rfind("?")) + 1 :]
    return head, tail


def covers(outer: str, inner: str) -> bool:
    """Whether everything `inner` matches, `outer` matches too.

    A "yes" is always true. Patterns that mean the same but are spelt differently (`*?`, `?*`)
    may get a "no", which callers must read as "not shown to be covered".
    """
    head, tail = _ends(outer)
    if len(head) == len(outer):
        return outer == inner
    if not inner.startswith(head) or not inner.endswith(tail):
        return False
    if outer == f"{head}*":
        return True
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
    (head, tail), (begin, end) = _ends(one), _ends(other)
    if not (head.startswith(begin) or begin.startswith(head)):
        return False
    if not (tail.endswith(end) or end.endswith(tail)):
        return False
    if (one == f"{head}*" and begin.startswith(head)) or (
        other == f"{begin}*" and head.startswith(begin)
    ):
        return True
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
