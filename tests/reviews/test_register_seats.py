"""A registration file says of nobody that they left while something waits for their signature."""

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from identities.acting import COMMAND
from identities.actions import registration
from identities.models import Membership, Person, Team, User
from identities.register import read
from reviews.models import Case

from .conftest import DAY, NOW, Told, make_user, person_of
from .test_api import token
from .test_pages import PASSWORD, answered, as_user

__all__ = ["answered", "as_user"]
pytestmark = pytest.mark.django_db
SignIn = Callable[..., Client]
JSON: dict[str, Any] = {"content_type": "application/json"}


def file(*people: dict[str, str]) -> str:
    return json.dumps({"people": list(people), "teams": [{"name": "Risk", "members": []}]})


SAMUEL = {"name": "Samuel", "email": "samuel@example.org"}
NORA = {"name": "Nora", "email": "nora@example.org"}
LEFT = {"left": "2026-11-24"}


def load(text: str, **more: Any) -> registration.Registered:
    said: dict[str, Any] = {"by": COMMAND, "now": NOW} | more
    return registration.register(entries=read("people.json", text), **said)


def gone() -> list[str]:
    return list(Person.objects.filter(left_at__isnull=False).values_list("name", flat=True))


def held(done: registration.Registered) -> list[tuple[str, str]]:
    return [(one.subject, one.words) for one in done.changes if one.kind == "held"]


def test_the_row_is_held_with_words_and_the_rest_of_the_file_is_taken(
    story: Told, case: Case
) -> None:
    make_user("nora", "owner")
    done = load(file(SAMUEL | LEFT, NORA | LEFT))
    assert gone() == ["Nora"]
    assert Team.objects.filter(name="Risk").exists()
    assert held(done) == [
        (
            "person Samuel",
            (
                f"held: {case.key} waits for their signature. Who does not sit in it says on the page"
                " People that they left or moved, or a list to /api/people/ does; the rest of the file"
                " is taken"
            ),
        )
    ]
    assert registration.as_json(done)["held"] == 1
    # The same file again, while the case is open and when it is over.
    assert len(held(load(file(SAMUEL | LEFT, NORA | LEFT)))) == 1
    Case.objects.update(state="closed", closed_at=NOW)
    assert held(load(file(SAMUEL | LEFT, NORA | LEFT))) == []
    assert sorted(gone()) == ["Nora", "Samuel"]


def test_a_backup_and_who_has_signed_are_held_too(story: Told, case: Case) -> None:
    people = [
        {"name": name, "email": f"{name.lower()}@example.org"} | LEFT
        for name in ("Marek", "Leila", "Ines")
    ]
    assert len(held(load(file(*people)))) == 3
    assert gone() == []


def test_moving_is_held_and_what_is_known_already_is_not(story: Told, case: Case) -> None:
    row = Team.objects.create(name="Old")
    Membership.objects.create(
        team=row, person=person_of(story.samuel), during=(NOW - DAY, None), recorded_at=NOW
    )
    moved = SAMUEL | {"team": "Risk", "moved": "2026-11-24"}
    assert len(held(load(file(moved)))) == 1
    assert Membership.objects.filter(superseded_at__isnull=True).get().team == row
    person = person_of(story.samuel)
    person.left_at = NOW.replace(hour=0)
    person.save()
    assert held(load(file(SAMUEL | LEFT))) == []


def test_that_somebody_is_here_after_all_is_taken(story: Told, case: Case) -> None:
    person = person_of(story.samuel)
    person.left_at = NOW + 30 * DAY
    person.save()
    load(file(SAMUEL | {"left": "never"}))
    assert gone() == []


def test_the_command_says_it(story: Told, case: Case, tmp_path: Path) -> None:
    path, out = tmp_path / "people.json", StringIO()
    path.write_text(file(SAMUEL | {"left": f"{timezone.now():%Y-%m-%d}"}))
    call_command("register", str(path), stdout=out)
    assert f"! person Samuel: held: {case.key} waits for their signature" in out.getvalue()
    assert "1 held." in out.getvalue()
    assert gone() == []


def test_over_the_api_the_same(story: Told, case: Case, as_user: SignIn) -> None:
    """Ines administers as well, and would end the other signature of her case by a file."""
    make_user("admins", "administrator")
    story.ines.groups.set(User.objects.get(username="admins").groups.all())
    text = file(SAMUEL | {"left": f"{timezone.now():%Y-%m-%d}"})
    said = {"name": "people.json", "text": text}
    path, dry = "/api/identities/register/", said | {"dry_run": True}
    script, client = Client(headers=token(story.ines, "act")), as_user(story.ines, confirmed=False)
    assert [one.post(path, dry, **JSON).status_code for one in (script, client)] == [200, 200]
    assert script.post(path, said, **JSON).json()["code"] == "person_required"
    refused = client.post(path, said, **JSON)
    assert (refused.status_code, refused.json()["detail"]) == (
        403,
        "Confirm who you are first, at /accounts/reauthenticate/.",
    )
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    done = client.post(path, said, **JSON)
    assert (done.status_code, done.json()["held"]) == (200, 1)
    assert gone() == []
