"""From the text of a file to plain data, refusing what hides mistakes. Pure.

YAML and JSON let a name stand twice in one mapping and keep the last silently; YAML's anchors
can grow a small file without bounds. Both are refused here, with the place.
"""

import json
from typing import Any

import yaml

from evidence.pairs import Twice, once

from .entries import Problem, RegisterError

LARGEST = 16 * 1024 * 1024
DEEPEST = 32


class _Loader(yaml.SafeLoader):
    """Safe YAML without anchors and without names that stand twice."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # untyped in PyYAML's stubs
            raise yaml.MarkedYAMLError(
                problem="anchors and aliases are not taken; write the entry out", problem_mark=mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)
            if not isinstance(name, str):
                raise yaml.MarkedYAMLError(
                    problem=f"the name {name!r} must be text: put it in quotes",
                    problem_mark=key.start_mark,
                )
            if name in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"{name!r} stands twice here", problem_mark=key.start_mark
                )
            seen.add(name)
        return super().construct_mapping(node, deep=deep)


def load(file: str, text: str) -> dict[str, Any]:
    """The document's top-level mapping; RegisterError names the line otherwise."""

    def refuse(path: str, what: str) -> RegisterError:
        return RegisterError(file, [Problem(path, what)])

    if len(text) > LARGEST:
        raise refuse("(file)", f"it is larger than {LARGEST >> 20} MiB; split it")
    try:
        data = (
            json.loads(text, object_pairs_hook=once)
            if file.lower().endswith(".json")
            else yaml.load(text, _Loader)  # noqa: S506 - _Loader is a SafeLoader
        )
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "(file)"
        raise refuse(place, str(problem.problem or problem)) from None
    except yaml.YAMLError as problem:
        raise refuse("(file)", f"it is not YAML: {problem}") from None
    except json.JSONDecodeError as problem:
        raise refuse(f"line {problem.lineno}, column {problem.colno}", problem.msg) from None
    except Twice as problem:
        raise refuse("(file)", f"{problem.name!r} stands twice in one mapping") from None
    except RecursionError:
        raise refuse("(file)", f"it is nested more than {DEEPEST} deep") from None
    except (ValueError, OverflowError) as problem:
        # A date such as 2027-13-45 fails inside the YAML constructors, without a mark.
        raise refuse("(file)", f"a value cannot be read: {problem}") from None
    if data is None:
        raise refuse("(file)", "it is empty; write people, services, identities or delegations")
    if not isinstance(data, dict):
        raise refuse("(file)", "its top level must be a mapping of people, services, …")
    return data
