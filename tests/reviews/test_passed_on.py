"""A child may only narrow its parent: narrowing the parent narrows or ends what was passed on."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from identities.models import Delegation, DelegationVersion, Identity
from reviews import actions
from reviews.models import Case

from .conftest import DAY, HOUR, NOW, Told, item_of

pytestmark = pytest.mark.django_db
Sign = Callable[..., Any]
LEFT = {"actions": ["s3:GetObject"], "resources": ["invoices/*"]}


def passed_on(
    parent: Delegation, slug: str, doing: list[str], on: list[str], *, days: int = 5
) -> Delegation:
    """A delegation in force below this one, to another identity."""
    to = Identity.objects.create(name=f"svc-{slug}", kind="workload", created_at=NOW)
    row = Delegation.objects.create(grantee=to, parent=parent, slug=slug, created_at=NOW)
    row.refresh_from_db()
    DelegationVersion.objects.create(
        delegation=row,
        version=1,
        state="in_force",
        imported=True,
        actions=doing,
        resources=on,
        during=(NOW - DAY, NOW + days * DAY),
        recorded_at=NOW - DAY,
        by="command",
    )
    return row


@pytest.fixture
def family(story: Told) -> dict[str, Delegation]:
    """Below the story's delegation (get and put on invoices/* and reports/*)."""
    wide = passed_on(story.delegation, "wide", ["s3:GetObject", "s3:PutObject"], ["invoices/*"])
    return {
        "within": passed_on(story.delegation, "within", ["s3:GetObject"], ["invoices/7.pdf"]),
        "wide": wide,
        "beside": passed_on(story.delegation, "beside", ["s3:PutObject"], ["reports/*"]),
        "under wide": passed_on(wide, "under-wide", ["s3:PutObject"], ["invoices/*"]),
        "under within": passed_on(wide, "under-within", ["s3:GetObject"], ["invoices/1.pdf"]),
    }


@pytest.fixture
def case(story: Told, family: dict[str, Delegation]) -> Case:
    return actions.open_review(identity=story.identity, by=story.rita, now=NOW, reason="yearly")


def in_force(family: dict[str, Delegation], at: datetime) -> dict[str, tuple[list[str], list[str]]]:
    found = {}
    for name, row in family.items():
        version = row.versions.filter(
            state="in_force",
            superseded_at=None,
            during__contains=at,
        ).first()
        if version is not None:
            found[name] = (version.actions, version.resources)
    return found


BEFORE = {
    "within": (["s3:GetObject"], ["invoices/7.pdf"]),
    "wide": (["s3:GetObject", "s3:PutObject"], ["invoices/*"]),
    "beside": (["s3:PutObject"], ["reports/*"]),
    "under wide": (["s3:PutObject"], ["invoices/*"]),
    "under within": (["s3:GetObject"], ["invoices/1.pdf"]),
}
AFTER = {
    "within": (["s3:GetObject"], ["invoices/7.pdf"]),
    "wide": (["s3:GetObject"], ["invoices/*"]),
    "under within": (["s3:GetObject"], ["invoices/1.pdf"]),
}


def narrowed(case: Case, story: Told, sign: Sign, at: datetime) -> None:
    for user, seat in ((story.ines, "identity_owner"), (story.samuel, "ai_owner")):
        sign(case, "delegation", user, "narrow", seat=seat, now=at, proposal=LEFT)
        sign(case, "credential", user, "keep", seat=seat, now=at)
    while actions.carry_out_next(now=at + HOUR):
        pass


def test_narrowing_takes_the_children_along(
    story: Told, case: Case, family: dict[str, Delegation], sign: Sign
) -> None:
    narrowed(case, story, sign, NOW)
    assert in_force(family, NOW + 2 * HOUR) == AFTER
    # What is past stays as it was.
    assert in_force(family, NOW) == BEFORE
    ended = family["beside"].versions.get(superseded_at=None)
    assert (ended.revoked_at, ended.case) == (NOW + HOUR, case.pk)
    said = item_of(case, "delegation").carried_words
    assert said == (
        f"{story.delegation.key} is narrowed to: Read invoices/*;"
        f" {family['wide'].key}, passed on from it, is narrowed to: Read invoices/*;"
        f" {family['under wide'].key}, passed on from it, ends;"
        f" {family['beside'].key}, passed on from it, ends"
    )


