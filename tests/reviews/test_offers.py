"""Handing over an identity: nobody owns it without accepting, and until then the old owner does."""

from collections.abc import Callable
from typing import Any

import pytest

from evidence.models import LedgerEntry
from identities.models import Identity, OwnerChange
from identities.permissions import NotAllowed, NotPossible
from reviews import actions
from reviews.actions import offers
from reviews.models import Case, Notice, OwnerOffer

from .conftest import DAY, NOW, Told, make_user, party, person_of, seat_of
from .owning import delivered, put_in_force, sweep, team

Sign = Callable[..., Any]


def offered(story: Told, to: str, **said: Any) -> OwnerOffer:
    usual: dict[str, Any] = {"how": "hand_over", "reason": "new team", "by": story.ines, "now": NOW}
    return offers.offer(identity=story.identity, to=to, **usual | said)


def acts() -> list[str]:
    return list(
        LedgerEntry.objects.filter(act__startswith="owner.")
        .order_by("pk")
        .values_list("act", flat=True)
    ) + list(LedgerEntry.objects.filter(act="identity.owner").values_list("act", flat=True))


def test_until_accepted_the_old_owner_answers(story: Told) -> None:
    nora = make_user("nora", "owner")
    row = offered(story, "nora")
    story.identity.refresh_from_db()
    assert (str(story.identity.owner), row.state) == ("Ines", "open")
    assert row.deadline_at == NOW + 7 * DAY
    notice = Notice.objects.get(person=nora.person)
    assert (notice.subject, "new team" in notice.body) == (
        f"{story.identity.key}: you are asked to answer for it",
        False,
    )
    offers.accept(offer=row, by=nora, now=NOW + DAY)
    story.identity.refresh_from_db()
    assert str(story.identity.owner) == "Nora"
    change = OwnerChange.objects.get()
    assert (str(change.was), str(change.to), change.basis, change.by) == (
        "Ines", "Nora", "accepted", nora.ref
    )  # fmt: skip
    assert acts() == ["owner.offered", "owner.accepted", "identity.owner"]
    assert Notice.objects.filter(person=story.ines.person).count() == 1
    with pytest.raises(NotAllowed, match="settled before: accepted"):
        offers.accept(offer=row, by=nora, now=NOW + DAY)


def test_declined_stays_with_the_old_owner_and_is_not_asked_again(story: Told) -> None:
    nora = make_user("nora", "owner")
    row = offered(story, "nora@example.org")
    with pytest.raises(NotPossible, match="Say why"):
        offers.decline(offer=row, reason=" ", by=nora, now=NOW)
    offers.decline(offer=row, reason="never mine", by=nora, now=NOW)
    story.identity.refresh_from_db()
    assert (str(story.identity.owner), OwnerChange.objects.count()) == ("Ines", 0)
    with pytest.raises(NotPossible) as again:
        offered(story, "nora", now=NOW + DAY)
    assert str(again.value) == (
        "Nora refused svc-report on 2026-11-24 (never mine): ask somebody else."
    )


def test_not_mine_passes_the_question_on_and_it_goes_in_no_circle(story: Told) -> None:
    nora, omar = make_user("nora", "owner"), make_user("omar", "owner")
    first = offered(story, "nora", how="not_mine", reason="it is the data team's")
    offers.decline(offer=first, reason="Omar built it", ask="omar", by=nora, now=NOW)
    second = OwnerOffer.objects.get(state="open")
    assert (str(second.to), second.how, second.asked_by) == ("Omar", "not_mine", nora.ref)
    with pytest.raises(NotPossible, match="Nora refused svc-report"):
        offers.decline(offer=second, reason="no", ask="nora", by=omar, now=NOW)
    second.refresh_from_db()
    assert second.state == "open"
    offers.accept(offer=second, by=omar, now=NOW)
    story.identity.refresh_from_db()
    assert str(story.identity.owner) == "Omar"


def test_one_question_at_a_time_and_it_can_be_taken_back(story: Told) -> None:
    for name in ("nora", "omar"):
        make_user(name, "owner")
    row = offered(story, "nora")
    with pytest.raises(NotPossible, match="Nora is asked about svc-report already"):
        offered(story, "omar")
    with pytest.raises(NotAllowed, match="Only who asked"):
        offers.withdraw(offer=row, by=story.rita, now=NOW)
    offers.withdraw(offer=row, by=story.marek, now=NOW)
    assert str(offered(story, "omar").to) == "Omar"


