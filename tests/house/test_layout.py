"""The rules of the house that a program can check: names, sizes, what imports what, what is said."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from django.db.migrations.loader import MigrationLoader

from config.celery import NUDGES, SCHEDULE, app

ROOT = Path(__file__).resolve().parent.parent.parent
OURS = ("config", "evidence", "identities", "reviews")
FORBIDDEN_NAMES = frozenset(
    {"utils", "helpers", "common", "base", "core", "misc", "manager", "service", "lib"}
)
LONGEST_MODULE = 400
# Handed to others as it is, and so one file whatever it does.
HANDED_OUT = {"scripts/verify_ledger.py": 550}

# Modules that are functions of their arguments. Folders count with everything in them.
PURE = (
    "evidence/formats",
    "evidence/correlation.py",
    "evidence/inference.py",
    "evidence/keys.py",
    "evidence/privacy.py",
    "evidence/quotes.py",
    "evidence/vocabulary.py",
    "identities/authority",
    "identities/bindings.py",
    "identities/claims/choosing.py",
    "identities/combinations.py",
    "identities/findings",
    "identities/question_members.py",
    "identities/register",
    "reviews/break_glass/document.py",
    "reviews/break_glass/quorum.py",
    "reviews/states.py",
    "reviews/outcomes.py",
    "reviews/attestation_bounds.py",
    "reviews/policies.py",
    "reviews/policy_document.py",
    "reviews/policy_reading.py",
    "reviews/policy_stages.py",
    "reviews/policy_words.py",
    "reviews/pages/chain.py",
    "reviews/pages/radius_drawing.py",
    "reviews/planted.py",
    "reviews/population/sampling.py",
)
# Packages that talk to other systems, and the four folders that may import them (decisions 18).
OUTSIDE = frozenset(
    {"boto3", "botocore", "httpx", "requests", "urllib3", "aiohttp", "smtplib", "ftplib", "http.client",
     "urllib.request", "socket", "standardwebhooks"}
)  # fmt: skip
OUTSIDE_FOLDERS = ("evidence/sources", "evidence/stores", "identities/enforcers", "reviews/notices")

# Written in pieces so that this file does not hold what it looks for.
MACHINE = re.compile(
    "|".join(
        (
            r"(?<![\w.])/(?:work|home/[a-z]+|workspace)" + "/",
            r"(?<![\w.])/root" + "/",
            r"pypi" + r"\.org",
            "pythonhosted" + r"\.org",
            r"npmjs" + r"\.(?:org|com)",
            "--index" + "-url",
        )
    )
)
TEXT = frozenset(
    {"", ".py", ".md", ".toml", ".lock", ".json", ".txt", ".html", ".css", ".js", ".svg", ".sh",
     ".yaml", ".yml", ".npmrc", ".gitignore", ".ini", ".cfg"}
)  # fmt: skip
MADE_HERE = frozenset(
    {".git", ".venv", "node_modules", "static_vendor", "static_vendor.new", "var", "__pycache__",
     ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".import_linter_cache"}
)  # fmt: skip


def files(folder: Path = ROOT) -> Iterator[Path]:
    """Every file of the checkout that was not made by set-up."""
    for entry in sorted(folder.iterdir()):
        if entry.name in MADE_HERE:
            continue
        if entry.is_dir():
            yield from files(entry)
        elif entry.is_file():
            yield entry


def sources(*folders: str) -> list[Path]:
    return [
        path
        for folder in folders
        for path in files(ROOT / folder)
        if path.suffix == ".py" and (ROOT / folder).is_dir()
    ]


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported(path: Path) -> set[str]:
    """The names of all modules this file imports, absolute; also inside functions."""
    package = list(path.relative_to(ROOT).parent.parts)
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return found


def reaches(path: Path, packages: frozenset[str]) -> set[str]:
    """Which of these packages the file imports, itself or something inside."""
    return {
        wanted
        for name in imported(path)
        for wanted in packages
        if name == wanted or name.startswith(f"{wanted}.")
    }


def test_no_file_has_a_name_that_says_nothing() -> None:
    found = [shown(path) for path in sources(*OURS, "tests") if path.stem in FORBIDDEN_NAMES]
    assert found == []


def test_no_module_is_longer_than_a_person_can_hold_in_mind() -> None:
    found = {
        shown(path): lines
        for path in sources(*OURS, "scripts", "tests")
        if "migrations" not in path.parts
        and (lines := path.read_text(encoding="utf-8").count("\n"))
        > HANDED_OUT.get(shown(path), LONGEST_MODULE)
    }
    assert found == {}


def test_every_module_says_what_it_owns() -> None:
    found = [
        shown(path)
        for path in sources(*OURS, "scripts", "tests")
        if path.read_text(encoding="utf-8").strip()
        and path.name != "__init__.py"
        and "migrations" not in path.parts
        and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []


def pure_files() -> list[Path]:
    found = []
    for name in PURE:
        path = ROOT / name
        found += sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return [path for path in found if path.exists()]


def test_pure_modules_import_no_django_and_no_rows() -> None:
    impure = frozenset(
        {"django", "rest_framework", "celery", "psycopg", "redis"}
        | {f"{app_name}.models" for app_name in OURS}
    )
    found = {shown(path): sorted(met) for path in pure_files() if (met := reaches(path, impure))}
    assert found == {}


def test_only_four_folders_talk_to_other_systems() -> None:
    found = {
        shown(path): sorted(met)
        for path in sources("evidence", "identities", "reviews")
        if not shown(path).startswith(OUTSIDE_FOLDERS) and (met := reaches(path, OUTSIDE))
    }
    assert found == {}


def test_nothing_in_evidence_can_change_another_system() -> None:
    writers = frozenset({"identities", "reviews", "config"})
    found = {
        shown(path): sorted(met) for path in sources("evidence") if (met := reaches(path, writers))
    }
    assert {name: met for name, met in found.items() if met != ["config"]} == {}


def test_evidence_depends_on_no_app_of_ours_in_the_database() -> None:
    graph = MigrationLoader(None).graph
    needed = {
        parent
        for leaf in graph.leaf_nodes("evidence")
        for parent, _ in graph.forwards_plan(leaf)
        if parent in OURS
    }
    assert needed == {"evidence"}


def said_nudges() -> dict[str, list[str]]:
    """Every name that the code says by `nudge.after_commit("…")`, with where it is said."""
    found: dict[str, list[str]] = {}
    for path in sources("evidence", "identities", "reviews"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            if isinstance(node.func, ast.Name):
                name = node.func.id
            if name != "after_commit" or path.name == "nudge.py":
                continue
            argument = node.args[0] if node.args else None
            word = argument.value if isinstance(argument, ast.Constant) else "(not a constant)"
            found.setdefault(str(word), []).append(f"{shown(path)}:{node.lineno}")
    return found


def test_every_nudge_wakes_a_task() -> None:
    found = {name: where for name, where in said_nudges().items() if name not in NUDGES}
    assert found == {}


def test_no_nudge_is_listed_that_nobody_says() -> None:
    assert sorted(set(NUDGES) - set(said_nudges())) == []


def test_every_task_that_is_named_exists() -> None:
    app.loader.import_default_modules()
    named = {task for tasks in NUDGES.values() for task in tasks}
    named |= {task for task, _ in SCHEDULE.values()}
    assert sorted(named - set(app.tasks)) == []


def test_every_nudged_task_is_also_on_the_schedule() -> None:
    nudged = {task for tasks in NUDGES.values() for task in tasks}
    assert sorted(nudged - {task for task, _ in SCHEDULE.values()}) == []


def test_every_dependency_says_why_it_is_there() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    names = tomllib.loads(text)["project"]["dependencies"]
    lines = {line.strip() for line in text.splitlines()}
    bare = [
        name
        for name in names
        if not any(re.match(rf'"{re.escape(name)}",\s+# \S+', line) for line in lines)
    ]
    assert bare == []


def test_no_file_knows_a_machine_or_a_registry() -> None:
    found = []
    for path in files():
        if path.suffix not in TEXT:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if MACHINE.search(line):
                found.append(f"{shown(path)}:{number}: {line.strip()[:80]}")
    assert found == []


def test_locks_name_hashes_and_no_place() -> None:
    python = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    node = (ROOT / "package-lock.json").read_text(encoding="utf-8")
    pinned = re.findall(r"^[a-z0-9].*?==", python, flags=re.MULTILINE | re.IGNORECASE)
    blocks = re.split(r"(?m)^(?=[a-zA-Z0-9])", python)
    assert len(pinned) == sum("--hash=sha256:" in block for block in blocks)
    assert [word for word in ("resolved", "git+", "file:") if word in node] == []
    assert node.count('"integrity"') == node.count('"node_modules/')


REASONED = re.compile(r"#\s*(noqa(?::[ A-Z0-9,]+)?|type:\s*ignore(?:\[[^\]]*\])?)(.*)$")


def test_every_silenced_warning_has_a_reason() -> None:
    found = []
    for path in sources(*OURS, "tests", "scripts"):
        if "migrations" in path.parts:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            match = REASONED.search(line)
            if match and not re.search(r"[a-z]{3}", match.group(2)):
                found.append(f"{shown(path)}:{number}")
    assert found == []
