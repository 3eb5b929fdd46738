r"""Text that no database holds: NUL, and half of a surrogate pair that stands alone.

Senders choose such text, and two names that differ only in it must stay two: nothing is left out,
and no two texts become one. NUL is read as ``\u0000``, a lone surrogate as ``\ud83d``; where a text
already holds what looks like one of them, the backslashes before it are doubled. In bytes of JSON,
both are one rule: the backslashes before ``u0000`` and before a lone surrogate are doubled, however
many there are. So JSON inside texts of JSON is escaped too. Pure.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson

_HIGH, _LOW = "[dD][89abAB][0-9a-fA-F]{2}", "[dD][c-fC-F][0-9a-fA-F]{2}"
_MARK = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
# (backslashes, high half, backslashes, low half), or (backslashes, what alone is escaped). A run of
# backslashes is looked at once, from its beginning: what an attacker repeats costs linear time.
_PATTERN = rf"(?<!\\)(?:(\\++)u({_HIGH})(\\++)u({_LOW})|(\\++)u(0000|{_HIGH}|{_LOW}))"
_OF_JSON = re.compile(_PATTERN.encode())
_OF_TEXT = re.compile(rf"{_PATTERN}|(?<!\\)(\\*+)([\0\ud800-\udfff])")


def escaped_json(text: bytes) -> bytes:
    """JSON whose texts a database can hold; the same object where nothing had to be escaped.

    JSON with lone surrogates, which the parser refuses, can be parsed afterwards.
    """
    return _OF_JSON.sub(_double, text) if _may_need(text) else text


def restored_json(text: bytes) -> bytes:
    """JSON that `escaped_json` changed, also when it was written anew, as it was received."""
    return _OF_JSON.sub(_halve, text) if _may_need(text) else text


def _may_need(text: bytes) -> bool:
    # The first question is answered ten times as fast as the second, and nearly always by no.
    return b"\\u" in text and _MARK.search(text) is not None


def loads(text: bytes) -> Any:
    """Received JSON, escaped. Raises orjson.JSONDecodeError."""
    return orjson.loads(escaped_json(text))


def escaped(text: str) -> str:
    """A text that a database can hold. No two texts become the same one."""
    return _OF_TEXT.sub(_escape, text)


def must_escape(text: Any) -> bool:
    """Whether a text may hold what no database does, or what looks like its escape."""
    return type(text) is str and ("\0" in text or "\\u" in text)


def escaped_texts(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same with its texts escaped; what is no text stays as it is."""
    return {key: escaped(value) if type(value) is str else value for key, value in values.items()}


def _is_pair(match: re.Match[Any]) -> bool:
    r"""Whether both halves are one letter in JSON, or in JSON inside a text of JSON, at any depth.

    In JSON a second half has one backslash, inside a text two, inside a text in a text four. Before
    a first half, an odd number of as many: the others stand for backslashes.
    """
    if not match[1]:
        return False
    first, second = len(match[1]), len(match[3])
    return second & (second - 1) == 0 and first % second == 0 and first // second % 2 == 1


def _double(match: re.Match[bytes]) -> bytes:
    return match[0] if _is_pair(match) else _with_runs(match, lambda run: run * 2)


def _halve(match: re.Match[bytes]) -> bytes:
    return match[0] if _is_pair(match) else _with_runs(match, lambda run: run[len(run) // 2 :])


def _escape(match: re.Match[str]) -> str:
    if match[8]:
        return rf"{match[7] * 2}\u{ord(match[8]):04x}"
    return match[0] if _is_pair(match) else _with_runs(match, lambda run: run * 2)


def _with_runs[T: (str, bytes)](match: re.Match[T], change: Callable[[T], T]) -> T:
    """What was found, with other runs of backslashes."""
    found = match[0]
    for group in (3, 1, 5):
        if match[group]:
            begin, end = (place - match.start() for place in match.span(group))
            found = found[:begin] + change(match[group]) + found[end:]
    return found
