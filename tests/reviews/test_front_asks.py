"""What waits for somebody and is no case: the front page says it, above a queue that may be empty."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from identities.models import Identity
from reviews.actions import offers
from reviews.models import Case, Rung

from .conftest import Told, make_user, party
from .test_owned_pages import many
from .test_pages import as_user

__all__ = ["as_user"]
pytestmark = pytest.mark.django_db
Sign = Callable[..., Client]


def said(client: Client) -> str:
    cache.clear()
    return " ".join(client.get("/").content.decode().split())


def test_front_names_drafts_of_mine_at_a_constant_cost(story: Told, as_user: Sign) -> None:
    client = as_user(story.ines)
    assert "/owned/?state=draft" not in said(client)
    costs = []
    for count in (1, 30):
        Identity.objects.filter(state="draft").delete()
        many(story, count, state="draft")
        with CaptureQueriesContext(connection) as asked:
            text = said(client)
        costs.append(len(asked))
    assert costs[0] == costs[1]
    assert (
        '<a href="/owned/?state=draft"><b>30 identities</b></a> that you answer for are not active'
        " yet: say that they are in use." in text
    )
    assert "/owned/?state=draft" not in said(as_user(make_user("nora", "owner")))


def test_front_names_questions_to_somebody_without_a_case(story: Told, as_user: Sign) -> None:
    nora = make_user("nora", "owner")
    client = as_user(nora)
    assert '<a href="/owned/"><b>' not in said(client)
    offers.offer(
        identity=story.identity,
        to="nora",
        how="hand_over",
        reason="hers",
        by=story.ines,
        now=timezone.now(),
    )
    text = said(client)
    assert "No case waits for you." in text
    assert '<a href="/owned/"><b>1 question</b></a> whether you answer for something' in text


def test_front_names_what_waits_on_the_release_list(story: Told, case: Case, as_user: Sign) -> None:
    client = as_user(story.rita)
    assert '<a href="/releases/"><b>' not in said(client)
    Rung.objects.create(
        case=case,
        does="suspend",
        after=timedelta(days=8),
        at=timezone.now(),
        state="held",
        held_at=timezone.now(),
        held_why="It came due in a change freeze.",
    )
    assert '<a href="/releases/"><b>1 review</b></a> on the release list' in said(client)


def test_set_up_says_what_is_there(story: Told, as_user: Sign) -> None:
    def done() -> dict[str, bool]:
        setup = as_user(story.ines).get("/").context["setup"]
        return {row["words"]: row["done"] for row in setup["rows"]}

    Identity.objects.update(mode="observe", sponsor=None)
    before = done()
    Identity.objects.filter(pk=story.identity.pk).update(sponsor=party(story.samuel))
    assert done() == before | {"Name a tie-breaker": True}
    assert before["Turn consequences on for one identity"] is False
    assert before["Register an identity with an owner"] is True
