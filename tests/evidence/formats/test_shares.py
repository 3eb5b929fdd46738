"""docs/formats.md says what each format gives, as counted over the recordings.

`python -m tests.evidence.formats.test_shares` writes the page again.
"""

import sys
from collections import Counter, defaultdict
from pathlib import Path

from evidence.formats import FORMATS, KINDS, TABLES, recognise
from evidence.formats.record import Record
from evidence.formats.tables import NOT_STATED
from evidence.vocabulary import OUTCOME_UNKNOWN
from tests.evidence.formats.abuse import ASKED
from tests.evidence.formats.conftest import DATA, ROOT

PAGE = ROOT / "docs" / "formats.md"
LISTED = "<!-- list -->\n"
BEGINS, ENDS = "<!-- counted -->\n", "<!-- end -->\n"
COLUMNS = (
    ("time", "at"),
    ("id", "vendor_id"),
    ("principal", "principal"),
    ("credential", "credential"),
    ("session", "conversation"),
    ("on behalf of", "on_behalf"),
    ("agent", "agent"),
    ("action", "action"),
    ("resource", "resource"),
    ("outcome", "outcome"),
    ("address", "address"),
    ("request id", "request_id"),
)


def has(record: Record, field: str) -> bool:
    """Whether a record says this; an action that nobody stated and an unknown outcome do not."""
    value = getattr(record, field)
    if field == "action":
        return not value.endswith(NOT_STATED)
    if field == "outcome":
        return bool(value != OUTCOME_UNKNOWN)
    return value is not None


def counted(data: Path) -> str:
    """The table of format, field and share, over every recording that is labelled."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    files: dict[str, set[str]] = defaultdict(set)
    for path in sorted((data / "labelled").glob("*.jsonl")):
        body = path.read_bytes()
        name = recognise(body)
        assert name is not None, path.name
        parsed = FORMATS[name].parse(body, ASKED)
        assert not parsed.rejects, (path.name, parsed.rejects[0])
        by_place = kinds_of(body, name)
        for record in parsed.records:
            kind = by_place.get(record.position, name)
            files[kind].add(path.stem)
            found[kind]["rows"] += 1
            for _, field in COLUMNS:
                found[kind][field] += has(record, field)
    head = "| format | rows | " + " | ".join(words for words, _ in COLUMNS) + " | of |\n"
    rule = "| --- |" + " ---: |" * (len(COLUMNS) + 1) + " --- |\n"
    lines = []
    for kind in sorted(found):
        counts = found[kind]
        shares = [f"{100 * counts[field] // counts['rows']}" for _, field in COLUMNS]
        lines.append(
            f"| {kind} | {counts['rows']} | {' | '.join(shares)} | {', '.join(sorted(files[kind]))} |\n"
        )
    return head + rule + "".join(lines)


def kinds_of(body: bytes, first: str) -> dict[str, str]:
    """By place: the format that reads the record there."""
    from evidence.formats import reading
    from evidence.formats.documents import Shape, pieces

    if first not in {kind.name for kind in KINDS}:
        return {}
    own = next(kind for kind in KINDS if kind.name == first)
    others = tuple(kind for kind in KINDS if kind is not own)
    shape = Shape(reading.LISTS, b'":', own.knows)
    return {
        position: reading.resolve(value, own, others)[0].name
        for position, value, problem, _ in pieces(body, shape)
        if not problem
    }


def lacking() -> str:
    """What each vendor does not give, with why."""
    return "".join(
        f"- **{table.title}** ({table.name}): "
        + "; ".join(f"no {field.replace('_', ' ')}: {why}" for field, why in table.lacks.items())
        + "\n"
        for table in TABLES
        if table.lacks
    )


def page(text: str, data: Path) -> str:
    """The page with what is counted put in its place."""
    before, _, rest = text.partition(LISTED)
    _, _, rest = rest.partition(ENDS)
    names = "".join(f"- `{name}`: {FORMATS[name].title}\n" for name in sorted(FORMATS))
    before += f"{LISTED}{names}{ENDS}"
    between, _, rest = rest.partition(BEGINS)
    before += between
    _, _, after = rest.partition(ENDS)
    return f"{before}{BEGINS}{counted(data)}\n## What a vendor does not give\n\n{lacking()}{ENDS}{after}"


def test_the_page_says_what_is_found(data: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == page(text, data), "write it with python -m tests.evidence.formats.test_shares"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), DATA), encoding="utf-8")
    sys.stdout.write(f"{PAGE.name} is written\n")
