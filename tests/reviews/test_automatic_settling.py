"""What becomes of an automatic hold: released, final, or told to stand on nothing; its incident."""

from collections.abc import Callable
from typing import Any

import pytest

from evidence.models import LedgerEntry
from identities.actions import changes
from identities.models import Credential, Finding, Identity, ProposedChange, Revocation
from identities.permissions import NotAllowed, NotPossible
from reviews import actions
from reviews.actions import items
from reviews.automatic import holding, incidents, settling
from reviews.incidents import closing, gate, rights, rooms
from reviews.models import AutomaticHold, Case, Notice, Rung

from .conftest import DAY, HOUR, Told, make_user, person_of, seat_of
from .holding import LATER, MINUTE, SIGNED, behaves, ruled, sweep
from .incidents.conftest import finish
from .test_micro_reviews import entitled
from .test_serious_things import S3

pytestmark = pytest.mark.django_db
AT = LATER + 5 * MINUTE
Sign = Callable[..., Any]


@pytest.fixture
def held(story: Told) -> AutomaticHold:
    ruled(story)
    behaves()
    (row,) = sweep()
    return row


def at_target() -> None:
    """What was asked for has been done there."""
    Revocation.objects.update(state="effective", sent_at=AT, effective_at=AT)
    Credential.objects.filter(revocations__step="hold", state="active").update(state="held")


def answered(story: Told, row: AutomaticHold, said: str, **more: Any) -> None:
    """Both seats of the incident answer, and what they say goes out."""
    for kind, user in (("identity_owner", story.ines), ("ai_owner", story.samuel)):
        actions.decide(
            case=row.case,
            item=row.item,
            seat=seat_of(row.case, kind),
            answer=said,
            reason="because",
            by=user,
            now=AT,
            version=Case.objects.get(pk=row.case_id).version,
            **more,
        )
    carried(AT + MINUTE)


def carried(now: Any) -> None:
    while (
        actions.carry_out_next(now=now)
        or settling.follow_next(now=now)
        or incidents.look_back_next(now=now)
    ):
        pass


def now_of(row: AutomaticHold) -> AutomaticHold:
    return AutomaticHold.objects.get(pk=row.pk)


def release(row: AutomaticHold, by: Any, said: str = "false", **more: Any) -> AutomaticHold:
    given: dict[str, Any] = {"finding_was": said, "reason": "it was me", "now": AT} | more
    return settling.release(hold=row, by=by, **given)


def test_one_click_releases_and_says_what_the_finding_was(story: Told, held: AutomaticHold) -> None:
    at_target()
    with pytest.raises(NotPossible, match=r"Say what F-\d+ was: confirmed, expected"):
        release(held, story.ines, "")
    row = release(held, story.ines)
    assert (row.state, row.settled_by_name) == ("released", story.ines.called)
    # The hold is one person's to release; what the finding was takes two.
    finding = Finding.objects.get(pk=held.finding_id)
    assert (finding.state, ProposedChange.objects.get().subject) == ("open", finding.key)
    changes.sign(change=ProposedChange.objects.get(), by=story.rita, now=AT)
    finding.refresh_from_db()
    assert (finding.state, finding.state_reason) == ("false", "it was me")
    back = Revocation.objects.get(step="release")
    assert (back.credential, back.case) == (story.credential, held.case_id)
    assert row.settled_reason == f"it was me ({back.key} requested: {back.words})"
    assert LedgerEntry.objects.get(act="hold.released").subject == held.case.key
    with pytest.raises(NotAllowed, match="holds nothing now"):
        release(row, story.ines)
    # The case still asks whether the key stays.
    assert Case.objects.get(pk=held.case_id).state == "open"


def test_hold_that_has_not_gone_out_is_taken_back(story: Told, held: AutomaticHold) -> None:
    release(held, story.ines)
    assert Revocation.objects.get(step="hold").state == "undone"


@pytest.mark.parametrize("kind", ["entitlement", "identity"])
@pytest.mark.parametrize("how", ["release", "keep", "revoke"])
def test_each_thing_comes_back_or_is_final(story: Told, kind: str, how: str) -> None:
    ruled(story)
    behaves()
    Credential.objects.update(standing=False)
    if kind == "entitlement":
        entitled(story, S3, at=SIGNED - DAY)
    (held,) = sweep()
    assert (held.state, held.item.kind) == ("held", kind)
    at_target()
    # Looking at its item again, because evidence came, forgets nothing of the hold.
    items.look_again(held.case, story.identity, now=AT)
    if how == "release":
        release(held, story.ines)
    else:
        answered(story, held, how)
    assert now_of(held).state == ("final" if how == "revoke" else "released")
    stands = Identity.objects.get(pk=story.identity.pk).state
    if kind == "identity":
        assert stands == ("suspended" if how == "revoke" else "active")
    else:
        back = Revocation.objects.get(step="release")
        assert back.target["extra"]["hold"] == held.stopped["allowed_held"]["hold"]


