"""Mapping files: what they say is read by the tables' engine; hostile ones get sentences."""

import json
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from evidence.formats import mapping, mapping_lines, reading
from evidence.formats.mapping_text import LARGEST, MappingError
from evidence.formats.record import Asked, Parsed
from evidence.vocabulary import AUTHENTICATION, OUTCOME_FAILED, OUTCOME_OK, OUTCOME_REFUSED

ASKED = Asked(source="lab", digest_key=b"k" * 32)
SMALL = 'mapping: own\nrealm: "own:x"\naction: act\n'
PAIRS = [
    ("gateway.yaml", "gateway.json", 3, ["Records[3]", "Records[4]"]),
    ("doors.yaml", "doors.csv", 3, ["line 5"]),
    ("jumphost.yaml", "jumphost.log", 3, ["line 4"]),
]


def read(text: str, body: bytes, asked: Asked = ASKED) -> Parsed:
    table = mapping.of(text).table
    return reading.parse(body, asked, table=table, first=reading.kind(table), others=())


def one(text: str, record: dict[str, Any]) -> Any:
    parsed = read(text, orjson.dumps([record]))
    assert parsed.rejects == []
    return parsed.records[0]


def refused(text: str) -> list[str]:
    with pytest.raises(MappingError) as stopped:
        mapping.of(text)
    return [f"{problem.place}: {problem.sentence}" for problem in stopped.value.problems]


@pytest.mark.parametrize(("file", "body", "many", "rejects"), PAIRS)
def test_sample_is_read_and_read_again_alike_from_what_is_kept(
    samples: Path, file: str, body: str, many: int, rejects: list[str]
) -> None:
    text = (samples / "mappings" / file).read_text("utf-8")
    parsed = read(text, (samples / "mappings" / body).read_bytes())
    assert len(parsed.records) == many
    assert [reject.position for reject in parsed.rejects] == rejects
    again = read(text, parsed.kept)
    assert [record._replace(position="", digest=b"") for record in again.records] == [
        record._replace(position="", digest=b"") for record in parsed.records
    ]
    assert len(again.rejects) == len(rejects)
    assert again.kept == parsed.kept


def test_json_sample_says_who_with_what_for_whom(samples: Path) -> None:
    text = (samples / "mappings" / "gateway.yaml").read_text("utf-8")
    first, second, third = read(text, (samples / "mappings" / "gateway.json").read_bytes()).records
    assert (first.realm, first.principal, first.vendor_id, first.request_id) == (
        "gateway:north",
        ("gateway:north", "service", "invoice-reader", None),
        "e-1",
        "r-100",
    )
    assert first.credential is not None
    assert first.credential.parent is not None
    assert (first.credential.value, first.credential.parent.value) == ("gk-17", "finance")
    assert first.agent is not None
    assert first.on_behalf is not None
    assert (first.agent.value, first.on_behalf.value) == ("invoice agent", "ann@north.example")
    assert second.principal is not None
    assert second.issued is not None
    assert (second.principal.value, second.issued.credential.value) == (
        "bob@north.example",
        "gk-18",
    )
    assert [one.outcome for one in (first, second, third)] == [
        OUTCOME_OK,
        OUTCOME_OK,
        OUTCOME_REFUSED,
    ]


def test_content_is_dropped_at_the_door_also_inside_a_syslog_payload(samples: Path) -> None:
    for file, body, secret in (
        ("gateway.yaml", "gateway.json", b"invoice 12"),
        ("jumphost.yaml", "jumphost.log", b"select 1"),
    ):
        text = (samples / "mappings" / file).read_text("utf-8")
        received = (samples / "mappings" / body).read_bytes()
        assert secret in received
        dropped = read(text, received)
        assert secret not in dropped.kept
        assert {one.kind for one in dropped.redactions} == {"content"}
        assert b"select 1" in read(text, received, ASKED._replace(keep_content=True)).kept or (
            file == "gateway.yaml"
        )


