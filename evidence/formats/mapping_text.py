"""From the text of a mapping file to plain data, refusing what hides mistakes.

Owns the bounds of such a file and the sentences for what is no YAML or JSON. What its members
mean is mapping.py's. YAML's anchors can grow a small file without bounds, and both languages let
a name stand twice and keep the last: both are refused with their place. Pure.
"""

import json
from typing import Any, NamedTuple

import yaml

from evidence.pairs import once

LARGEST = 64 * 1024
DEEPEST = 12


class Problem(NamedTuple):
    """One thing that is wrong: where in the file, and what to do about it."""

    place: str
    sentence: str


class MappingError(ValueError):
    """A mapping file that cannot be used, with everything that is wrong in it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{one.place}: {one.sentence}" for one in problems))
        self.problems = problems


class _Loader(yaml.SafeLoader):
    """Safe YAML without anchors and without names that stand twice."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # untyped in PyYAML's stubs
            raise yaml.MarkedYAMLError(
                problem="anchors and aliases are not taken; write it out", problem_mark=mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)
            if type(name) is not str:
                raise yaml.MarkedYAMLError(
                    problem=f"the name {str(name)[:60]!r} must be text: put it in quotes",
                    problem_mark=key.start_mark,
                )
            if name in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"{name[:60]!r} stands twice here", problem_mark=key.start_mark
                )
            seen.add(name)
        return super().construct_mapping(node, deep=deep)


def load(text: str) -> dict[str, Any]:
    """The members of a mapping file. Raises MappingError."""
    if len(text) > LARGEST:
        raise _wrong("the file", f"is larger than {LARGEST // 1024} KiB; a mapping is a few lines")
    try:
        data = (
            json.loads(text, object_pairs_hook=once)
            if text.lstrip()[:1] == "{"
            else yaml.load(text, _Loader)  # noqa: S506 - _Loader is a SafeLoader
        )
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "the file"
        raise _wrong(place, str(problem.problem or "is not YAML")[:300]) from None
    except yaml.YAMLError:
        raise _wrong(
            "the file", "is not YAML; it holds a character that cannot stand in text"
        ) from None
    except json.JSONDecodeError as problem:
        place = f"line {problem.lineno}, column {problem.colno}"
        raise _wrong(place, f"is not JSON: {problem.msg}") from None
    except RecursionError:
        raise _wrong("the file", f"is nested more than {DEEPEST} deep") from None
    except (ValueError, OverflowError, TypeError) as problem:
        raise _wrong(
            "the file", f"holds a value that cannot be read: {str(problem)[:200]}"
        ) from None
    if type(data) is not dict:
        raise _wrong("the file", "says nothing; begin with a line such as `mapping: my-gateway`")
    if _depth(data) > DEEPEST:
        raise _wrong("the file", f"is nested more than {DEEPEST} deep")
    return data


def _wrong(place: str, sentence: str) -> MappingError:
    return MappingError([Problem(place, sentence)])


def _depth(value: Any) -> int:
    """How deep it nests; the walk is as wide as the file, which is small."""
    level, found = [value], 0
    while level and found <= DEEPEST:
        found += 1
        inside: list[Any] = []
        for one in level:
            if type(one) is dict:
                inside += one.values()
            elif type(one) is list:
                inside += one
        level = inside
    return found
