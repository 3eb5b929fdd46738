"""What a playbook says, as one document: read and checked, and put into words. Pure.

Owns which steps there are, what each may act on, and when the next one begins; every problem names
its place. YAML and JSON are read alike; what the targets are in an incident is targets.py.
"""

from dataclasses import dataclass
from typing import Any

import yaml

from reviews.policy_document import LONGEST_TEXT, DocumentError
from reviews.policy_reading import Problem, list_of, members, one_of, shown, text

MOST_STEPS = 20
MOST_PATTERNS = 100
# step -> what it may act on: of the incident's identity, or of the others the person chose.
TARGETS = {
    "hold": ("credential", "credentials", "minted", "identity", "others"),
    "suspend": ("identity", "others"),
    "block": ("identity", "others"),
    "narrow": ("delegations",),
    "sessions": ("identity", "others"),
    "revoke": ("credential", "credentials", "minted"),
}
WORDS = {
    "credential": "the credential that is chosen",
    "credentials": "all standing credentials of the identity",
    "minted": "all that was minted with its credentials",
    "identity": "the identity",
    "others": "the other identities that are chosen",
    "delegations": "its delegations in force",
}
DOES = {
    "hold": "hold",
    "suspend": "suspend",
    "block": "block at the decision endpoint",
    "narrow": "narrow",
    "sessions": "end the sessions of",
    "revoke": "revoke",
}
GO_ON = {
    "confirmed": "when the targets show it",
    "effective": "when nothing of it lives on",
    "regardless": "at once, whatever became of it",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `then`: when the one after it begins; `leave`: of delegations, what is left."""

    does: str
    targets: str
    then: str = "confirmed"
    leave: dict[str, tuple[str, ...]] | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A playbook: what it is for, and its steps in their order."""

    words: str
    steps: tuple[Step, ...]

    @property
    def does(self) -> frozenset[str]:
        """All that it does, for who may sign it."""
        return frozenset(one.does for one in self.steps)

    @property
    def needs(self) -> frozenset[str]:
        """Whose targets a person has to choose."""
        return frozenset(one.targets for one in self.steps) & {"credential", "others"}


def _patterns(value: Any) -> tuple[str, ...]:
    return list_of(value, lambda one: text(one, 1_024), MOST_PATTERNS)


def _leave(value: Any) -> dict[str, tuple[str, ...]]:
    found = members(value, {"actions": _patterns, "resources": _patterns})
    for name in ("actions", "resources"):
        if name not in found:
            raise Problem("It is missing: without leave nothing is left.", f".{name}")
    return found


def _step(value: Any) -> Step:
    readers = {
        "does": one_of(tuple(TARGETS)),
        "targets": one_of(tuple(WORDS)),
        "then": one_of(tuple(GO_ON)),
        "leave": _leave,
    }
    found = members(value, readers)
    for name in ("does", "targets"):
        if name not in found:
            raise Problem("It is missing.", f".{name}")
    if found["targets"] not in TARGETS[found["does"]]:
        known = ", ".join(TARGETS[found["does"]])
        raise Problem(f"A step that does {found['does']} acts on one of: {known}.", ".targets")
    if "leave" in found and found["does"] != "narrow":
        raise Problem("Only what narrows leaves something.", ".leave")
    return Step(**found)


def parse(value: object) -> Document:
    """The playbook that this value is; or DocumentError with each place."""
    if not isinstance(value, dict):
        raise DocumentError([("document", "Write words and steps.")])
    problems: list[tuple[str, str]] = []
    found: dict[str, Any] = {}
    fields = {"words": lambda said: text(said, 120), "steps": _steps}
    for key, one in value.items():
        if key not in fields:
            name = shown(str(key))[:80]
            problems.append((name, f"It is not known. Known: {', '.join(fields)}."))
            continue
        try:
            found[key] = fields[key](one)
        except Problem as problem:
            problems.append((f"{key}{problem.at}", str(problem)))
    problems += [(name, "It is missing.") for name in fields if name not in value]
    if problems:
        raise DocumentError(problems)
    return Document(**found)


def _steps(value: Any) -> tuple[Step, ...]:
    if not isinstance(value, list) or not value or len(value) > MOST_STEPS:
        raise Problem(f"Write a list of 1 to {MOST_STEPS} steps.")
    found: list[Step] = []
    for place, one in enumerate(value):
        try:
            made = _step(one)
        except Problem as problem:
            raise Problem(str(problem), f"[{place}]{problem.at}") from None
        if (made.does, made.targets) in {(each.does, each.targets) for each in found}:
            raise Problem("This is done by a step before it.", f"[{place}]")
        found.append(made)
    return tuple(found)


class _Once(yaml.SafeLoader):
    """YAML in which nothing is said twice, and nothing stands for something else."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # no types there
            raise yaml.composer.ComposerError(None, None, "write it out: no aliases", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        names = [getattr(key, "value", None) for key, _ in node.value]
        for place, name in enumerate(names):
            if name in names[:place]:
                mark = node.value[place][0].start_mark
                said = f"{str(name)[:80]!r} is written twice"
                raise yaml.constructor.ConstructorError(None, None, said, mark)
        return super().construct_mapping(node, deep)


def value_of(said: str) -> Any:
    """The value of this YAML or JSON; or DocumentError with line and column."""
    if len(said) > LONGEST_TEXT:
        raise DocumentError([("document", f"It is longer than {LONGEST_TEXT:,} characters.")])
    try:
        return yaml.load(said, _Once)  # noqa: S506 - a safe loader, and a stricter one
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        place = "document" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}"
        what = getattr(problem, "problem", None) or "it holds a character that is not read"
        raise DocumentError([(place, f"This is no YAML: {shown(str(what))[:200]}.")]) from None
    except (ValueError, RecursionError):
        raise DocumentError([("document", "This is no YAML that is read.")]) from None


def read(said: str) -> tuple[dict[str, Any], Document]:
    """What is kept of this text, as JSON, and the playbook it is; or DocumentError."""
    found = parse(value_of(said))
    return as_json(found), found


def as_json(one: Document) -> dict[str, Any]:
    """The document as it is kept."""
    steps: list[dict[str, Any]] = []
    for step in one.steps:
        said: dict[str, Any] = {"does": step.does, "targets": step.targets, "then": step.then}
        if step.leave is not None:
            said["leave"] = {name: list(those) for name, those in step.leave.items()}
        steps.append(said)
    return {"words": one.words, "steps": steps}


def sentence(step: Step) -> str:
    """What one step does."""
    said = f"{DOES[step.does]} {WORDS[step.targets]}"
    if step.does == "narrow":
        left = step.leave or {}
        what = f"to {', '.join(left['actions'])} on {', '.join(left['resources'])}" if left else ""
        said = f"narrow {WORDS[step.targets]} {what or 'to nothing'}"
    return said[0].upper() + said[1:]


def lines(one: Document) -> list[tuple[str, str]]:
    """What it says, for pages and the ledger: (about, sentence)."""
    found = [("For", one.words)]
    for place, step in enumerate(one.steps, start=1):
        then = f"; the next begins {GO_ON[step.then]}" if place < len(one.steps) else ""
        found.append((f"Step {place}", f"{sentence(step)}{then}"))
    return found


def written(value: dict[str, Any]) -> str:
    """The kept document as YAML, for who writes the next version."""
    said: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=90)
    return said
