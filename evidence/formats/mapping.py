"""A mapping file: what an administrator writes to have any JSON, CSV or syslog read.

Owns the members of such a file, their bounds, and how they become a Table, which the same engine
reads as every other format (tables.py, compiling.py, reading.py). A mapping holds paths and
words, no code and no pattern. Knows no database and no version. Pure.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from evidence.formats import mapping_finding as finding
from evidence.formats import mapping_lines as text_lines
from evidence.formats import paths
from evidence.formats.lines import Lines, Rows, Seams
from evidence.formats.mapping_text import MappingError, Problem, load
from evidence.formats.tables import (
    From,
    Issues,
    Name,
    Row,
    Table,
    Text,
    getter,
)
from evidence.vocabulary import (
    ACTIVITIES,
    OUTCOME_FAILED,
    OUTCOME_OK,
    OUTCOME_REFUSED,
    OUTCOMES,
    PLANE_AI,
    PLANE_IDENTITY,
)

PREFIX = "mapping:"
READS = ("json", "csv", "syslog")
LONGEST_PATH = 300
MOST_STEPS = 12
MOST_WAYS = 12
MOST_WORDS = 200
LONGEST_WORD = 200
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
_KIND = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TEMPLATE = re.compile(r"\{([^{}]*)\}")
_ACTORS = ("principal", "credential", "agent", "on_behalf")
# What may be dangerous together (identities/combinations.py).
LEGS = ("private", "untrusted", "egress")
# What is kept is a document with this list: no record, whatever else is one.
_NO_LIST = "!Records"
# Members that name paths, and the member of a Table that each fills.
_PATHS = {
    "at": "at",
    "id": "vendor_id",
    "session": "session",
    "resource": "resource",
    "address": "address",
    "user_agent": "user_agent",
    "request_id": "request_id",
    "trace_id": "trace_id",
    "span_id": "span_id",
    "error": "error",
    "task": "task",
    "release": "release",
}
MEMBERS = frozenset(
    {"mapping", "title", "reads", "plane", "realm", "action", "outcome", "activities", "issues"}
    | {"records", "columns", "delimiter", "payload", "year", "content", "legs"}
    | {*_ACTORS, *_PATHS}
)
_OF_READS = {
    "records": "json",
    "columns": "csv",
    "delimiter": "csv",
    "payload": "syslog",
    "year": "syslog",
}
_ACTIVITY_WORDS = {words.replace(" ", "_").lower(): code for code, words in ACTIVITIES.items()}
_OUTCOME_WORDS = {words: code for code, words in OUTCOMES.items()}


class Mapping(NamedTuple):
    """A mapping file that can be used."""

    name: str
    title: str
    reads: str
    plane: str
    table: Table
    # The members that the file fills, for saying which of them find nothing.
    fills: tuple[str, ...]
    # Which actions read sensitive data, take in what outsiders wrote, send out.
    legs: dict[str, tuple[str, ...]]


def of(text: str) -> Mapping:
    """The mapping that a file's text holds. Raises MappingError with everything wrong in it."""
    return _Reader(load(text)).mapping()


def _is_text(body: bytes) -> bool:
    return not text_lines.is_kept(body)


