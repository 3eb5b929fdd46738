"""The order of the tests: what needs most comes first, and a module stays together."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests import order


@pytest.fixture(scope="module")
def kept() -> str:
    return "by the module"


def opens(browser: Browser) -> None: ...
def shares(kept: str) -> None: ...
def recalls(recording: Path) -> None: ...
@pytest.mark.django_db(transaction=True)
def commits() -> None: ...
@pytest.mark.django_db
def asks() -> None: ...
def rows(db: None) -> None: ...
def computes(tmp_path: Path) -> None: ...


def item(parent: pytest.Module, test: Callable[..., None]) -> pytest.Item:
    """A test that pytest would run."""
    made: pytest.Item = pytest.Function.from_parent(parent, name=test.__name__, callobj=test)
    return made


@pytest.mark.parametrize(
    ("test", "wanted"),
    [
        (opens, order.BROWSER),
        (shares, order.SHARED),
        (recalls, order.SHARED),
        (commits, order.COMMITS),
        (asks, order.ROWS),
        (rows, order.ROWS),
        (computes, order.NOTHING),
    ],
)
def test_need_is_the_most_that_a_test_asks_for(
    request: pytest.FixtureRequest, test: Callable[..., None], wanted: int
) -> None:
    assert order.need(item(request.node.parent, test)) == wanted


def test_module_comes_with_its_test_that_needs_most_and_stays_together(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    tests: dict[str, list[Callable[..., None]]] = {
        "quick": [computes],
        "mixed": [asks, computes, commits],
        "pages": [asks, opens],
    }
    items = []
    for name, those in tests.items():
        path = tmp_path / f"test_{name}.py"
        path.touch()
        module = pytest.Module.from_parent(request.node.parent.parent, path=path)
        items += [item(module, test) for test in those]
    # As it is collected, with the rows of all modules first.
    items.sort(key=lambda one: one.name != "asks")
    order.sort(items)
    assert [(one.path.stem, one.name) for one in items] == [
        ("test_pages", "asks"),
        ("test_pages", "opens"),
        ("test_mixed", "asks"),
        ("test_mixed", "computes"),
        ("test_mixed", "commits"),
        ("test_quick", "computes"),
    ]
