"""People who leave or move: what was theirs goes to the next who is there, once, as one list."""

from datetime import datetime
from typing import Any

import pytest

from evidence.models import LedgerEntry
from identities.acting import COMMAND
from identities.actions import registration, tokens
from identities.models import (
    ApiToken,
    Delegation,
    Identity,
    Membership,
    OwnerChange,
    Party,
    Service,
    User,
)
from identities.permissions import NotAllowed, NotPossible
from identities.register import read
from reviews.models import Case, Notice, Succession, SuccessionItem
from reviews.succession import passing

from .conftest import DAY, NOW, Told, make_user, party, person_of, seat_of, tell_story
from .owning import delivered, put_in_force, sweep, team


def leave(user: User, *, at: datetime = NOW) -> None:
    person = person_of(user)
    person.left_at = at
    person.save()


def item(role: str = "owner", **which: Any) -> SuccessionItem:
    return SuccessionItem.objects.get(role=role, **which)


def listed() -> Succession:
    return Succession.objects.get()


def owner(story: Told) -> str:
    story.identity.refresh_from_db()
    return str(story.identity.owner)


def test_backup_takes_over_at_once_and_says_so(story: Told) -> None:
    leave(story.ines, at=NOW - DAY)
    assert sweep(NOW) > 0
    assert (owner(story), story.identity.backup) == ("Marek", None)
    change = OwnerChange.objects.get()
    assert (change.basis, str(change.was), change.because) == (
        "succession",
        "Ines",
        f"{listed().key}: Ines is no longer there for it",
    )
    row = item()
    assert (str(row.heir), row.state, row.deadline_at) == ("Marek", "asked", NOW + 7 * DAY)
    entry = LedgerEntry.objects.get(act="succession.opened")
    assert (entry.subject, entry.at, entry.words) == (
        listed().key,
        NOW - DAY,
        f"{listed().key}: Ines has left",
    )
    assert Notice.objects.get(occasion__startswith="SUC-").person == story.marek.person
    # Twice is once.
    before = LedgerEntry.objects.count()
    assert sweep(NOW) == 0
    assert (LedgerEntry.objects.count(), Succession.objects.count()) == (before, 1)


def test_the_new_owner_accepts_and_the_list_is_done(story: Told) -> None:
    leave(story.ines)
    sweep(NOW)
    with pytest.raises(NotAllowed, match="It came to Marek"):
        passing.accept(item=item(), by=story.leila, now=NOW)
    passing.accept(item=item(), by=story.marek, now=NOW)
    row = item()
    assert (row.state, row.settled_by_name) == ("accepted", "Marek")
    assert Succession.objects.get().done_at == NOW
    with pytest.raises(NotAllowed, match="settled before: accepted"):
        passing.accept(item=row, by=story.marek, now=NOW)


def test_team_and_manager_that_answer_for_nothing_yet_are_next(story: Told) -> None:
    nora, omar = make_user("nora", "owner"), make_user("omar", "owner")
    ines = person_of(story.ines)
    ines.manager = person_of(omar)
    ines.save()
    parties = [team("Data", story.ines, nora).pk]
    parties += Party.objects.filter(person=omar.person).values_list("pk", flat=True)
    Party.objects.filter(pk__in=parties).delete()
    leave(story.ines)
    sweep(NOW)
    for by, said in ((story.marek, "Leila"), (story.leila, "Data"), (nora, "Omar")):
        passing.decline(item=item(), reason="not mine", by=by, now=NOW)
        assert owner(story) == said


def test_declined_goes_on_and_in_the_end_the_review_is_opened(story: Told) -> None:
    team("Data", story.ines, make_user("nora", "owner"))
    leave(story.ines)
    sweep(NOW)
    with pytest.raises(NotPossible, match="Say why"):
        passing.decline(item=item(), reason="", by=story.marek, now=NOW)
    passing.decline(item=item(), reason="not mine", by=story.marek, now=NOW)
    assert owner(story) == "Leila"
    passing.decline(item=item(), reason="nor mine", by=story.leila, now=NOW)
    assert owner(story) == "Data"
    nora = User.objects.get(username="nora")
    passing.decline(item=item(), reason="nor ours", by=nora, now=NOW)
    # Nobody is left: nobody answers for it, and its review is open.
    row = item()
    case = Case.objects.get()
    assert (row.state, row.case, owner(story)) == ("unowned", case.pk, "Ines")
    assert (case.identity, case.state, case.reason) == (
        story.identity,
        "open",
        f"{listed().key}: nobody answers for it since Ines is no longer there.",
    )
    assert row.words == f"nobody is left who could take it over; {case.key} is open"
    # Nobody who is gone is waited for: a reviewer signs.
    assert str(seat_of(case, "identity_owner").party) == "Ines"
    assert [sweep(NOW + DAY) for _ in range(2)] == [1, 0]
    assert seat_of(case, "identity_owner").party is None
    assert Case.objects.count() == 1