class _Reader:
    """Goes through the members of a file and collects what is wrong."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        self.problems: list[Problem] = []

    def wrong(self, place: str, sentence: str) -> None:
        if len(self.problems) < 20:
            self.problems.append(Problem(place, sentence))

    def mapping(self) -> Mapping:
        data = self.data
        for member in sorted(data.keys() - MEMBERS):
            self.wrong(member[:60], f"is not known; write one of: {', '.join(sorted(MEMBERS))}")
        name = self.word("mapping", data.get("mapping"), _NAME, "such as my-gateway")
        reads = self.choice("reads", data.get("reads", "json"), READS)
        for member, only in _OF_READS.items():
            if member in data and reads != only:
                self.wrong(member, f"belongs to a mapping that reads {only}")
        plane = self.choice("plane", data.get("plane", "identity"), ("identity", "ai"))
        title = self.said("title", data.get("title", name))
        if "realm" not in data:
            self.wrong("realm", 'is missing: who issued the names, such as "gateway:{tenant}"')
        if "action" not in data:
            self.wrong("action", "is missing: the path of what was done")
        filled: dict[str, Any] = {
            column: self.froms(member, data[member])
            for member, column in _PATHS.items()
            if member in data
        }
        filled |= {role: self.names(role, data[role]) for role in _ACTORS if role in data}
        action = self.froms("action", data.get("action", []))
        issues = tuple(
            self.issue(f"issues[{place}]", one)
            for place, one in enumerate(self.listed("issues", data.get("issues", []), MOST_WAYS))
        )
        known, patterns = self.activities(data.get("activities", {}))
        table = Table(
            name=f"{PREFIX}{name}",
            title=title,
            signs=(),
            realm=self.template("realm", data.get("realm", "x")),
            action=action,
            plane=PLANE_AI if plane == "ai" else PLANE_IDENTITY,
            activities=known,
            patterns=patterns,
            issues=issues,
            content=tuple(self.path("content", one, every=True) for one in self.contents()),
            **filled,
        )
        if "outcome" in data:
            table = table._replace(outcome=self.outcome(data["outcome"]))
        table = self.bodies(table, reads)
        given = self.members("legs", data.get("legs", {}), LEGS)
        legs = {leg: tuple(self.words(f"legs.{leg}", one)) for leg, one in given.items()}
        if self.problems:
            raise MappingError(self.problems)
        fills = tuple(one for one in (*_ACTORS, *_PATHS, "outcome") if one in data)
        said = finding.says_something(table)
        return Mapping(name, title, reads, plane, said, fills, legs)

    def contents(self) -> list[Any]:
        return self.listed("content", self.data.get("content", []), MOST_WAYS * 4)

    def bodies(self, table: Table, reads: str) -> Table:
        """The table with how its records are found in a body."""
        data = self.data
        if reads == "json":
            member = data.get("records")
            if member is not None and (type(member) is not str or not 0 < len(member) <= 80):
                self.wrong("records", "is the name of the member that holds the list of records")
                member = None
            # What has none of these is an envelope around a record, or no record at all.
            lists = (member,) if member else ()
            no_list = (_NO_LIST, *(f'!["{name}"]' for name in lists if '"' not in name))
            signs = tuple((path, *no_list) for path in finding.plain_paths(table))
            return table._replace(signs=signs or (no_list,), lists=lists)
        if reads == "csv":
            columns = self.listed("columns", data.get("columns", []), MOST_WORDS)
            named = tuple(self.said("columns", one) for one in columns)
            delimiter = data.get("delimiter", ",")
            if delimiter not in (",", ";", "\t", "|"):
                self.wrong("delimiter", 'is one of "," ";" "|" and a tab ("\\t")')
                delimiter = ","
            pieces = text_lines.csv_pieces(named, delimiter)
            seams: Seams = Rows(delimiter, header=not named, begins=_is_text)
        else:
            payload = self.choice("payload", data.get("payload", "text"), text_lines.PAYLOADS)
            year = data.get("year")
            if year is not None and (type(year) is not int or not 2000 <= year <= 2100):
                self.wrong("year", "is a year, such as 2026")
                year = None
            pieces = text_lines.syslog_pieces(payload, year)
            seams = Lines(_is_text)
        text = Text(_is_text, pieces, lambda _: seams)
        return table._replace(signs=((_NO_LIST,),), text=text)

    # --- members

    def word(self, place: str, value: Any, shape: re.Pattern[str], example: str) -> str:
        if type(value) is str and shape.fullmatch(value):
            return value
        self.wrong(place, f"is a short name in lower case, {example}")
        return "x"

    def said(self, place: str, value: Any) -> str:
        written = str(value) if type(value) in (str, int) else ""
        if 0 < len(written) <= LONGEST_WORD and written.isprintable():
            return written
        self.wrong(place, f"is text of at most {LONGEST_WORD} characters")
        return "x"

    def choice(self, place: str, value: Any, known: tuple[str, ...]) -> str:
        if type(value) is str and value in known:
            return value
        self.wrong(place, f"is one of: {', '.join(known)}")
        return known[0]

    def listed(self, place: str, value: Any, most: int) -> list[Any]:
        """A list, or one thing as a list of one."""
        found = value if type(value) is list else [value]
        if len(found) > most:
            self.wrong(place, f"lists {len(found)}; {most} are the most")
        return found[:most]

    def members(self, place: str, value: Any, known: tuple[str, ...]) -> dict[str, Any]:
        if type(value) is not dict:
            self.wrong(place, f"has the members {', '.join(known)}")
            return {}
        for member in sorted(value.keys() - set(known)):
            self.wrong(f"{place}.{member}"[:80], f"is not known; write one of: {', '.join(known)}")
        return value

    def path(self, place: str, value: Any, *, every: bool = False) -> str:
        if type(value) is not str or not 0 < len(value) <= LONGEST_PATH:
            self.wrong(place, f"is a path of at most {LONGEST_PATH} characters, such as user.id")
            return "x"
        try:
            steps = paths.steps(value)
        except paths.BadPath as problem:
            self.wrong(place, str(problem))
            return "x"
        if len(steps) > MOST_STEPS:
            self.wrong(place, f"has {len(steps)} steps; {MOST_STEPS} are the most")
        if not every and any(step.every for step in steps):
            self.wrong(place, "asks for every element; a place such as [0] or [name=value] is one")
        return value

    def froms(self, place: str, value: Any) -> tuple[From, ...]:
        return tuple(self.one_from(place, one) for one in self.listed(place, value, MOST_WAYS))

    def one_from(self, place: str, value: Any) -> From:
        if type(value) is not dict:
            return self.path(place, value)
        given = self.members(place, value, ("always", "join", "with"))
        if "always" in given:
            word = self.said(f"{place}.always", given["always"])
            return lambda _: word
        parts = self.listed(f"{place}.join", given.get("join", []), MOST_WAYS)
        gets = [getter(self.path(f"{place}.join", one)) for one in parts]
        between = given.get("with", " ")
        if type(between) is not str or len(between) > 8:
            self.wrong(f"{place}.with", "is text of at most 8 characters")
            between = " "
        if not gets:
            self.wrong(place, "is a path, {always: text} or {join: [paths], with: text}")
        return finding.joined(gets, between)

    def template(self, place: str, value: Any) -> str:
        written = self.said(place, value)
        for part in _TEMPLATE.findall(written):
            for one in part.split("|"):
                self.path(place, one)
        if written.count("{") != len(_TEMPLATE.findall(written)) or written.count(
            "{"
        ) != written.count("}"):
            self.wrong(place, "has a brace without its other half")
        return written

    def sign(self, place: str, value: Any) -> str:
        if type(value) is not str or not 0 < len(value) <= LONGEST_PATH:
            self.wrong(place, "is a path with what stands there, such as actor.type=User")
            return ""
        self.path(place, paths.Sign.of(value).path)
        return value

    def names(self, place: str, value: Any) -> tuple[Name, ...]:
        found = self.listed(place, value, MOST_WAYS)
        return tuple(
            self.name(f"{place}[{number}]" if len(found) > 1 else place, one)
            for number, one in enumerate(found)
        )

    def name(self, place: str, value: Any, *, parent: bool = True) -> Name:
        known = ("kind", "path", "realm", "when", "fold", *(("parent",) if parent else ()))
        given = self.members(place, value, known)
        fold = given.get("fold", False)
        if type(fold) is not bool:
            self.wrong(f"{place}.fold", "is true or false")
        return Name(
            kind=self.word(f"{place}.kind", given.get("kind"), _KIND, "such as user or api_key"),
            value=self.froms(f"{place}.path", given.get("path")),
            realm=self.template(f"{place}.realm", given["realm"]) if "realm" in given else "",
            when=self.sign(f"{place}.when", given["when"]) if "when" in given else "",
            parent=self.name(f"{place}.parent", given["parent"], parent=False)
            if parent and "parent" in given
            else None,
            fold=fold is True,
        )

    def words(self, place: str, value: Any) -> list[str]:
        return [
            str(one).lower() if type(one) is bool else self.said(place, one)
            for one in self.listed(place, value, MOST_WORDS)
        ]

    def outcome(self, value: Any) -> Callable[[Row], int]:
        given = self.members(
            "outcome", value, ("path", "ok", "refused", "failed", "otherwise", "absent")
        )
        codes = tuple(_OUTCOME_WORDS)
        otherwise = self.choice("outcome.otherwise", given.get("otherwise", "unknown"), codes)
        absent = self.choice("outcome.absent", given.get("absent", "unknown"), codes)
        exact: dict[str, int] = {}
        begins: list[tuple[str, int]] = []
        for member, code in (
            ("ok", OUTCOME_OK),
            ("refused", OUTCOME_REFUSED),
            ("failed", OUTCOME_FAILED),
        ):
            for word in self.words(f"outcome.{member}", given.get(member, [])):
                if word.endswith("*"):
                    begins.append((word[:-1].lower(), code))
                else:
                    exact[word.lower()] = code
        find = finding.first(self.froms("outcome.path", given.get("path")))
        rest, none = _OUTCOME_WORDS[otherwise], _OUTCOME_WORDS[absent]

        def ended(record: Row) -> int:
            word = find(record)
            if word is None:
                return none
            found = exact.get(word.lower())
            if found is not None:
                return found
            return next((code for begin, code in begins if word.lower().startswith(begin)), rest)

        return ended

    def activities(self, value: Any) -> tuple[dict[str, int], tuple[tuple[str, int], ...]]:
        given = self.members("activities", value, tuple(_ACTIVITY_WORDS))
        exact: dict[str, int] = {}
        begins: list[tuple[str, int]] = []
        for member, listed in given.items():
            code = _ACTIVITY_WORDS.get(member, 0)
            for word in self.words(f"activities.{member}", listed):
                if word.endswith("*"):
                    begins.append((word[:-1], code))
                else:
                    exact[word] = code
        # The longest beginning wins, in whatever order they are written.
        begins.sort(key=lambda one: -len(one[0]))
        return exact, tuple((re.escape(begin), code) for begin, code in begins)

    def issue(self, place: str, value: Any) -> Issues:
        known = ("actions", "credential", "to", "standing", "expires")
        given = self.members(place, value, known)
        standing = given.get("standing", True)
        if type(standing) is not bool:
            self.wrong(f"{place}.standing", "is true or false")
        return Issues(
            actions=frozenset(self.words(f"{place}.actions", given.get("actions", []))),
            credential=self.names(f"{place}.credential", given.get("credential")),
            to=self.names(f"{place}.to", given["to"]) if "to" in given else (),
            standing=standing is not False,
            expires=self.froms(f"{place}.expires", given["expires"]) if "expires" in given else (),
        )
