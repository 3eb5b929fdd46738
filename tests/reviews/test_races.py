"""Two people at once, on PostgreSQL: one wins, the other is told; sweeps never do a thing twice."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from evidence.models import LedgerEntry
from identities.models import Finding, Revocation
from identities.permissions import NotAllowed, NotPossible
from reviews import actions, notices
from reviews.models import Case, Decision, Notice, Withdrawal

from .conftest import DAY, NOW, everything_counts, item_of, seat_of, tell_story
from .test_opening import finding

pytestmark = pytest.mark.django_db(transaction=True)


def together(*acts: Callable[[], Any]) -> list[Any]:
    """Run the acts at the same moment, each on a connection of its own."""
    gate = Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        try:
            gate.wait(timeout=20)
            return act()
        except (NotPossible, NotAllowed) as problem:
            return problem
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return [one.result(timeout=60) for one in [pool.submit(run, act) for act in acts]]


def test_two_people_deciding_at_once_one_wins() -> None:
    story = tell_story()
    case = actions.open_review(identity=story.identity, by=story.rita, now=NOW, reason="x")
    version = Case.objects.get(pk=case.pk).version
    item = item_of(case, "credential")

    def sign(user: Any, kind: str, answer: str) -> Callable[[], Any]:
        return lambda: actions.decide(
            case=case,
            item=item,
            seat=seat_of(case, kind),
            answer=answer,
            reason="x",
            by=user,
            now=NOW,
            version=version,
        )

    results = together(
        sign(story.ines, "identity_owner", "revoke"), sign(story.samuel, "ai_owner", "keep")
    )
    lost = [one for one in results if isinstance(one, NotPossible)]
    won = [one for one in results if isinstance(one, Decision)]
    assert (len(won), len(lost)) == (1, 1)
    assert str(lost[0]) == f"{won[0].person.name} signed at 12:00:00 UTC: read it and decide again."
    assert Decision.objects.count() == 1


def test_two_openers_get_one_case() -> None:
    story = tell_story()
    results = together(
        *[lambda: actions.open_review(identity=story.identity, by=story.rita, now=NOW, reason="x")]
        * 4
    )
    assert {one.pk for one in results} == {Case.objects.get().pk}


def test_two_finders_open_one_case() -> None:
    story = tell_story()
    for number in range(6):
        finding(story.identity, "no_authority", f"f{number}")

    def drain() -> None:
        while actions.open_from_findings_next(now=NOW):
            pass

    together(drain, drain, drain)
    while actions.open_from_findings_next(now=NOW):
        pass
    assert Case.objects.get().findings.count() == 6


def test_two_sweeps_do_a_deadline_once() -> None:
    story = tell_story()
    case = actions.open_review(identity=story.identity, by=story.rita, now=NOW, reason="x")
    Case.objects.filter(pk=case.pk).update(silence="suspend")
    late = case.deadline_at + DAY
    everything_counts(case, until=late)
    assert sorted(together(*[lambda: actions.deadlines_next(now=late)] * 3)) == [
        False,
        False,
        True,
    ]
    assert Case.objects.get().silence_done_at == late


def test_two_sweeps_tell_a_withdrawal_once() -> None:
    story = tell_story()
    found = finding(story.identity, "outside_resources")
    while actions.open_from_findings_next(now=NOW):
        pass
    Finding.objects.filter(pk=found.pk).update(state="withdrawn", state_at=NOW, state_reason="x")
    together(*[lambda: actions.tell_withdrawn_next(now=NOW)] * 3)
    assert (
        Withdrawal.objects.count() == LedgerEntry.objects.filter(act="case.withdrawn").count() == 1
    )


def test_two_workers_carry_out_once() -> None:
    story = tell_story()
    case = actions.open_review(identity=story.identity, by=story.rita, now=NOW, reason="x")
    for kind in ("credential", "delegation"):
        for user, seat in ((story.ines, "identity_owner"), (story.samuel, "ai_owner")):
            actions.decide(
                case=case,
                item=item_of(case, kind),
                seat=seat_of(case, seat),
                answer="revoke" if kind == "credential" else "keep",
                reason="x",
                by=user,
                now=NOW,
                version=Case.objects.get(pk=case.pk).version,
            )

    def drain() -> None:
        while actions.carry_out_next(now=NOW + DAY):
            pass

    together(drain, drain, drain)
    assert Revocation.objects.filter(step="revoke").count() == 1
    assert case.items.filter(carried_out_at__isnull=True).count() == 0


def test_two_senders_send_a_notice_once(mailoutbox: list[Any]) -> None:
    story = tell_story()
    Notice.objects.create(
        person=story.ines.person,
        subject="x",
        body="y",
        occasion="z",
        created_at=NOW,
        not_before=NOW,
    )
    assert sorted(together(*[lambda: notices.send_next(now=NOW)] * 3)) == [False, False, True]
    assert len(mailoutbox) == 1