def test_who_is_silent_passes_it_on_only_when_asked(story: Told) -> None:
    leave(story.ines)
    sweep(NOW)
    # The mail never went out: silence does not count.
    sweep(NOW + 7 * DAY)
    assert (owner(story), item().deadline_at) == ("Marek", NOW + 14 * DAY)
    delivered(NOW + 7 * DAY)
    sweep(NOW + 14 * DAY)
    assert owner(story) == "Leila"
    entry = LedgerEntry.objects.get(act="succession.passed_on")
    assert (entry.at, "nobody answered in time" in entry.words) == (NOW + 14 * DAY, True)


def test_an_heir_who_leaves_as_well_is_passed_over(story: Told) -> None:
    leave(story.ines)
    sweep(NOW)
    leave(story.marek, at=NOW + DAY)
    sweep(NOW + DAY)
    assert owner(story) == "Leila"


def test_what_they_granted_is_asked_of_the_new_owner(story: Told) -> None:
    Delegation.objects.update(grantor=party(story.samuel))
    Service.objects.update(backup=party(make_user("nora", "owner")))
    leave(story.samuel)
    sweep(NOW)
    story.service.refresh_from_db()
    assert str(story.service.ai_owner) == "Nora"
    grant = item("grantor")
    assert (str(grant.heir), grant.state) == ("Ines", "asked")
    passing.accept(item=grant, by=story.ines, now=NOW)
    assert item("grantor").state == "stands"
    assert sweep(NOW + DAY) == 0


def test_a_grant_that_nobody_stands_behind_is_reviewed(story: Told) -> None:
    Delegation.objects.update(grantor=party(story.rita))
    leave(story.rita)
    sweep(NOW)
    for user in (story.ines, story.marek, story.leila):
        passing.decline(item=item("grantor"), reason="not me", by=user, now=NOW)
    case = Case.objects.get()
    row = item("grantor")
    assert (row.state, row.case) == ("noted", case.pk)
    assert case.reason.startswith(f"{listed().key}: nobody answers for {story.delegation.key}")


def test_open_reviews_follow_the_owner_and_the_ai_systems_owner(story: Told, case: Case) -> None:
    Service.objects.update(backup=party(make_user("nora", "owner")))
    leave(story.ines)
    leave(story.samuel)
    sweep(NOW)
    assert str(seat_of(case, "identity_owner").party) == "Marek"
    assert str(seat_of(case, "ai_owner").party) == "Nora"


def test_who_has_left_signs_in_no_more(story: Told) -> None:
    tokens.create(user=story.rita, name="ci", scopes=["read"], lasts=30 * DAY, by=COMMAND, now=NOW)
    leave(story.rita)
    sweep(NOW)
    story.rita.refresh_from_db()
    assert (story.rita.is_active, ApiToken.objects.get().revoked_at) == (False, NOW)
    found = Succession.objects.get()
    assert found.could_read == [
        "As reviewer: all identities, evidence and cases that are not sealed.",
        "The login rita was switched off.",
        "1 API token was revoked.",
    ]
    assert sweep(NOW) == 0


def test_every_login_switched_off_is_gone_and_back_again(story: Told) -> None:
    User.objects.filter(pk=story.leila.pk).update(is_active=False)
    sweep(NOW)
    assert Succession.objects.get().why == "switched_off"
    assert item("sponsor").state == "noted"
    User.objects.filter(pk=story.leila.pk).update(is_active=True)
    sweep(NOW + DAY)
    assert item("sponsor").state == "over"
    User.objects.filter(pk=story.leila.pk).update(is_active=False)
    sweep(NOW + 2 * DAY)
    assert SuccessionItem.objects.filter(role="sponsor", state="noted").count() == 1


def test_an_empty_team_is_gone(story: Told) -> None:
    data = team("Data", make_user("nora", "owner"))
    Identity.objects.update(owner=data)
    leave(User.objects.get(username="nora"))
    sweep(NOW)
    assert sorted(Succession.objects.values_list("why", flat=True)) == ["left", "nobody"]
    assert owner(story) == "Marek"


