"""The page of one grant: who sees it, what its holder finds there, and trying it again."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from identities.models import Grant, GrantSession, User
from reviews import actions

from .conftest import Told, make_user
from .granted_rows import granted
from .test_pages import as_user

__all__ = ["as_user"]
pytestmark = pytest.mark.django_db
Sign = Callable[..., Client]
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def row(story: Told) -> Grant:
    now = timezone.now()
    case = actions.open_review(identity=story.identity, by=story.rita, now=now, reason="yearly")
    found = granted(
        story.identity,
        now=now,
        case=case.pk,
        case_key=case.key,
        person=make_user("hana").username,
        words=HOSTILE,
        proof={"granted": {"at": now.isoformat(), "detail": HOSTILE, "state": "active"}},
        permissions=[{"actions": ["s3:GetObject"], "resources": [HOSTILE]}],
    )
    found.tries.create(at=now, did="verify", result="active", detail=HOSTILE)
    GrantSession.objects.create(
        grant=found, name=HOSTILE, credential="ASIAEXAMPLE", minted_at=now, minted_by="user:x",
        lives_until=now + timedelta(hours=1),
    )  # fmt: skip
    return found


def test_its_holder_finds_how_to_use_it_and_others_do_not(
    story: Told, row: Grant, as_user: Sign
) -> None:
    hana = User.objects.get(username="hana")
    pages = {
        who.username: as_user(who).get(f"/grants/{row.key}/").content.decode()
        for who in (hana, story.rita)
    }
    assert {name: "countersign_credentials.py" in said for name, said in pages.items()} == {
        "hana": True,
        story.rita.username: False,
    }
    for said in pages.values():
        assert HOSTILE not in said
        assert "&amp;lt;" not in said  # escaped once
        assert "ASIAEXAMPLE" in said
    stranger = as_user(make_user("stranger"))
    assert stranger.get(f"/grants/{row.key}/").status_code == 404
    assert as_user(story.rita).get("/grants/GRT-999999/").status_code == 404
    assert as_user(story.rita).get("/grants/x/").status_code == 404


def test_a_link_to_the_console_is_for_its_holder_who_confirms_it(
    story: Told, row: Grant, as_user: Sign
) -> None:
    address = f"/grants/{row.key}/console/"
    refused = as_user(story.rita).post(address)
    assert (refused.status_code, "was given to hana" in refused.content.decode()) == (403, True)
    hana = User.objects.get(username="hana")
    hana.set_password("a long password of hers")
    hana.save()
    asked = as_user(hana, confirmed=False).post(address)
    assert asked.status_code == 302
    assert asked["Location"].startswith("/accounts/reauthenticate/")
    assert GrantSession.objects.count() == 1


def test_what_failed_is_tried_again_by_whoever_may(story: Told, row: Grant, as_user: Sign) -> None:
    said = {"state": "failed", "failed_why": "No room.", "who_must_act": "somebody"}
    Grant.objects.filter(pk=row.pk).update(**said)
    address = f"/grants/{row.key}/retry/"
    auditor = make_user("otto-the-auditor", "auditor")
    assert as_user(auditor).post(address).status_code == 403
    assert as_user(story.rita).post(address).status_code == 302
    row.refresh_from_db()
    assert (row.state, row.failed_why) == ("granting", "")
    # Nothing has failed any more.
    assert as_user(story.rita).post(address).status_code == 409
