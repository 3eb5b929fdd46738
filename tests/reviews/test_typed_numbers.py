"""What somebody types where a whole number belongs: never more than "not understood"."""

from collections.abc import Iterator

import pytest
from django.test import Client

from evidence.parameters import is_whole, whole

from .conftest import Told
from .test_addresses import addresses

pytestmark = pytest.mark.django_db
# Superscripts and other scripts are digits to Python; not all of them are numbers to it.
HOSTILE = ("²", "१", "1" + "0" * 30, "-1", "", "\0", "9" * 5_000, "1_0")
NUMBERS = ("page", "version", "before", "after", "limit", "at", "from", "to", "actor", "days")
KEYS = {"q": "NHI-", "identity": "NHI-", "case": "CS-", "finding": "F-"}


@pytest.mark.parametrize("text", HOSTILE)
def test_only_digits_of_a_sane_length_are_a_number(text: str) -> None:
    assert (whole(text), is_whole(text)) == (None, False)


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("007", 7), ("9" * 18, 10**18 - 1)])
def test_a_number_is_read(text: str, number: int) -> None:
    assert whole(text) == number
    assert is_whole(text)


def said() -> Iterator[dict[str, str]]:
    for text in HOSTILE:
        yield dict.fromkeys(NUMBERS, text) | dict.fromkeys(KEYS, text)
    for text in ("²", "9" * 400):
        yield {name: prefix + text for name, prefix in KEYS.items()}
    yield {"q": f"CS-{HOSTILE[0]}"}


def broken(client: Client, here: str, asked: dict[str, str]) -> bool:
    return client.get(here, asked).status_code >= 500


def test_no_page_breaks_at_what_is_typed_for_a_number(story: Told, client: Client) -> None:
    client.raise_request_exception = False
    client.force_login(story.rita)
    pages = {here for here, _ in addresses() if one_page(here)}
    shown = sorted(here for here in pages if client.get(here).status_code != 405)
    assert len(shown) > 30
    wrong = [(here, asked) for here in shown for asked in said() if broken(client, here, asked)]
    assert wrong == []


def one_page(here: str) -> bool:
    return not here.startswith(("/static", "/accounts", "/api/", "/v1/"))
