"""Containment steps: who does what alone, what each does and how it is let go, and the clocks."""

from typing import Any

import pytest

from evidence.models import LedgerEntry
from identities import causes
from identities.models import Credential, DelegationVersion, Identity, IdentityState, Revocation
from identities.permissions import NotAllowed, NotPossible
from reviews import actions
from reviews.incidents import contained, containing, rooms
from reviews.models import Case, CaseMember, ContainmentStep, ContainmentTarget, Item, Seat
from tests.reviews.conftest import HOUR, NOW, Told, make_user, person_of

from .conftest import MINUTE, fresh, named
from .stops import come_to, other_identity, second_key, things
from .stops import contained as stopped

pytestmark = pytest.mark.django_db


def far(step: ContainmentStep) -> contained.Far:
    rows = list(step.targets.order_by("place"))
    return contained.of_step(rows, contained.revocations_of(rows))


def held_here(identity: Identity) -> bool:
    return IdentityState.objects.filter(
        identity=identity, superseded_at__isnull=True, state="held", during__contains=NOW
    ).exists()


def in_force(story: Told) -> list[str]:
    row = DelegationVersion.objects.filter(
        delegation=story.delegation,
        superseded_at__isnull=True,
        state="in_force",
        during__contains=NOW + MINUTE,
    ).first()
    return [] if row is None else row.actions


def test_hold_of_a_key_is_an_item_with_who_signed_as_what_and_its_revocation_of_the_case(
    story: Told, incident: Case
) -> None:
    step = stopped(incident, story.ines, "hold", story.credential.key)
    (row,) = step.targets.all()
    revocation = Revocation.objects.get(pk=row.revocations[0])
    assert (revocation.step, revocation.credential, revocation.case, revocation.case_key) == (
        "hold",
        story.credential,
        incident.pk,
        incident.key,
    )
    item = Item.objects.get(kind="step", case=incident)
    assert (item.ref, item.outcome, item.carried_out_at, step.signed_as, step.item) == (
        step.pk,
        "approve",
        NOW,
        "incident lead",
        item,
    )
    entry = LedgerEntry.objects.get(act="containment.asked")
    assert (entry.subject, entry.by, entry.data["step"], entry.data["reason"]) == (
        incident.key,
        story.ines.ref,
        step.key,
        "it was used by a stranger",
    )
    assert far(step).reached == "requested"


def test_step_is_green_only_when_it_is_effective(story: Told, incident: Case) -> None:
    step = stopped(incident, story.ines, "hold", story.credential.key)
    seen = []
    for minute, state in enumerate(("sent", "confirmed", "effective"), start=1):
        come_to(state, at=NOW + minute * MINUTE)
        said = containing.state(incident, now=NOW + HOUR)
        seen.append((far(step).reached, said.contained_at, said.proved_at))
    assert seen == [
        ("sent", None, None),
        ("confirmed", NOW + 2 * MINUTE, None),
        ("effective", NOW + 2 * MINUTE, NOW + 3 * MINUTE),
    ]
    assert containing.state(incident, now=NOW)[2:] == (1, 1, 0)


def test_what_has_failed_keeps_it_from_being_contained_and_names_who_must_act(
    story: Told, incident: Case
) -> None:
    step = stopped(incident, story.ines, "hold", story.credential.key)
    come_to("confirmed", at=NOW)
    Revocation.objects.update(
        state="failed", failed_why="no iam:UpdateAccessKey", who_must_act="the cloud team"
    )
    found = far(step)
    assert [(one.failed_why, one.who_must_act) for one in found.failed] == [
        ("no iam:UpdateAccessKey", "the cloud team")
    ]
    assert containing.state(incident, now=NOW) == (None, None, 1, 0, 1)


def test_block_is_effective_in_the_second_it_is_signed_and_let_go_again(
    story: Told, incident: Case
) -> None:
    step = stopped(incident, story.ines, "block", story.identity.key)
    assert held_here(story.identity)
    assert far(step).moments == (NOW, NOW, NOW, NOW)
    assert Revocation.objects.count() == 0
    assert containing.state(incident, now=NOW)[:2] == (NOW, NOW)
    containing.undo(step=step, reason="it was ours", by=story.ines, now=NOW)
    assert not held_here(story.identity)
    assert containing.state(incident, now=NOW)[:2] == (None, None)


@pytest.mark.parametrize(
    ("left", "stays"),
    [(None, []), ({"actions": ["s3:GetObject"], "resources": ["invoices/*"]}, ["s3:GetObject"])],
)
def test_narrowing_holds_a_delegation_down_to_what_is_left_and_gives_it_back(
    story: Told, incident: Case, left: dict[str, Any] | None, stays: list[str]
) -> None:
    step = stopped(incident, story.ines, "narrow", story.delegation.key, left=left)
    assert in_force(story) == stays
    assert far(step).effective_at == NOW
    containing.undo(step=step, reason="it was ours", by=story.ines, now=NOW + MINUTE)
    assert in_force(story) == ["s3:GetObject", "s3:PutObject"]


