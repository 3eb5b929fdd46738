"""Every permission there is: who may, and each sentence why not.

One story is planted; each row changes it, asks, and is taken back. Which modules have permissions
and what they can say is read from their source, so a module, a permission or a sentence without a
row fails by name.
"""

import ast
import inspect
import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from django.db import transaction

from identities import permissions as identity_permissions
from reviews import freeze_permissions, owner_permissions, permissions, policy_permissions
from reviews.campaigns import letting_out

from .conftest import Told
from .permission_accounts import of_accounts
from .permission_alerts import of_alerts
from .permission_answers import of_answers
from .permission_automatic import of_automatic_holds
from .permission_changes import of_changes
from .permission_containment import of_containment
from .permission_empty import of_empty_seats
from .permission_freezes import of_freezes
from .permission_glass import of_break_glass
from .permission_grants import of_grants
from .permission_links import of_links
from .permission_owners import of_owners
from .permission_packs import of_packs
from .permission_persons import of_persons
from .permission_population import of_population
from .permission_recoveries import of_recoveries
from .permission_rooms import of_rooms
from .permission_rows import of_identities, of_policies, of_reviews
from .permission_sealed import of_sealed
from .permission_sealing import of_sealing
from .permission_second import of_second_signatures
from .permission_statements import of_batches, of_revocations, of_statements
from .permission_steering import of_steering
from .permission_world import World

pytestmark = pytest.mark.django_db
# Rows name a permission of these by its name; of every other module by module and name.
PLAIN: tuple[ModuleType, ...] = (
    permissions,
    policy_permissions,
    identity_permissions,
    owner_permissions,
    freeze_permissions,
    letting_out,
)

# What every permission may also answer, and where these take the sentence of their caller.
SAYING = {"_why_not": 3, "cannot_sign": 2}
ROWS = [
    *of_reviews(),
    *of_policies(),
    *of_identities(),
    *of_links(),
    *of_owners(),
    *of_persons(),
    *of_freezes(),
    *of_changes(),
    *of_answers(),
    *of_empty_seats(),
    *of_steering(),
    *of_automatic_holds(),
    *of_statements(),
    *of_batches(),
    *of_revocations(),
    *of_accounts(),
    *of_break_glass(),
    *of_sealed(),
    *of_sealing(),
    *of_second_signatures(),
    *of_grants(),
    *of_packs(),
    *of_containment(),
    *of_alerts(),
    *of_population(),
    *of_rooms(),
    *of_recoveries(),
]


# --- what the modules can say --------------------------------------------------------------------


def asks_of_a_user(node: ast.stmt) -> bool:
    """Whether this is `why_not_<verb>(user, …)`."""
    return (
        isinstance(node, ast.FunctionDef)
        and node.name.startswith("why_not_")
        and node.args.args[:1] != []
        and node.args.args[0].arg in ("user", "by")
    )


def modules() -> list[ModuleType]:
    """Every module in which something is asked of a user."""
    root = Path(__file__).parents[2]
    found = []
    for app in ("identities", "reviews"):
        for path in sorted((root / app).rglob("*.py")):
            if any(asks_of_a_user(node) for node in ast.parse(path.read_bytes()).body):
                name = ".".join(path.relative_to(root).with_suffix("").parts)
                found.append(import_module(name))
    return found


MODULES = modules()


def called(module: ModuleType, name: str) -> str:
    """How rows name a permission of a module."""
    return name if module in PLAIN else f"{module.__name__.rpartition('.')[2]}.{name}"


def sentences(module: ModuleType) -> dict[str, list[str]]:
    """What each function of a module may answer, as patterns; names that it may not."""
    found = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.FunctionDef) and ("why_not" in node.name or node.name in SAYING):
            found[node.name] = [
                pattern
                for inner in ast.walk(node)
                for value in _answers(inner)
                for pattern in _patterns(value, module, _said(node))
            ]
    return found


def _answers(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.Return) and node.value is not None:
        yield node.value
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SAYING:
        yield node.args[SAYING[node.func.id]]


def _said(node: ast.FunctionDef) -> dict[str, ast.expr]:
    """The sentences that a function gives a name before it says them."""
    return {
        target.id: one.value
        for one in ast.walk(node)
        if isinstance(one, ast.Assign) and isinstance(one.value, ast.Constant | ast.JoinedStr)
        for target in one.targets
        if isinstance(target, ast.Name)
    }


def _patterns(value: ast.expr, module: ModuleType, said: Mapping[str, ast.expr]) -> Iterator[str]:
    if isinstance(value, ast.IfExp):
        yield from _patterns(value.body, module, said)
        yield from _patterns(value.orelse, module, said)
    elif isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield re.escape(value.value)
    elif isinstance(value, ast.JoinedStr):
        yield "".join(
            re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".+"
            for part in value.values
        )
    elif isinstance(value, ast.Name) and value.id in said:
        yield from _patterns(said[value.id], module, {})
    elif isinstance(value, ast.Name) and isinstance(getattr(module, value.id, None), str):
        yield re.escape(getattr(module, value.id))


@pytest.mark.parametrize("module", MODULES, ids=lambda one: one.__name__)
def test_no_permission_and_no_sentence_is_without_a_row(module: ModuleType) -> None:
    said = sentences(module)
    of: dict[str, list[str | None]] = {}
    for row in ROWS:
        of.setdefault(row.permission, []).append(row.said)
    every = [one for rows in of.values() for one in rows]
    missing = [
        f"{name}: allowed"
        for name in said
        if "why_not" in name and name[0] != "_" and None not in of.get(called(module, name), [])
    ]
    for name, patterns in said.items():
        rows = of.get(called(module, name), [])
        if name in SAYING or name[0] == "_":
            rows = every
        missing += [
            f"{name}: {pattern}"
            for pattern in patterns
            if not any(re.fullmatch(pattern, one.replace("{key}", "CS-1")) for one in rows if one)
        ]
    assert missing == []


def test_every_row_says_what_it_should(story: Told) -> None:
    world = World(story)
    key = world.case().key
    wrong = []
    for row in ROWS:
        with transaction.atomic():
            said = row.ask(world)
            transaction.set_rollback(True)
        expected = row.said and row.said.replace("{key}", key)
        if said != expected:
            wrong.append((row.permission, said, expected))
    assert wrong == []
