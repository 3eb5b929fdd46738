"""Whose second look a case waits for: as the case itself says, for many cases in few queries; and
every place that names it names the same ones to the same people."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from identities.models import Identity, User
from reviews import digest, independence, sight, visible
from reviews.actions import attention, second_looks
from reviews.models import FAST, Burst, Case, CaseMember, Notice, Provisional, Seat
from reviews.pages import frame
from tests import once

from . import stages
from .conftest import DAY, NOW, Told, make_user, party, person_of
from .queues import fill
from .stages import FIRST, SECOND, fresh, say, seat

pytestmark = pytest.mark.django_db

BLIND = SECOND | {"sight": "blind"}
EVERYBODY = ("ines", "samuel", "leila", "marek", "rita", "otto", "ivo", "ada", "noor")
BASE = "https://countersign.example"
NAMED = "/cases/?again=mine"


@pytest.fixture
@once.told
def people(story: Told) -> dict[str, User]:
    """Everybody of the story, the two of a second stage, and somebody who has no part in it."""
    ivo, ada = make_user("ivo", "owner"), make_user("ada", "owner")
    stages.team("IAM", ivo)
    stages.team("AI risk", ada)
    make_user("noor", "owner")
    return {name: User.objects.get(username=name) for name in EVERYBODY}


def hasty(*cases: Case, by: User) -> Burst:
    """These cases have answers that one person gave too fast."""
    burst = Burst.objects.create(person=person_of(by), since=NOW, until=NOW, answers=50)
    for case in cases:
        Provisional.objects.create(case=case, burst=burst, marked_at=NOW)
    return burst


# --- whose they are ------------------------------------------------------------------------------


def plain(story: Told, people: dict[str, User]) -> Case:
    return stages.opened(story)


def sighted(story: Told, people: dict[str, User]) -> Case:
    return stages.opened(story, FIRST, SECOND)


def later(story: Told, people: dict[str, User]) -> Case:
    return stages.opened(story, FIRST, BLIND)


def begun(story: Told, people: dict[str, User]) -> Case:
    case = later(story, people)
    stages.both(case, story, "keep")
    stages.sweep(stages.after_undo(NOW))
    return case


def answered_one(story: Told, people: dict[str, User]) -> Case:
    case = begun(story, people)
    row = seat(case, "identity_owner", "Second look")
    say(case, people["ivo"], "keep", row, now=stages.after_undo(NOW))
    return case


def answered_all(story: Told, people: dict[str, User]) -> Case:
    case = answered_one(story, people)
    row = seat(case, "identity_owner", "Second look")
    say(case, people["ivo"], "keep", row, kind="delegation", now=stages.after_undo(NOW))
    return case


def decided(story: Told, people: dict[str, User]) -> Case:
    case = answered_all(story, people)
    for kind in ("delegation", "credential"):
        row = seat(case, "ai_owner", "Second look")
        say(case, people["ada"], "keep", row, kind=kind, now=stages.after_undo(NOW))
    assert fresh(case).state == "decided"
    return case


def beside(story: Told, people: dict[str, User]) -> Case:
    return stages.opened(story, FIRST, BLIND | {"order": "parallel", "hours": 48})


def nobodys(story: Told, people: dict[str, User]) -> Case:
    """Any reviewer may sign there, but the tie-breaker."""
    case = later(story, people)
    Seat.objects.filter(case=case, stage__name="Second look").update(party=None, backup=None)
    people["leila"].groups.add(Group.objects.get(name="reviewer"))
    return case


def signed_before(story: Told, people: dict[str, User]) -> Case:
    """Samuel is asked in the blind stage as well, but signed in the one before it."""
    case = later(story, people)
    Seat.objects.filter(case=case, kind="identity_owner", stage__name="Second look").update(
        backup=party(story.samuel)
    )
    say(case, story.samuel, "keep", seat(case, "ai_owner", "Owners"))
    return case


def nothing_before(story: Told, people: dict[str, User]) -> Case:
    """The stage that sees nothing of earlier ones is the first, and nobody breaks its ties."""
    case = later(story, people)
    Seat.objects.filter(case=case).exclude(stage__name="Second look").delete()
    return case


def sealed(story: Told, people: dict[str, User]) -> Case:
    case = later(story, people)
    Case.objects.filter(pk=case.pk).update(sealed=True)
    for name in ("rita", "ivo", "samuel", "noor"):
        CaseMember.objects.create(case=case, person=person_of(people[name]), since=NOW)
    return case


WHO = {
    plain: "samuel leila marek rita",
    sighted: "samuel leila marek rita ivo ada",
    later: "samuel leila marek rita",
    begun: "samuel leila marek rita",
    answered_one: "samuel leila marek rita",
    answered_all: "samuel leila marek rita ivo",
    decided: "samuel leila marek rita ivo ada",
    beside: "samuel leila marek rita",
    nobodys: "samuel leila marek",
    signed_before: "samuel leila marek rita",
    nothing_before: "rita ivo ada",
    sealed: "samuel rita",
}


@pytest.mark.parametrize("scene", WHO, ids=lambda one: one.__name__)
def test_a_second_look_waits_for_whoever_may_take_it_and_is_not_asked_blind(
    story: Told, people: dict[str, User], scene: Callable[..., Case]
) -> None:
    case, now = fresh(scene(story, people)), stages.after_undo(NOW)
    hasty(case, by=story.ines)
    marks = attention.standing(case)
    users = [User.objects.get(username=name) for name in EVERYBODY]
    waits = {
        user.username for user in users if case in second_looks.waiting_for(user, now=now).all()
    }
    assert waits == set(WHO[scene].split())
    counted = {user.username for user in users if second_looks.count(user, now=now, most=9)}
    assert counted == waits
    every = Case.objects.all()
    listed = {u.username for u in users if case.pk in second_looks.Looks(u, now=now).newest(every)}
    assert listed == waits
    # The same that the case says to each of them when they come to look.
    assert waits == {
        user.username
        for user in users
        if visible.cases(user, now=now).filter(pk=case.pk).exists()
        and independence.why_not_look_again(user, case, marks, now=now) is None
        and sight.why_not_look_again(user, case, now=now) is None
    }
    # Who may not read every answer yet is asked of many cases as of one.
    assert [hidden(user, case, now=now) for user in users] == [
        sight.why_not_look_again(user, case, now=now) is not None for user in users
    ]


def hidden(user: User, case: Case, *, now: datetime) -> bool:
    blind = sight.hidden(user, now=now)
    found = blind is not None and Case.objects.filter(blind, pk=case.pk).exists()
    # As it is asked of the cases of a page.
    of_page = sight.hidden_of(user, sight.asked_blind(user, now=now), [case.pk])
    assert of_page == ({case.pk} if found else set())
    return found


def test_as_many_queries_for_one_as_for_thirty(
    story: Told, people: dict[str, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reviews in a blind stage, of people, and others."""
    staged = later(story, people)

    def queries(first: int, many: int) -> tuple[int, int]:
        cases = fill(many, owners=[party(story.ines)], now=NOW, first=first)
        people_, blind = cases[::3], cases[1::3]
        Identity.objects.filter(cases__in=people_).update(kind="human")
        Case.objects.filter(pk__in=[one.pk for one in blind]).update(
            policy=staged.policy, stage="Owners"
        )
        for case in blind:
            stage = case.stages.create(position=1, name="Second look", within=DAY)
            Seat.objects.create(
                case=case, kind="ai_owner", stage=stage, turn="later", party=party(people["ivo"])
            )
            Seat.objects.create(case=case, kind="tie_breaker", party=party(people["samuel"]))
        hasty(*cases, by=people["noor"])
        with CaptureQueriesContext(connection) as asked:
            found = second_looks.waiting_for(User.objects.get(username="rita"), now=NOW).count()
        return found, len(asked)

    hasty(staged, by=people["noor"])
    few = queries(0, 3)
    many = queries(10, 30)
    assert (few[0], many[0]) == (1 + 3, 1 + 3 + 30)
    assert few[1] == many[1]
    # Counted a few cases at a time, and no further than asked.
    monkeypatch.setattr(second_looks, "AT_ONCE", 4)
    for name in ("rita", "ivo", "samuel"):
        user = User.objects.get(username=name)
        found = second_looks.waiting_for(user, now=NOW).count()
        said = [second_looks.count(user, now=NOW, most=most) for most in (99, 3)]
        assert said == [found, min(found, 3)]
    assert second_looks.waiting_for(people["ivo"], now=NOW).count() == 0


