"""The queue: whose turn it is, in which order, grouped how, and at which cost."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from identities.models import Identity, Membership, Party, Service, Team, User
from reviews.models import Case, CaseMember, Decision, Item, Seat
from reviews.pages import frame, queue, waiting

from .conftest import DAY, HOUR, NOW, Told, make_user, party, person_of
from .queues import fill

pytestmark = pytest.mark.django_db
SHAPES = [
    {},
    {"show": "items"},
    {"group": "identity"},
    {"group": "system"},
    {"group": "person"},
    {"group": "system", "show": "items"},
]


def again(user: User) -> User:
    """The login as a new request meets it: nothing is remembered on it."""
    return User.objects.select_related("person").get(pk=user.pk)


def keys(user: User, now: Any = NOW, **narrowed: Any) -> list[str]:
    return [one.key for one in waiting.for_user(again(user), now=now, **narrowed)]


def owned(story: Told, many: int = 3, **more: Any) -> list[Case]:
    return fill(many, owners=[party(story.ines)], now=NOW, **more)


def test_earliest_deadline_first(story: Told) -> None:
    cases = owned(story)
    Case.objects.filter(pk=cases[2].pk).update(deadline_at=NOW - HOUR)
    assert keys(story.ines) == [cases[2].key, cases[0].key, cases[1].key]


def test_what_is_answered_leaves_and_what_conflicts_comes_back(story: Told) -> None:
    (case,) = owned(story, 1, items=2)
    seat = Seat.objects.get(case=case)
    for item in case.items.all():
        Decision.objects.create(
            item=item,
            seat=seat,
            answer="keep",
            reason="x",
            by=story.ines,
            person=person_of(story.ines),
            at=NOW,
            not_before=NOW,
        )
    assert keys(story.ines) == []
    case.items.filter(position=1).update(outcome="conflict")
    (row,) = waiting.for_user(again(story.ines), now=NOW)
    assert (row.left, row.of, row.conflicts) == (1, 2, 1)


def backed(story: Told) -> Case:
    (case,) = owned(story, 1)
    case.seats.update(backup=party(story.marek))
    return case


@pytest.mark.parametrize(
    ("change", "waits"),
    [
        (lambda _case, _story: None, False),
        (lambda case, _: Case.objects.filter(pk=case.pk).update(silence_done_at=NOW), True),
        (lambda case, _: Case.objects.filter(pk=case.pk).update(backups_since=NOW), True),
        (
            lambda _, story: (
                type(person_of(story.ines))
                .objects.filter(pk=story.ines.person_id)
                .update(left_at=NOW - DAY)
            ),
            True,
        ),
        (
            lambda case, story: Case.objects.filter(pk=case.pk).update(
                requester=person_of(story.ines)
            ),
            True,
        ),
        (
            lambda case, story: case.seats.update(given_up=[story.ines.person_id]),
            True,
        ),
    ],
    ids=["owner is there", "silent", "added", "left", "requester", "handed over"],
)
def test_backup_sees_it_when_the_owner_may_not(
    story: Told, change: Callable[[Case, Told], None], waits: bool
) -> None:
    case = backed(story)
    change(case, story)
    assert keys(story.marek) == ([case.key] if waits else [])


@pytest.mark.parametrize(
    "change",
    [
        lambda case, story: Case.objects.filter(pk=case.pk).update(requester=story.ines.person),
        lambda case, story: case.seats.update(given_up=[story.ines.person_id]),
        lambda case, story: case.seats.update(person=story.samuel.person),
        lambda case, story: (
            Seat.objects.create(case=case, kind="second", person=story.ines.person, position=5)
            and case.items.update(outcome="keep")
        ),
        lambda case, story: Seat.objects.create(
            case=case, kind="second", signed_before=[story.ines.person_id], position=5
        ),
        lambda case, _: Case.objects.filter(pk=case.pk).update(sealed=True),
        lambda case, _: Case.objects.filter(pk=case.pk).update(state="cancelled"),
    ],
    ids=["requester", "handed over", "taken", "second seat", "signed before", "sealed", "over"],
)
def test_owner_who_may_not_sign_is_not_asked(
    story: Told, change: Callable[[Case, Told], Any]
) -> None:
    (case,) = owned(story, 1)
    change(case, story)
    assert keys(story.ines) == []


def test_member_of_a_team_and_of_a_sealed_case(story: Told) -> None:
    team = Team.objects.create(name="Platform")
    Membership.objects.create(
        team=team, person=person_of(story.ines), during=(NOW - DAY, None), recorded_at=NOW
    )
    (case,) = fill(1, owners=[Party.objects.create(team=team)], now=NOW)
    Case.objects.filter(pk=case.pk).update(sealed=True)
    assert keys(story.ines) == []
    CaseMember.objects.create(case=case, person=person_of(story.ines), since=NOW)
    assert keys(story.ines) == [case.key]
    Membership.objects.update(during=(NOW - DAY, NOW - HOUR))
    assert keys(story.ines) == []


@pytest.mark.parametrize(("who", "waits"), [("rita", True), ("otto", False), ("samuel", False)])
def test_seat_of_nobody_waits_for_reviewers(story: Told, who: str, waits: bool) -> None:
    (case,) = owned(story, 1)
    case.seats.update(party=None)
    assert keys(getattr(story, who)) == ([case.key] if waits else [])


@pytest.mark.parametrize(("after", "waits"), [(-HOUR, False), (HOUR, True)])
def test_tie_breaker_is_asked_after_the_deadline(
    story: Told, after: timedelta, waits: bool
) -> None:
    (case,) = owned(story, 1)
    Seat.objects.create(case=case, kind="tie_breaker", party=party(story.leila), position=3)
    case.items.filter(position=0).update(outcome="conflict")
    found = keys(story.leila, case.deadline_at + after)
    assert found == ([case.key] if waits else [])


def test_no_more_than_somebody_can_look_at(story: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = owned(story, 4)
    monkeypatch.setattr(waiting, "MOST", 2)
    assert keys(story.ines, most=2) == [one.key for one in cases[:2]]
    # A filter is asked of the whole queue, not of what is shown of it.
    assert keys(story.ines, most=2, q=cases[3].key) == [cases[3].key]
    assert keys(story.ines, q="100%") == []
    assert keys(story.ines, q="_gent") == []


@pytest.mark.parametrize(
    ("narrowed", "places"),
    [
        ({}, [4, 0, 1, 2, 3, 5]),
        ({"q": "agent-0000"}, [4, 0, 1, 2, 3, 5]),
        ({"q": "agent-00002"}, [2]),
        ({"system": "crm"}, [1, 3, 5]),
        ({"system": "crm", "q": "agent-00003"}, [3]),
        ({"system": "crm", "seat": "ai_owner"}, [1, 3, 5]),
        ({"system": "crm", "seat": "second"}, []),
        ({"identity": None}, [4]),
    ],
)
def test_all_roads_lead_to_the_same_queue(
    story: Told, monkeypatch: pytest.MonkeyPatch, narrowed: dict[str, Any], places: list[int]
) -> None:
    cases = owned(story, 6, ai_owner=party(story.ines), services=systems())
    fill(2, owners=[party(story.leila)], now=NOW - DAY, first=50)
    Case.objects.filter(pk=cases[4].pk).update(deadline_at=NOW)
    # A sealed case is nobody's but its members'.
    (sealed,) = owned(story, 1, first=90)
    Case.objects.filter(pk=sealed.pk).update(sealed=True)
    if "identity" in narrowed:
        assert cases[4].identity is not None
        narrowed = {"identity": Identity.objects.get(pk=cases[4].identity.pk).number}
    for many in (10_000, 1):  # few seats are theirs; many are
        monkeypatch.setattr(waiting, "MANY", many)
        assert keys(story.ines, **narrowed) == [cases[at].key for at in places]


def test_seats_that_nobody_is_named_for_are_met_on_every_road(
    story: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = owned(story, 3)
    Seat.objects.filter(case__in=cases[1:]).update(party=None)
    for many in (10_000, 1):
        monkeypatch.setattr(waiting, "MANY", many)
        assert keys(story.rita) == [one.key for one in cases[1:]]


def test_one_kind_of_seat_of_a_queue_with_several(story: Told) -> None:
    cases = owned(story, 4)
    Seat.objects.filter(case__in=cases[:1]).update(kind="ai_owner")
    for seat, places in (("identity_owner", [1, 2, 3]), ("ai_owner", [0]), ("second", [])):
        for most in (500, 4, 2):
            every, found = queue.found_for(again(story.ines), {"seat": seat}, now=NOW, most=most)
            assert [one.key for one in found] == [cases[at].key for at in places[:most]]
            assert [one.key for one in every] == [one.key for one in cases[:most]]


def badge(user: User, rf: RequestFactory, *, anew: bool = True) -> Any:
    request = rf.get("/")
    request.user = again(user)
    if anew:
        frame.acted(request.user)
    return frame.frame(request)["frame"]["counts"]["queue"]


def test_the_badge_is_remembered_until_its_person_acts(
    story: Told, rf: RequestFactory, client: Client
) -> None:
    (case,) = owned(story, 1)
    assert badge(story.ines, rf, anew=False) == 1
    case.items.update(outcome="keep")
    assert (badge(story.ines, rf, anew=False), badge(story.leila, rf, anew=False)) == (1, 0)
    client.force_login(story.ines, backend="django.contrib.auth.backends.ModelBackend")
    client.post("/queue/nothing/")
    assert badge(story.ines, rf, anew=False) == 0


# What is narrowed does not say how much there is: the menu keeps its number for its seconds.
@pytest.mark.parametrize(("asked", "said"), [({}, 1), ({"seat": "ai_owner"}, 1), ({"q": "no"}, 2)])
def test_who_looks_at_the_queue_has_its_number_in_the_menu(
    story: Told, rf: RequestFactory, asked: dict[str, str], said: int
) -> None:
    cases = owned(story, 2)
    assert badge(story.ines, rf, anew=False) == 2
    cases[0].items.update(outcome="keep")
    queue.mine(again(story.ines), asked, now=NOW)
    assert badge(story.ines, rf, anew=False) == said
    assert badge(story.ines, rf) == 1


def test_the_badge_counts_what_the_queue_lists(story: Told, rf: RequestFactory) -> None:
    mine, theirs = party(story.ines), party(story.leila)
    cases = owned(story, 8, ai_owner=mine)  # two seats of theirs in each
    Seat.objects.filter(case=cases[1]).update(party=theirs)
    Seat.objects.filter(case=cases[2]).update(party=theirs, backup=mine)
    Seat.objects.filter(case=cases[3], kind="identity_owner").update(person=person_of(story.leila))
    Seat.objects.filter(case=cases[3], kind="ai_owner").update(person=person_of(story.ines))
    Case.objects.filter(pk=cases[4].pk).update(sealed=True)
    Case.objects.filter(pk=cases[5].pk).update(state="decided")
    Seat.objects.filter(case=cases[0], kind="ai_owner").update(backup=mine)
    # Everything of it is settled, and one whose stage is over.
    cases[6].items.update(outcome="keep")
    Seat.objects.filter(case=cases[7]).update(turn="past")
    for user, many in ((story.ines, 2), (story.leila, 2), (story.rita, 0), (story.otto, 0)):
        listed = queue.mine(again(user), {}, now=NOW)["tabs"][0]
        assert (badge(user, rf), listed["n"], listed["words"]) == (many, many, "All"), user
    # What nobody is named for waits for every reviewer, in both.
    Seat.objects.filter(case=cases[1]).update(party=None)
    assert (badge(story.rita, rf), len(queue.mine(again(story.rita), {}, now=NOW)["waits"])) == (
        1,
        1,
    )


def test_the_badge_counts_no_further_than_its_bound(
    story: Told, rf: RequestFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    owned(story, 6, ai_owner=party(story.ines))
    monkeypatch.setattr(frame, "MOST_COUNTED", 7)
    assert badge(story.ines, rf) == 6
    monkeypatch.setattr(frame, "MOST_COUNTED", 6)
    assert badge(story.ines, rf) == "5+"


@pytest.mark.parametrize("many", [10_000, 1])
def test_who_sits_in_two_seats_of_a_case_has_as_many_cases_as_others(
    story: Told, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    cases = owned(story, 6, ai_owner=party(story.ines))
    monkeypatch.setattr(waiting, "MANY", many)
    found = waiting.for_user(again(story.ines), now=NOW, most=4)
    assert [(one.key, one.kind) for one in found] == [
        (case.key, "identity_owner") for case in cases[:4]
    ]
    assert waiting.count(again(story.ines), now=NOW, most=4) == 4
    every, found = queue.found_for(again(story.ines), {}, now=NOW, most=4)
    assert (len(every), len(found)) == (4, 4)


def systems() -> list[Service]:
    return [
        Service.objects.create(slug=slug, name=slug.title(), ai_system=True)
        for slug in ("billing", "crm")
    ]


def test_groups_stand_where_their_earliest_deadline_is(story: Told) -> None:
    cases = fill(
        5,
        owners=[party(story.ines)],
        now=NOW,
        services=[*systems(), None],
        items=1,
    )
    page = queue.mine(again(story.ines), {"group": "system"}, now=NOW)
    assert [
        (one["words"], one["n"], [row["key"] for row in one["rows"]]) for one in page["groups"]
    ] == [
        ("Billing", 2, [cases[0].key, cases[3].key]),
        ("Crm", 2, [cases[1].key, cases[4].key]),
        ("No AI system", 1, [cases[2].key]),
    ]
    assert [one["url"] for one in page["groups"]] == [
        "/queue/?system=billing",
        "/queue/?system=crm",
        "",
    ]
    assert keys(story.ines, system="crm") == [cases[1].key, cases[4].key]


def test_groups_by_identity_and_by_person(story: Told) -> None:
    other = party(make_user("olga"))
    cases = fill(
        2, owners=[party(story.leila), other], now=NOW, ai_owner=party(story.ines), items=1
    )
    for group, words in (
        ("identity", ["agent-00000", "agent-00001"]),
        ("person", ["Leila", "Olga"]),
    ):
        page = queue.mine(again(story.ines), {"group": group}, now=NOW)
        assert [one["words"] for one in page["groups"]] == words
        last = page["groups"][1]["url"].removeprefix("/queue/?").partition("=")
        narrowed = queue.mine(again(story.ines), {last[0]: last[2]}, now=NOW)
        assert [row["key"] for row in narrowed["waits"]] == [cases[1].key]
        assert narrowed["narrowed"][0]["url"] == "/queue/"


@pytest.mark.parametrize("asked", [{"identity": "x"}, {"person": "x"}, {"system": "x"}])
def test_a_group_that_is_none_shows_nothing(story: Told, asked: dict[str, str]) -> None:
    owned(story)
    assert queue.mine(again(story.ines), asked, now=NOW)["waits"] == []


def test_items_are_paged_across_cases(story: Told) -> None:
    cases = owned(story, 12, items=7)
    found = []
    for number in ("1", "2"):
        page = queue.mine(again(story.ines), {"show": "items", "page": number}, now=NOW)
        found += [(row["key"], row["what"]) for row in page["waits"]]
        assert page["page"]["total"] == 84
    assert found == [(one.key, f"Delegation {at}") for one in cases for at in range(7)]


def test_page_past_the_end_is_empty(story: Told) -> None:
    owned(story, 1)
    for show in ("", "items"):
        page = queue.mine(again(story.ines), {"show": show, "page": "9"}, now=NOW)
        assert (page["waits"], page["page"]["next_url"]) == ([], "")


@pytest.mark.parametrize("asked", SHAPES)
def test_every_view_asks_the_same_for_one_case_and_for_sixty(
    story: Told, asked: dict[str, str]
) -> None:
    now = timezone.now()

    def count() -> int:
        user = again(story.ines)
        with CaptureQueriesContext(connection) as seen:
            queue.mine(user, asked, now=now)
        return len(seen)

    kinds = {"owners": [party(story.ines)], "services": systems(), "now": NOW}
    fill(2, **kinds)  # type: ignore[arg-type]  # one table of arguments for both calls
    one = count()
    fill(60, first=10, **kinds)  # type: ignore[arg-type]  # as above
    assert count() == one
    assert Item.objects.count() > 250
