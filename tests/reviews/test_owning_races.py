"""Two at once on PostgreSQL: one list, one new owner, one answer, one warning, one question."""

import pytest

from evidence.models import LedgerEntry
from identities.acting import COUNTERSIGN
from identities.actions import revocations
from identities.models import OwnerChange
from identities.permissions import NotAllowed, NotPossible
from reviews.actions import expiring, offers, places, resuming
from reviews.models import Case, EndStep, Notice, OwnerOffer, Succession, SuccessionItem
from reviews.succession import noticing, passing

from .conftest import DAY, NOW, make_user, person_of, tell_story
from .test_races import together

pytestmark = pytest.mark.django_db(transaction=True)


def test_two_workers_notice_and_pass_on_once() -> None:
    story = tell_story()
    person = person_of(story.ines)
    person.left_at = NOW
    person.save()
    together(*[lambda: noticing.notice_next(now=NOW)] * 2)
    assert (Succession.objects.count(), SuccessionItem.objects.count()) == (1, 1)
    assert OwnerChange.objects.count() == 1
    item = SuccessionItem.objects.get()
    answers = together(
        lambda: passing.accept(item=item, by=story.marek, now=NOW),
        lambda: passing.decline(item=item, reason="x", by=story.marek, now=NOW),
    )
    assert sum(isinstance(one, NotAllowed) for one in answers) == 1
    assert LedgerEntry.objects.filter(act__in=ANSWERS).count() == 1
    # Who accepts gets no second owner; who declines has passed it on, once.
    assert OwnerChange.objects.count() == 1 + LedgerEntry.objects.filter(act=ANSWERS[1]).count()


ANSWERS = ("succession.accepted", "succession.declined")


def test_one_answer_to_an_offer_and_one_warning() -> None:
    story = tell_story()
    nora = make_user("nora", "owner")
    row = offers.offer(
        identity=story.identity, to="nora", how="hand_over", reason="x", by=story.ines, now=NOW
    )
    answers = together(
        lambda: offers.accept(offer=row, by=nora, now=NOW),
        lambda: offers.withdraw(offer=row, by=story.ines, now=NOW),
    )
    assert sum(isinstance(one, OwnerOffer) for one in answers) == 1
    end = NOW + 90 * DAY
    together(*[lambda: expiring.expire_next(now=end - DAY)] * 2)
    assert EndStep.objects.filter(did="warned").count() == 1
    assert Notice.objects.filter(occasion__startswith="ends ").count() == 1


def test_two_who_ask_that_it_works_again_open_one_case_and_one_place_is_named_once() -> None:
    story = tell_story()
    revocations.suspend_with_keys(
        identity=story.identity, by=COUNTERSIGN, now=NOW, because="nobody decided"
    )
    later = NOW + DAY
    asked = together(
        *[
            lambda who=who: resuming.ask(identity=story.identity, by=who, now=later, reason="x")
            for who in (story.rita, story.leila)
        ]
    )
    assert sum(isinstance(one, Case) for one in asked) == 1
    assert sum(isinstance(one, NotPossible) for one in asked) == 1
    marek = person_of(story.marek)
    marek.left_at = NOW
    marek.save()
    for one in ("nora", "omar"):
        make_user(one, "owner")
    named = together(
        *[
            lambda who=who: places.name(
                identity=story.identity,
                place="backup",
                to=who,
                reason="x",
                by=story.ines,
                now=later,
            )
            for who in ("nora", "omar")
        ]
    )
    # The second finds somebody there, and puts nobody out.
    assert sum(isinstance(one, NotPossible) for one in named) == 1
    assert LedgerEntry.objects.filter(act="identity.backup").count() == 1
