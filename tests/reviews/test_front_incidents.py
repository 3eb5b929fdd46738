"""Home shows active incidents to whoever may see them, and never says that there are none."""

import html
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from identities.models import User
from reviews.models import Case, Room
from tests.reviews.conftest import Told, make_user

pytestmark = pytest.mark.django_db


def incident(story: Told, severity: str, *, sealed: bool = False, state: str = "open") -> Case:
    case = Case.objects.create(
        door="incident",
        state=state,
        title=f"{severity} incident",
        identity=story.identity,
        opened_at=timezone.now(),
        opened_by="user:rita",
        opened_by_name="Rita",
        deadline_at=timezone.now() + timedelta(days=3),
        sealed=sealed,
    )
    case.refresh_from_db()
    Room.objects.create(case=case, severity=severity, detected_at=timezone.now())
    return case


def home(client: Client, user: User) -> str:
    client.force_login(user)
    page = html.unescape(client.get("/").content.decode())
    return re.sub(r"<[^>]+>", "", page.split('id="burning-title"')[1].split("</section>")[0])


def test_everybody_who_sees_it_is_shown_the_gravest_first(story: Told, client: Client) -> None:
    medium, critical = incident(story, "medium"), incident(story, "critical")
    incident(story, "low", state="closed")
    for user in (story.rita, story.otto, story.ines, make_user("root", "administrator")):
        shown = home(client, user)
        assert "Active incidents" in shown, user
        assert shown.index(critical.key) < shown.index(medium.key)
        assert "low incident" not in shown


def test_who_sees_none_of_them_is_not_told_that_there_are_none(story: Told, client: Client) -> None:
    stranger = make_user("stranger", "owner")
    assert "No active incidents" in home(client, stranger)
    incident(story, "high")
    shown = home(client, stranger)
    assert "1 active incident is handled by others" in shown
    assert "No active incidents" not in shown
    assert "high incident" not in shown


def test_sealed_incident_stays_unknown(story: Told, client: Client) -> None:
    incident(story, "high", sealed=True)
    assert "No active incidents" in home(client, make_user("stranger", "owner"))
