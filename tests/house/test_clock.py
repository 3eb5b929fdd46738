"""Who may ask what time it is: one place for each request, task and command, and no statement.

Everything below them gets the moment as an argument, so a page is of one moment and a test can be
of any. The tests run on a clock of their own (tests/clock.py), which no test may go around.
"""

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from tests import clock
from tests.house.test_layout import OURS, shown, sources

# Where a request, a task or a command comes in. A task asks once for each step of its work.
ENTRANCES = re.compile(
    r"(?:^|/)(?:\w+_)?(?:views|api|tasks|checks)\.py$|/(?:api|management/commands)/\w+\.py$"
)
# The only name for it, and who else may say it.
CLOCK = "timezone.now"
OTHERS = {
    "config/demo/returning.py": "a command of the demo",
    "evidence/dropping.py": "a request: a file that is uploaded in parts",
    "evidence/hooks.py": "requests: webhooks",
    "evidence/signals_door.py": "requests: pushed signals",
    "evidence/sources/directory.py": "compares with what a file system stamped",
    "evidence/sources/s3.py": "compares with what a bucket stamped",
    "evidence/stores/anchors/bucket.py": "compares with what a bucket stamped",
    "evidence/stores/bodies.py": "compares with what a file system stamped",
    "identities/enforcers/entra_graph.py": "the end of a token that Microsoft issued",
    "identities/enforcers/gcp_projects.py": "the end of a token that Google issued",
    "identities/enforcers/web.py": "an outside call: Retry-After, signatures, tokens",
    "reviews/apps.py": "a request: allauth says who signed in",
    "reviews/confirmed.py": "a request: how long ago the password was given",
    "reviews/pages/frame.py": "a request: what every page shows around its own content",
    "reviews/second_factor.py": "a request: how long ago the second factor was given",
}
# The machine's clock under its other names.
OTHER_NAMES = frozenset(
    {
        *("datetime.now", "datetime.utcnow", "datetime.today", "dt.datetime.now", "date.today"),
        *("dt.date.today", "datetime.datetime.now", "datetime.date.today", "timezone.localdate"),
        *("timezone.localtime", "time.time", "time.time_ns", "time.gmtime", "time.localtime"),
    }
)
MAY_USE_THEM = {
    "config/demo/aws_proxy.py": "stands in for AWS, which has a clock of its own",
    "config/embedded/keeper.py": "writes a log before Django is there",
    "evidence/keys.py": "an id begins with the time at which it was made",
}
# The database's clock.
STATEMENT = re.compile(
    r"\b(?:now\s*\(\s*\)|(?:clock|statement|transaction)_timestamp\s*\(|timeofday\s*\("
    r"|current_(?:timestamp|date|time)\b|localtime(?:stamp)?\b)",
    re.IGNORECASE,
)
MAY_ASK_THE_DATABASE = {
    "config/management/commands/doctor.py": "compares both clocks",
    "evidence/migrations/0008_custody.py": "the app cannot make evidence old by saying so",
    "evidence/migrations/0013_erasing_further.py": "the same",
    "evidence/migrations/0017_erasure_words.py": "the same",
    "identities/actions/revocations/leasing.py": "leases, which workers on many machines share",
    "reviews/migrations/0006_rungs.py": "once, over rows that were there",
}


def asked(text: str) -> Iterator[tuple[int, str]]:
    """Lines on which a program asks for the time, and by which name."""
    tree = ast.parse(text)
    prose = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
            name = ast.unparse(node)
            if name == CLOCK or name in OTHER_NAMES:
                yield node.lineno, name
        elif isinstance(node, ast.ImportFrom) and node.module in {"time", "django.utils.timezone"}:
            for one in node.names:
                if f"time.{one.name}" in OTHER_NAMES or one.name in {"now", "localtime"}:
                    yield node.lineno, f"from {node.module} import {one.name}"
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"Now", "functions.Now"}:
            yield node.lineno, "SQL Now()"
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in prose
            and (found := STATEMENT.search(node.value))
        ):
            yield node.lineno, f"SQL {found[0]}"


