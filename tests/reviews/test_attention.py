"""How an answer was given is kept with it; a burst makes its cases wait for a second look."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from evidence.intake.admitting import micros
from evidence.models import LedgerEntry, Looked
from identities.models import Identity
from identities.permissions import AUDITOR, NotPossible
from reviews import actions, independence, shown
from reviews.actions import attention
from reviews.models import Burst, Case, Decision, Item, Notice, Provisional

from .conftest import DAY, HOUR, NOW, Told, item_of, make_user, party, person_of, seat_of
from .hurry import SECOND, answer, kept, lines

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def looked(user: Any, kind: str, ref: str, at: Any, case: Case | None = None) -> None:
    Looked.objects.create(
        at=at,
        by=user.ref,
        by_name=user.called,
        kind=kind,
        ref=ref,
        case=None if case is None else case.pk,
    )


@pytest.fixture
def other(story: Told) -> Case:
    """A second case of the same owner."""
    identity = Identity.objects.create(
        name="svc-other",
        kind="service_account",
        owner=party(story.ines),
        sponsor=party(story.leila),
        purpose="x",
        expires_at=NOW + DAY,
        created_at=NOW - DAY,
    )
    identity.refresh_from_db()
    return actions.open_review(identity=identity, by=story.rita, now=NOW, reason="x")


def hurried(case: Case, story: Told, *, before: int = 49) -> Decision:
    """The answer that makes it fifty within thirty seconds."""
    kept(case, story.ines, before, at=NOW + 10 * SECOND)
    (line,) = lines(case, 1)
    return answer(case, line, story.ines, now=NOW + 20 * SECOND)


def test_an_answer_keeps_when_its_item_was_shown_first(story: Told, case: Case) -> None:
    item = item_of(case, "credential")
    looked(story.ines, "item", str(item.pk), NOW + MINUTE, case)
    looked(story.ines, "item", str(item.pk), NOW + 2 * MINUTE, case)
    looked(story.samuel, "item", str(item.pk), NOW, case)
    row = answer(case, item, story.ines, now=NOW + 5 * MINUTE)
    assert (row.shown_at, row.evidence_opened, row.batch) == (NOW + MINUTE, False, 0)


def test_an_item_that_was_never_shown_has_no_time(story: Told, case: Case) -> None:
    assert answer(case, item_of(case, "credential"), story.ines).shown_at is None


@pytest.mark.parametrize(
    ("kind", "opened"),
    [
        ("event", True),
        ("line", True),
        ("capsule", True),
        ("case", False),
        ("other event", False),
        ("other line", False),
        ("before", False),
        ("somebody else", False),
    ],
)
def test_evidence_opened_between_opening_and_signing(
    story: Told, case: Case, kind: str, opened: bool
) -> None:
    item = item_of(case, "credential")
    frozen = answer(case, item, story.samuel, seat=seat_of(case, "ai_owner")).capsule
    assert frozen is not None
    shown_at, number = shown.of_item(item, story.identity).refs[0]
    first = f"{micros(shown_at)}-{number}"
    at = NOW + MINUTE
    looks = {
        "event": (story.ines, "event", first, at),
        "line": (story.ines, "line", story.identity.key, at),
        "capsule": (story.ines, "capsule", frozen.key, at),
        "case": (story.ines, "case", case.key, at),
        "other event": (story.ines, "event", "1-1", at),
        "other line": (story.ines, "line", "NHI-999999", at),
        "before": (story.ines, "line", story.identity.key, NOW - MINUTE),
        "somebody else": (story.samuel, "line", story.identity.key, at),
    }
    looked(*looks[kind], case)
    row = answer(case, item, story.ines, now=NOW + 2 * MINUTE)
    assert row.evidence_opened is opened


def test_batch_counts_other_items_of_the_minute_before(
    story: Told, case: Case, other: Case
) -> None:
    kept(other, story.ines, 3, at=NOW + MINUTE)
    kept(other, story.ines, 2, at=NOW)
    item = item_of(case, "credential")
    # Its own earlier answer is no other item.
    answer(case, item, story.ines, "dont_know", now=NOW + MINUTE)
    assert answer(case, item, story.ines, now=NOW + MINUTE + SECOND).batch == 3


def test_measuring_costs_the_same_however_many_were_answered(
    story: Told, case: Case, other: Case
) -> None:
    first, second, third = lines(case, 3)
    answer(case, first, story.ines)

    def queries(item: Item, at: Any) -> int:
        with CaptureQueriesContext(connection) as seen:
            answer(case, item, story.ines, now=at)
        return len(seen)

    few = queries(second, NOW + HOUR)
    kept(other, story.ines, 45, at=NOW + 2 * HOUR)
    assert queries(third, NOW + 2 * HOUR) == few


def test_forty_nine_are_no_burst(story: Told, case: Case) -> None:
    hurried(case, story, before=48)
    assert (Burst.objects.count(), Provisional.objects.count()) == (0, 0)


def test_fifty_mark_every_case_of_them(story: Told, case: Case, other: Case) -> None:
    kept(other, story.ines, 20, at=NOW)
    kept(case, story.ines, 29, at=NOW + 10 * SECOND)
    (line,) = lines(case, 1)
    answer(case, line, story.ines, now=NOW + 30 * SECOND)
    burst = Burst.objects.get()
    assert (burst.since, burst.until, burst.answers) == (NOW, NOW + 30 * SECOND, 50)
    assert {one.case for one in Provisional.objects.all()} == {case, other}


def test_more_than_thirty_seconds_apart_are_no_burst(story: Told, case: Case) -> None:
    kept(case, story.ines, 49, at=NOW)
    (line,) = lines(case, 1)
    answer(case, line, story.ines, now=NOW + 30 * SECOND + timedelta(microseconds=1))
    assert Burst.objects.count() == 0


@pytest.mark.parametrize(("before", "last"), [("revoke", "keep"), ("keep", "revoke")])
def test_taking_away_is_no_burst(story: Told, case: Case, before: str, last: str) -> None:
    kept(case, story.ines, 49, at=NOW, answer=before)
    (line,) = lines(case, 1)
    answer(case, line, story.ines, last)
    assert Burst.objects.count() == 0


def test_fifty_of_two_people_are_no_burst(story: Told, case: Case) -> None:
    kept(case, story.samuel, 49, at=NOW)
    seat = seat_of(case, "identity_owner")
    seat.person = person_of(story.ines)
    seat.save()
    (line,) = lines(case, 1)
    answer(case, line, story.ines)
    assert Burst.objects.count() == 0


def test_a_burst_goes_on_and_stays_one(story: Told, case: Case, other: Case) -> None:
    hurried(case, story)
    (line,) = lines(other, 1)
    answer(other, line, story.ines, now=NOW + 25 * SECOND)
    burst = Burst.objects.get()
    assert (burst.answers, burst.until) == (51, NOW + 25 * SECOND)
    assert Provisional.objects.filter(burst=burst).count() == 2


def test_a_mark_is_written_once_and_told_once(story: Told, case: Case) -> None:
    hurried(case, story)
    version = Case.objects.get(pk=case.pk).version
    later = NOW + MINUTE
    assert actions.tell_provisional_next(now=later) is True
    assert actions.tell_provisional_next(now=later) is False
    entry = LedgerEntry.objects.get(act="case.provisional")
    assert (entry.at, entry.recorded_at, entry.subject) == (NOW + 20 * SECOND, later, case.key)
    assert "50 items within 10 seconds" in entry.words
    assert "Ines" not in entry.words
    told = Notice.objects.filter(occasion__contains="provisional")
    assert {one.person for one in told} == {story.leila.person, story.marek.person}
    assert Case.objects.get(pk=case.pk).version == version + 1


def decide_all(case: Case, story: Told, *, now: Any) -> None:
    """Both seats keep the two real items; the lines of the hurry are left as they are."""
    Item.objects.filter(case=case, kind="binding").update(
        outcome="keep", outcome_at=now, carried_out_at=now
    )
    for kind in ("delegation", "credential"):
        answer(case, item_of(case, kind), story.ines, now=now)
        answer(case, item_of(case, kind), story.samuel, now=now, seat=seat_of(case, "ai_owner"))


def test_a_provisional_case_is_not_carried_out_before_it_is_confirmed(
    story: Told, case: Case
) -> None:
    hurried(case, story)
    later = NOW + HOUR
    decide_all(case, story, now=NOW + MINUTE)
    assert Case.objects.get(pk=case.pk).state == "decided"
    assert actions.carry_out_next(now=later) is False
    actions.look_again(case=case, how="confirm", reason="read each", by=story.rita, now=later)
    mark = Provisional.objects.get()
    assert (mark.how, mark.reason, mark.settled_by) == ("confirmed", "read each", story.rita)
    while actions.carry_out_next(now=later):
        pass
    assert Case.objects.get(pk=case.pk).state == "closed"
    entry = LedgerEntry.objects.get(act="case.confirmed")
    assert "Rita confirmed 50 answers given very fast: read each" in entry.words


def test_a_case_that_was_out_already_is_not_closed_before(story: Told, case: Case) -> None:
    decide_all(case, story, now=NOW)
    Case.objects.filter(pk=case.pk).update(state="carrying_out")
    case.items.update(carried_out_at=NOW)
    burst = Burst.objects.create(person=person_of(story.ines), since=NOW, until=NOW, answers=50)
    mark = Provisional.objects.create(case=case, burst=burst, marked_at=NOW)
    assert actions.carry_out_next(now=NOW + HOUR) is False
    Provisional.objects.filter(pk=mark.pk).update(settled_at=NOW)
    assert actions.carry_out_next(now=NOW + HOUR) is True
    assert Case.objects.get(pk=case.pk).state == "closed"


def test_asking_again_takes_back_and_asks_anew(story: Told, case: Case) -> None:
    Case.objects.filter(pk=case.pk).update(deadline_at=NOW + HOUR)
    given = hurried(case, story)
    Item.objects.filter(case=case, kind="binding").exclude(pk=given.item_id).update(
        outcome="keep", carried_out_at=None
    )
    answer(case, given.item, story.samuel, now=NOW + MINUTE, seat=seat_of(case, "ai_owner"))
    assert Item.objects.get(pk=given.item_id).outcome == "keep"
    later = NOW + 2 * MINUTE
    actions.look_again(case=case, how="ask_again", reason="too fast", by=story.rita, now=later)
    rows = Decision.objects.filter(person=story.ines.person)
    assert set(rows.values_list("superseded_at", flat=True)) == {later}
    assert Item.objects.get(pk=given.item_id).outcome == ""
    # The other seat's answer stands, and there is time to answer.
    assert Decision.objects.get(person=story.samuel.person).superseded_at is None
    case.refresh_from_db()
    assert (case.state, case.deadline_at) == ("open", later + timedelta(hours=48))
    assert Notice.objects.filter(
        person=story.ines.person, subject__contains="asked for again"
    ).exists()
    entry = LedgerEntry.objects.get(act="case.asked_again")
    assert entry.data["reason"] == "too fast"
    assert len(entry.data["decisions"]) == 50
    # What was opened for the first answer does not count for the second.
    looked(story.ines, "line", story.identity.key, NOW + SECOND)
    row = answer(case, given.item, story.ines, now=later + MINUTE)
    assert row.evidence_opened is False


def test_asking_again_reopens_what_was_decided(story: Told, case: Case) -> None:
    hurried(case, story)
    Item.objects.filter(case=case, kind="binding").update(outcome="keep", outcome_at=NOW)
    for kind in ("delegation", "credential"):
        answer(case, item_of(case, kind), story.ines, now=NOW + MINUTE)
        answer(
            case,
            item_of(case, kind),
            story.samuel,
            now=NOW + MINUTE,
            seat=seat_of(case, "ai_owner"),
        )
    assert Case.objects.get(pk=case.pk).state == "decided"
    actions.look_again(case=case, how="ask_again", reason="x", by=story.rita, now=NOW + HOUR)
    case.refresh_from_db()
    assert (case.state, case.decided_at) == ("open", None)
    # Only the answers of the burst were taken back.
    assert item_of(case, "credential").outcome == "keep"


def test_what_has_gone_out_is_asked_in_a_new_review(story: Told, case: Case) -> None:
    hurried(case, story)
    Case.objects.filter(pk=case.pk).update(state="closed", closed_at=NOW)
    actions.look_again(case=case, how="ask_again", reason="x", by=story.rita, now=NOW + HOUR)
    again = Case.objects.exclude(pk=case.pk).get()
    assert (again.identity, again.state) == (story.identity, "open")
    assert again.reason.startswith(f"Rita asked again what {case.key} let in too fast")
    assert LedgerEntry.objects.get(act="case.asked_again").data["review"] == again.key
    assert Decision.objects.filter(superseded_at__isnull=False).count() == 0


def test_nothing_left_can_only_be_confirmed(story: Told, case: Case) -> None:
    hurried(case, story)
    Decision.objects.update(superseded_at=NOW)
    with pytest.raises(NotPossible, match="None of these answers stands any more"):
        actions.look_again(case=case, how="ask_again", reason="x", by=story.rita, now=NOW)
    assert Provisional.objects.filter(settled_at=None).count() == 1
    actions.look_again(case=case, how="confirm", reason="x", by=story.rita, now=NOW)


@pytest.mark.parametrize(
    ("who", "why"),
    [
        ("rita", None),
        ("samuel", None),
        ("leila", None),
        ("marek", None),
        ("ines", "These are your own answers: somebody else looks at them again."),
        ("otto", AUDITOR),
        ("noor", "Only a reviewer or who sits in this case may look at its answers again."),
    ],
)
def test_why_not_look_again_by_role(story: Told, case: Case, who: str, why: str | None) -> None:
    hurried(case, story)
    user = make_user("noor", "owner") if who == "noor" else getattr(story, who)
    marks = attention.standing(case)
    assert independence.why_not_look_again(user, case, marks, now=NOW) == why


def test_why_not_look_again_without_a_mark_or_as_requester(story: Told, case: Case) -> None:
    assert (
        independence.why_not_look_again(story.rita, case, [], now=NOW)
        == f"{case.key} is not provisional: there is nothing to look at again."
    )
    hurried(case, story)
    case.requester = story.rita.person
    why = independence.why_not_look_again(story.rita, case, attention.standing(case), now=NOW)
    assert why == "You asked for this: the requester never signs."


def test_a_second_look_needs_a_reason_and_a_choice(story: Told, case: Case) -> None:
    hurried(case, story)
    for how, reason, words in (("confirm", " ", "Say why"), ("maybe", "x", "Choose")):
        with pytest.raises(NotPossible, match=words):
            actions.look_again(case=case, how=how, reason=reason, by=story.rita, now=NOW)


def test_a_changed_answer_is_recorded_as_changed(story: Told, case: Case) -> None:
    item = item_of(case, "credential")
    answer(case, item, story.ines, "keep")
    answer(case, item, story.ines, "dont_know", now=NOW + HOUR)
    first, second = LedgerEntry.objects.filter(act="item.answered").order_by("id")
    assert (first.data["before"], second.data["before"]) == (None, "keep")
    assert f"Ines changed keep to don't know on {item.title}" in second.words
