"""Which code may read a clock: entry points once per request, a short list of others, no SQL.

Everything below an entry point takes `now` as an argument, so that one page shows one moment. The
second half keeps tests from bypassing their own clock (tests/clock.py).
"""

import ast
import functools
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from tests import clock
from tests.house.test_layout import OURS, shown, sources

# Where a request, a task or a command enters. A task reads the clock once per step of its work.
ENTRY_POINTS = re.compile(
    r"(?:^|/)(?:\w+_)?(?:views|api|tasks|checks)\.py$|/(?:api|management/commands)/\w+\.py$"
)
# The one name of the clock, and the other modules that may use it.
CLOCK = "timezone.now"
MAY_READ_THE_CLOCK = {
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
    "identities/confirming.py": "a request: how long ago the password was given",
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
MAY_USE_OTHER_NAMES = {
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
MAY_READ_THE_DATABASE_CLOCK = {
    "config/management/commands/doctor.py": "compares both clocks",
    "evidence/migrations/0008_custody.py": "the app cannot make evidence old by saying so",
    "evidence/migrations/0013_erasing_further.py": "the same",
    "evidence/migrations/0017_erasure_words.py": "the same",
    "identities/actions/revocations/leasing.py": "leases, which workers on many machines share",
    "reviews/migrations/0006_rungs.py": "once, over rows that were there",
}


@functools.cache  # three tests look at the same modules
def parsed(text: str) -> ast.Module:
    return ast.parse(text)


def clock_reads(text: str) -> Iterator[tuple[int, str]]:
    """Lines on which a module reads a clock, each with the name it uses."""
    tree = parsed(text)
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


def violations(path: str, text: str) -> list[str]:
    """Reads of a clock that this product module may not make."""
    may = {
        CLOCK: path in MAY_READ_THE_CLOCK or bool(ENTRY_POINTS.search(path)),
        "SQL": path in MAY_READ_THE_DATABASE_CLOCK,
        "": path in MAY_USE_OTHER_NAMES,
    }
    return [
        f"{path}:{line}: {name}"
        for line, name in clock_reads(text)
        if not may[name if name == CLOCK else name[:3] if name.startswith("SQL ") else ""]
    ]


def repeated_reads(path: str, text: str) -> list[str]:
    """Functions that read the clock more than once."""
    found = []
    for node in ast.walk(parsed(text)):
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
                found.append(f"{path}: {node.name} reads the clock {many} times")
    return found


def test_only_entry_points_read_the_clock() -> None:
    found = [
        one
        for path in sources(*OURS)
        for one in violations(shown(path), path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_a_request_reads_the_clock_once() -> None:
    found = [
        one
        for path in sources(*OURS)
        if not re.search(r"tasks\.py$|/management/|/demo/", shown(path))
        for one in repeated_reads(shown(path), path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_sql_files_read_no_clock() -> None:
    found = [
        shown(path)
        for folder in OURS
        for path in Path(folder).rglob("*.sql")
        if STATEMENT.search(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_every_exception_is_used() -> None:
    found = {
        shown(path): [name for _, name in clock_reads(path.read_text(encoding="utf-8"))]
        for path in sources(*OURS)
    }
    listed = {
        *((path, CLOCK) for path in MAY_READ_THE_CLOCK),
        *((path, "SQL") for path in MAY_READ_THE_DATABASE_CLOCK),
        *((path, "") for path in MAY_USE_OTHER_NAMES),
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
def test_module_that_reads_a_clock_is_found(path: str, line: str) -> None:
    assert len(violations(path, line)) == 1


def test_view_that_reads_the_clock_twice_is_found() -> None:
    text = "def late(request):\n    return timezone.now() - max(timezone.now(), request.at)\n"
    assert repeated_reads("reviews/views.py", text) == [
        "reviews/views.py: late reads the clock 2 times"
    ]


# --- the tests themselves ------------------------------------------------------------------------

DATED = re.compile(
    r"\b(?:NOW|FROZEN)\b|\bdatetime\(\s*20\d\d\b|\bdate\(\s*20\d\d\b|[\"']20\d\d-\d\d"
)
MAY_READ_AT_IMPORT = {
    "tests/conftest.py": "the month of today has to be there",
    "tests/clock.py": "is the clock",
}


def real_clock_tests(tree: ast.Module) -> list[ast.FunctionDef]:
    """Tests marked `real_clock`, themselves or through their module."""
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


def dated_tests(path: str, text: str) -> list[str]:
    """Tests on the machine's clock that name a date, which will pass."""
    return [
        f"{path}:{node.lineno}: {node.name}"
        for node in real_clock_tests(parsed(text))
        if DATED.search(ast.unparse(node))
    ]


def reads_at_import(path: str, text: str) -> list[str]:
    """Reads of a clock at import, which no test's clock covers."""
    tree = parsed(text)
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


def test_no_test_module_reads_a_clock_at_import() -> None:
    found = [
        one
        for path in sources("tests")
        if "bench" not in path.parts and shown(path) not in MAY_READ_AT_IMPORT
        for one in reads_at_import(shown(path), path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_no_test_on_the_real_clock_names_a_date() -> None:
    found = [
        one
        for path in sources("tests")
        for one in dated_tests(shown(path), path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize("by", ["@pytest.mark.real_clock", "pytestmark = [pytest.mark.real_clock]"])
def test_dated_test_on_the_real_clock_is_found(by: str) -> None:
    text = f"{by}\ndef test_grant_holds():\n    assert grant(until=datetime(2026, 12, 3)).holds\n"
    text = text.replace("]\ndef", "]\n\ndef")
    assert len(dated_tests("tests/test_grants.py", text)) == 1


@pytest.mark.parametrize(
    "text", ["NOW = timezone.now()", "def soon(now=datetime.now(UTC)):\n    return now"]
)
def test_test_module_that_reads_a_clock_at_import_is_found(text: str) -> None:
    assert len(reads_at_import("tests/test_grants.py", text)) == 1


# --- the clock of the tests ----------------------------------------------------------------------


def test_test_starts_at_the_frozen_moment() -> None:
    assert timedelta(0) <= timezone.now() - clock.FROZEN < timedelta(minutes=1)


@pytest.fixture(scope="module")
def shared() -> datetime:
    return timezone.now()


def test_shared_fixture_lies_in_the_past(shared: datetime) -> None:
    assert timedelta(minutes=1) < clock.FROZEN - shared <= clock.EARLIER


@pytest.mark.real_clock
def test_marked_test_has_the_real_clock() -> None:
    assert abs(time.time() - clock.machine_time()) < 5


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
def test_offset_is_read(text: str, then: datetime) -> None:
    now = datetime(2026, 12, 1, 8, tzinfo=UTC)
    assert now + clock.parse_offset(text, now) == then


def test_every_daily_clock_comes_within_as_many_days() -> None:
    first = datetime(2026, 12, 28, 8, tzinfo=UTC)  # over the end of a year
    days = [first + timedelta(days=number) for number in range(2 * len(clock.DAILY))]
    found = {clock.parse_offset("daily", day) for day in days}
    offsets = [text for text in clock.DAILY if text not in clock.NAMED_MOMENTS]
    assert found >= {clock.parse_offset(text, day) for text in offsets for day in days}


@pytest.mark.parametrize("text", ["tomorrow", "400", "+d", "2030-13-01"])
def test_offset_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(pytest.UsageError, match="give an offset"):
        clock.parse_offset(text, datetime(2026, 12, 1, tzinfo=UTC))
