"""A seat in which nobody may sit: said, told to who can name somebody, and ended by the policy."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from evidence.models import LedgerEntry
from identities.models import Service, User
from identities.permissions import NotAllowed, NotPossible
from reviews import actions, independence
from reviews.actions import carrying
from reviews.models import Case, Notice, Rung, Seat
from tests.signed_in import sure

from . import stages
from .conftest import DAY, HOUR, NOW, Told, everything_counts, make_user, party, person_of, seat_of
from .stages import policy

pytestmark = pytest.mark.django_db
Sign = Callable[..., Any]
WEEK = 7 * DAY
WHY = "Rita is asked as identity owner in this case."


@pytest.fixture
def root(story: Told) -> User:
    user = make_user("root", "administrator")
    party(user)
    return user


@pytest.fixture
def alone(story: Told, root: User) -> Told:
    """Rita is the only reviewer and owns the identity; nobody owns the AI system."""
    Service.objects.update(ai_owner=None, backup=None, sponsor=None)
    story.identity.owner = party(story.rita)
    story.identity.save(update_fields=["owner"])
    story.identity.refresh_from_db()
    return story


def opened(story: Told, **fields: Any) -> Case:
    said: dict[str, Any] = {"silence": "suspend", "remind_before_hours": [48]} | fields
    rules = policy(name="alone", **said)
    return actions.open_review(
        identity=story.identity, by=story.leila, now=NOW, reason="yearly", policy=rules
    )


def sent(at: datetime) -> None:
    Notice.objects.filter(sent_at=None).update(sent_at=at)


def keep_all(case: Case, sign: Sign, user: User, seat: str, **more: Any) -> None:
    for kind in case.items.values_list("kind", flat=True):
        sign(case, kind, user, "keep", seat=seat, **more)


def told(user: User) -> list[str]:
    rows = Notice.objects.filter(person=user.person).order_by("created_at", "pk")
    return [one.subject.partition(": ")[2] for one in rows]


def test_silence_does_what_the_policy_says_and_its_ladder_runs_to_the_end(
    alone: Told, root: User, sign: Sign
) -> None:
    rungs = [
        {"after_hours": 120, "does": "remind"},
        {"after_hours": 162, "does": "tell"},
        {"after_hours": 168, "does": "suspend"},
        {"after_hours": 240, "does": "revoke"},
    ]
    case = opened(alone, ladder={"normal": rungs})
    assert str(seat_of(case, "ai_owner").party) == "None"
    assert told(root) == ["nobody may sit in a seat: name somebody"]
    everything_counts(case, until=NOW + 60 * DAY)
    keep_all(case, sign, alone.rita, "identity_owner")
    stages.sweep(NOW + WEEK - 6 * HOUR)
    assert told(root)[1:] == ["it is not decided yet"]
    stages.sweep(NOW + WEEK)
    alone.identity.refresh_from_db()
    assert alone.identity.state == "suspended"
    assert "nothing is cut" not in LedgerEntry.objects.get(act="case.silence").words
    assert told(root)[2:] == ["the deadline has passed"]
    # The last rung: what lacks an answer of any seat is revoked, and the case is over.
    stages.sweep(NOW + 10 * DAY)
    assert set(case.items.values_list("outcome", flat=True)) == {"revoke"}
    assert not Rung.objects.filter(case=case, state__in=["waiting", "held"]).exists()
    assert Case.objects.get(pk=case.pk).state == "decided"
    while carrying.carry_out_next(now=NOW + 10 * DAY):
        pass
    assert Case.objects.get(pk=case.pk).state == "carrying_out"


def test_time_counts_from_when_it_had_reached_who_names_somebody(alone: Told, root: User) -> None:
    case = opened(alone)
    everything_counts(case, until=NOW + 60 * DAY)
    Notice.objects.filter(person=root.person).update(sent_at=None)
    stages.sweep(NOW + 5 * DAY)
    moved = Case.objects.get(pk=case.pk)
    assert moved.deadline_at == NOW + 12 * DAY
    said = LedgerEntry.objects.get(act="case.deadline_moved").words
    assert "has not reached Root, who can name somebody as AI-system owner" in said


@pytest.mark.parametrize(
    ("said", "came"),
    [
        ({"if_no_reviewer": "keep"}, "keep"),
        ({"if_no_reviewer": "revoke", "silence": "revoke"}, "revoke"),
        ({"if_no_reviewer": "no_response", "if_nobody_answered": "keep"}, ""),
    ],
)
def test_the_policys_word_for_no_reviewer_counts(
    alone: Told, sign: Sign, said: dict[str, Any], came: str
) -> None:
    """One seat has answered keep, and in the other nobody may sit."""
    case = opened(alone, **{"silence": "escalate", **said})
    everything_counts(case, until=NOW + 60 * DAY)
    for kind in case.items.values_list("kind", flat=True):
        stages.say(
            case, alone.rita, "keep", stages.seat(case, "identity_owner", "Review"), kind=kind
        )
    stages.sweep(NOW + WEEK)
    assert set(case.items.values_list("outcome", flat=True)) == {came}


def test_a_reviewer_who_may_sit_is_no_empty_seat(alone: Told, root: User) -> None:
    make_user("petra", "reviewer")
    case = opened(alone)
    assert told(root) == []
    everything_counts(case, until=NOW + 60 * DAY)
    stages.sweep(NOW + WEEK)
    assert "nobody could be asked as AI-system owner" in (
        LedgerEntry.objects.get(act="case.silence").words
    )


def test_an_administrator_names_somebody_who_signs(alone: Told, root: User, sign: Sign) -> None:
    nora = make_user("nora", "owner")
    case = opened(alone)
    sent(NOW)
    seat = seat_of(case, "ai_owner")
    for user, why in (
        (alone.rita, "You are asked as identity owner"),
        (alone.samuel, "belongs to nobody yet"),
    ):
        with pytest.raises(NotAllowed, match=why):
            actions.hand_over(
                case=case, seat=seat, to="nora", reason="x", by=user, now=NOW, version=1
            )
    version = Case.objects.get(pk=case.pk).version
    with pytest.raises(NotPossible, match="Rita is asked as identity owner"):
        actions.hand_over(
            case=case, seat=seat, to="rita", reason="x", by=root, now=NOW, version=version
        )
    actions.hand_over(
        case=case, seat=seat, to="nora", reason="knows it", by=root, now=NOW, version=version
    )
    entry = LedgerEntry.objects.get(act="seat.named")
    assert entry.words == (
        "Root named Nora for the seat of the AI-system owner, in which nobody could sit: knows it"
    )
    assert seat_of(case, "ai_owner").given_up == []
    keep_all(case, sign, alone.rita, "identity_owner")
    keep_all(case, sign, nora, "ai_owner")
    assert Case.objects.get(pk=case.pk).state == "decided"


def test_who_has_a_part_in_it_names_nobody(alone: Told, root: User) -> None:
    case = opened(alone)
    seat = seat_of(case, "ai_owner")
    assert independence.why_not_name(root, case, seat, now=NOW) is None
    Case.objects.filter(pk=case.pk).update(requester=root.person)
    case.refresh_from_db()
    assert "the requester or the subject" in str(
        independence.why_not_name(root, case, seat, now=NOW)
    )
    Case.objects.filter(pk=case.pk).update(requester=None)
    case.refresh_from_db()
    Seat.objects.filter(case=case, kind="tie_breaker").update(party=party(root))
    assert "You sit here as tie-breaker" in str(
        independence.why_not_name(root, case, seat, now=NOW)
    )
    assert "Only an administrator" in str(
        independence.why_not_name(alone.samuel, case, seat, now=NOW)
    )
    # It waits for an administrator: one who may not is told why not, others whose seat it is.
    not_hers = independence.why_not_hand_over(root, case, seat, now=NOW)
    assert not_hers == independence.why_not_name(root, case, seat, now=NOW)
    hers = independence.why_not_hand_over(alone.samuel, case, seat, now=NOW)
    assert "belongs to nobody yet" in str(hers)
    free = make_user("petra", "reviewer")
    hers = independence.why_not_hand_over(root, case, seat, now=NOW)
    assert "belongs to nobody yet" in str(hers)
    other = make_user("other", "administrator")
    assert "Somebody may sign as AI-system owner" in str(
        independence.why_not_name(other, case, seat, now=NOW)
    )
    assert free.person is not None


def test_where_every_administrator_sits_in_it_all_are_told(alone: Told, root: User) -> None:
    alone.identity.owner = party(root)
    alone.identity.backup = None
    alone.identity.save(update_fields=["owner", "backup"])
    for user in (alone.rita, alone.leila):
        person = person_of(user)
        person.left_at = NOW
        person.save()
    alone.identity.refresh_from_db()
    rules = policy(name="alone", silence="suspend")
    case = actions.open_review(
        identity=alone.identity, by=root, now=NOW, reason="yearly", policy=rules
    )
    assert sorted(told(root)) == [
        "nobody may sit in a seat: name somebody",
        "your signature is needed",
    ]
    names = independence.candidates(case, seat_of(case, "ai_owner"), now=NOW)
    assert names == []


def test_the_page_and_the_data_say_who_could_sit_and_why_not(
    alone: Told, root: User, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOW + HOUR)
    case = opened(alone)
    client.force_login(root)
    sure(client)
    response = client.get(f"/cases/{case.key}/")
    (seat,) = [one for one in response.context["seats"] if one["side"] == "ai"]
    assert seat["note"] == (
        "Nobody may sit here now: an administrator who has no part in it names somebody."
    )
    assert seat["may_not"] == [{"name": "Rita", "why": WHY.removeprefix("Rita ")}]
    assert "Name a signer" in [one["words"] for one in response.context["acts"]]
    data = client.get(f"/api/cases/{case.key}/").json()
    found = {one["kind"]: one["nobody_may_sit"] for one in data["seats"]}
    assert found == {
        "identity_owner": None,
        "ai_owner": [{"name": "Rita", "why_not": WHY}],
        "tie_breaker": None,
    }
    make_user("nora", "owner")
    named = client.post(
        f"/api/cases/{case.key}/hand-over/",
        {
            "seat": str(seat_of(case, "ai_owner").pk),
            "to": "nora",
            "reason": "knows it",
            "version": data["version"],
        },
        content_type="application/json",
    )
    assert (named.status_code, named.json()["party"]) == (200, "Nora")
    client.force_login(alone.rita)
    sure(client)
    again = client.get(f"/cases/{case.key}/").context["seats"]
    assert [one["note"] for one in again if one["side"] == "ai"] == [
        "Owns the AI system of Quarterly reporting."
    ]


def test_candidates_cost_the_same_for_one_and_for_thirty(alone: Told) -> None:
    case = opened(alone)
    seat = seat_of(case, "ai_owner")
    costs = []
    for many in (0, 30):
        for number in range(many):
            user = make_user(f"reviewer{number}", "reviewer")
            person = person_of(user)
            person.left_at = NOW + DAY
            person.save()
        with CaptureQueriesContext(connection) as asked:
            independence.candidates(case, seat, now=NOW)
        costs.append(len(asked))
    assert costs[0] == costs[1]
