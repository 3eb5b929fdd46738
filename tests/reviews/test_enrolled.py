"""A second factor of everybody who decides: every permission, sign-in, pages, API and tokens."""

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.conf import LazySettings
from django.db import transaction
from django.test import Client

from identities import permissions
from identities.models import User
from reviews import checks, enrolled
from reviews.models import Case, Decision, SecondFactorRule

from .conftest import Told, make_user
from .permission_recoveries import with_factor
from .permission_world import World
from .test_api import token
from .test_every_permission import ROWS
from .test_pages import PASSWORD, answered, as_user, form, now_story, open_case

__all__ = ["answered", "as_user", "now_story", "open_case"]

pytestmark = pytest.mark.django_db
FREE = {
    # Who sees, takes copies, comments, and freezes what they see.
    "commenting.why_not_comment",
    "feeds.why_not_feed",
    "handing.why_not_fetch",
    "handing.why_not_hand_over",
    "independence.why_not_see_teams",
    "rights.why_not_population",
    "rights.why_not_see_all",
    "rows.why_not_see",
    "selections.why_not_freeze",
    "sight.why_not_look_again",
    "sight.why_not_see_capsule",
    "subjects.why_not_take",
    "why_not_see",
    "why_not_see_successions",
    "why_not_see_unclaimed",
    # Who asks for access, and what break-glass gives in an emergency (docs/decisions 0072).
    "rights.why_not_ask",
    "rights.why_not_ask_longer",
    "rights.why_not_bypass",
    "rights.why_not_cut_off",
    "rights.why_not_explain",
    "rights.why_not_give_back",
    "rights.why_not_go_without",
    "rights.why_not_name_ticket",
    "rights.why_not_retry",
    "rights.why_not_take",
    "why_not_request",
    # A part of another permission, which asks for the factor: or about somebody else than who acts.
    "asking.why_not_sign",
    "enrolled.why_not_without_factor",
    "independence.why_not_asked_twice",
    "independence.why_not_take",
    "planted_permissions.why_not_undo",
    "rights.why_not_closer",
    "second_signatures.why_not_subject",
    "two_person.why_not_open",
    "two_person.why_not_second",
    "why_not_person",
    "why_not_say_gone_of",
    "why_not_take",
    # Allowed to the app and its commands alone.
    "why_not_import",
    "why_not_resume",
    "why_not_revoke",
    "why_not_suspend",
}


@pytest.fixture
def required(settings: LazySettings) -> None:
    settings.SECOND_FACTOR = True


def _barred(user: User) -> str | None:
    """Everybody lacks a factor, where a row of the table asks for a permission itself: what leads
    up to that is done as if nobody did."""
    frame: Any = sys._getframe(1)
    while "/tests/" not in frame.f_code.co_filename:
        asked, frame = frame.f_code.co_name, frame.f_back
    return enrolled.WITHOUT if asked.startswith("why_not") else None


def test_every_permission_to_decide_needs_a_second_factor(
    story: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(story)
    monkeypatch.setattr(permissions, "lacks_factor", _barred)
    free: set[str] = set()
    barred: set[str] = set()
    for row in ROWS:
        if row.said is None:
            with transaction.atomic():
                said = row.ask(world)
                transaction.set_rollback(True)
            assert said in (None, enrolled.WITHOUT), row.permission
            (barred if said else free).add(row.permission)
    assert sorted(free - barred) == sorted(FREE)


def test_who_signs_without_one_is_refused_with_the_way_to_add_it(
    now_story: Told, open_case: Case, as_user: Callable[..., Client], required: None
) -> None:
    client = as_user(now_story.ines)
    page = client.get(f"/cases/{open_case.key}/").content.decode()
    assert "Add a second factor" in page
    said = form(open_case, "credential", "identity_owner", "keep")
    refused = client.post(f"/cases/{open_case.key}/decide/", said)
    page = refused.content.decode()
    assert (refused.status_code, Decision.objects.count()) == (403, 0)
    assert enrolled.WITHOUT in page
    assert f'href="{enrolled.PAGE}"' in page
    sure = as_user(now_story.ines, confirmed=True)
    api = sure.post(f"/api/cases/{open_case.key}/decide/", said, content_type="application/json")
    assert (api.status_code, api.json()["detail"]) == (403, enrolled.WITHOUT)
    with_factor(now_story.ines)
    assert sure.post(f"/cases/{open_case.key}/decide/", said).status_code == 302
    assert Decision.objects.get().answer == "keep"
    assert "Add a second factor" not in sure.get("/queue/").content.decode()


def test_sign_in_leads_who_decides_to_adding_one(story: Told, required: None) -> None:
    for user, leads in ((story.rita, enrolled.PAGE), (story.otto, "/"), (make_user("ann"), "/")):
        user.set_password(PASSWORD)
        user.save()
        client = Client()
        there = client.post("/accounts/login/", {"login": user.username, "password": PASSWORD})
        assert (user.username, there["Location"]) == (user.username, leads)
        assert client.get("/queue/").status_code == 200


def test_requester_and_token_need_none(
    now_story: Told, as_user: Callable[..., Client], required: None
) -> None:
    # A token is made by an administrator: what it may not do, it may not do for other reasons.
    key = now_story.identity.key
    answer = Client().post(
        "/api/cases/open/",
        {"identity": key, "reason": "yearly"},
        headers=token(now_story.rita, "act"),
        content_type="application/json",
    )
    assert answer.status_code == 201, answer.content
    page = as_user(make_user("ann")).get("/requests/new/")
    assert "Add a second factor" not in page.content.decode()


@pytest.fixture
def rule_writable(as_owner: Callable[[str], Any]) -> Iterator[None]:
    """Only migrations write the rule; a test takes their place."""
    as_owner("GRANT INSERT ON reviews_secondfactorrule TO countersign_app")
    yield
    as_owner("REVOKE INSERT ON reviews_secondfactorrule FROM countersign_app")


@pytest.mark.usefixtures("rule_writable")
@pytest.mark.parametrize(
    ("setting", "rule", "needs"),
    [
        (None, None, True),
        (None, False, False),
        (True, False, True),
        (False, None, False),
    ],
)
def test_new_installation_requires_it_and_an_older_one_does_not(
    settings: LazySettings, setting: bool | None, rule: bool | None, needs: bool
) -> None:
    settings.SECOND_FACTOR = setting
    if rule is not None:
        SecondFactorRule.objects.create(required=rule)
    assert enrolled.required() is needs
    ok = needs or setting is not None
    assert checks._factors()[1] is ok


@pytest.mark.usefixtures("rule_writable")
@pytest.mark.parametrize("older", [True, False])
def test_migration_keeps_it_off_where_logins_exist(older: bool) -> None:
    keep_off = import_module("reviews.migrations.0043_second_factors_and_recoveries").keep_off
    if older:
        make_user("ann")
    keep_off(apps, None)
    assert list(SecondFactorRule.objects.values_list("required", flat=True)) == [False] * older
