"""The JSON of a request, as every view of the API may take it: nothing in it breaks what follows.

Owns what no view has to look for: members that are written twice, nesting without end, numbers and
characters that no database stores. Must not know what any body means.
"""

import json
import math
from collections.abc import Mapping
from typing import IO, Any

from rest_framework import parsers
from rest_framework.exceptions import ParseError

from evidence.pairs import Twice, once

# Deeper than any document of ours is written by a person.
DEEPEST = 64
LARGEST = 2**63 - 1
SHOWN = 80


class JSONParser(parsers.JSONParser):
    """JSON whose every value can be stored and shown; 400 with a sentence otherwise."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,  # noqa: ARG002 - named by DRF
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        # Text only: other codecs of Python's unpack what they decode.
        encoding = parsers.get_encoding(parser_context or {})  # type: ignore[attr-defined]  # stubs
        try:
            text = stream.read().decode(encoding)
        except UnicodeDecodeError as problem:
            raise ParseError(
                f"This is not {encoding}: byte {problem.start + 1:,} cannot be read."
            ) from None
        try:
            value = json.loads(text, object_pairs_hook=once, parse_constant=_no_number)
        except json.JSONDecodeError as problem:
            place = f"line {problem.lineno}, column {problem.colno}"
            raise ParseError(f"This is not JSON: {problem.msg}, {place}.") from None
        except Twice as problem:
            raise ParseError(f"{_shown(problem.name)} is written twice in one object.") from None
        except RecursionError:
            raise ParseError(_TOO_DEEP) from None
        except ValueError:
            raise ParseError("This is not JSON that is read: a number is too long.") from None
        _look(value)
        return value


_TOO_DEEP = f"This is nested deeper than {DEEPEST} levels."


def _no_number(name: str) -> Any:
    raise ParseError(f"{name} is no number of JSON.")


def _look(value: Any) -> None:
    """ParseError for the first thing in it that could not be stored."""
    level, depth = [value], 0
    while level:
        below: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                below.extend(one)
                below.extend(one.values())
            elif isinstance(one, list):
                below.extend(one)
            elif isinstance(one, str):
                _text(one)
            elif (isinstance(one, float) and not math.isfinite(one)) or (
                isinstance(one, int) and abs(one) > LARGEST
            ):
                raise ParseError("A number is larger than can be stored.")
        level, depth = below, depth + 1
        if depth > DEEPEST and level:
            raise ParseError(_TOO_DEEP)


def _text(one: str) -> None:
    if "\0" in one:
        raise ParseError(f"{_shown(one)} holds a character that cannot be stored (NUL).")
    try:
        one.encode()
    except UnicodeEncodeError:
        raise ParseError(f"{_shown(one)} holds half a character (a lone surrogate).") from None


def _shown(text: str) -> str:
    return ascii(text[:SHOWN])
