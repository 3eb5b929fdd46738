"""What a page reads from a form that was sent, some form has: a field of another name is never seen.

The disposition of a finding was sent as `state` and read as `disposition` for as long as no test
filled in the form itself.
"""

import re

import pytest

from tests.house.test_data import ROOT

READ = re.compile(r'POST(?:\.get|\.getlist)?[(\[]\s*"([a-z_:]+)"')
APPS = ("evidence", "identities", "reviews", "config")


def of_forms() -> str:
    """Everything that can name a field: templates, scripts, and what fills templates."""
    files = [
        *(ROOT / "templates").rglob("*.html"),
        *(ROOT / "static").glob("*.js"),
        *(one for app in APPS for one in (ROOT / app).rglob("*.py")),
    ]
    return "\n".join(one.read_text() for one in files)


def read() -> dict[str, str]:
    """The names that views read, and where."""
    return {
        name: str(file.relative_to(ROOT))
        for app in APPS
        for file in sorted((ROOT / app).rglob("*.py"))
        for name in READ.findall(file.read_text())
    }


@pytest.fixture(scope="module")
def fields() -> str:
    return of_forms()


@pytest.mark.parametrize(("name", "file"), sorted(read().items()))
def test_a_field_that_is_read_is_in_a_form(name: str, file: str, fields: str) -> None:
    """In a template, hidden fields of an act ("name": …, or by keyword), a form of Django, a script."""
    there = (
        rf'name="{name}"|"name": "{name}"|\b{name}="|^    {name}(: \w+)? = forms?\.|dataset\.{name}'
    )
    assert re.search(there, fields, re.MULTILINE), f"{file} reads {name}, which no form has"