# --- where they are named ------------------------------------------------------------------------


def said(user: User, address: str) -> str:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    cache.clear()
    return " ".join(client.get(address).content.decode().split())


def places(user: User, case: Case) -> dict[str, Any]:
    """What each place tells this user of second looks."""
    return {
        "front": NAMED in said(user, "/"),
        "lead": "1 review waits for a second look." in said(user, "/"),
        "queue": NAMED in said(user, "/queue/"),
        "list": f'href="/cases/{case.key}/"' in said(user, NAMED),
        "badge": said(user, "/profile/").partition(" wait for you")[0].rpartition('"')[2],
    }


def mails(user: User) -> dict[str, str]:
    """The mails to this user that were written since: subject -> body."""
    while attention.tell_provisional_next(now=NOW):
        pass
    while digest.write_next(now=NOW):
        pass
    rows = Notice.objects.filter(person=user.person, channel="mail")
    return dict(rows.values_list("subject", "body"))


@pytest.fixture(autouse=True)
def at_noon(monkeypatch: pytest.MonkeyPatch, settings: LazySettings) -> None:
    settings.BASE_URL = BASE
    monkeypatch.setattr(timezone, "now", lambda: NOW)


@pytest.mark.parametrize("who", ["rita", "ivo"])
def test_every_place_names_it_to_who_may_look_and_none_to_who_is_asked_blind(
    story: Told, people: dict[str, User], who: str
) -> None:
    case, user = later(story, people), people[who]
    # Nobody stands above it: the reviewers hear of it, and Ivo is one of them.
    Seat.objects.filter(case=case, kind="tie_breaker").update(party=None)
    Seat.objects.filter(case=case).update(backup=None)
    people["ivo"].groups.add(Group.objects.get(name="reviewer"))
    Notice.objects.all().delete()
    nothing = dict.fromkeys(("front", "lead", "queue", "list"), False) | {"badge": "0"}
    assert places(user, case) == nothing
    hasty(case, by=story.ines)
    if who == "ivo":
        assert (places(user, case), mails(user)) == (nothing, {})
        return
    assert places(user, case) == dict.fromkeys(nothing, True) | {"badge": "1"}
    found = mails(user)
    burst, daily = f"{case.key}: {FAST}", "1 review waits for a second look"
    assert set(found) == {burst, daily}
    assert f"{BASE}/cases/{case.key}/\n" in found[burst]
    assert f"{daily}: {BASE}{NAMED}\n" in found[daily]