def test_syslog_headers_of_both_kinds() -> None:
    new = mapping_lines.message(
        '34 <165>1 2026-11-20T08:00:00Z h app 7 ID [a@1 x="\\"q\\]"][b@1 y="2"] hello', "text"
    )
    assert new is not None
    assert (new["facility"], new["severity"], new["data"], new["message"]) == (
        20,
        "notice",
        {"a@1": {"x": '"q]'}, "b@1": {"y": "2"}},
        "hello",
    )
    old = mapping_lines.message("<13>Nov  5 08:00:00 h su[9]: 'su root' failed", "text")
    assert old is not None
    assert (old["time"], old["app"], old["pid"], old["message"]) == (
        "Nov 05 08:00:00",
        "su",
        "9",
        "'su root' failed",
    )
    # Without a year it is no time; whoever writes the mapping may know the year.
    assert mapping_lines.message("<13>Nov 5 08:00:00 h x: y", "text", 2026)["time"] == (  # type: ignore[index]  # it is a line
        "Nov 05 2026 08:00:00"
    )
    assert mapping_lines.message("<13>2026-11-20T08:00:00+01:00 h x: y", "text") is not None
    assert mapping_lines.message("hello", "text") is None
    assert mapping_lines.message('<13>1 - h a - - - {"a": {"b": 1}}', "json") == {
        "facility": 1,
        "severity": "notice",
        "version": "1",
        "host": "h",
        "app": "a",
        "data": {},
        "message": "",
        "fields": {"a": {"b": 1}},
    }


def test_pairs_keep_the_first_of_a_name_and_the_rest_of_the_text() -> None:
    assert mapping_lines.pairs('user=ann did it x="a \\"b\\"" user=eve y=\'c d\'') == (
        {"user": "ann", "x": 'a "b"', "y": "c d"},
        " did it",
    )


def test_words_of_outcomes_and_activities() -> None:
    text = SMALL + (
        "outcome: {path: [ok, code], ok: [true, 0], refused: ['4*'], otherwise: failed}\n"
        "activities: {authentication: ['log*'], change: ['log.rotate*']}\n"
    )
    assert one(text, {"act": "x", "ok": True}).outcome == OUTCOME_OK
    assert one(text, {"act": "x", "ok": False}).outcome == OUTCOME_FAILED
    assert one(text, {"act": "x", "code": 403}).outcome == OUTCOME_REFUSED
    assert one(text, {"act": "x"}).outcome == 0
    assert one(text, {"act": "login"}).activity == AUTHENTICATION
    assert one(text, {"act": "log.rotate.now"}).activity != AUTHENTICATION


def test_forwarders_wrapping_is_taken_off() -> None:
    found = read(SMALL, b'{"message": "{\\"act\\": \\"x\\"}", "stream": "out"}\n' * 2)
    assert [record.action for record in found.records] == ["x", "x"]


def test_a_mapping_by_version_keeps_the_identity_of_records() -> None:
    body = orjson.dumps([{"act": "x", "who": "ann"}])
    (before,) = read(SMALL, body).records
    (after,) = read(SMALL + "principal: {kind: user, path: who}\n", body).records
    assert before.digest == after.digest


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file: says nothing"),
        ("a: &x [1]\nb: *x", "line 2, column 4: anchors and aliases are not taken"),
        ("mapping: a\nmapping: b", "line 2, column 1: 'mapping' stands twice here"),
        ('{"mapping": "a", "mapping": "b"}', "the file: holds a value that cannot be read"),
        ("[" * 30_000, "nested more than 12 deep"),
        ('{"a":' * 5_000 + "1" + "}" * 5_000, "nested more than 12 deep"),
        ("x" * (LARGEST + 1), "the file: is larger than 64 KiB"),
        ("mapping: \x00", "the file: is not YAML"),
        ("mapping: 2027-13-45", "the file: holds a value that cannot be read"),
        ("1: 2", "line 1, column 1: the name '1' must be text"),
        (SMALL + "regex: '(a+)+$'", "regex: is not known; write one of: action,"),
        (SMALL + "at: 'a..b'", "at: the path 'a..b' makes no sense from '..b' on"),
        (SMALL + "at: 'a[*].b'", "at: asks for every element"),
        (SMALL + "at: " + "a." * 20 + "a", "at: has 21 steps; 12 are the most"),
        (SMALL + "at: [" + "a," * 40 + "a]", "at: lists 41; 12 are the most"),
        (SMALL + "realm2: x", "realm2: is not known"),
        ("mapping: own\naction: a", "realm: is missing"),
        ('mapping: own\nrealm: "a{b"\naction: a', "realm: has a brace without its other half"),
        (SMALL + "principal: {kind: User, path: a}", "principal.kind: is a short name"),
        (SMALL + "principal: {kind: user, path: a, how: b}", "principal.how: is not known"),
        (SMALL + "columns: [a]", "columns: belongs to a mapping that reads csv"),
        (SMALL + "reads: csv\ndelimiter: ab", "delimiter: is one of"),
        (SMALL + "reads: syslog\nyear: 12", "year: is a year, such as 2026"),
        (SMALL + "outcome: {path: a, otherwise: maybe}", "outcome.otherwise: is one of: unknown"),
    ],
)
def test_hostile_or_wrong_file_gets_a_sentence(text: str, said: str) -> None:
    assert any(said in line for line in refused(text)), refused(text)


