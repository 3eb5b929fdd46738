"""Log lines: one line each, bounded, whatever an attacker writes into them."""

import json
import logging
import logging.config

import pytest

from config import logs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("a\nlevel=info forged", "a\\nlevel=info forged"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("x" * 5000, "x" * 2000 + "…"),
    ],
)
def test_text_from_outside_stays_one_bounded_value(text: str, expected: str) -> None:
    formatter = logging.config.dictConfigClass(
        logs.logging_settings(as_json=True, debug=False)
    ).configure_formatter(
        logs.logging_settings(as_json=True, debug=False)["formatters"]["line"]  # type: ignore[index]  # a plain dict
    )
    record = logging.LogRecord("x", logging.INFO, __file__, 1, "%s", (text,), None)
    line = formatter.format(record)
    assert line.count("\n") == 0
    assert json.loads(line)["event"] == expected