def test_who_moves_is_asked_whether_it_is_still_theirs(story: Told) -> None:
    team("Data", story.ines)
    registration.register(
        entries=read("x.yaml", "teams: [{name: Data, members: []}]"), by=COMMAND, now=NOW
    )
    sweep(NOW)
    row = item()
    assert (str(row.heir), row.state, owner(story)) == ("Ines", "asked", "Ines")
    found = Succession.objects.get()
    assert (found.why, found.at, found.could_read) == (
        "moved",
        NOW,
        ["What Data answers for was theirs to read until 2026-11-24 12:00 UTC."],
    )
    mail = Notice.objects.get(occasion__startswith="SUC-")
    assert (mail.person, mail.subject) == (story.ines.person, f"{found.key}: is it still yours?")
    assert mail.body.startswith(
        "You have left Data. Say of each thing that you answer for whether it still is yours by"
        f" {found.deadline_at:%Y-%m-%d %H:%M} UTC; what you decline goes to the next.\n"
    )
    passing.accept(item=row, by=story.ines, now=NOW)
    assert (sweep(NOW + DAY), Succession.objects.count()) == (0, 1)


def test_who_moves_stays_backup_and_nothing_else_is_said(story: Told) -> None:
    team("Data", story.marek)
    Membership.objects.update(during=(NOW - 100 * DAY, NOW))
    sweep(NOW)
    row = item("backup")
    assert (row.state, str(row.heir), row.words) == (
        "noted",
        "Marek",
        "stays theirs after the move",
    )
    story.identity.refresh_from_db()
    assert (story.identity.backup, Notice.objects.count()) == (party(story.marek), 0)


def test_who_moves_and_declines_hands_it_on(story: Told) -> None:
    team("Data", story.ines)
    Membership.objects.update(during=(NOW - 100 * DAY, NOW))
    sweep(NOW)
    passing.decline(item=item(), reason="I build other things", by=story.ines, now=NOW)
    assert owner(story) == "Marek"


def test_where_a_scope_only_observes_it_is_taken_over_and_nobody_is_asked(db: None) -> None:
    story = tell_story(mode="observe")
    leave(story.ines)
    sweep(NOW)
    assert (owner(story), item().deadline_at) == ("Marek", None)
    assert Notice.objects.filter(occasion__startswith="SUC-").count() == 0
    assert sweep(NOW + 30 * DAY) == 0
    Identity.objects.update(backup=None, sponsor=None, owner=party(story.marek))
    Service.objects.update(ai_owner=None)
    passing.decline(item=item(), reason="no", by=story.marek, now=NOW)
    assert (item().state, Case.objects.count()) == ("unowned", 0)


def test_identities_follow_their_service(story: Told) -> None:
    nora = make_user("nora", "owner")
    Service.objects.update(owner=party(story.ines), backup=party(nora))
    Identity.objects.update(inherited=["owner"])
    leave(story.ines)
    sweep(NOW)
    # The service and what follows it are one word, which counts nothing that is still to come.
    assert Notice.objects.get(person=nora.person).body.startswith(
        "Ines is no longer there, and you answer for now for what was theirs. Say of each thing"
    )
    assert (owner(story), story.identity.inherited) == ("Nora", ["owner"])
    assert SuccessionItem.objects.filter(role="owner").count() == 1


def test_what_is_handed_over_meanwhile_is_asked_no_more(story: Told) -> None:
    leave(story.ines)
    sweep(NOW)
    Identity.objects.update(owner=party(make_user("nora", "owner")))
    sweep(NOW + DAY)
    assert item().state == "over"
    assert Succession.objects.get().done_at == NOW + DAY


def test_many_are_taken_over_in_batches(story: Told) -> None:
    put_in_force(attestation={"accept_within_days": 3})
    Identity.objects.bulk_create(
        Identity(
            name=f"n{number}", kind="agent", owner=party(story.ines), backup=party(story.marek),
            mode="ask", created_at=NOW,
        )
        for number in range(120)
    )  # fmt: skip
    leave(story.ines)
    sweep(NOW)
    assert Identity.objects.filter(owner=party(story.marek)).count() == 121
    assert (Succession.objects.count(), SuccessionItem.objects.count()) == (1, 121)
    assert {one.deadline_at for one in SuccessionItem.objects.all()} == {NOW + 3 * DAY}
    assert Party.objects.filter(person=story.ines.person).count() == 1
