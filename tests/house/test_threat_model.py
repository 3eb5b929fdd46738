"""Each line of the threat model names a test that there is, or says that it is out of scope."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINE = re.compile(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]*) \|$", re.MULTILINE)


def lines() -> list[tuple[str, ...]]:
    text = (ROOT / "SECURITY.md").read_text().partition("## Threat model")[2]
    return [found.groups() for found in LINE.finditer(text) if found[1] not in ("who", "---")]


def test_each_line_has_its_test() -> None:
    wrong = []
    for who, tries, against, test in lines():
        path, _, name = test.strip("`").partition("::")
        if not path:
            if not against.startswith("out of scope"):
                wrong.append(f"{who} {tries}: no test")
            continue
        file = ROOT / path
        names = [
            node.name
            for node in ast.parse(file.read_bytes() if file.is_file() else b"").body
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        ]
        if not names or (name and name not in names):
            wrong.append(f"{who} {tries}: there is no {test}")
    assert (len(lines()) > 20, wrong) == (True, [])