def wrong(path: str, text: str) -> list[str]:
    """What this module of the product asks for the time and may not."""
    may = {
        CLOCK: path in OTHERS or bool(ENTRANCES.search(path)),
        "SQL": path in MAY_ASK_THE_DATABASE,
        "": path in MAY_USE_THEM,
    }
    return [
        f"{path}:{line}: {name}"
        for line, name in asked(text)
        if not may[name if name == CLOCK else name[:3] if name.startswith("SQL ") else ""]
    ]


def twice(path: str, text: str) -> list[str]:
    """Functions that answer a request and say more than once what time it is."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            inner = {
                id(one)
                for nested in ast.walk(node)
                if nested is not node and isinstance(nested, ast.FunctionDef | ast.Lambda)
                for one in ast.walk(nested)
            }
            many = sum(
                isinstance(one, ast.Call)
                and ast.unparse(one.func) == CLOCK
                and id(one) not in inner
                for one in ast.walk(node)
            )
            if many > 1:
                found.append(f"{path}: {node.name} asks {many} times")
    return found


def test_only_who_answers_asks_what_time_it_is() -> None:
    found = [
        one
        for path in sources(*OURS)
        for one in wrong(shown(path), path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_one_request_is_of_one_moment() -> None:
    found = [
        one
        for path in sources(*OURS)
        if not re.search(r"tasks\.py$|/management/|/demo/", shown(path))
        for one in twice(shown(path), path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_statements_in_files_do_not_ask() -> None:
    found = [
        shown(path)
        for folder in OURS
        for path in Path(folder).rglob("*.sql")
        if STATEMENT.search(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_nobody_is_listed_who_does_not_ask() -> None:
    found = {
        shown(path): [name for _, name in asked(path.read_text(encoding="utf-8"))]
        for path in sources(*OURS)
    }
    listed = {
        *((path, CLOCK) for path in OTHERS),
        *((path, "SQL") for path in MAY_ASK_THE_DATABASE),
        *((path, "") for path in MAY_USE_THEM),
    }
    idle = sorted(
        path
        for path, what in listed
        if not any(
            name.startswith(what) if what else name in OTHER_NAMES for name in found.get(path, ())
        )
    )
    assert idle == []


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("reviews/pages/late.py", "def rows():\n    return timezone.now()"),
        ("reviews/pages/late_views.py", "def rows():\n    return datetime.now(UTC)"),
        ("reviews/pages/late_views.py", "from time import time"),
        ("reviews/pages/late.py", 'LATE = "SELECT id FROM reviews_case WHERE deadline_at < now()"'),
        ("identities/late.py", 'LATE = f"{BEGIN} WHERE ends_at > CURRENT_TIMESTAMP"'),
        ("identities/late.py", "def rows():\n    return Row.objects.filter(ends_at__lt=Now())"),
    ],
)
def test_module_that_asks_for_itself_is_found(path: str, line: str) -> None:
    assert len(wrong(path, line)) == 1


def test_view_that_asks_twice_is_found() -> None:
    text = "def late(request):\n    return timezone.now() - max(timezone.now(), request.at)\n"
    assert twice("reviews/views.py", text) == ["reviews/views.py: late asks 2 times"]


# --- the tests themselves ------------------------------------------------------------------------

DATED = re.compile(
    r"\b(?:NOW|FROZEN)\b|\bdatetime\(\s*20\d\d\b|\bdate\(\s*20\d\d\b|[\"']20\d\d-\d\d"
)
MAY_ASK_EARLY = {
    "tests/conftest.py": "the month of today has to be there",
    "tests/clock.py": "is the clock",
}


def on_the_real_clock(tree: ast.Module) -> list[ast.FunctionDef]:
    """Tests that are marked `real_clock`, by themselves or with their module."""
    everything = any(
        isinstance(node, ast.Assign)
        and ast.unparse(node.targets[0]) == "pytestmark"
        and "real_clock" in ast.unparse(node.value)
        for node in tree.body
    )
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith("test_")
        and (
            everything
            or any(ast.unparse(one).endswith("mark.real_clock") for one in node.decorator_list)
        )
    ]


def bound_to_a_date(path: str, text: str) -> list[str]:
    """Tests that run on the machine's clock and name a date: it passes one day."""
    return [
        f"{path}:{node.lineno}: {node.name}"
        for node in on_the_real_clock(ast.parse(text))
        if DATED.search(ast.unparse(node))
    ]


