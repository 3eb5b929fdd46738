"""Who has left as backup or sponsor is said to the owner, who names another, or nobody."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from evidence.models import LedgerEntry
from identities.models import Identity, Party, User
from identities.permissions import NotAllowed, NotPossible
from reviews import actions
from reviews.actions import places
from reviews.models import Case, Notice
from tests.signed_in import sure

from .conftest import DAY, NOW, Told, make_user, party, person_of, seat_of
from .owning import team
from .test_pages import answered, as_user

__all__ = ["answered", "as_user"]
pytestmark = pytest.mark.django_db
type SignIn = Callable[..., Client]
REASON = "Marek has left"
SAID = "Marek, its backup, has left."


@pytest.fixture
def gone(story: Told) -> Party:
    """The story's backup has left."""
    return leave(story.marek)


def leave(user: User) -> Party:
    person = person_of(user)
    person.left_at = NOW - DAY
    person.save()
    return party(user)


def many(story: Told, count: int, **said: Any) -> list[Identity]:
    made = Identity.objects.bulk_create(
        Identity(
            **{
                "name": f"left-{number:02d}",
                "kind": "agent",
                "owner": party(story.ines),
                "backup": party(story.marek),
                "created_at": NOW,
            }
            | said
        )
        for number in range(count)
    )
    return list(Identity.objects.filter(pk__in=[one.pk for one in made]).order_by("number"))


def name(story: Told, to: str, *, place: str = "backup", by: User | None = None) -> Identity:
    return places.name(
        identity=story.identity, place=place, to=to, reason=REASON, by=by or story.ines, now=NOW
    )


# --- the act -------------------------------------------------------------------------------------


def test_another_is_named_told_and_written_down(story: Told, gone: Party) -> None:
    nora = make_user("nora", "owner")
    Identity.objects.update(inherited=["backup", "purpose"])
    row = name(story, "nora")
    assert (row.backup, row.inherited) == (party(nora), ["purpose"])
    entry = LedgerEntry.objects.get(act="identity.backup")
    assert entry.words == f"Nora is the backup of svc-report now, in place of Marek: {REASON}"
    assert (entry.by, entry.data["from"]) == (story.ines.ref, str(gone.pk))
    notice = Notice.objects.get(person=nora.person)
    assert notice.subject == f"{row.key}: you are its backup now"


def test_a_place_is_left_empty_and_filled_later(story: Told, gone: Party) -> None:
    assert name(story, "").backup is None
    words = LedgerEntry.objects.get(act="identity.backup").words
    assert words == f"Nobody is the backup of svc-report now, in place of Marek: {REASON}"
    with pytest.raises(NotPossible, match="Nobody is its backup: say who"):
        name(story, "")
    make_user("nora", "owner")
    assert str(name(story, "nora").backup) == "Nora"


@pytest.mark.parametrize(
    ("to", "place", "words"),
    [
        ("ines", "backup", "Ines is its owner: owner, sponsor and backup differ."),
        ("leila", "backup", "Leila is its sponsor: owner, sponsor and backup differ."),
        ("marek", "backup", "Marek is its backup: owner, sponsor and backup differ."),
        ("nora", "sponsor", "Leila is its sponsor and has not left"),
        ("nora", "owner", "'owner' is no place: choose backup or sponsor."),
        ("gone", "backup", "Nobody stands for Gone now."),
        ("Nobodies", "backup", "Nobody stands for Nobodies now."),
        ("otto", "backup", "Otto has no login that may answer."),
        ("x", "backup", "There is nobody called 'x', and no team."),
    ],
)
def test_what_may_not_stand_there(
    story: Told, gone: Party, to: str, place: str, words: str
) -> None:
    make_user("nora", "owner")
    leave(make_user("gone", "owner"))
    team("Nobodies")
    with pytest.raises(NotPossible) as refused:
        name(story, to, place=place)
    assert words in str(refused.value)
    story.identity.refresh_from_db()
    assert (story.identity.backup, LedgerEntry.objects.filter(act="identity.backup").count()) == (
        gone,
        0,
    )


