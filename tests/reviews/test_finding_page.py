"""The page of a finding, once somebody has settled it."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone

from identities import visible
from identities.actions import changes, findings
from identities.models import Finding, Identity, ProposedChange
from identities.permissions import NotAllowed, NotPossible
from reviews.models import Case

from .conftest import HOUR, Told, make_user
from .test_micro_reviews import LATER
from .test_pages import as_user
from .test_policies_api import sure
from .test_serious import all_of_it
from .test_serious_things import found

__all__ = ["as_user"]
pytestmark = pytest.mark.django_db


def test_says_by_whom_as_people_call_them(story: Told, as_user: Callable[..., Client]) -> None:
    row = found(story, "no_run", by_key=True)
    change = findings.dispose(
        finding=row, disposition="expected", reason="a drill", by=story.rita, now=LATER
    )
    assert isinstance(change, ProposedChange)
    changes.sign(change=change, by=story.ines, now=LATER)
    shown = as_user(story.ines).get(f"/findings/{row.key}/").text
    assert "by Rita and Ines <time" in shown
    assert f"user:{story.rita.pk}" not in shown
    row.state, row.state_by = "confirmed", story.rita.ref
    row.save()
    assert "by Rita <time" in as_user(story.ines).get(f"/findings/{row.key}/").text


def test_it_is_proposed_and_says_so_until_a_second_person_signs(
    story: Told, as_user: Callable[..., Client]
) -> None:
    row, rita = found(story, "no_run", by_key=True), as_user(story.rita)
    said = {"disposition": "expected", "reason": "a drill"}
    answer = rita.post(f"/findings/{row.key}/dispose/", said, follow=True).content.decode()
    change = ProposedChange.objects.get()
    row.refresh_from_db()
    assert row.state == "open"
    assert f"{row.key}: a second person signs {change} first." in answer
    assert "Proposed: expected, by Rita" in answer
    assert f'<a href="{change.url}">{change.key}</a> waits for a second person' in answer
    assert f'href="{change.url}">proposed: expected</a>' in rita.get("/findings/").text
    # Whoever answers for the identity finds it, reads what it is about, and signs.
    ines = as_user(story.ines)
    assert change.key in ines.get("/changes/").text
    assert f'href="/findings/{row.key}/"' in ines.get(change.url).text
    with pytest.raises(NotAllowed, match="You proposed it"):
        changes.sign(change=change, by=story.rita, now=timezone.now())
    with pytest.raises(NotAllowed, match="Only a reviewer, a responder or who answers"):
        changes.sign(change=change, by=make_user("gus", "owner"), now=timezone.now())
    assert sure(ines).post(f"{change.url}sign/").status_code == 302
    row.refresh_from_db()
    assert (row.state, row.state_reason) == ("expected", "a drill")


def test_nobody_signs_it_about_themselves(story: Told) -> None:
    row = found(story, "no_run", by_key=True)
    Identity.objects.filter(pk=story.identity.pk).update(kind="human", name="rob")
    change = findings.dispose(
        finding=row, disposition="false", reason="a drill", by=story.rita, now=LATER
    )
    assert isinstance(change, ProposedChange)
    with pytest.raises(NotAllowed, match="This is about you"):
        changes.sign(change=change, by=make_user("rob", "reviewer"), now=LATER)


def test_who_does_not_see_the_finding_does_not_see_what_is_proposed(story: Told) -> None:
    row = found(story, "no_run", by_key=True)
    findings.dispose(finding=row, disposition="false", reason="x", by=story.rita, now=LATER)
    gus = make_user("gus", "owner")
    assert visible.changes(story.ines, now=LATER).count() == 1
    assert visible.changes(gus, now=LATER).count() == 0


def test_what_somebody_confirmed_meanwhile_is_proposed_again(story: Told) -> None:
    row = found(story, "no_run", by_key=True)
    change = findings.dispose(
        finding=row, disposition="false", reason="x", by=story.rita, now=LATER
    )
    assert isinstance(change, ProposedChange)
    findings.dispose(finding=row, disposition="confirmed", reason="y", by=story.ines, now=LATER)
    with pytest.raises(NotPossible, match="propose it again"):
        changes.sign(change=change, by=story.ines, now=LATER)


@pytest.mark.parametrize("rule", ["no_run", "no_authority"])
def test_confirmed_hides_nothing(story: Told, rule: str) -> None:
    """It is recorded at once, and asked about as an open one is: alone where it is serious."""
    row = found(story, rule, by_key=True)
    done = findings.dispose(
        finding=row, disposition="confirmed", reason="it is real", by=story.rita, now=LATER
    )
    assert isinstance(done, Finding)
    all_of_it(LATER + HOUR)
    assert list(Case.objects.get().findings.all()) == [row]
