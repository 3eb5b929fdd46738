"""What both seats decided to revoke is retired by one of those who answer for it, once and for good."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from evidence.models import LedgerEntry
from identities.acting import COUNTERSIGN
from identities.actions import identities as identity_actions
from identities.actions import revocations
from identities.models import Identity, Revocation, User
from identities.permissions import NotAllowed, NotPossible
from reviews import actions
from reviews.actions import retiring
from reviews.models import Case
from tests.signed_in import by_hand, sure, unsure

from .conftest import DAY, HOUR, NOW, Told, item_of, seat_of
from .test_api import token

pytestmark = pytest.mark.django_db
BOTH = "retiring it takes both seats, open a case"
CONFIRM = "Confirm who you are first, at /accounts/reauthenticate/."


@pytest.fixture
def itself(story: Told) -> Case:
    """A review of an AI system's identity that has nothing but itself, which both seats revoke."""
    thin = Identity.objects.create(
        name="idle",
        kind="agent",
        state="active",
        mode="enforce",
        owner=story.identity.owner,
        service=story.service,
        purpose="a project that has ended",
        expires_at=NOW + 30 * DAY,
        created_at=NOW - DAY,
    )
    case = actions.open_review(identity=thin, by=story.rita, now=NOW, reason="is it needed?")
    assert [item.kind for item in case.items.all()] == ["identity"]
    return case


def revoked(case: Case, story: Told) -> Identity:
    for user, kind in ((story.ines, "identity_owner"), (story.samuel, "ai_owner")):
        case.refresh_from_db()
        actions.decide(
            case=case,
            item=item_of(case, "identity"),
            seat=seat_of(case, kind),
            answer="revoke",
            reason="nobody needs it",
            by=user,
            now=NOW,
            version=case.version,
        )
    assert case.identity is not None
    return Identity.objects.get(pk=case.identity.pk)


def retire(identity: Identity, user: User, *, now: Any = NOW + HOUR) -> Identity:
    return retiring.retire(identity=identity, by=user, now=now, reason="its project has ended")


def test_an_ai_systems_identity_is_retired_once_both_seats_have_revoked_it(
    story: Told, itself: Case
) -> None:
    assert itself.identity is not None
    with pytest.raises(NotAllowed, match=BOTH):
        retire(itself.identity, story.ines)
    suspended = revoked(itself, story)
    assert suspended.state == "suspended"
    with pytest.raises(NotAllowed, match=BOTH):
        retire(suspended, story.rita)  # signs, and answers for nothing
    with pytest.raises(NotPossible, match="why it is not needed"):
        retiring.retire(identity=suspended, by=story.ines, now=NOW + HOUR, reason=" ")
    assert retire(suspended, story.ines).state == "retired"
    words = LedgerEntry.objects.get(act="identity.retired")
    assert (words.by_name, words.by) == ("Ines", story.ines.ref)
    assert words.words == f"idle is retired: its project has ended (decided in {itself.key})"
    with pytest.raises(NotAllowed, match="idle is retired already"):
        retire(suspended, story.samuel)


def test_what_was_resumed_since_is_not_retired_by_an_old_decision(
    story: Told, itself: Case
) -> None:
    identity = revoked(itself, story)
    identity_actions.resume(identity=identity, by=COUNTERSIGN, now=NOW + HOUR, because="needed")
    identity.refresh_from_db()
    with pytest.raises(NotAllowed, match=BOTH):
        retire(identity, story.ines, now=NOW + 2 * HOUR)
    identity_actions.suspend(
        identity=identity, by=COUNTERSIGN, now=NOW + 2 * HOUR, because="an incident"
    )
    identity.refresh_from_db()
    with pytest.raises(NotAllowed, match=BOTH):
        retire(identity, story.ines, now=NOW + 3 * HOUR)


