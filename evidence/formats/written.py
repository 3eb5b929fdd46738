"""Paths, signs and names as text of Python functions: written once, compiled once.

Owns the writing. A table has some forty paths, and a record is asked for all of them: one function
that looks by itself takes a third of the time of one that calls another for each path. What is
written holds nothing of a table but the names of members, quoted. What a path means is paths.py's.
Pure.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Any

from evidence.formats import aws, paths
from evidence.formats.paths import Sign


class Remembered[Made](dict[str, Made]):
    """What a function makes of texts, remembered for a bounded number of them.

    Of texts that many records have, one object is kept: the others' memory is free for the next
    record while it is still in the processor's cache, and so are the names when ids are looked up.
    A dictionary is asked in half the time of a cached function.
    """

    MOST = 16_384

    def __init__(self, make: Callable[[str], Made]) -> None:
        super().__init__()
        self.make = make

    def __missing__(self, text: str) -> Made:
        made = self.make(text)
        if len(text) <= aws.LONGEST:
            if len(self) >= self.MOST:
                self.clear()
            self[text] = made
        return made


@dataclass(frozen=True, slots=True)
class Of:
    """One of several values that a function makes of a record: it is called once for them all."""

    make: Callable[[dict[str, Any]], tuple[Any, ...]]
    place: int

    def __call__(self, record: dict[str, Any]) -> Any:
        return self.make(record)[self.place]


# A path, or a function of the record.
type Way = str | Callable[[dict[str, Any]], Any]

# Objects inside a record from which more is asked than this are looked up once, at the beginning.
_ONCE = 1


class Writing:
    """The text of one function, and the objects that it names.

    `often`: how often each object inside the record is asked for, as counted by a writing before
    this one; those that are asked for several times have a name of their own here.
    """

    def __init__(
        self, opening: str, *, folded: bool = False, often: Counter[tuple[str, ...]] | None = None
    ) -> None:
        self.objects: dict[str, Any] = {
            "text": paths.text,
            "keep": plain,
            "nothing": {},
            "same": Remembered(plain),
            "place": Remembered(address),
        }
        self.folded = folded
        self.counted: Counter[tuple[str, ...]] = Counter()
        self.opening = opening
        self.lines: list[str] = []
        self.inside: dict[tuple[str, ...], str] = {}
        self.made: dict[str, Callable[[dict[str, Any]], Any]] = {}
        # Variables of `made` that are set whichever way the function went.
        self.certain: set[str] = set()
        for names in sorted(often or (), key=len):
            if often and often[names] > _ONCE:
                above = names[:-1]
                while above and above not in self.inside:
                    above = above[:-1]
                found = self._walk(self.inside.get(above, "record"), names[len(above) :])
                here = f"inside{len(self.inside)}"
                self.inside[names] = here
                self.say(f"{here} = {found}", f"if type({here}) is not dict: {here} = nothing")

    def say(self, *lines: str, deep: int = 0) -> None:
        """Write lines, `deep` blocks inside the function."""
        self.lines += (" " * (deep + 1) + line for line in lines)

    def named(self, thing: Any) -> str:
        """The name under which the function finds an object."""
        name = f"object{len(self.objects)}"
        self.objects[name] = thing
        return name

    def value(self, path: str) -> str:
        """The expression of what stands at a path; None where nothing does."""
        walk = paths.steps(path.lower() if self.folded else path)
        if not all(step.name for step in walk):
            find = f"{self.named(paths.getter(path, folded=self.folded))}(record)"
            # Most records have no such list at all.
            begin = walk[0].name
            return f"({find} if record.get({begin!r}) is not None else None)" if begin else find
        names = tuple(step.name for step in walk)
        above = names[:-1]
        for many in range(1, len(names)):
            self.counted[names[:many]] += 1
        while above and above not in self.inside:
            above = above[:-1]
        return self._walk(self.inside.get(above, "record"), names[len(above) :])

    @staticmethod
    def _walk(here: str, names: Sequence[str]) -> str:
        guards = []
        for name in names[:-1]:
            guards.append(f"type(v := {here}.get({name!r})) is dict")
            here = "v"
        found = f"{here}.get({names[-1]!r})"
        return f"({found} if {' and '.join(guards)} else None)" if guards else found

    def text(self, into: str, ways: Sequence[Way], *, deep: int = 0, repeated: str = "") -> None:
        """Set a variable to the text that the first of these ways finds, or to None.

        `repeated`: other records say the same, and what remembers it ("same", or "place" for
        addresses); see Remembered.
        """
        if not ways:
            self.say(f"{into} = None", deep=deep)
            return
        start, told, plainly = (
            deep,
            into,
            f"not 0 < len({into}) <= {aws.LONGEST}",
        )
        for number, way in enumerate(ways):
            if number:
                self.say(f"if not {into}:", deep=deep)
                deep += 1
            self.say(f"{into} = {self.found(way, deep=deep)}", deep=deep)
            if len(ways) > 1:
                self.say(
                    f"if type({into}) is not str and {into} is not None: {into} = text({into})",
                    deep=deep,
                )
        if len(ways) == 1:
            told = f"text({into}) or ''"
            plainly = f"type({into}) is not str or {plainly}"
            same = f"{into} if type({into}) is str else {told}"
        else:
            same = into
        if repeated:
            self.say(f"if {into} is not None: {into} = {repeated}[{same}]", deep=start)
        else:
            self.say(
                f"if {into} is not None and ({plainly}): {into} = keep({told})",
                deep=start,
            )

    def found(self, way: Way, *, deep: int = 0) -> str:
        """The expression of what a way finds; lines that it needs are written."""
        if isinstance(way, str):
            return self.value(way)
        if isinstance(way, Of):
            return f"{self.once(way.make, deep=deep)}[{way.place}]"
        return f"{self.named(way)}(record)"

    def once(self, function: Callable[[dict[str, Any]], Any], *, deep: int = 0) -> str:
        """The variable with what a function makes of the record, called where it is first needed."""
        known = next((name for name, one in self.made.items() if one is function), None)
        if known is None:
            known = f"made{len(self.made)}"
            self.made[known] = function
            self.opening += f"\n {known} = None"
        if known not in self.certain:
            self.say(f"if {known} is None: {known} = {self.named(function)}(record)", deep=deep)
        if not deep:
            self.certain.add(known)
        return known

    def sign(self, sign: Sign) -> str:
        """The expression that says whether a record has a sign."""
        value = self.value(sign.path)
        if sign.absent:
            return f"{value} is None"
        if sign.one_of:
            told = f"(s if type(s := {value}) is str or s is None else text(s))"
            return f"{told} in {self.named(sign.one_of)}"
        if sign.begins:
            return f"(type(s := {value}) is str and s.startswith({sign.begins!r}))"
        return f"{value} is not None"

    def compiled(self) -> Callable[..., Any]:
        exec("\n".join([self.opening, *self.lines]), self.objects)  # noqa: S102 - quoted names only
        function: Callable[..., Any] = self.objects["written"]
        return function


def twice(write: Callable[[Counter[tuple[str, ...]] | None], Writing]) -> Callable[..., Any]:
    """A function written for the second time, when it is known what it asks for often."""
    return write(write(None).counted).compiled()


def plain(value: str) -> str | None:
    """A text as it may be kept: bounded; None when nothing is left."""
    return (value if len(value) <= aws.LONGEST else aws.bounded(value)) or None


def address(value: str) -> str | None:
    """An address as it may be kept: IPv6 in its one form (RFC 5952), so that two logs say the same
    of one; IPv4 that is written inside it as itself; a host's name as it stands."""
    found = plain(value)
    if found is None or found.count(":") < 2:
        return found
    try:
        known = IPv6Address(found)
    except ValueError:
        return found
    return str(known.ipv4_mapped or known)


def first_text(
    ways: Sequence[Way], *, folded: bool = False
) -> Callable[[dict[str, Any]], str | None]:
    """The text that the first of these paths and functions finds in a record."""
    writing = Writing("def written(record):", folded=folded)
    writing.text("found", ways)
    writing.say("return found")
    return writing.compiled()


def first_value(ways: Sequence[str]) -> Callable[[dict[str, Any]], Any]:
    """What the first of these paths finds that is not null, of any type."""
    writing = Writing("def written(record):")
    for way in ways:
        writing.say(f"found = {writing.value(way)}", "if found is not None: return found")
    writing.say("return None")
    return writing.compiled()


def has_signs(groups: Sequence[Sequence[str]], *, folded: bool = False) -> Callable[[Any], bool]:
    """Whether a value is a record with all signs of at least one group; see paths.Sign."""
    writing = Writing("def written(record):", folded=folded)
    told = [
        " and ".join(writing.sign(Sign.of(sign)) for sign in group) or "True" for group in groups
    ]
    writing.say(f"return type(record) is dict and ({' or '.join(told) or 'False'})")
    return writing.compiled()
