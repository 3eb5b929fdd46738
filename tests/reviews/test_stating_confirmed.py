"""Stating and signing what was done by hand: by who has just confirmed who they are, in each state."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from identities.actions.revocations import looking, stating
from identities.enforcers.contract import Seen
from identities.models import Revocation, Statement, User
from identities.models.unfinished import STATEMENT_STATES

from .conftest import HOUR, NOW, Told, make_user, person_of
from .failed_rows import PNG, waits
from .statement_grid import STATEMENTS
from .test_pages import PASSWORD, as_user
from .test_states_of_rows import of_each

__all__ = ["as_user"]
pytestmark = pytest.mark.django_db
Sign = Callable[..., Client]


@pytest.fixture
def rex(story: Told, settings: LazySettings) -> User:
    settings.DEMO = False
    return make_user("rex", "responder")


def form(**said: Any) -> dict[str, Any]:
    at = timezone.now() - HOUR
    return {"done_by": "Olga <b>", "done_at": f"{at:%Y-%m-%dT%H:%M}", "note": "uninstalled it",
            "proof": SimpleUploadedFile("shot.png", PNG)} | said  # fmt: skip


def confirms(client: Client, asks: Any) -> Any:
    assert asks["Location"].split("?")[0] == "/accounts/reauthenticate/"
    return client.post(asks["Location"], {"password": PASSWORD})


def test_whoever_states_it_confirms_who_they_are_and_loses_nothing_but_the_file(
    story: Told, rex: User, as_user: Sign
) -> None:
    row = waits(story.identity, now=timezone.now())
    path, client = f"/revocations/{row.key}/", as_user(rex, confirmed=False)
    shown = client.get(path).content.decode()
    assert f'href="/accounts/reauthenticate/?next={path}"' in shown
    # No page can keep a file while who sends it is asked: the rest is there again.
    again = confirms(client, client.post(f"{path}state/", form()))
    assert (again.status_code, Statement.objects.count()) == (409, 0)
    text = again.content.decode()
    assert ('value="Olga &lt;b&gt;"' in text, ">uninstalled it</textarea>" in text) == (True, True)
    assert "nothing is believed without" in text
    assert "reauthenticate" not in client.get(path).content.decode()
    assert client.post(f"{path}state/", form()).status_code == 302
    made = Statement.objects.get()
    assert (made.state, made.stated_by_name) == ("proposed", "Rex")

    ines = as_user(story.ines, confirmed=False)
    signed = confirms(ines, ines.post(f"{path}sign/"))
    made.refresh_from_db()
    row.refresh_from_db()
    assert (signed["Location"], made.state, row.state) == (path, "stands", "effective")


def test_who_may_not_is_told_so_before_being_asked_who_they_are(
    story: Told, rex: User, as_user: Sign
) -> None:
    row = waits(story.identity, now=timezone.now())
    gus, rita = make_user("gus", "owner"), story.rita
    for who, status in ((gus, 404), (rita, 403)):
        for act in ("state", "sign"):
            answer = as_user(who).post(f"/revocations/{row.key}/{act}/", form())
            assert answer.status_code == status
    answer = as_user(rex).post(f"/revocations/{row.key}/sign/")
    assert (answer.status_code, stating.NOTHING in answer.content.decode()) == (403, True)
    assert Statement.objects.count() == 0


def test_login_that_can_confirm_nothing_states_nothing(story: Told, rex: User) -> None:
    rex.set_unusable_password()
    rex.save()
    client = Client()
    client.force_login(rex, backend="django.contrib.auth.backends.ModelBackend")
    row = waits(story.identity, now=timezone.now())
    answer = client.post(f"/revocations/{row.key}/state/", form())
    assert (answer.status_code, Statement.objects.count()) == (403, 0)
    assert "neither password nor second factor" in answer.content.decode()


def test_a_browser_at_the_api_is_asked_as_well(story: Told, rex: User, as_user: Sign) -> None:
    row = waits(story.identity, now=timezone.now())
    said = "Confirm who you are first, at /accounts/reauthenticate/."
    stating.state(
        revocation=row, done_by="Olga", done_at=timezone.now(), note="x", two_needed=True,
        file=stating.File("shot.png", PNG), by=rex, now=timezone.now(),
    )  # fmt: skip
    ines = as_user(story.ines, confirmed=False)
    answer = ines.post(f"/api/revocations/{row.key}/sign/", {}, "application/json")
    assert (answer.status_code, answer.json()["detail"]) == (403, said)
    assert Statement.objects.get().state == "proposed"


@pytest.mark.parametrize("move", STATEMENTS)
def test_a_statement_in_each_state(story: Told, rex: User, move: str) -> None:
    row = waits(story.identity, now=NOW)
    made = stating.state(
        revocation=row, done_by="Olga", done_at=NOW, note="x", two_needed=True,
        file=stating.File("shot.png", PNG), by=rex, now=NOW,
    )  # fmt: skip
    later = NOW + 2 * HOUR
    Statement.objects.update(
        counted_at=NOW, settled_person=person_of(story.ines), leased_until=later
    )

    def before(state: str) -> None:
        effective = state == "stands"
        Revocation.objects.update(
            state="effective" if effective else "failed", effective_at=NOW if effective else None
        )

    def looked(shows: bool) -> None:
        """What a worker does with a statement that it has claimed (looking.look_next)."""
        if not shows:
            Revocation.objects.update(effective_at=NOW + timedelta(seconds=1))
        found = Statement.objects.select_related("revocation__identity").get(pk=made.pk)
        if looking._holds(found):
            looking._read(found, later, Seen("active", "the App is installed", later), later)
        elif found.state == "stands":
            looking._write(found, later, state="over", look_at=None)

    moves: dict[str, Callable[[], object]] = {
        "sign": lambda: stating.sign(revocation=row, by=story.ines, now=later),
        "refuse": lambda: stating.refuse(revocation=row, reason="x", by=story.ines, now=later),
        "contradict": lambda: looked(True),
        "overtake": lambda: looked(False),
    }
    came = of_each(STATEMENT_STATES, Statement.objects.all(), moves[move], before)
    assert came == STATEMENTS[move]