def test_nobody_answers_in_time_and_it_is_over_once(story: Told) -> None:
    put_in_force(attestation={"accept_within_days": 2})
    make_user("nora", "owner")
    row = offered(story, "nora")
    delivered(NOW)
    assert sweep(NOW + 2 * DAY) == 1
    assert sweep(NOW + 2 * DAY) == 0
    row.refresh_from_db()
    entry = LedgerEntry.objects.get(act="owner.over")
    assert (row.state, entry.at, str(story.identity.owner)) == ("over", row.deadline_at, "Ines")


def test_who_becomes_owner_is_no_longer_its_backup(story: Told) -> None:
    row = offered(story, "marek")
    offers.accept(offer=row, by=story.marek, now=NOW)
    story.identity.refresh_from_db()
    assert (str(story.identity.owner), story.identity.backup) == ("Marek", None)


def test_a_team_is_asked_and_one_of_it_accepts(story: Told) -> None:
    nora = make_user("nora", "owner")
    data = team("Data", nora)
    row = offered(story, "Data")
    offers.accept(offer=row, by=nora, now=NOW)
    story.identity.refresh_from_db()
    assert story.identity.owner == data


def test_the_open_review_waits_for_the_new_owner(story: Told, case: Case, sign: Sign) -> None:
    nora = make_user("nora", "owner")
    offers.accept(offer=offered(story, "nora"), by=nora, now=NOW)
    assert str(seat_of(case, "identity_owner").party) == "Nora"
    sign(case, "credential", nora, "keep")
    assert Notice.objects.filter(case=case.pk, person=nora.person).count() == 1


def test_who_signed_keeps_the_seat(story: Told, case: Case, sign: Sign) -> None:
    nora = make_user("nora", "owner")
    sign(case, "credential", story.ines, "keep")
    offers.accept(offer=offered(story, "nora"), by=nora, now=NOW)
    assert str(seat_of(case, "identity_owner").party) == "Ines"


def test_who_signed_elsewhere_gets_no_second_seat(story: Told, case: Case, sign: Sign) -> None:
    sign(case, "credential", story.samuel, "keep", seat="ai_owner")
    offers.accept(offer=offered(story, "samuel"), by=story.samuel, now=NOW)
    assert str(seat_of(case, "identity_owner").party) == "Ines"
    assert "one person never signs two seats" in (
        LedgerEntry.objects.get(act="seat.follows_owner").words
    )


def test_who_cannot_be_asked(story: Told) -> None:
    gone = person_of(make_user("gone", "owner"))
    gone.left_at = NOW - DAY
    gone.save()
    team("Empty")
    said = []
    for to in ("ines", "gone", "otto", "Empty", "nowhere", ""):
        with pytest.raises(NotPossible) as refused:
            offered(story, to)
        said.append(str(refused.value))
    assert said == [
        "Ines owns svc-report already.",
        "Nobody stands for Gone now.",
        "Otto has no login that may answer.",
        "Nobody stands for Empty now.",
        "There is nobody called 'nowhere', and no team.",
        "Say to whom: a login, a mail address, or the name of a person or team.",
    ]
    assert OwnerOffer.objects.count() == 0


def test_nobody_answers_for_themselves(story: Told) -> None:
    nora = make_user("nora", "owner")
    Identity.objects.filter(pk=story.identity.pk).update(kind="human", name="nora")
    with pytest.raises(NotPossible, match="nobody answers for themselves"):
        offered(story, "nora")
    assert nora.is_active


def test_a_way_to_ask_that_is_none(story: Told) -> None:
    with pytest.raises(NotPossible, match="no way to ask"):
        offered(story, "marek", how="throw")


def test_reviews_of_the_case_still_open_by_actions(story: Told) -> None:
    """The new owner is asked in reviews that are opened afterwards."""
    nora = make_user("nora", "owner")
    offers.accept(offer=offered(story, "nora"), by=nora, now=NOW)
    case = actions.open_review(
        identity=story.identity, by=story.rita, now=NOW + DAY, reason="yearly"
    )
    assert seat_of(case, "identity_owner").party == party(nora)