def test_narrowing_refuses_what_is_wider_and_says_so_on_its_row(
    story: Told, incident: Case
) -> None:
    left = {"actions": ["s3:*"], "resources": ["invoices/*"]}
    step = stopped(incident, story.ines, "narrow", story.delegation.key, left=left)
    assert far(step).refused == 1
    assert "wider" in step.targets.get().failed_why
    assert in_force(story) == ["s3:GetObject", "s3:PutObject"]
    assert containing.state(incident, now=NOW).contained_at is None


def test_what_was_decided_meanwhile_is_not_brought_back_by_letting_go(
    story: Told, incident: Case
) -> None:
    step = stopped(incident, story.ines, "narrow", story.delegation.key)
    incident.items.create(
        position=50,
        kind="delegation",
        ref=story.delegation.pk,
        title="x",
        outcome="revoke",
        outcome_at=NOW + MINUTE,
    )
    containing.undo(step=step, reason="it was ours", by=story.ines, now=NOW + HOUR)
    assert in_force(story) == []
    assert "decided on since" in step.targets.get().released_words


def test_suspending_holds_the_standing_keys_and_takes_both_seats_to_resume(
    story: Told, incident: Case
) -> None:
    second_key(story)
    step = stopped(incident, story.ines, "suspend", story.identity.key)
    story.identity.refresh_from_db()
    assert story.identity.state == "suspended"
    held = Revocation.objects.filter(step="hold", pk__in=step.targets.get().revocations)
    assert held.count() == 2
    with pytest.raises(NotAllowed, match="Resuming takes both seats"):
        containing.undo(step=step, reason="x", by=story.ines, now=NOW)


def test_release_lets_go_of_a_key_but_not_of_one_that_another_step_holds_as_well(
    story: Told, incident: Case
) -> None:
    first = stopped(incident, story.ines, "hold", story.credential.key)
    come_to("effective", at=NOW)
    Credential.objects.update(state="held")
    again = stopped(incident, story.ines, "hold", story.credential.key)
    come_to("effective", at=NOW)
    containing.undo(step=first, reason="wrong one", by=story.ines, now=NOW)
    assert Revocation.objects.filter(step="release").count() == 0
    assert again.key in first.targets.get().released_words
    containing.undo(step=again, reason="it was ours", by=story.ines, now=NOW)
    release = Revocation.objects.get(step="release")
    assert again.targets.get().released == [release.pk]
    with pytest.raises(NotAllowed, match="stops nothing now"):
        containing.undo(step=again, reason="x", by=story.ines, now=NOW)


def test_many_targets_each_for_itself_and_what_is_dead_already_counts_as_done(
    story: Told, incident: Case, rex: Any
) -> None:
    dead, other = second_key(story), other_identity(story)
    Credential.objects.filter(pk=dead.pk).update(state="revoked")
    step = stopped(incident, rex, "hold", story.credential.key, dead.key, other.key)
    assert step.signed_as == "responder"
    said = [
        (row.title.rpartition(" ")[2], bool(row.revocations), row.done_at, row.failed_why)
        for row in step.targets.order_by("place")
    ]
    assert said == [
        (story.credential.short, True, None, ""),
        (dead.short, False, NOW, ""),
        ("svc-other", True, None, ""),
    ]


def test_one_target_that_is_not_theirs_refuses_an_owner_and_nothing_happens(
    story: Told, incident: Case
) -> None:
    rooms.name_role(case=incident, role="lead", to="Rita", by=story.ines, now=NOW)
    other = other_identity(story)
    wanted = [containing.Wanted(story.identity), containing.Wanted(other)]
    with pytest.raises(NotAllowed, match="answers for svc-other may stop it"):
        containing.contain(
            case=incident, does="hold", those=wanted, reason="x", by=story.ines, now=NOW
        )
    assert (ContainmentStep.objects.count(), held_here(story.identity)) == (0, False)


@pytest.mark.parametrize(
    ("does", "name", "said"),
    [
        ("suspend", "CRED", "takes an identity"),
        ("narrow", "NHI", "takes a delegation"),
        ("revoke", "NHI", "takes a credential"),
        ("shred", "NHI", "is no step"),
    ],
)
def test_step_refuses_what_it_cannot_act_on(
    story: Told, incident: Case, does: str, name: str, said: str
) -> None:
    key = story.credential.key if name == "CRED" else story.identity.key
    incident = named(incident, story.samuel)
    with pytest.raises(NotPossible, match=said):
        stopped(incident, story.ines, does, key)
    assert Item.objects.filter(kind="step").count() == 0


