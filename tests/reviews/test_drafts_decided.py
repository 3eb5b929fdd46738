"""Deciding about a draft leads somewhere: refused for good by its seats, held by silence."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from evidence.models import LedgerEntry
from identities import decisions
from identities.models import Credential, Identity, Revocation, User
from reviews import actions
from reviews.actions import carrying
from reviews.models import Case

from .conftest import DAY, HOUR, NOW, Told, everything_counts, item_of, seat_of

pytestmark = pytest.mark.django_db
Sign = Callable[..., Any]
WEEK = 7 * DAY


@pytest.fixture
def draft(story: Told) -> Identity:
    """An identity of the AI system that nobody has made active, with the story's key."""
    story.credential.state = "revoked"
    story.credential.save(update_fields=["state"])
    row = Identity.objects.create(
        name="half-made", kind="agent", mode="enforce", owner=story.identity.owner,
        service=story.service, purpose="x", created_at=NOW - DAY,
    )  # fmt: skip
    row.refresh_from_db()
    return row


@pytest.fixture
def case(story: Told, draft: Identity) -> Case:
    found = actions.open_review(identity=draft, by=story.rita, now=NOW, reason="is it needed?")
    assert [item.kind for item in found.items.all()] == ["identity"]
    return found


def both(case: Case, story: Told, said: str, *, second: str = "", now: Any = NOW) -> None:
    for user, kind in ((story.ines, "identity_owner"), (story.samuel, "ai_owner")):
        case.refresh_from_db()
        actions.decide(
            case=case, item=item_of(case, "identity"), seat=seat_of(case, kind),
            answer=second or said if kind == "ai_owner" else said, reason="because", by=user,
            now=now, version=case.version,
        )  # fmt: skip


def carry(now: Any) -> None:
    while carrying.carry_out_next(now=now):
        pass


def test_what_both_seats_revoke_is_refused_for_good(
    story: Told, draft: Identity, case: Case
) -> None:
    Credential.objects.filter(pk=story.credential.pk).update(state="active", identity=draft)
    both(case, story, "revoke")
    draft.refresh_from_db()
    item = item_of(case, "identity")
    assert (draft.state, item.carried_out_at) == ("retired", NOW)
    held = Revocation.objects.get(step="hold", credential=story.credential)
    assert item.carried_words == (
        f"half-made was a draft and is refused: it is retired for good; held: {held.key}"
    )
    entry = LedgerEntry.objects.get(act="identity.retired")
    assert entry.words == f"half-made is retired: decided in {case.key}"
    Revocation.objects.update(state="effective")
    carry(NOW + HOUR)
    assert Case.objects.get(pk=case.pk).state == "closed"


def test_kept_it_stays_a_draft(story: Told, draft: Identity, case: Case) -> None:
    both(case, story, "keep")
    carry(NOW + HOUR)
    draft.refresh_from_db()
    assert (draft.state, Case.objects.get(pk=case.pk).state) == ("draft", "closed")


def test_while_the_seats_differ_it_is_held_and_let_go_again(
    story: Told, draft: Identity, case: Case
) -> None:
    both(case, story, "revoke", second="keep")
    item = item_of(case, "identity")
    assert item.outcome == "conflict"
    assert stopped(draft, NOW + HOUR)
    case.refresh_from_db()
    actions.decide(
        case=case, item=item, seat=seat_of(case, "identity_owner"), answer="keep", reason="needed",
        by=story.ines, now=NOW + HOUR, version=case.version,
    )  # fmt: skip
    assert not stopped(draft, NOW + 2 * HOUR)
    draft.refresh_from_db()
    assert draft.state == "draft"


def test_silence_holds_a_draft_and_a_later_keep_lets_it_go(
    story: Told, draft: Identity, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    Case.objects.filter(pk=case.pk).update(silence="suspend")
    everything_counts(case, until=NOW + 30 * DAY)
    monkeypatch.setattr("reviews.actions.clock.doubt", no_doubt)
    while actions.deadlines_next(now=NOW + WEEK):
        pass
    words = LedgerEntry.objects.get(act="case.silence").words
    assert "half-made is held: it is a draft, and what never was active is not suspended" in words
    assert "could not be" not in words
    assert stopped(draft, NOW + WEEK)
    both(case, story, "keep", now=NOW + WEEK + HOUR)
    carry(NOW + WEEK + 2 * HOUR)
    assert not stopped(draft, NOW + WEEK + 3 * HOUR)


def no_doubt(*_: Any, **__: Any) -> str:
    """There is no evidence of a draft, and this is not about evidence."""
    return ""


def stopped(identity: Identity, at: Any) -> bool:
    """Whether our own door answers no for it, as held."""
    return identity.states.filter(
        superseded_at__isnull=True, during__contains=at, state="held"
    ).exists()


def test_the_page_and_the_data_say_what_revoking_a_draft_is(
    story: Told, draft: Identity, case: Case, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOW + HOUR)
    said = "half-made is a draft: to revoke it refuses it for good, and cannot be undone."
    client.force_login(story.ines)
    assert said in client.get(f"/cases/{case.key}/").content.decode()
    item = item_of(case, "identity")
    facts = client.get(f"/api/cases/{case.key}/breaks/?item={item.pk}").json()["facts"]
    assert said in [one["words"] for one in facts]
    assert isinstance(story.rita, User)
    assert decisions.NHI.fullmatch(draft.key)
