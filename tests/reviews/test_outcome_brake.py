"""What a campaign decided goes out at its end: above the brake of its policy a person looks first."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from evidence.models import LedgerEntry
from identities import as_read
from identities.models import DelegationVersion, User
from identities.permissions import AUDITOR, NotAllowed, NotPossible
from reviews import actions, tasks
from reviews.campaigns import letting_out, steering, steps
from reviews.models import Campaign, Case, Item, Notice, OutcomeBrake, ReviewPolicy

from . import crowd
from .conftest import DAY, HOUR, NOW, Told, make_user
from .test_pages import answered, as_user

__all__ = ["answered", "as_user"]
pytestmark = pytest.mark.django_db
MANY = 4
END = NOW + 7 * DAY
SAID = (
    "The brake of agents, version 1: at most 2 may be cut at once, and what was decided in {key}"
    " cuts 3 identities. Nothing of it goes out before somebody releases it."
)


def campaign(story: Told, brake: dict[str, int] | None, *, narrowed: int = 3) -> Campaign:
    """Four decided reviews, in so many of which a delegation is narrowed, kept for the end."""
    document: dict[str, Any] = {"scope": {"kinds": ["agent"]}}
    policy = ReviewPolicy.objects.create(
        name="agents",
        state="signed",
        document=document | ({} if brake is None else {"brake": brake}),
        recorded_at=NOW,
        recorded_by="countersign",
    )
    row = Campaign.objects.create(
        name="Yearly",
        policy=policy,
        state="running",
        applies="at_end",
        reason="x",
        made_at=NOW,
        made_by="x",
        deadline_at=END,
        launched_at=NOW,
        launched_by=story.rita.ref,
        asked_at=NOW,
    )
    row.refresh_from_db()
    owners = crowd.people(2)
    rows = crowd.identities(MANY, owners=owners, of=crowd.services(1, owners), mode="enforce")
    for number, one in enumerate(rows):
        case = actions.open_review(identity=one, by=story.rita, now=NOW, reason="x", policy=policy)
        Case.objects.filter(pk=case.pk).update(
            campaign=row, state="decided", decided_at=NOW, deadline_at=END
        )
        items = Item.objects.filter(case=case)
        items.update(outcome="keep", outcome_at=NOW)
        first = items.filter(kind="delegation").order_by("position")[0]
        if number < narrowed:
            left = {"actions": ["s3:GetObject"], "resources": ["invoices/*"]}
            Item.objects.filter(pk=first.pk).update(outcome="narrow", proposal=left)
    return row


def sweep(now: datetime) -> dict[str, int]:
    """As the worker does it; how many cases are in which state."""
    while letting_out.look_next(now=now):
        pass
    while actions.carry_out_next(now=now):
        pass
    found: dict[str, int] = {}
    for state in Case.objects.exclude(campaign=None).values_list("state", flat=True):
        found[state] = found.get(state, 0) + 1
    return found


def narrowed() -> int:
    rows = DelegationVersion.objects.filter(superseded_at=None, state="in_force")
    return rows.filter(actions=["s3:GetObject"]).count()


def out(found: dict[str, int]) -> bool:
    return "decided" not in found


def test_above_the_brake_nothing_goes_out_before_somebody_has_looked(story: Told) -> None:
    one = campaign(story, {"identities": 2})
    assert sweep(END - HOUR) == {"decided": MANY}
    assert not OutcomeBrake.objects.exists()
    assert (sweep(END), sweep(END + DAY), narrowed()) == ({"decided": MANY}, {"decided": MANY}, 0)
    row = OutcomeBrake.objects.get()
    assert (row.cuts, row.most, row.ended_at) == (3, 2, END)
    said = SAID.format(key=one.key)
    assert letting_out.sentence(one) == said
    assert LedgerEntry.objects.get(act="campaign.outcomes_held").words == said
    mail = Notice.objects.get(occasion__contains="outcomes held")
    assert (mail.person, said in mail.body) == (story.rita.person, True)
    assert letting_out.let_out(campaign=one, reason="seen", by=story.rita, now=END + DAY) == MANY
    assert (out(sweep(END + DAY)), narrowed()) == (True, 3)
    entry = LedgerEntry.objects.get(act="campaign.outcomes_released")
    assert entry.words == f"Rita let out what was decided in {one.key}: seen"


@pytest.mark.parametrize(
    ("brake", "cuts"),
    [({"identities": 3}, 3), ({"percent": 75}, 3), ({"identities": 1}, 1), (None, 4)],
)
def test_up_to_it_all_goes_out_by_itself(
    story: Told, brake: dict[str, int] | None, cuts: int
) -> None:
    campaign(story, brake, narrowed=cuts)
    assert (out(sweep(END)), narrowed()) == (True, cuts)


@pytest.mark.parametrize("brake", [{"percent": 74}, {"identities": 50, "percent": 50}])
def test_a_share_of_the_scope_counts_as_well(story: Told, brake: dict[str, int]) -> None:
    campaign(story, brake)
    assert sweep(END) == {"decided": MANY}


def test_nothing_goes_out_between_its_end_and_the_look(story: Told) -> None:
    campaign(story, {"identities": 2})
    while actions.carry_out_next(now=END):
        pass
    assert narrowed() == 0


def test_task_looks_and_a_second_look_changes_nothing(story: Told) -> None:
    one = campaign(story, {"identities": 2})
    steering.close(campaign=one, by=story.rita, now=NOW + HOUR, reason="enough")
    while steps.next_part(now=NOW + HOUR):
        pass
    tasks.carry_out()
    tasks.carry_out()
    assert (OutcomeBrake.objects.count(), narrowed()) == (1, 0)


def test_one_that_is_extended_is_looked_at_again(story: Told) -> None:
    one = campaign(story, {"identities": 3})
    Case.objects.exclude(campaign=None).update(state="open")
    Case.objects.filter(pk=Case.objects.exclude(campaign=None)[0].pk).update(state="decided")
    sweep(END)
    assert OutcomeBrake.objects.get().cuts <= 1
    Campaign.objects.filter(pk=one.pk).update(deadline_at=END + DAY)
    Case.objects.filter(state="open", campaign=one).update(state="decided")
    ReviewPolicy.objects.update(document={"brake": {"identities": 1}})
    assert sweep(END + HOUR).get("decided", 0) >= MANY - 1
    assert sweep(END + DAY).get("decided", 0) >= MANY - 1
    assert OutcomeBrake.objects.count() == 2
    letting_out.let_out(campaign=one, reason="seen", by=story.rita, now=END + DAY)
    assert out(sweep(END + DAY))


def test_who_may_let_it_out_and_why_not(story: Told) -> None:
    one = campaign(story, {"identities": 2})
    may = letting_out.why_not_let_out
    assert may(story.rita, one, now=NOW) == f"Nothing of {one.key} is held."
    sweep(END)
    assert may(story.rita, one, now=NOW) is None
    assert may(make_user("rex", "responder"), one, now=NOW) is None
    assert may(story.otto, one, now=NOW) == AUDITOR
    said = "Only a reviewer, a responder or an administrator may let out what the brake holds."
    assert may(story.ines, one, now=NOW) == said
    with pytest.raises(NotAllowed, match="may let out"):
        letting_out.let_out(campaign=one, reason="x", by=story.ines, now=END)
    with pytest.raises(NotPossible, match="Say what was looked at"):
        letting_out.let_out(campaign=one, reason=" ", by=story.rita, now=END)
    row = OutcomeBrake.objects.get()
    with pytest.raises(IntegrityError), transaction.atomic():
        OutcomeBrake.objects.filter(pk=row.pk).update(released_at=END)


def test_pages_show_the_list_and_release_it(story: Told, as_user: Callable[[User], Client]) -> None:
    one = campaign(story, {"identities": 2})
    sweep(END)
    rita, owner = as_user(story.rita), as_user(story.ines)
    path = f"/campaigns/{one.key}/outcomes/"
    said = SAID.format(key=one.key)
    case = Case.objects.filter(campaign=one).order_by("number")[0]
    for address in (path, f"/campaigns/{one.key}/", "/releases/", f"/cases/{case.key}/"):
        assert said in rita.get(address).content.decode()
    page = rita.get(path).content.decode()
    assert (
        page.count("cs-row-link"),
        "crowd-00000" in page,
        path in rita.get("/").content.decode(),
    ) == (
        3,
        True,
        False,
    )
    assert 'href="/releases/"' in rita.get("/").content.decode()
    assert owner.get(path).status_code == 403
    with CaptureQueriesContext(connection) as few:
        rita.get(path)
    Item.objects.filter(case__campaign=one, kind="delegation").update(outcome="narrow")
    with CaptureQueriesContext(connection) as many:
        assert rita.get(path).content.decode().count("cs-row-link") == 2 * MANY
    assert len(many) == len(few)
    assert rita.post(f"{path}release/").status_code == 409
    letting_out.let_out(campaign=one, reason="I looked", by=story.rita, now=END)
    assert "I looked" in rita.get(path).content.decode()
    assert said not in rita.get("/releases/").content.decode()


def test_what_was_decided_since_it_was_read_is_let_out_by_nobody(story: Told) -> None:
    one = campaign(story, {"identities": 2})
    sweep(END)
    read = as_read.mark(letting_out.stands(one))
    last = Item.objects.filter(case__campaign=one).exclude(outcome="narrow").latest("pk")
    Item.objects.filter(pk=last.pk).update(outcome="revoke")
    release: dict[str, Any] = {"campaign": one, "reason": "seen", "by": story.rita, "now": END}
    with pytest.raises(NotPossible, match=f"What {one.key} would cut has changed since you"):
        letting_out.let_out(**release, read=read)
    assert OutcomeBrake.objects.get().released_at is None
    assert letting_out.let_out(**release, read=as_read.mark(letting_out.stands(one))) == MANY


def test_the_page_sends_the_list_that_it_showed(
    story: Told, as_user: Callable[[User], Client]
) -> None:
    one = campaign(story, {"identities": 2})
    sweep(END)
    path = f"/campaigns/{one.key}/outcomes/"
    page = as_user(story.rita).get(path).content.decode()
    mark = as_read.mark(letting_out.stands(one))
    assert f'<input type="hidden" name="read" value="{mark}">' in page