def test_permission_comes_before_the_reason(story: Told, gone: Party) -> None:
    for by in (story.samuel, story.rita, story.otto, story.leila):
        with pytest.raises(NotAllowed):
            places.name(identity=story.identity, place="backup", to="", reason="", by=by, now=NOW)
    with pytest.raises(NotPossible, match="Say why"):
        places.name(
            identity=story.identity, place="backup", to="", reason="", by=story.ines, now=NOW
        )


def test_open_reviews_are_backed_up_by_who_is_named(story: Told) -> None:
    case = actions.open_review(identity=story.identity, by=story.rita, now=NOW, reason="yearly")
    leave(story.marek)
    nora = make_user("nora", "owner")
    name(story, "nora")
    seat = seat_of(case, "identity_owner")
    assert (seat.party, seat.backup) == (party(story.ines), party(nora))
    assert LedgerEntry.objects.get(act="seat.backup").words == (
        f"In {case.key}, Nora stands in for Ines now: Marek is no longer there"
    )


def test_who_sits_in_another_seat_backs_up_nobody_there(story: Told) -> None:
    case = actions.open_review(identity=story.identity, by=story.rita, now=NOW, reason="yearly")
    leave(story.marek)
    name(story, "samuel")
    assert seat_of(case, "identity_owner").backup is None
    assert "nobody stands in for Ines now" in LedgerEntry.objects.get(act="seat.backup").words
    assert Case.objects.get(pk=case.pk).version > case.version


# --- pages ---------------------------------------------------------------------------------------


def test_a_backup_who_has_left_is_said_to_the_owner(story: Told, as_user: SignIn) -> None:
    client = as_user(story.ines)
    text = client.get("/owned/").content.decode()
    assert ("has left" in text, "Name another" in text) == (False, False)
    gone = leave(story.marek)
    many(story, 2)
    text = client.get("/owned/").content.decode()
    assert text.count(SAID) == 3
    assert "Marek has left and is still backup of 3 identities here." in text
    assert f"/owned/left/{gone.pk}/" in text
    assert f"/identities/{story.identity.key}/places/" in text
    assert {str(one["vacant"]) for one in client.get("/api/owned/").json()["rows"]} == {
        "['backup']"
    }


def test_all_of_one_leaver_at_once_by_a_plain_form(
    story: Told, gone: Party, as_user: SignIn
) -> None:
    nora = make_user("nora", "owner")
    (other,) = many(story, 1, name="nora's own", owner=party(nora))
    many(story, 2)
    client, url = as_user(story.ines), f"/owned/left/{gone.pk}/"
    page = client.get(url).content.decode()
    assert page.count(" checked>") == 3
    picks = [f"{one.pk}:backup" for one in Identity.objects.all()]
    refused = client.post(url, {"pick": picks, "how": "name", "to": "", "reason": REASON})
    assert (refused.status_code, "Say who:" in refused.content.decode()) == (409, True)
    refused = client.post(url, {"how": "clear", "reason": REASON})
    assert (refused.status_code, "Select what it is about." in refused.content.decode()) == (
        409,
        True,
    )
    # Somebody else's row is not on this owner's page, and is not changed by being sent.
    text = client.post(
        url, {"pick": picks, "how": "name", "to": "nora", "reason": REASON}
    ).content.decode()
    assert "3 of 3 changed" in text
    assert text.count("nora is named, backup") == 3
    assert Identity.objects.filter(backup=party(nora)).count() == 3
    other.refresh_from_db()
    assert other.backup == gone
    assert client.get(url).status_code == 404


def test_the_leavers_page_leads_there(story: Told, gone: Party, as_user: SignIn) -> None:
    client = as_user(story.rita)
    link = f"/owned/left/{gone.pk}/"
    assert link in client.get(f"/people/{gone.person_id}/").content.decode()
    assert link not in client.get(f"/people/{person_of(story.ines).pk}/").content.decode()


