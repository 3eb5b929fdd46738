"""Seats whose holder has left: the next who may sits there, else any reviewer; nobody sits twice."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from evidence.models import LedgerEntry
from identities.models import Delegation, Identity, Service, User
from identities.permissions import NotAllowed
from reviews import actions, permissions
from reviews.actions import offers
from reviews.models import Case, Decision, Notice, Seat
from reviews.pages import waiting
from reviews.succession import untaken, vacant

from .conftest import DAY, HOUR, NOW, Told, item_of, make_user, party, person_of, seat_of
from .owning import sweep

pytestmark = pytest.mark.django_db
Sign = Callable[..., Any]


def leave(*users: User) -> None:
    for user in users:
        person = person_of(user)
        person.left_at = NOW
        person.save()


def queue(user: User) -> list[tuple[str, str]]:
    row = User.objects.select_related("person").get(pk=user.pk)
    return [(one.key, one.kind) for one in waiting.for_user(row, now=NOW + HOUR)]


def seated(case: Case) -> dict[str, str]:
    return {one.kind: str(one.party or "nobody") for one in case.seats.all()}


def test_ai_owner_leaves_with_nobody_behind_and_a_reviewer_signs(
    story: Told, case: Case, sign: Sign
) -> None:
    assert seat_of(case, "ai_owner").backup is None
    sign(case, "credential", story.samuel, "keep", seat="ai_owner")
    assert queue(story.rita) == []
    leave(story.samuel)
    sweep(NOW + HOUR)
    seat = seat_of(case, "ai_owner")
    assert (seat.party, seat.person, seat.signed_before) == (None, None, [story.samuel.person_id])
    assert queue(story.rita) == [(case.key, "ai_owner")]
    assert queue(story.ines) == [(case.key, "identity_owner")]
    entry = LedgerEntry.objects.get(act="seat.refilled")
    assert (entry.subject, entry.words) == (
        case.key,
        (
            f"The seat of the AI-system owner in {case.key} is open to any reviewer: Samuel is no"
            " longer there, and nobody stands in"
        ),
    )
    assert list(
        Notice.objects.filter(occasion__startswith="seats refilled").values_list(
            "person__name", "subject"
        )
    ) == [("Rita", "1 review whose signer is no longer there")]
    # What he answered stands; she answers the rest, and may answer otherwise.
    sign(case, "delegation", story.rita, "keep", seat="ai_owner", now=NOW + HOUR)
    assert Decision.objects.filter(seat=seat, superseded_at__isnull=True).count() == 2
    # Twice is once.
    before = LedgerEntry.objects.count()
    assert sweep(NOW + HOUR) == 0
    assert LedgerEntry.objects.count() == before


def test_a_seat_that_was_answered_stays_as_it_is(story: Told, case: Case, sign: Sign) -> None:
    for kind in case.items.values_list("kind", flat=True):
        sign(case, kind, story.samuel, "keep", seat="ai_owner")
    leave(story.samuel)
    sweep(NOW + HOUR)
    assert str(seat_of(case, "ai_owner").party) == "Samuel"


def test_the_other_signer_does_not_take_the_empty_seat(story: Told, case: Case) -> None:
    """Ines reviews as well: with Samuel gone she signs as owner, and somebody else for him."""
    story.ines.groups.set(story.rita.groups.all())
    leave(story.samuel)
    sweep(NOW + HOUR)
    assert queue(story.ines) == [(case.key, "identity_owner")]
    assert permissions.why_not_sit(story.ines, case, seat_of(case, "ai_owner"), now=NOW) == (
        "You are asked as identity owner in this case: another reviewer signs here."
    )
    assert queue(story.rita) == [(case.key, "ai_owner")]


def test_who_was_handed_a_seat_and_left_gives_it_back_to_the_owner(story: Told, case: Case) -> None:
    nora = make_user("nora", "owner")
    seat = seat_of(case, "identity_owner")
    actions.hand_over(
        case=case, seat=seat, to="nora", reason="knows it", by=story.ines, now=NOW,
        version=Case.objects.get(pk=case.pk).version,
    )  # fmt: skip
    leave(nora)
    sweep(NOW + HOUR)
    assert seated(case)["identity_owner"] == "Ines"
    assert queue(story.ines) == [(case.key, "identity_owner")]


def grant_of(story: Told) -> None:
    """Ines granted what is reviewed, of something without an AI system: she never signs alone."""
    Service.objects.update(ai_system=False, ai_owner=None)
    Delegation.objects.update(grantor=party(story.ines))


def test_heir_of_the_grantor_who_is_the_second_approver_does_not_sit_twice(story: Told) -> None:
    """The backup is asked as second approver; the owner leaves, and the backup inherits."""
    grant_of(story)
    case = actions.open_review(identity=story.identity, by=story.rita, now=NOW, reason="yearly")
    assert seated(case)["second"] == "Marek"
    assert seat_of(case, "identity_owner").backup == party(story.marek)
    leave(story.ines)
    sweep(NOW + HOUR)
    story.identity.refresh_from_db()
    assert str(story.identity.owner) == "Marek"
    found = seated(case)
    assert (found["second"], found["identity_owner"]) == ("Marek", "Leila")
    # Who signs breaks no ties.
    assert found["tie_breaker"] != "Leila"
    for user, kind in ((story.marek, "second"), (story.leila, "identity_owner")):
        assert queue(user) == [(case.key, kind)]
        assert permissions.why_not_sit(user, case, seat_of(case, kind), now=NOW + HOUR) is None


def test_with_nobody_else_left_a_reviewer_signs_beside_the_heir(story: Told) -> None:
    grant_of(story)
    case = actions.open_review(identity=story.identity, by=story.rita, now=NOW, reason="yearly")
    assert seated(case)["second"] == "Marek"
    leave(story.ines, story.leila)
    sweep(NOW + HOUR)
    assert seated(case) == {"identity_owner": "nobody", "second": "Marek", "tie_breaker": "nobody"}
    assert (case.key, "identity_owner") in queue(story.rita)
    entry = LedgerEntry.objects.get(act="seat.follows_owner")
    assert entry.words.endswith(
        "is nobody's now, although Marek answers for it: Marek is asked as second approver in this"
        " case: one person never signs two seats."
    )


def test_an_owner_who_is_there_keeps_the_seat_that_the_new_one_may_not_have(
    story: Told, case: Case
) -> None:
    row = offers.offer(
        identity=story.identity, to="samuel", how="hand_over", reason="x", by=story.ines, now=NOW
    )
    offers.accept(offer=row, by=story.samuel, now=NOW)
    assert seated(case)["identity_owner"] == "Ines"
    with pytest.raises(NotAllowed):
        actions.decide(
            case=case, item=item_of(case, "credential"), seat=seat_of(case, "identity_owner"),
            answer="keep", reason="x", by=story.samuel, now=NOW,
            version=Case.objects.get(pk=case.pk).version,
        )  # fmt: skip


def test_ai_system_without_an_owner_has_its_identities_reviewed_once(story: Told) -> None:
    for number in range(3):
        Identity.objects.create(
            name=f"agent-{number}", kind="agent", service=story.service, owner=party(story.ines),
            mode="observe" if number == 2 else "ask", created_at=NOW,
        )  # fmt: skip
    leave(story.samuel)
    sweep(NOW + HOUR)
    assert Case.objects.count() == 0
    assert [untaken.review_next(now=NOW + HOUR) for _ in range(2)] == [True, False]
    cases = Case.objects.order_by("title")
    assert [(one.title, one.state) for one in cases] == [
        ("Access review: agent-0", "open"),
        ("Access review: agent-1", "open"),
        ("Access review: svc-report", "open"),
    ]
    assert {one.reason for one in cases} == {
        "Nobody is the AI-system owner of Quarterly reporting any more. Say what becomes of it."
    }
    assert Notice.objects.filter(person=story.ines.person, occasion__startswith="untaken").count()
    assert vacant.refill_next(now=NOW + HOUR) is True
    assert [kind for _, kind in queue(story.rita)] == ["ai_owner"] * 3
    # Whatever becomes of the reviews, they were asked.
    cases.update(state="closed", closed_at=NOW + DAY)
    assert untaken.review_next(now=NOW + 2 * DAY) is False


def test_finding_them_costs_the_same_for_few_and_many(story: Told, case: Case) -> None:
    costs = []
    for many in (0, 30):
        for number in range(many):
            Identity.objects.create(
                name=f"other-{number}", kind="agent", owner=party(story.ines), mode="ask",
                created_at=NOW,
            )  # fmt: skip
        for one in Identity.objects.filter(name__startswith="other"):
            actions.open_review(identity=one, by=story.rita, now=NOW, reason="yearly")
        with CaptureQueriesContext(connection) as asked:
            assert vacant.refill_next(now=NOW + HOUR) is False
        costs.append(len(asked))
    assert costs[0] == costs[1]
    assert Seat.objects.filter(party=party(story.ines)).count() == 31
