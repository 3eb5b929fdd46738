"""Identities of which nothing else is known: they are asked about themselves, whatever asks."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from evidence.models import LedgerEntry
from identities.models import Credential, DelegationVersion, Identity, Party, Revocation, User
from identities.permissions import NotPossible
from reviews import actions
from reviews.actions import items, proposing, reviewable
from reviews.campaigns import launching, preview, steering
from reviews.models import Campaign, Case

from . import stages
from .conftest import DAY, HOUR, NOW, Told, make_user
from .test_deadlines import due, sweep

pytestmark = pytest.mark.django_db


def thin(number: int, **fields: Any) -> Identity:
    row = Identity.objects.create(
        name=f"bare-{number}",
        kind="workload",
        state="draft",
        mode="enforce",
        created_at=NOW - DAY,
        **fields,
    )
    row.refresh_from_db()
    return row


def test_the_identity_itself_is_what_is_decided(story: Told) -> None:
    bare = thin(1, purpose="nightly copies", expires_at=NOW + 30 * DAY)
    found = proposing.propose([story.identity, bare], now=NOW)
    assert {one.kind for one in found[story.identity.pk]} == {"delegation", "credential"}
    (item,) = found[bare.pk]
    assert (item.kind, item.ref, item.title, item.note, item.recommendation) == (
        "identity",
        bare.pk,
        "bare-1 itself",
        "nightly copies; ends 24 Dec 2026",
        "",
    )


def test_without_purpose_and_end_it_says_so() -> None:
    bare = thin(1)
    (item,) = proposing.propose([bare], now=NOW)[bare.pk]
    assert item.note == "no purpose is stated; no end is stated"


def test_counting_and_proposing_agree(story: Told) -> None:
    made = [story.identity, *(thin(number) for number in range(3))]
    found = proposing.propose(made, now=NOW)
    counts = reviewable.count(Identity.objects.filter(pk__in=[one.pk for one in made]), now=NOW)
    assert counts == {pk: len(rows) for pk, rows in found.items()}


def test_many_take_as_many_statements_as_one() -> None:
    made = [thin(number) for number in range(30)]

    def statements(those: list[Identity]) -> int:
        with CaptureQueriesContext(connection) as seen:
            proposing.propose(those, now=NOW)
        return len(seen)

    assert statements(made[:1]) == statements(made)


def test_a_review_by_hand_asks_about_it_and_no_case_is_empty(
    story: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = actions.open_review(identity=thin(1), by=story.rita, now=NOW, reason="who is it?")
    assert [(one.kind, one.title) for one in case.items.all()] == [("identity", "bare-1 itself")]
    monkeypatch.setattr(items, "build_all", lambda *_, **__: [])
    with pytest.raises(NotPossible, match="bare-2: there is nothing to decide"):
        actions.open_review(identity=thin(2), by=story.rita, now=NOW, reason="who is it?")
    assert not Case.objects.filter(identity__name="bare-2").exists()


@pytest.mark.parametrize(("said", "state"), [("keep", "active"), ("revoke", "suspended")])
def test_its_answer_is_carried_out(story: Told, sign: Any, said: str, state: str) -> None:
    owner = Party.objects.get_or_create(person=story.ines.person)[0]
    bare = thin(1, owner=owner, purpose="x", expires_at=NOW + 30 * DAY)
    Identity.objects.filter(pk=bare.pk).update(state="active")
    case = actions.open_review(identity=bare, by=story.rita, now=NOW, reason="yearly")
    sign(case, "identity", story.ines, said)
    while actions.carry_out_next(now=NOW + HOUR):
        pass
    bare.refresh_from_db()
    assert bare.state == state


@pytest.mark.parametrize("silence", ["suspend", "revoke"])
def test_silence_about_it_suspends_it(story: Told, silence: str) -> None:
    Credential.objects.update(state="revoked")
    DelegationVersion.objects.update(state="rejected")
    case = actions.open_review(identity=story.identity, by=story.rita, now=NOW, reason="yearly")
    assert [one.kind for one in case.items.all()] == ["identity"]
    sweep(due(case, silence=silence))
    story.identity.refresh_from_db()
    steps = Revocation.objects.filter(system="countersign").values_list("step", flat=True)
    assert (story.identity.state, list(steps)) == ("suspended", ["suspend"])


def test_silence_without_any_evidence_of_it_cuts_nothing(story: Told) -> None:
    case = actions.open_review(identity=thin(1), by=story.rita, now=NOW, reason="who is it?")
    sweep(due(case, silence="suspend"))
    words = LedgerEntry.objects.get(subject=case.key, act="case.silence").words
    assert "is suspended" not in words
    assert Revocation.objects.count() == 0


def orphans(by: User) -> Campaign:
    return steering.make(
        policy=stages.policy(name="orphans", scope={"orphaned": True}),
        name="Nobody's",
        scope={},
        reason="find out",
        by=by,
        now=NOW,
    )


def test_a_campaign_over_orphans_says_who_has_nobody_and_opens_their_reviews(story: Told) -> None:
    for number in range(30):
        thin(number)
    made = orphans(story.rita)
    found = preview.look(made.policy, made.scope, now=NOW)
    assert (found.identities, found.opened, found.items) == (30, 30, 30)
    assert [(one.seat, one.many) for one in found.vacant] == [("identity owner", 30)]
    launching.launch(campaign=made, by=story.rita, now=NOW, reason="go")
    while launching.launch_next(now=NOW):
        pass
    cases = Case.objects.filter(campaign=made)
    assert (cases.count(), set(cases.values_list("items__kind", flat=True))) == (30, {"identity"})


def test_the_page_of_such_a_case_shows_its_item(
    client: Client, story: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    case = actions.open_review(identity=thin(1), by=story.rita, now=NOW, reason="who is it?")
    client.force_login(make_user("rosa", "reviewer"))
    page = client.get(f"/cases/{case.key}/").content.decode()
    assert "bare-1 itself" in page
    case.items.all().delete()
    page = client.get(f"/cases/{case.key}/").content.decode()
    assert "There is no item in it" in page
