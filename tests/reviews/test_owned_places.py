"""What an owner reads of the other places: who has left as backup or sponsor is said, not replaced."""

import pytest
from django.test import Client

from .conftest import NOW, Told, person_of

pytestmark = pytest.mark.django_db
WORDS = "Nobody is there any more as backup: name another in a registration file."


def test_a_backup_who_has_left_is_said_to_the_owner(story: Told, client: Client) -> None:
    client.force_login(story.ines)
    assert "Nobody is there any more" not in client.get("/owned/").content.decode()
    marek = person_of(story.marek)
    marek.left_at = NOW
    marek.save()
    assert WORDS in client.get("/owned/").content.decode()
    assert [one["vacant"] for one in client.get("/api/owned/").json()["rows"]] == [["backup"]]