def test_each_row_says_why_it_stays_as_it_is(story: Told, gone: Party, as_user: SignIn) -> None:
    nora = make_user("nora", "owner")
    many(story, 1, owner=None, sponsor=party(nora))
    root = make_user("root", "administrator")
    url = f"/owned/left/{gone.pk}/"
    picks = [f"{one.pk}:backup" for one in Identity.objects.all()]
    text = (
        as_user(root)
        .post(url, {"pick": picks, "how": "name", "to": "nora", "reason": REASON})
        .content.decode()
    )
    assert "1 of 2 changed" in text
    assert "Not changed, backup: Nora is its sponsor: owner, sponsor and backup differ." in text
    assert as_user(story.rita).get(url).content.decode().count(" disabled ") == 1


def test_one_identity_by_its_own_page(story: Told, gone: Party, as_user: SignIn) -> None:
    client, url = as_user(story.ines), f"/identities/{story.identity.key}/places/"
    assert "Marek, who has left" in client.get(url).content.decode()
    said = {"pick": f"{story.identity.pk}:backup", "how": "clear", "reason": REASON}
    refused = as_user(story.rita).post(url, said)
    assert (refused.status_code, Identity.objects.get().backup) == (403, gone)
    assert "Left empty, backup" in client.post(url, said).content.decode()
    assert "nobody</td>" in client.get(url).content.decode()
    Identity.objects.update(backup=party(make_user("nora", "owner")))
    assert "Backup and sponsor are named" in client.get(url).content.decode()


@pytest.mark.parametrize("who", ["ines", "leila", "root"])
def test_the_pages_cost_the_same_for_one_and_for_thirty(
    story: Told, gone: Party, as_user: SignIn, who: str
) -> None:
    make_user("root", "administrator")
    client = as_user(User.objects.get(username=who))
    costs = []
    for count in (1, 30):
        Identity.objects.filter(name__startswith="left-").delete()
        many(story, count, sponsor=party(story.leila))
        for url in (f"/owned/left/{gone.pk}/", "/owned/"):
            client.get(url)
            with CaptureQueriesContext(connection) as asked:
                assert client.get(url).status_code == 200
            costs.append(len(asked))
    assert costs[:2] == costs[2:]


# --- scripts -------------------------------------------------------------------------------------


def test_scripts_name_one_and_many(story: Told, gone: Party, as_user: SignIn) -> None:
    make_user("nora", "owner")
    first, second = many(story, 2)
    client = sure(as_user(story.ines))

    def post(url: str, said: dict[str, Any]) -> Any:
        return client.post(url, said, "application/json")

    url = f"/api/identities/{story.identity.key}/places/"
    assert post(url, {"place": "backup", "to": "nora", "reason": REASON}).status_code == 200
    assert post(url, {"place": "owner", "to": "nora", "reason": REASON}).status_code == 400
    said = {"gone": "marek", "to": "nora", "reason": REASON, "identities": [first.key, "x"]}
    assert post("/api/owned/places/", said).json() == {
        "rows": [
            {"identity": first.key, "place": "backup", "named": True, "why_not": ""},
            {"identity": "x", "place": "", "named": False, "why_not": "Marek is not there."},
        ],
        "left": 1,
    }
    rest = post("/api/owned/places/", {"gone": "marek", "reason": REASON}).json()
    assert [one["identity"] for one in rest["rows"]] == [second.key]
    assert (rest["left"], Identity.objects.get(pk=second.pk).backup) == (0, None)
    again = post("/api/owned/places/", {"gone": "marek", "reason": REASON})
    assert (again.status_code, "of nothing of these" in again.content.decode()) == (409, True)
    other = sure(as_user(story.samuel)).post(url, {}, "application/json")
    assert (other.status_code, "Only the owner of svc-report" in other.content.decode()) == (
        403,
        True,
    )


def test_at_most_a_hundred_at_once(story: Told, gone: Party) -> None:
    rows = many(story, 101)
    with pytest.raises(NotPossible, match="At most 100 are named at once"):
        places.name_all(
            those=[(one, "backup") for one in rows],
            to="",
            reason=REASON,
            by=story.ines,
            now=timezone.now() + timedelta(seconds=1),
        )
