"""Who may not do an act is told so before anything else is asked of them, such as a reason."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
# Their permission is asked of each row, or of the act that stands behind them; recovering a login
# is asked for by a command.
ASKED_OTHERWISE = {
    ("reviews/recovering.py", "ask"),
    ("reviews/actions/bulk.py", "keep"),
    ("reviews/actions/withdrawing.py", "give_back"),
}


def acts() -> Iterator[tuple[str, ast.FunctionDef, list[str]]]:
    """Every function that takes a reason: its file, itself and what it calls in the order written."""
    for path in sorted([*ROOT.glob("identities/**/*.py"), *ROOT.glob("reviews/**/*.py")]):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef):
                continue
            calls = [one for one in ast.walk(node) if isinstance(one, ast.Call)]
            calls.sort(key=lambda one: (one.lineno, one.col_offset))
            names = [getattr(one.func, "id", getattr(one.func, "attr", "")) for one in calls]
            if "reason_given" in names:
                yield str(path.relative_to(ROOT)), node, names


def test_permission_is_asked_before_the_reason() -> None:
    found = list(acts())
    late = [
        (path, act.name)
        for path, act, names in found
        if not any(
            name.startswith(("require", "why_not")) for name in names[: names.index("reason_given")]
        )
    ]
    assert len(found) > 30
    assert set(late) == ASKED_OTHERWISE