def test_a_child_that_lasts_longer_ends_with_its_parent(
    story: Told, family: dict[str, Delegation], sign: Sign
) -> None:
    """A renewal of the parent that is shorter than what was passed on from it."""
    wanted = actions.Wanted(
        actions=["s3:*"], resources=["*"], purpose="shorter", ends_at=NOW + 2 * DAY
    )
    case = actions.request_access(
        identity=story.identity,
        wanted=wanted,
        by=story.rita,
        now=NOW,
        reason="renew",
        delegation=story.delegation,
    )
    for user, seat in ((story.ines, "identity_owner"), (story.samuel, "ai_owner")):
        sign(case, "grant", user, "approve", seat=seat)
    while actions.carry_out_next(now=NOW + HOUR):
        pass
    assert in_force(family, NOW + DAY) == BEFORE
    assert in_force(family, NOW + 2 * DAY) == {}
    assert f"{family['within'].key}, passed on from it, is narrowed" in (
        item_of(case, "grant").carried_words
    )


def test_what_is_held_below_comes_back_with_it(
    story: Told, case: Case, family: dict[str, Delegation], sign: Sign
) -> None:
    sign(case, "delegation", story.ines, "narrow", proposal=LEFT)
    sign(case, "delegation", story.samuel, "keep", seat="ai_owner", now=NOW + HOUR)
    item = item_of(case, "delegation")
    assert (item.outcome, item.held) == ("conflict", "narrow")
    assert item.carried_words == (
        f"{story.delegation.key} is narrowed, with 3 passed on from it, until it is settled"
    )
    assert in_force(family, NOW + 2 * HOUR) == AFTER
    sign(case, "delegation", story.ines, "keep", now=NOW + 3 * HOUR)
    assert in_force(family, NOW + 4 * HOUR) == BEFORE


def test_a_stopped_parent_stops_all_that_was_passed_on(
    story: Told, case: Case, family: dict[str, Delegation], sign: Sign
) -> None:
    sign(case, "delegation", story.ines, "revoke")
    sign(case, "delegation", story.samuel, "keep", seat="ai_owner", now=NOW + HOUR)
    assert in_force(family, NOW + 2 * HOUR) == {}
    sign(case, "delegation", story.ines, "keep", now=NOW + 3 * HOUR)
    assert in_force(family, NOW + 4 * HOUR) == BEFORE


def test_the_dry_run_shows_what_the_act_will_do(
    story: Told,
    case: Case,
    family: dict[str, Delegation],
    sign: Sign,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A page that is opened when all of them are in force.
    monkeypatch.setattr(timezone, "now", lambda: NOW + HOUR)
    item = item_of(case, "delegation")
    client = Client()
    client.force_login(story.ines, backend="django.contrib.auth.backends.ModelBackend")
    page = client.get(f"/cases/{case.key}/?item={item.pk}")
    runs = page.context["decision"]["dry_runs"]
    shown = {answer: [row["words"] for row in rows] for answer, rows in runs.items()}
    # What was used is offered, which is LEFT.
    assert shown["narrow"][1:] == [
        "Of 5 calls inside it in the last 90 days, 0 would have been refused",
        f"{family['wide'].key}, passed on from it, is narrowed to: Read invoices/*",
        f"{family['under wide'].key}, passed on from it, ends",
        f"{family['beside'].key}, passed on from it, ends",
    ]
    assert sum("passed on from it" in one for one in shown["revoke"]) == len(family)
    # Nothing was written by looking.
    assert in_force(family, NOW + HOUR) == BEFORE


def test_a_child_that_cannot_be_read_ends(
    story: Told, case: Case, family: dict[str, Delegation], sign: Sign
) -> None:
    DelegationVersion.objects.filter(delegation=family["within"]).update(
        conditions={"address": ["<b>nowhere</b>"]}
    )
    narrowed(case, story, sign, NOW)
    assert "within" not in in_force(family, NOW + 2 * HOUR)


def test_a_narrowing_that_leaves_room_changes_no_child(
    story: Told, case: Case, family: dict[str, Delegation], sign: Sign
) -> None:
    left = {"actions": ["s3:GetObject", "s3:PutObject"], "resources": ["invoices/*", "reports/*"]}
    versions = DelegationVersion.objects.exclude(delegation=story.delegation).count()
    for user, seat in ((story.ines, "identity_owner"), (story.samuel, "ai_owner")):
        sign(case, "delegation", user, "narrow", seat=seat, proposal=left)
        sign(case, "credential", user, "keep", seat=seat)
    while actions.carry_out_next(now=NOW + HOUR):
        pass
    assert DelegationVersion.objects.exclude(delegation=story.delegation).count() == versions