@pytest.mark.parametrize(
    ("answer", "step", "state"),
    [("keep", "release", "released"), ("revoke", "revoke", "final")],
)
def test_answers_of_the_incident_release_a_key_or_make_it_final(
    story: Told, held: AutomaticHold, answer: str, step: str, state: str
) -> None:
    at_target()
    answered(story, held, answer)
    row = now_of(held)
    assert (row.state, Revocation.objects.get(step=step).case) == (state, held.case_id)
    assert row.settled_reason == (
        f"keep in {held.case.key}" if answer == "keep" else f"revoke, decided in {held.case.key}"
    )


def test_one_seat_alone_changes_nothing(story: Told, held: AutomaticHold) -> None:
    actions.decide(
        case=held.case,
        item=held.item,
        seat=seat_of(held.case, "identity_owner"),
        answer="keep",
        reason="x",
        by=story.ines,
        now=AT,
        version=Case.objects.get(pk=held.case_id).version,
    )
    carried(AT + HOUR)
    assert (now_of(held).state, Revocation.objects.count()) == ("held", 1)


def test_silence_of_an_incident_cuts_nothing_and_releases_nothing(
    story: Told, held: AutomaticHold
) -> None:
    does = set(Rung.objects.filter(case=held.case).values_list("does", flat=True))
    assert does.isdisjoint({"narrow", "suspend", "revoke"})
    while actions.deadlines_next(now=AT + 9 * DAY):
        pass
    carried(AT + 9 * DAY)
    assert (now_of(held).state, Revocation.objects.count()) == ("held", 1)
    assert Identity.objects.get(pk=story.identity.pk).state == "active"


@pytest.mark.parametrize("state", ["withdrawn", "false", "expected"])
def test_hold_that_stands_on_nothing_is_told_once_and_offered(
    story: Told, held: AutomaticHold, state: str
) -> None:
    Finding.objects.update(state=state, state_reason="late evidence explains it")
    while settling.tell_next(now=AT):
        pass
    told = Notice.objects.filter(
        occasion=f"{held.case.key} {held.key} stands on nothing", channel="mail"
    )
    assert {story.rita.person, story.ines.person} <= {one.person for one in told}
    assert held.url in told[0].body
    act = LedgerEntry.objects.get(act="hold.stands_on_nothing")
    assert act.words.endswith(f"but {held.finding.key} is {state}: late evidence explains it")
    # Nobody is asked what it was: that is known.
    assert release(held, story.ines, "").state == "released"


@pytest.mark.parametrize(
    ("who", "why"),
    [
        ("bea", "Only a responder or who answers for svc-report may hold it."),
        ("otto", "You are an auditor: auditors read everything and change nothing."),
    ],
)
def test_who_may_not_hold_does_not_release(
    story: Told, held: AutomaticHold, who: str, why: str
) -> None:
    with pytest.raises(NotAllowed) as refused:
        release(held, story.otto if who == "otto" else make_user(who, "reviewer"))
    assert (str(refused.value), now_of(held).state) == (why, "held")


def test_whom_the_rule_names_may_release(story: Told, held: AutomaticHold) -> None:
    assert release(held, story.rita).settled_by_name == story.rita.called


def test_incident_of_a_hold_is_closed_through_the_gate_of_its_room(
    story: Told, held: AutomaticHold
) -> None:
    room = rooms.room_of(held.case)
    assert (room.takes, room.severity, room.detected_at) == (
        story.identity,
        "high",
        held.finding.opened_at,
    )
    at_target()
    answered(story, held, "keep")
    assert Case.objects.get(pk=held.case_id).state == "carrying_out"
    at_target()
    carried(AT + MINUTE)
    case = Case.objects.get(pk=held.case_id)
    assert case.state == "in_review"
    rex = make_user("rex", "responder")
    finish(case, story, rex)
    assert [one.words for one in gate.missing(case, now=AT + HOUR)] == [
        f"Every finding settled: {held.finding.key}"
    ]
    Finding.objects.update(state="false")
    version = Case.objects.get(pk=case.pk).version
    closed = closing.close(case=case, words="a drill", by=rex, now=AT + HOUR, version=version)
    assert (closed.state, closed.closed_by) == ("closed", rex.ref)


def test_who_released_it_does_not_close_its_incident(story: Told, held: AutomaticHold) -> None:
    rex = make_user("rex", "responder")
    at_target()
    release(held, rex)
    why = rights.why_not_closer(person_of(rex), Case.objects.get(pk=held.case_id))
    assert why == "Rex has acted in this incident: somebody who has not closes it."


def test_thing_that_was_answered_is_asked_about_in_a_new_incident(
    story: Told, held: AutomaticHold
) -> None:
    at_target()
    answered(story, held, "keep")
    Credential.objects.update(state="active")
    behaves(91, at=AT + HOUR)
    finding = Finding.objects.get()
    finding.pk, finding.family, finding.number = None, "other", 9_000
    finding.save(force_insert=True)
    AutomaticHold.objects.filter(pk=held.pk).update(finding=finding)
    while holding.hold_next(now=AT + HOUR + 2 * MINUTE):
        pass
    assert [one.door for one in Case.objects.order_by("number")] == ["incident", "incident"]