def test_everything_wrong_is_said_at_once() -> None:
    assert len(refused("mapping: A\nreads: xml\nfoo: 1")) == 5


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inside: (
        st.lists(inside, max_size=4) | st.dictionaries(st.text(max_size=12), inside, max_size=4)
    ),
    max_leaves=12,
)
MEMBERS = st.sampled_from(
    ["mapping", "reads", "realm", "at", "principal", "credential", "outcome", "activities",
     "issues", "content", "payload", "columns", "action", "records", "delimiter", "title"]
)  # fmt: skip


@given(st.dictionaries(MEMBERS, VALUES | st.sampled_from(["csv", "syslog", "json", "a.b"])))
def test_no_mapping_makes_an_unhandled_error(data: dict[str, Any]) -> None:
    for text in (json.dumps(data), yaml.safe_dump(data)):
        try:
            made = mapping.of(text)
        except MappingError:
            continue
        assert made.table.name == f"mapping:{made.name}"


BODIES = st.binary(max_size=300) | st.text(max_size=300).map(str.encode)


@given(BODIES, st.sampled_from(["gateway.yaml", "doors.yaml", "jumphost.yaml"]), st.integers(0, 40))
def test_no_body_makes_an_unhandled_error(noise: bytes, file: str, cut: int) -> None:
    folder = Path(__file__).resolve().parents[2] / "samples" / "mappings"
    text = (folder / file).read_text("utf-8")
    body = next(folder.glob(f"{Path(file).stem}.[jcl][so][ovng]*")).read_bytes()
    place = len(body) * cut // 40
    for damaged in (noise, body[:place] + noise + body[place:], body[:place]):
        parsed = read(text, damaged)
        again = read(text, parsed.kept)
        assert len(again.records) == len(parsed.records)


@pytest.mark.parametrize(
    "line",
    [
        'a="' * 300_000,
        "a=" * 400_000,
        '="\\"' * 200_000,
        "[x@1" + ' a="' * 200_000,
        "[x@1" + ' a="\\\\' * 150_000,
        "<1>" * 300_000,
    ],
)
def test_an_attackers_line_costs_no_more_than_its_length(line: str) -> None:
    def seconds(text: str) -> float:
        began = time.process_time()
        mapping_lines.message(f"<13>1 - h a - - {text}", "keyvalue")
        mapping_lines.message(f"<13>Nov 5 08:00:00 h {text}", "keyvalue")
        return time.process_time() - began

    # Eight times as long is 8 times the work, and 64 times where it grows with the square.
    eighth = min(seconds(line[: len(line) // 8]) for _ in range(3))
    assert seconds(line) < 30 * max(eighth, 0.002)


def test_several_paths_and_templates_find_the_first_that_says_something() -> None:
    text = (
        'mapping: own\nrealm: "own:{a.org|org}"\n'
        "action: [{join: [verb, noun], with: ':'}, {always: did}]\n"
        "principal: [{kind: user, path: [a, b.c], when: 'type=u|v'}, {kind: service, path: s}]\n"
    )
    found = one(text, {"verb": "get", "noun": "x", "b": {"c": "ann"}, "type": "v", "org": "N"})
    assert (found.action, found.realm, found.principal[2]) == ("get:x", "own:n", "ann")
    found = one(text, {"s": "svc"})
    assert (found.action, found.realm, found.principal[1:3]) == ("did", "own", ("service", "svc"))


@pytest.mark.parametrize("name", [name for pair in PAIRS for name in pair[:2]])
def test_examples_of_the_documentation_are_the_samples(samples: Path, name: str) -> None:
    page = (samples.parents[1] / "docs" / "mapping.md").read_text("utf-8")
    assert (samples / "mappings" / name).read_text("utf-8").rstrip() in page


def test_every_member_is_in_the_documentation(samples: Path) -> None:
    page = (samples.parents[1] / "docs" / "mapping.md").read_text("utf-8")
    assert [name for name in sorted(mapping.MEMBERS) if f"`{name}`" not in page] == []


@pytest.mark.parametrize(
    "name",
    ["') or exit('", "\\", "a\nreturn 1\n", "{__import__}", "'''", "\u2028x = 1", "record", "%s"],
)
def test_name_that_looks_like_code_is_a_name(name: str) -> None:
    path = json.dumps(f'["{name}"].inside')
    text = f'mapping: own\nrealm: "own:x"\naction: {path}\nsession: {path}\n'
    found = one(text, {name: {"inside": "said"}})
    assert (found.action, found.conversation) == ("said", "said")