def test_the_front_counts_cases_first_and_the_badge_both(
    story: Told, people: dict[str, User]
) -> None:
    case = stages.opened(story)
    hasty(case, by=story.ines)
    text = said(story.samuel, "/")
    assert "1 thing waits for you." in text
    assert "No case waits for you" not in text
    assert places(story.samuel, case) == {
        "front": True, "lead": False, "queue": True, "list": True, "badge": "2",
    }  # fmt: skip
    daily = mails(story.samuel)["1 case waits for you"]
    assert f"1 review waits for a second look: {BASE}{NAMED}\n" in daily
    text = said(story.rita, "/")
    assert "Only second looks wait for you" in text
    assert "No case waits for you" not in text
    assert "No case waits for you." in said(people["noor"], "/")


def test_the_badge_counts_no_further_than_its_bound(
    story: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = fill(6, owners=[party(story.ines)], now=NOW)
    hasty(*cases, by=story.ines)
    assert places(story.rita, cases[0])["badge"] == "6"
    monkeypatch.setattr(frame, "MOST_COUNTED", 5)
    assert places(story.rita, cases[0])["badge"] == "4+"


def test_pages_and_mail_count_no_further_than_their_bound(
    story: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasty(*fill(6, owners=[party(story.ines)], now=NOW), by=story.ines)
    assert str(second_looks.waits(story.rita, now=NOW)) == "6 reviews wait for a second look"
    monkeypatch.setattr(second_looks, "MOST_COUNTED", 5)
    assert str(second_looks.waits(story.rita, now=NOW)) == "over 5 reviews wait for a second look"
    assert second_looks.waits(story.ines, now=NOW) is None


def test_of_a_sealed_case_its_members_hear_and_nobody_else(
    story: Told, people: dict[str, User]
) -> None:
    case = sealed(story, people)
    CaseMember.objects.create(case=case, person=person_of(story.leila), since=NOW)
    Notice.objects.all().delete()
    hasty(case, by=story.ines)
    burst = f"{case.key}: {FAST}"
    assert burst in mails(story.leila)
    assert set(mails(story.marek)) == set()
    assert places(story.rita, case)["list"] is True
    assert places(story.marek, case)["list"] is False


def test_a_mail_counts_what_its_reader_may_look_at(story: Told, people: dict[str, User]) -> None:
    """Of three reviews Ivo is asked blind in one and sees nothing of another."""
    blind = later(story, people)
    shared, others = fill(2, owners=[party(story.ines)], now=NOW)
    for case in (shared, others):
        Seat.objects.create(case=case, kind="tie_breaker", party=party(story.leila))
    Seat.objects.filter(case=shared).update(backup=party(people["ivo"]))
    Notice.objects.all().delete()
    hasty(blind, shared, others, by=story.ines)
    assert mails(people["ivo"])[f"{shared.key}: {FAST}"].endswith(f"{BASE}/cases/{shared.key}/\n")
    found = mails(story.leila)
    subject = f"3 reviews: {FAST}"
    assert found[subject].endswith(f"{BASE}{NAMED}\n")
    assert [one for one in found if one.endswith(FAST)] == [subject]
    assert second_looks.waiting_for(story.leila, now=NOW).count() == 3


@pytest.mark.parametrize(("scene", "told"), [(sighted, True), (later, False)])
def test_who_has_not_signed_in_yet_hears_of_it_where_no_stage_is_blind(
    story: Told, people: dict[str, User], scene: Callable[..., Case], told: bool
) -> None:
    case = scene(story, people)
    User.objects.filter(pk=story.leila.pk).update(person=None)
    Notice.objects.all().delete()
    hasty(case, by=story.ines)
    assert (f"{case.key}: {FAST}" in mails(story.leila)) is told


def test_where_nobody_above_may_look_those_who_see_it_hear(
    story: Told, people: dict[str, User]
) -> None:
    """Without a reviewer it goes to the administrators, who may name one."""
    case = stages.opened(story)
    Seat.objects.filter(case=case).update(backup=None)
    Seat.objects.filter(case=case, kind="tie_breaker").delete()
    story.rita.groups.set(Group.objects.filter(name="administrator"))
    admin = make_user("adam", "administrator")
    Notice.objects.all().delete()
    hasty(case, by=story.ines)
    assert set(mails(admin)) == {f"{case.key}: {FAST}"}
