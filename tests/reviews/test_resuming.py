"""A suspended identity works again when its seats have signed it, and nobody who asked is one of them."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from evidence.models import LedgerEntry
from identities.acting import COUNTERSIGN, Acting, By
from identities.actions import identities as identity_actions
from identities.actions import revocations
from identities.models import Credential, Identity, Revocation, Service, User
from identities.permissions import NotAllowed, NotPossible
from reviews import actions
from reviews.actions import resuming, suspensions
from reviews.models import Case, CaseMember, Rung
from tests.signed_in import sure

from .conftest import DAY, HOUR, NOW, Told, item_of, make_user, person_of, seat_of
from .test_deadlines import due, sweep
from .test_pages import answered, as_user

__all__ = ["answered", "as_user"]
pytestmark = pytest.mark.django_db
type SignIn = Callable[..., Client]
LATER = NOW + 30 * DAY
SECOND = timedelta(seconds=1)
WHY = "the report is needed again"


@pytest.fixture
def silenced(story: Told, case: Case) -> Case:
    """Silence suspended the identity, and its review was closed without resuming it."""
    sweep(due(case, silence="suspend"))
    Case.objects.filter(pk=case.pk).update(state="closed")
    story.identity.refresh_from_db()
    return case


def suspend(story: Told, *, by: By = COUNTERSIGN, at: datetime = NOW) -> None:
    revocations.suspend_with_keys(identity=story.identity, by=by, now=at, because="it was odd")
    story.identity.refresh_from_db()


def asked(story: Told, by: User | None = None, *, now: datetime = LATER) -> Case:
    return resuming.ask(identity=story.identity, by=by or story.rita, now=now, reason=WHY)


def answer(case: Case, user: User, seat: str, said: str, *, now: datetime = LATER) -> None:
    actions.decide(
        case=case,
        item=item_of(case, "step"),
        seat=seat_of(case, seat),
        answer=said,
        reason="looked at",
        by=user,
        now=now,
        version=Case.objects.get(pk=case.pk).version,
    )


def both(case: Case, story: Told, *, now: datetime = LATER) -> None:
    answer(case, story.ines, "identity_owner", "approve", now=now)
    answer(case, story.samuel, "ai_owner", "approve", now=now)


def carried(now: datetime) -> None:
    while actions.carry_out_next(now=now):
        pass


def state(story: Told) -> str:
    return Identity.objects.get(pk=story.identity.pk).state


# --- by what it is suspended ---------------------------------------------------------------------


def test_silence_is_said_with_its_rung_and_case(story: Told, silenced: Case) -> None:
    found = suspensions.read(story.identity, now=LATER)
    assert found is not None
    rung = Rung.objects.get(case=silenced, does="due")
    assert (found.by, found.case, found.since) == ("Countersign", silenced, rung.done_at)
    assert found.why == (
        f"nobody had decided {silenced.key} by its deadline, {rung.at:%-d %b %Y %H:%M} UTC, and its"
        " policy says that silence suspends"
    )


def test_a_later_rung_is_said_by_its_own_time(story: Told, case: Case) -> None:
    suspend(story)
    Revocation.objects.update(case=case.pk, case_key=case.key)
    Rung.objects.filter(case=case).delete()
    Rung.objects.create(
        case=case, does="suspend", after=9 * DAY, at=NOW - HOUR, state="done", done_at=NOW
    )
    found = suspensions.read(story.identity, now=LATER)
    assert found is not None
    assert found.why == (
        f"nobody had decided {case.key}, and the rung “suspend” of its ladder was due on"
        " 24 Nov 2026 11:00 UTC"
    )


def test_a_responder_is_said_with_their_words(story: Told) -> None:
    rex = make_user("rex", "responder")
    suspend(story, by=Acting(rex.ref, rex.called))
    found = suspensions.read(story.identity, now=LATER)
    assert found is not None
    assert (found.by, found.why, found.case) == ("Rex", "it was odd", None)


# --- asking and signing --------------------------------------------------------------------------


def test_it_works_again_with_the_keys_that_were_held_with_it(story: Told, silenced: Case) -> None:
    key = Credential.objects.get(pk=story.credential.pk)
    assert Revocation.objects.filter(credential=key, step="hold").count() == 1
    case = asked(story)
    assert (case.door, case.state, case.silence) == ("access_request", "open", "deny")
    assert "by Countersign: nobody had decided CS-" in item_of(case, "step").note
    answer(case, story.ines, "identity_owner", "approve")
    carried(LATER + HOUR)
    assert state(story) == "suspended"
    answer(case, story.samuel, "ai_owner", "approve")
    carried(LATER + HOUR)
    assert state(story) == "active"
    made = Revocation.objects.filter(case=case.pk).order_by("number")
    assert [(row.step, row.system, row.credential_id) for row in made] == [
        ("resume", "aws", None),
        ("resume", "countersign", None),
        ("release", "aws", key.pk),
    ]
    words = item_of(case, "step").carried_words
    assert words == f"svc-report works again; {made[2].key} requested: {made[2].words}"
    said = LedgerEntry.objects.filter(act__in=["resume.requested", "identity.active"])
    assert [one.words for one in said.order_by("pk")] == [
        f"Rita asked that svc-report works again: {WHY}",
        f"svc-report is active: decided in {case.key}",
    ]


def test_what_was_held_before_for_another_reason_stays_held(story: Told) -> None:
    Credential.objects.update(state="held")
    suspend(story)
    case = asked(story)
    both(case, story)
    carried(LATER + HOUR)
    assert (state(story), Credential.objects.get().state) == ("active", "held")
    assert not Revocation.objects.filter(step="release").exists()


@pytest.mark.parametrize("said", ["deny", ""])
def test_a_denial_and_silence_leave_it_suspended(story: Told, said: str) -> None:
    suspend(story)
    case = asked(story)
    if said:
        answer(case, story.samuel, "ai_owner", said)
    else:
        # One owner's yes is never enough.
        answer(case, story.ines, "identity_owner", "approve")
        sweep(due(case, silence="deny"))
    now = case.deadline_at + 2 * DAY
    carried(now)
    case.refresh_from_db()
    item = item_of(case, "step")
    assert (state(story), case.state, item.outcome, item.carried_words) == (
        "suspended",
        "closed",
        "deny",
        "it stays suspended",
    )
    assert asked(story, now=now).key != case.key


def test_who_asks_does_not_sign_and_their_backup_does(story: Told) -> None:
    suspend(story)
    case = asked(story, story.ines)
    with pytest.raises(NotAllowed, match="the requester never signs"):
        answer(case, story.ines, "identity_owner", "approve")
    answer(case, story.marek, "identity_owner", "approve")
    answer(case, story.samuel, "ai_owner", "approve")
    carried(LATER + HOUR)
    assert state(story) == "active"


def test_without_an_ai_system_it_still_takes_two_people(story: Told) -> None:
    Service.objects.update(ai_system=False, ai_owner=None)
    suspend(story)
    case = asked(story)
    assert sorted(case.seats.values_list("kind", flat=True)) == ["identity_owner", "tie_breaker"]
    answer(case, story.ines, "identity_owner", "approve")
    carried(LATER + HOUR)
    assert (state(story), case.requester) == ("active", person_of(story.rita))


def test_what_was_signed_ends_no_later_suspension(story: Told) -> None:
    suspend(story)
    case = asked(story)
    identity_actions.resume(identity=story.identity, by=COUNTERSIGN, now=LATER, because="needed")
    suspend(story, at=LATER + SECOND)
    both(case, story, now=LATER + 2 * SECOND)
    carried(LATER + HOUR)
    case.refresh_from_db()
    assert (state(story), case.state) == ("suspended", "closed")
    assert item_of(case, "step").carried_words == (
        "nothing is resumed: since it was asked for, it has been resumed or suspended anew"
    )


def test_what_stands_against_asking(story: Told, case: Case) -> None:
    def refusal(match: str, *, now: datetime = LATER) -> None:
        found = suspensions.read(story.identity, now=now)
        assert match in (resuming.against(story.identity, found, now=now) or "")
        with pytest.raises(NotPossible, match=match):
            asked(story, now=now)

    refusal("svc-report is active: there is nothing to resume.")
    now = due(case, silence="suspend")
    sweep(now)
    story.identity.refresh_from_db()
    refusal(f"{case.key} suspended it and is not closed: what its seats keep there resumes it.")
    Case.objects.filter(pk=case.pk).update(sealed=True)
    refusal("A sealed case suspended it and is not closed")
    Case.objects.filter(pk=case.pk).update(state="closed")
    refusal("Its attestation ended on 2027-02-22", now=NOW + 100 * DAY)
    first = asked(story)
    refusal(f"{first.key} asks it already.")
    with pytest.raises(NotAllowed, match="You are an auditor"):
        asked(story, story.otto)
    with pytest.raises(NotPossible, match="why it may work again"):
        resuming.ask(identity=story.identity, by=story.rita, now=LATER, reason=" ")


# --- pages and scripts ---------------------------------------------------------------------------


def test_the_page_says_it_and_asks_by_one_button(story: Told, as_user: SignIn) -> None:
    client, url = as_user(story.rita), f"/identities/{story.identity.key}/"
    assert "Ask to resume it" not in client.get(url).content.decode()
    suspend(story)
    text = client.get(url).content.decode()
    assert "Countersign answers no for it: it was odd." in text
    assert (
        "It works again once Ines as identity owner and Samuel as AI-system owner have signed."
        " Whoever asks does not sign."
    ) in text
    own = as_user(story.ines).get(url).content.decode()
    assert "if you ask, Marek signs in your place; if somebody else asks, you do." in own
    refused = as_user(story.otto).post(f"{url}resume/", {"reason": WHY})
    assert (refused.status_code, Case.objects.count()) == (403, 0)
    made = client.post(f"{url}resume/", {"reason": WHY})
    case = Case.objects.get()
    assert made["Location"] == f"/cases/{case.key}/"
    text = client.get(url).content.decode()
    assert (f"{case.key} asks them</a>" in text, "Ask to resume it" in text) == (True, False)
    page = as_user(story.ines).get(f"/cases/{case.key}/").content.decode()
    assert "done when all seats approve; resuming releases the keys held with it" in page


def test_what_was_not_seen_to_be_stopped_may_still_work(story: Told, as_user: SignIn) -> None:
    suspend(story)
    client, page = as_user(story.rita), f"/identities/{story.identity.key}/"
    there = Revocation.objects.exclude(system="countersign")
    named = [{"revocation": one.key, "words": one.words} for one in there.order_by("number")]
    assert len(named) > 0

    def said() -> tuple[bool, bool, list[dict[str, str]]]:
        text = client.get(page).content.decode()
        found = client.get(f"/api{page}resume/").json()["suspended"]["works"]
        return "Nothing of it works" in text, "it may still work there" in text, found

    Revocation.objects.filter(system="countersign").update(state="effective")
    for state in ("requested", "failed", "confirmed"):
        there.update(state=state)
        assert said() == (False, True, [one | {"state": state} for one in named])
    there.update(state="effective")
    assert said() == (True, False, [])


def test_approving_asks_for_the_password_first(story: Told, as_user: SignIn) -> None:
    suspend(story)
    case = asked(story, now=NOW + HOUR)
    url = f"/cases/{case.key}/decide/?item={item_of(case, 'step').pk}"
    said = {
        "answer": "approve",
        "item": str(item_of(case, "step").pk),
        "reason": "fine",
        "seat": str(seat_of(case, "identity_owner").pk),
        "version": case.version,
    }
    answered_ = as_user(story.ines, confirmed=False).post(url, said)
    assert "/accounts/reauthenticate/" in answered_["Location"]


def test_a_sealed_case_is_not_named(story: Told, case: Case, as_user: SignIn) -> None:
    suspend(story)
    Revocation.objects.update(case=case.pk, case_key=case.key)
    Case.objects.filter(pk=case.pk).update(sealed=True, state="closed")
    CaseMember.objects.create(case=case, person=person_of(story.samuel), since=NOW)
    url = f"/identities/{story.identity.key}/"
    text = as_user(story.rita).get(url).content.decode()
    assert "Countersign answers no for it: in a case that you do not see." in text
    assert "it was odd" in as_user(story.samuel).get(url).content.decode()


def test_scripts_read_and_ask(story: Told, as_user: SignIn) -> None:
    client, url = as_user(story.rita), f"/api/identities/{story.identity.key}/resume/"
    assert client.get(url).json() == {"identity": story.identity.key, "suspended": None}
    assert client.post(url, {"reason": WHY}, "application/json").status_code == 409
    suspend(story)
    found = client.get(url).json()["suspended"]
    assert (found["by"], found["why"], found["why_not"]) == ("Countersign", "it was odd", "")
    made = client.post(url, {"reason": WHY}, "application/json")
    case = Case.objects.get()
    assert (made.status_code, made.json()) == (201, {"case": case.key, "state": "open"})
    assert client.get(url).json()["suspended"]["asked"] == case.key
    assert client.post(url, {"because": "x"}, "application/json").status_code == 400
    assert as_user(story.otto).post(url, {}, "application/json").status_code == 403


@pytest.mark.parametrize("group", ["responder", "administrator", "reviewer"])
def test_nobody_resumes_alone_over_the_api(story: Told, as_user: SignIn, group: str) -> None:
    """Nor who leads the incident in which it was suspended."""
    lead = make_user("lead", group)
    suspend(story, by=Acting(lead.ref, lead.called))
    said = {"step": "resume", "because": "it was nothing"}
    before = Revocation.objects.count()
    url = f"/api/identities/{story.identity.key}/revocations/"
    why = "Resuming svc-report takes both seats: ask to resume it, and they sign."
    for user in (lead, story.ines):
        refused = sure(as_user(user)).post(url, said, "application/json")
        assert refused.status_code == 403
        # Whoever may stop nothing is told so before.
        assert refused.json()["detail"] == (
            "Only a responder or who answers for svc-report may hold it."
            if group != "responder" and user is lead
            else why
        )
    assert (state(story), Revocation.objects.count()) == ("suspended", before)


def test_the_page_of_what_is_active_costs_nothing_more(story: Told, as_user: SignIn) -> None:
    client, url = as_user(story.rita), f"/identities/{story.identity.key}/"
    client.get(url)
    with CaptureQueriesContext(connection) as queries:
        client.get(url)
    assert not any("reviews_rung" in one["sql"] for one in queries)
