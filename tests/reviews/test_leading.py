"""Addresses that show nothing by themselves: who opens one is led to the page of the thing."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from identities.reasons import LONGEST_REASON
from tests.signed_in import sure

from .conftest import Told

pytestmark = pytest.mark.django_db
BROWSER = {"accept": "text/html,application/xhtml+xml"}


@pytest.mark.parametrize(
    ("address", "leads"),
    [
        ("/cases/CS-1/cancel/", "/cases/CS-1/"),
        ("/cases/CS-1/again/", "/cases/CS-1/"),
        ("/identities/NHI-1/open-review/", "/identities/NHI-1/"),
        ("/unclaimed/wave/end/", "/unclaimed/"),
    ],
)
def test_an_address_of_a_button_leads_to_its_page(
    story: Told, client: Client, address: str, leads: str
) -> None:
    client.force_login(story.rita)
    sure(client)
    found = client.get(address, headers=BROWSER)
    assert (found.status_code, found.headers.get("Location")) == (302, leads)
    # A script is told that it asks in the wrong way.
    assert client.get(address).status_code == 405


def test_too_many_attempts_are_told_when_to_try_again(client: Client) -> None:
    typed = {"login": "nobody", "password": "wrong"}
    told = [
        "wait five minutes, then try again"
        in client.post("/accounts/login/", typed, headers=BROWSER).content.decode()
        for _ in range(10)
    ]
    assert (told[0], told[-1]) == (False, True)


def test_a_box_for_a_reason_takes_no_more_than_a_reason_may_be() -> None:
    boxes = [
        (path.name, box)
        for path in Path(settings.BASE_DIR, "templates").rglob("*.html")
        for box in re.findall(r'<textarea name="reason"[^>]*>', path.read_text())
    ]
    assert len(boxes) > 10
    wrong = [
        (name, box)
        for name, box in boxes
        if not (longest := re.search(r'maxlength="(\d+)"', box)) or int(longest[1]) > LONGEST_REASON
    ]
    assert wrong == []
