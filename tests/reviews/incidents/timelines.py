"""An incident with events, acts and findings, and how tests of its timeline read it."""

from datetime import timedelta
from typing import Any

from django.test import Client

from evidence.models import Event
from identities.models import User
from reviews.incidents import opening, places, reading
from reviews.models import Case
from reviews.pages import timeline_rows
from tests.reviews.conftest import NOW, Told, make_user
from tests.signed_in import sure

LATER = NOW + timedelta(minutes=5)


def incident_of(story: Told, rex: User) -> Case:
    """Of the story's identity, whose five events are an hour old."""
    return opening.open_or_join(
        identity=story.identity,
        title="key used elsewhere",
        reason="seen in the morning",
        by=rex,
        now=NOW,
    )[0]


def responder() -> User:
    return make_user("rex", "responder")


def client_of(user: User) -> Client:
    found = Client()
    found.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    sure(found)
    return found


def asked(case: Case, **said: str) -> reading.Asked:
    return places.asked_of(said, reading.window(case, now=LATER))


def drawn(case: Case, rows: Any) -> list[dict[str, Any]]:
    return timeline_rows.drawn(case, rows)


def keys() -> list[tuple[Any, int]]:
    """The events there are, in order of time."""
    return list(Event.objects.order_by("at", "id").values_list("at", "id"))
