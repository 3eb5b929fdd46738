"""Tables written as functions: every field in its place, prefixes looked up once, nothing raised."""

from typing import Any

import pytest

from evidence.formats import paths
from evidence.formats.compiling import reader
from evidence.formats.record import ActorName, Record
from evidence.formats.tables import Name, Said, Table, getter, names, template
from evidence.formats.written import address, has_signs
from evidence.vocabulary import OUTCOME_FAILED, OUTCOME_OK, OUTCOME_UNKNOWN

TEXTS = (
    "resource", "request_id", "address", "user_agent", "error", "task", "release", "vendor_id",
)  # fmt: skip
TABLE = Table(
    name="everything",
    title="Every field",
    signs=(("here",),),
    realm="vendor:{inside.realm}",
    action="action",
    at=("first", "at"),
    principal=(Name("user", "inside.principal", parent=Name("role", "inside.role")),),
    credential=(Name("key", "inside.credential", when="inside.has=key|token"),),
    agent=(Name("agent", "agent", realm="other:{inside.realm}", fold=True),),
    on_behalf=(lambda record, realm: ActorName(realm, "user", record["on_behalf"]),),
    session="session",
    outcome=Said("outcome", {"yes": OUTCOME_OK}),
    trace_id="trace",
    span_id="span",
    **{name: (f"missing.{name}", name) for name in TEXTS},  # type: ignore[arg-type]  # all are texts
)
ROW = {
    **{name: f"the {name}" for name in TEXTS},
    "action": " do ",
    "at": "2031-01-01T00:00:00Z",
    "inside": {
        "realm": "R",
        "principal": "who",
        "role": "role",
        "credential": 7,
        "has": "token",
    },
    "agent": "AGENT",
    "on_behalf": "other",
    "session": "the session",
    "outcome": "YES",
    "trace": "0123456789abcdef0123456789abcdef",
    "span": "0123456789abcdef",
}


def read(row: dict[str, Any], table: Table = TABLE) -> Record:
    return reader(table)("here", row, lambda realm, number: f"{realm} {number}".encode())


def test_every_field_is_in_its_place() -> None:
    found = read(ROW)
    for name in TEXTS:
        assert getattr(found, name) == f"the {name}"
    assert found.position == "here"
    assert found.digest == b"vendor:r the vendor_id"
    assert found.at == 1_924_992_000_000_000
    assert (found.realm, found.action, found.outcome) == ("vendor:r", "do", OUTCOME_OK)
    assert found.principal == ActorName(
        "vendor:r", "user", "who", ActorName("vendor:r", "role", "role")
    )
    assert found.credential == ActorName("vendor:r", "key", "7")
    assert found.agent == ActorName("other:r", "agent", "agent")
    assert found.on_behalf == ActorName("vendor:r", "user", "other")
    assert found.conversation == "the session"
    assert found.trace_id == bytes.fromhex(ROW["trace"])  # type: ignore[arg-type]  # a text
    assert found.span_id == bytes.fromhex(ROW["span"])  # type: ignore[arg-type]  # a text
    assert (found.parent_span_id, found.duration, found.issued) == (None, None, None)


@pytest.mark.parametrize("inside", [None, [], "text", 3, {}, {"realm": {}}])
def test_what_is_no_object_holds_nothing(inside: object) -> None:
    found = read({**ROW, "inside": inside, "outcome": inside})
    assert (found.realm, found.principal, found.credential) == ("vendor", None, None)
    # A text that is there and no known word is a failure; what is no text says nothing.
    assert found.outcome == (OUTCOME_FAILED if inside in ("text", 3) else OUTCOME_UNKNOWN)


def test_what_justifies_a_success_is_no_error() -> None:
    table = TABLE._replace(error_of_failures=True)
    assert read(ROW, table).error is None
    assert read({**ROW, "outcome": "no"}, table).error == "the error"
    assert read({**ROW, "outcome": None}, table).error is None