def early(path: str, text: str) -> list[str]:
    """Where a module of tests asks for the time when it is imported: before any test's clock."""
    tree = ast.parse(text)
    inside = {
        id(one)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.Lambda)
        for part in (node.body if isinstance(node.body, list) else [node.body])
        for one in ast.walk(part)
    }
    return [
        f"{path}:{node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and id(node) not in inside
        and ast.unparse(node.func) in OTHER_NAMES | {CLOCK}
    ]


def test_no_test_asks_before_its_clock_runs() -> None:
    found = [
        one
        for path in sources("tests")
        if "bench" not in path.parts and shown(path) not in MAY_ASK_EARLY
        for one in early(shown(path), path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_no_test_on_the_real_clock_names_a_date() -> None:
    found = [
        one
        for path in sources("tests")
        for one in bound_to_a_date(shown(path), path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize("by", ["@pytest.mark.real_clock", "pytestmark = [pytest.mark.real_clock]"])
def test_test_that_ends_with_a_date_is_found(by: str) -> None:
    text = f"{by}\ndef test_grant_holds():\n    assert grant(until=datetime(2026, 12, 3)).holds\n"
    text = text.replace("]\ndef", "]\n\ndef")
    assert len(bound_to_a_date("tests/test_grants.py", text)) == 1


@pytest.mark.parametrize(
    "text", ["NOW = timezone.now()", "def soon(now=datetime.now(UTC)):\n    return now"]
)
def test_test_that_asks_too_early_is_found(text: str) -> None:
    assert len(early("tests/test_grants.py", text)) == 1


# --- the clock of the tests ----------------------------------------------------------------------


def test_a_test_begins_at_the_frozen_moment() -> None:
    assert timedelta(0) <= timezone.now() - clock.FROZEN < timedelta(minutes=1)


@pytest.fixture(scope="module")
def shared() -> datetime:
    return timezone.now()


def test_what_tests_share_lies_in_their_past(shared: datetime) -> None:
    assert timedelta(minutes=1) < clock.FROZEN - shared <= clock.EARLIER


@pytest.mark.real_clock
def test_a_test_may_ask_for_the_real_clock() -> None:
    assert Path(__file__).stat().st_mtime <= timezone.now().timestamp()


@pytest.mark.parametrize(
    ("text", "then"),
    [
        ("+400d", datetime(2028, 1, 5, 8, tzinfo=UTC)),
        ("-3h", datetime(2026, 12, 1, 5, tzinfo=UTC)),
        ("2030-01-01T01:00", datetime(2030, 1, 1, 1, tzinfo=UTC)),
        ("first-of-month", datetime(2027, 1, 1, 0, tzinfo=UTC)),
        ("month-end", datetime(2026, 12, 31, 23, 30, tzinfo=UTC)),
        ("leap-day", datetime(2028, 2, 29, 12, tzinfo=UTC)),
        ("year-end", datetime(2026, 12, 31, 23, 59, 50, tzinfo=UTC)),
    ],
)
def test_clock_is_moved_to(text: str, then: datetime) -> None:
    now = datetime(2026, 12, 1, 8, tzinfo=UTC)
    assert now + clock.moved(text, now) == then


@pytest.mark.parametrize("text", ["tomorrow", "400", "+d", "2030-13-01"])
def test_clock_that_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(pytest.UsageError, match="is no offset"):
        clock.moved(text, datetime(2026, 12, 1, tzinfo=UTC))
