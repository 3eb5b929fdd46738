"""The page of a finding, once somebody has settled it."""

from collections.abc import Callable

import pytest
from django.test import Client

from identities.actions import findings

from .conftest import Told
from .test_micro_reviews import LATER
from .test_pages import as_user
from .test_serious_things import found

__all__ = ["as_user"]
pytestmark = pytest.mark.django_db


def test_says_by_whom_as_people_call_them(story: Told, as_user: Callable[..., Client]) -> None:
    row = found(story, "no_run", by_key=True)
    findings.dispose(
        finding=row, disposition="expected", reason="a drill", by=story.rita, now=LATER
    )
    shown = as_user(story.ines).get(f"/findings/{row.key}/").text
    assert f"by {story.rita.called} <time" in shown
    assert f"user:{story.rita.pk}" not in shown