def test_first_way_that_says_something_wins() -> None:
    find = getter(("a.b", lambda record: record.get("f"), "list[name=x].value", "c"))
    assert find({"a": {"b": "1"}, "f": "2", "c": "3"}) == "1"
    assert find({"a": {"b": ""}, "f": "2", "c": "3"}) == "2"
    assert find({"a": [], "list": [{"name": "x", "value": 9}], "c": "3"}) == "9"
    assert find({"f": [], "list": {}, "c": "3"}) == "3"
    assert len(find({"c": "x" * 10_000}) or "") == 512


LISTS: list[Any] = [
    [],
    {},
    "x",
    None,
    [{"key": "Seven", "value": "a"}],
    [{"key": "seven", "value": "b"}, {"key": "Seven", "value": "c"}],
    ["Seven", None, {"key": None}, {"key": 7}, {"key": ["Seven"]}, {"key": "Seven"}],
    [{"key": True, "value": "d"}, {"key": 7, "value": "e"}, {"key": "7", "value": "f"}],
    [*({"key": number} for number in range(200)), {"key": "Seven", "value": "too far"}],
]


@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize("wanted", ["Seven", "7", "True"])
@pytest.mark.parametrize("listed", LISTS)
def test_path_with_an_element_finds_what_its_steps_find(
    listed: Any, wanted: str, folded: bool
) -> None:
    whole = paths.getter(f"list{{key={wanted}}}.value", folded=folded)
    begin = paths.getter(f"list{{key={wanted}}}", folded=folded)
    end = paths.getter("value", folded=folded)
    record = {"list": listed}
    assert whole(record) == end(begin(record))
    assert whole([record]) is None


def test_functions_that_several_names_share_are_asked_once() -> None:
    asked: list[int] = []

    def realm(record: Any) -> str:
        asked.append(1)
        return "made"

    who = names((Name("user", "a", realm), Name("user", "b", realm), Name("user", "c", realm)))
    assert who({"c": "x", "b": ""}, "own") == ActorName("made", "user", "x")
    assert who({}, "own") is None
    assert len(asked) == 1


def test_templates_leave_out_what_they_do_not_find() -> None:
    make = template("vendor:{a|b}/{c}")
    assert make({"b": "1", "c": "2"}) == "vendor:1/2"
    assert make({"b": "1"}) == "vendor:1"
    assert make({"c": "2"}) == "vendor"


def test_words_of_a_table_are_never_code() -> None:
    hostile = """a') or __import__('os')\\n or record('"""
    assert getter((hostile,))({hostile: "x"}) == "x"
    assert getter((f"{hostile}.b",))({hostile: {"b": "y"}}) == "y"
    knows = has_signs(((f"b={hostile}", f"c^{hostile}"),))
    assert knows({"b": hostile, "c": hostile + "!"}) is True
    assert knows({"b": "", "c": None}) is False
    who = names((Name(hostile, "a", realm=hostile, parent=Name(hostile, "b")),))
    assert who({"a": "1", "b": "2"}, "r") == ActorName(
        hostile.lower(), hostile, "1", ActorName("r", hostile, "2")
    )


@pytest.mark.parametrize("value", [None, [], "x", 1, True])
def test_what_is_no_record_has_no_signs(value: object) -> None:
    assert has_signs((("!a",),))(value) is False
    assert has_signs((("!a",),))({}) is True
    assert paths.text(value) in (None, "x", "1")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("2001:0DB8:0000:0000:0000:8a2e:0370:7334", "2001:db8::8a2e:370:7334"),
        ("FE80:000:333:1111:7777:5555:6666:ddd", "fe80:0:333:1111:7777:5555:6666:ddd"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("198.51.100.7", "198.51.100.7"),
        ("198.51.100.7:443", "198.51.100.7:443"),
        ("a:b:c", "a:b:c"),
        ("files1.corp.example.com", "files1.corp.example.com"),
    ],
)
def test_address_has_one_form(said: str, kept: str | None) -> None:
    assert address(said) == kept
