"""What is said where a reason is missing reads as one sentence."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from identities.permissions import NotPossible
from identities.reasons import reason_given

ROOT = Path(__file__).resolve().parent.parent.parent


def asked() -> Iterator[str]:
    """Every `what` of every act, also where a module names it once for all of its own."""
    files = [*ROOT.glob("identities/**/*.py"), *ROOT.glob("reviews/**/*.py")]
    nodes = [node for path in files for node in ast.walk(ast.parse(path.read_text()))]
    named = {
        getattr(one.targets[0], "id", ""): one.value.value
        for one in nodes
        if isinstance(one, ast.Assign) and isinstance(one.value, ast.Constant)
    }
    for call in nodes:
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "reason_given":
            for one in call.keywords:
                yield str(
                    one.value.value
                    if isinstance(one.value, ast.Constant)
                    else named[getattr(one.value, "id", "")]
                )


def test_no_missing_reason_is_asked_for_twice_over() -> None:
    found = {}
    for what in asked():
        with pytest.raises(NotPossible) as problem:
            reason_given(" ", what=what)
        found[what] = str(problem.value)
    assert len(found) > 30
    twice = re.compile(r"Say why: (why|what|who)\b|\b(\w+) \2\b")
    assert [one for one in found.values() if twice.search(one)] == []


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("why it ends now", "Say why it ends now."),
        (
            "what was looked at, and what it rests on",
            "Say what was looked at, and what it rests on.",
        ),
        ("who said so", "Say who said so."),
        ("whoever signs reads it", "Say why: whoever signs reads it."),
        ("it stands in the ledger", "Say why: it stands in the ledger."),
    ],
)
def test_what_is_to_be_said_or_who_reads_it(what: str, said: str) -> None:
    with pytest.raises(NotPossible, match=f"^{said}$"):
        reason_given("", what=what)