def test_names_that_stand_for_nothing_are_named(story: Told) -> None:
    with pytest.raises(NotPossible, match="CRED-999999: Nothing that you see"):
        things(story.rita, story.credential.key, "CRED-999999")


def test_revoking_is_the_lead_s_alone_and_cannot_be_undone(
    story: Told, incident: Case, rex: Any
) -> None:
    with pytest.raises(NotAllowed, match="Only the incident lead revokes alone"):
        stopped(incident, rex, "revoke", story.credential.key)
    with pytest.raises(NotAllowed, match="Ines leads it by their own word"):
        stopped(incident, story.ines, "revoke", story.credential.key)
    incident = named(incident, rex)
    step = stopped(incident, story.ines, "revoke", story.credential.key)
    assert Revocation.objects.get().requested_by == story.ines.ref
    with pytest.raises(NotAllowed, match="does not come back"):
        containing.undo(step=step, reason="x", by=story.ines, now=NOW)


def answer(case: Case, step: ContainmentStep, user: Any, kind: str, said: str) -> None:
    assert step.item is not None
    actions.decide(
        case=case,
        item=step.item,
        seat=Seat.objects.get(case=case, kind=kind),
        answer=said,
        reason="because",
        by=user,
        now=NOW + MINUTE,
        version=fresh(case).version,
    )


def test_both_seats_revoke_what_a_responder_may_not_and_it_goes_out_at_once(
    story: Told, incident: Case, rex: Any
) -> None:
    step = containing.propose(
        case=incident,
        does="revoke",
        those=things(rex, story.credential.key),
        reason="it is out",
        by=rex,
        now=NOW,
    )
    # Something else waits for an answer, and holds this up in nothing.
    incident.items.create(position=50, kind="identity", title="x", ref=story.identity.pk)
    answer(incident, step, story.ines, "identity_owner", "approve")
    assert Revocation.objects.count() == 0
    answer(incident, step, story.samuel, "ai_owner", "approve")
    revocation = Revocation.objects.get()
    assert (revocation.step, revocation.case) == ("revoke", incident.pk)
    step.refresh_from_db()
    item = Item.objects.get(containment_step=step)
    assert (step.state, step.signed_as, item.carried_out_at) == (
        "asked",
        "both seats",
        NOW + MINUTE,
    )
    assert revocation.key in item.carried_words


def test_what_both_seats_deny_is_not_done(story: Told, incident: Case) -> None:
    step = containing.propose(
        case=incident,
        does="suspend",
        those=things(story.ines, story.identity.key),
        reason="x",
        by=story.ines,
        now=NOW,
    )
    answer(incident, step, story.ines, "identity_owner", "deny")
    step.refresh_from_db()
    story.identity.refresh_from_db()
    assert (step.state, story.identity.state, Revocation.objects.count()) == (
        "refused",
        "active",
        0,
    )
    # It is no answer to the incident, which goes on.
    assert fresh(incident).state == "open"


def test_sealed_incident_says_neither_its_key_nor_its_reason_nor_who_asked(
    story: Told, incident: Case
) -> None:
    Case.objects.filter(pk=incident.pk).update(sealed=True)
    CaseMember.objects.create(case=incident, person=person_of(story.ines), since=NOW)
    case, before = fresh(incident), LedgerEntry.objects.latest("pk").pk
    stopped(case, story.ines, "hold", story.credential.key, reason="svc-report was bribed")
    stopped(case, story.ines, "block", story.identity.key, reason="svc-report was bribed")
    stopped(case, story.ines, "narrow", story.delegation.key, reason="svc-report was bribed")
    row = Revocation.objects.get()
    assert (row.because, row.case_key, row.requested_by_name) == (
        causes.NEUTRAL,
        "",
        causes.RESPONDERS.name,
    )
    plain = LedgerEntry.objects.filter(sealed_case__isnull=True, pk__gt=before)
    for entry in plain:
        said = f"{entry.words} {entry.data} {entry.by_name}"
        assert "bribed" not in said
        assert "Ines" not in said
        assert incident.key not in said
    with pytest.raises(NotAllowed):
        stopped(case, make_user("max", "responder"), "hold", story.credential.key)


def test_sessions_that_live_are_ended_once_for_each_change_at_the_target(
    story: Told, incident: Case
) -> None:
    incident = named(incident, story.samuel)
    step = stopped(incident, story.ines, "sessions", story.identity.key)
    assert "No session of svc-report that lives is in evidence" in step.targets.get().failed_why
    assert ContainmentTarget.objects.count() == 1
