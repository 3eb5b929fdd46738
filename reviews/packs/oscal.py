"""A pack as OSCAL assessment results (NIST, 1.1): what was looked at, and what it shows of controls.

Observations are the kinds of evidence in the pack; findings are the controls of SP 800-53 that they
support, with what is open in this pack beside each. A status here is about this pack alone: OSCAL
knows "satisfied" and "not-satisfied" and nothing between, so the first stands only where nothing in
the pack is open, and each says in words that nobody has assessed the control. Ids are version 5
UUIDs of what they name: the same pack has the same ones whenever it is made.
"""

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid5

from reviews.packs import mapping

VERSION = "1.1.3"
SPACE = UUID("6f0e4c1e-5a53-5b1b-9a55-0d3c5a0a7c11")
OURS = "https://countersign.invalid/ns/oscal"
WORDS = (
    "Made by Countersign from its own records. The status of a finding says whether anything in"
    " this pack is open, and is no assessor's judgement of the control."
)
CONTROL = re.compile(r"([A-Z]{2})-(\d+)(?:\((\d+)\))?")
# What a check of each kind did.
METHODS = {"capsules": "EXAMINE", "ledger": "TEST", "revocations": "TEST"}


def results(
    subject: Mapping[str, str],
    counts: Mapping[str, int],
    open_points: Mapping[str, list[str]],
    *,
    made_at: str,
    made_by: str,
    where: str,
) -> dict[str, Any]:
    """The document, as plain JSON.

    `subject`: kind, key, title; `counts`: how many of each kind of evidence; `open_points`: by
    kind, what is open of it, in words.
    """

    def uuid(*what: str) -> str:
        return str(uuid5(SPACE, "\0".join((where, subject["key"], *what))))

    there = {one.kind: one for one in mapping.TABLE if counts.get(one.kind)}
    supported = mapping.controls("sp800_53", counts)
    result: dict[str, Any] = {
        "uuid": uuid("result"),
        "title": f"{subject['key']} {subject['title']}".strip(),
        "description": mapping.SUPPORTS,
        "start": made_at,
        "reviewed-controls": {"control-selections": [_selected(supported)]},
    }
    if there:
        result["observations"] = [
            {
                "uuid": uuid("observation", kind),
                "title": one.title,
                "description": f"{one.shows} {counts[kind]} in this pack, in {one.files}.",
                "methods": [METHODS.get(kind, "EXAMINE")],
                "types": ["finding" if kind == "findings" else "control-objective"],
                "relevant-evidence": [
                    {"href": f"./{file.strip()}", "description": one.title}
                    for file in one.files.split(",")
                ],
                "collected": made_at,
                **({"remarks": " ".join(open_points[kind])} if open_points.get(kind) else {}),
            }
            for kind, one in there.items()
        ]
        result["findings"] = [
            _finding(control, kinds, open_points, uuid) for control, kinds in supported.items()
        ]
    return {
        "assessment-results": {
            "uuid": uuid("results", made_at),
            "metadata": {
                "title": f"Auditor's pack of {subject['key']}",
                "last-modified": made_at,
                "version": made_at,
                "oscal-version": VERSION,
                "parties": [
                    {"uuid": uuid("party", made_by), "type": "person", "name": made_by or "unknown"}
                ],
                "remarks": WORDS,
            },
            # OSCAL asks for the plan that was assessed by: that is what this pack holds.
            "import-ap": {"href": "./README.txt", "remarks": "What is in the pack and why."},
            "results": [result],
        }
    }


def _selected(supported: Mapping[str, list[str]]) -> dict[str, Any]:
    if not supported:
        said = "Nothing in this pack supports a control; one is named because OSCAL asks for one."
        return {"description": said, "include-controls": [{"control-id": _id("AU-10")}]}
    return {
        "description": "Controls of NIST SP 800-53 r5 that the evidence in this pack supports.",
        "include-controls": [{"control-id": _id(one)} for one in supported],
    }


def _finding(
    control: str, kinds: list[str], open_points: Mapping[str, list[str]], uuid: Any
) -> dict[str, Any]:
    points = [one for kind in kinds for one in open_points.get(kind, ())]
    state = "not-satisfied" if points else "satisfied"
    said = " ".join(points) if points else "Nothing in this pack is open."
    return {
        "uuid": uuid("finding", control),
        "title": f"{control}: supported by {', '.join(kinds)}",
        "description": mapping.SUPPORTS,
        "props": [{"name": "basis", "ns": OURS, "value": "supports"}],
        "target": {
            "type": "statement-id",
            "target-id": f"{_id(control)}_smt",
            "status": {"state": state, "reason": "other", "remarks": f"{said} {WORDS}"},
        },
        "related-observations": [{"observation-uuid": uuid("observation", kind)} for kind in kinds],
    }


def _id(control: str) -> str:
    """AC-2(13) as catalogues write it: ac-2.13."""
    found = CONTROL.fullmatch(control)
    assert found is not None, control  # noqa: S101 - a table of our own, with a test
    family, number, more = found.groups()
    return f"{family.lower()}-{number}" + (f".{more}" if more else "")