def test_the_page_offers_it_where_it_can_be(
    story: Told, itself: Case, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOW + HOUR)
    identity = revoked(itself, story)
    url = f"/identities/{identity.key}/"

    def offered(user: User) -> list[str]:
        client.force_login(user)
        sure(client)
        return [
            one["why_not"] for one in client.get(url).context["acts"] if one["words"] == "Retire"
        ]

    assert offered(story.ines) == [""]
    assert [BOTH in why for why in offered(story.rita)] == [True]
    Identity.objects.filter(pk=identity.pk).update(state="active")
    assert offered(story.ines) == []
    # It cannot be undone: whoever does it confirms who they are.
    Identity.objects.filter(pk=identity.pk).update(state="suspended")
    client.force_login(story.ines)
    unsure(client)
    asked = client.post(f"{url}retire/", {"reason": "its project has ended"})
    assert asked["Location"].startswith("/accounts/reauthenticate/")
    assert Identity.objects.get(pk=identity.pk).state == "suspended"


def test_people_retire_what_was_decided_over_the_api_once_they_have_confirmed(
    story: Told, itself: Case, client: Client
) -> None:
    identity = revoked(itself, story)
    url, body = f"/api/identities/{identity.key}/retire/", {"because": "its project has ended"}
    asked = client.post(url, body, "application/json", headers=by_hand(story.ines, confirmed=False))
    assert (asked.status_code, asked.json()) == (403, {"detail": CONFIRM})
    script = client.post(url, body, "application/json", headers=token(story.ines, "act"))
    assert (script.status_code, script.json()["code"]) == (403, "person_required")
    assert Identity.objects.get(pk=identity.pk).state == "suspended"
    done = client.post(url, body, "application/json", headers=by_hand(story.ines))
    assert (done.status_code, done.json()["state"]) == (200, "retired")
    words = LedgerEntry.objects.get(act="identity.retired").words
    assert words == f"idle is retired: its project has ended (decided in {itself.key})"


def test_no_session_stops_anything_before_its_person_has_confirmed(
    story: Told, client: Client
) -> None:
    url = f"/api/identities/{story.identity.key}/revocations/"
    body = {"step": "hold", "because": "odd"}
    asked = client.post(
        url, body, "application/json", headers=by_hand(story.leila, confirmed=False)
    )
    assert (asked.status_code, asked.json()) == (403, {"detail": CONFIRM})
    assert Revocation.objects.count() == 0
    sure = by_hand(story.leila)
    assert client.post(url, body, "application/json", headers=sure).status_code == 202
    assert set(Revocation.objects.values_list("step", flat=True)) == {"hold"}


def test_what_was_not_seen_to_be_stopped_may_still_work_there(
    story: Told, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOW + 2 * HOUR)
    ask = revocations.Ask(story.identity, "suspend", "nobody needs it")
    revocations.suspend_all_with_keys([ask], by=COUNTERSIGN, now=NOW)
    identity_actions.retire(
        identity=story.identity, by=COUNTERSIGN, now=NOW + HOUR, because="its project has ended"
    )
    client.force_login(story.rita)
    sure(client)
    stops = Revocation.objects.exclude(system="countersign").order_by("number")
    keys = [one.key for one in stops]
    assert len(keys) > 1

    def said() -> tuple[list[str], bool, bool]:
        answer = client.get(f"/identities/{story.identity.key}/")
        text, card = answer.content.decode(), answer.context["suspended"]
        works = [one["revocation"] for one in card["works"]]
        assert [one in text for one in works] == [True] * len(works)
        return (
            works,
            "Countersign answers no for it, and it does not come back." in text,
            "Not seen to be stopped at its system, so it may still work there:" in text,
        )

    for state in ("failed", "sent", "confirmed"):
        stops.update(state=state)
        assert said() == (keys, True, True)
    stops.update(state="effective")
    assert said() == ([], False, False)
    text = client.get(f"/identities/{story.identity.key}/").content.decode()
    assert "Nothing of it works, and it does not come back." in text
    assert ("Ask to resume it" in text, ">Suspended</h2>" in text) == (False, False)
