"""Taking one name out of a text file by exact match: a line, a block, or a member of a list.

Owns what each edit removes, and when it refuses: what is not found once is not guessed. Pure; must
not know where files come from.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

REMOVES = ("line", "block", "member")
# What may stand in a file or its path in place of {name}: nothing that ends a text or a line there.
NAME = re.compile(r"[A-Za-z0-9_.@:/+=,~-]{1,200}")


class Unsure(Exception):
    """Nothing can be removed without guessing; the sentence says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What stands for a name in a file. `{name}` stands in `match`, and may in `path`."""

    path: str
    remove: str
    match: str
    end: str = "}"  # of a block: its last line, as far in as its first

    def place(self, name: str) -> str:
        """The file. Raises Unsure for a name that would lead elsewhere."""
        self._plain(name)
        if "{name}" in self.path and ("/" in name or name in (".", "..")):
            raise Unsure(f"{name[:200]} is no name of a file")
        return self.path.replace("{name}", name)

    def names(self, text: str, name: str) -> bool:
        """Whether the file names it, once or more."""
        return bool(self._found(text, name))

    def without(self, text: str, name: str) -> str:
        """The file without it, and otherwise as it was. Raises Unsure."""
        found = self._found(text, name)
        if len(found) != 1:
            raise Unsure(
                f"{self.match.replace('{name}', name)[:200]} stands there {len(found)} times"
            )
        begins, ends = found[0]
        return text[:begins] + text[ends:]

    def _found(self, text: str, name: str) -> list[tuple[int, int]]:
        """What would go, from where to where, for each place that it stands at."""
        self._plain(name)
        match = self.match.replace("{name}", name)
        if self.remove == "member":
            return _members(text, match)
        return _lines(text, match.strip(), self.end if self.remove == "block" else None)

    @staticmethod
    def _plain(name: str) -> None:
        if NAME.fullmatch(name) is None:
            raise Unsure(f"{name[:200]!r} has letters that may mean something in a file")


def _lines(text: str, match: str, end: str | None) -> list[tuple[int, int]]:
    lines, found, at = text.splitlines(keepends=True), [], 0
    for number, line in enumerate(lines):
        if line.strip() == match:
            size = len(line)
            if end is not None:
                last = line[: len(line) - len(line.lstrip())] + end
                below = [one.rstrip() for one in lines[number + 1 :]]
                if last not in below:
                    raise Unsure(f"the block {match[:100]} has no end {last.strip()}")
                many = below.index(last) + 2
                size = sum(len(one) for one in lines[number : number + many])
                after = lines[number + many : number + many + 1]
                if (
                    after
                    and not after[0].strip()
                    and (number == 0 or not lines[number - 1].strip())
                ):
                    size += len(after[0])
            found.append((at, at + size))
        at += len(line)
    return found


def _members(text: str, match: str) -> list[tuple[int, int]]:
    """Elements of a list in brackets, between commas, in one line or one to a line."""
    found = []
    for one in re.finditer(re.escape(match), text):
        before, after = text[: one.start()], text[one.end() :]
        left, right = before.rstrip(), after.lstrip()
        if left[-1:] not in ("[", ",") or right[:1] not in (",", "]"):
            continue
        begins, ends = one.start(), one.end()
        alone = "\n" in before[len(left) :] and "\n" in after.split("]")[0]
        if right[:1] == ",":
            ends += len(after) - len(right) + 1
            rest = text[ends:]
            # Its line, or the blanks that set the next one off.
            ends += len(rest) - len(rest.lstrip(" \t"))
            if alone and text[ends : ends + 1] in ("\r", "\n"):
                begins = before.rfind("\n") + 1
                ends += 2 if text[ends : ends + 2] == "\r\n" else 1
        elif left[-1:] == ",":
            begins = len(left) - 1
        elif alone:
            begins = len(left)
        found.append((begins, ends))
    return found
