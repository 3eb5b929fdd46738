"""Pages and API of automatic holds: plain forms, two people, the replay, the release."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from identities.models import Finding, ProposedChange, User
from reviews.automatic import holding
from reviews.models import AutomaticHold, HoldRule
from tests.signed_in import by_hand

from .conftest import DAY, HOUR, Told, ingest, make_user, record
from .holding import MINUTE, SECRET
from .test_api import token
from .test_pages import as_user
from .test_policy_pages import confirmed

__all__ = ["as_user"]
pytestmark = pytest.mark.django_db
Sign = Callable[..., Client]
HOSTILE = "<img src=x onerror=alert(1)>"
PATH = "/automatic-holds/"


@pytest.fixture
def ada(db: None) -> User:
    return make_user("ada", "administrator")


def form(story: Told, **said: Any) -> dict[str, Any]:
    return {
        "classes": ["no_authority"],
        "kinds": ["service_account"],
        "per_hour": "3",
        "per_day": "10",
        "days": "30",
        "asked": str(story.rita.person_id),
        "reason": "nobody is as quick",
    } | said


def behaved(ago: Any = MINUTE, number: int = 90) -> Finding:
    """A secret was read with the story's key a minute ago, and received at once."""
    at = (timezone.now() - ago).replace(microsecond=0)
    ingest([record(number, "GetSecretValue", "", at, **SECRET)], now=at + MINUTE / 2)
    return Finding.objects.get(rule="no_authority", state="open")


def signed(story: Told, ada: User, as_user: Sign) -> HoldRule:
    as_user(story.rita).post(f"{PATH}new/", form(story) | {"act": "propose"})
    row = HoldRule.objects.get()
    assert confirmed(as_user(ada), f"{row.url}sign/")["Location"] == row.url
    HoldRule.objects.update(settled_at=timezone.now() - HOUR)
    row.refresh_from_db()
    return row


def held(story: Told, ada: User, as_user: Sign) -> AutomaticHold:
    signed(story, ada, as_user)
    behaved()
    while holding.hold_next(now=timezone.now()):
        pass
    return AutomaticHold.objects.get()


def test_a_rule_is_replayed_signed_by_two_people_and_switched_off_by_one(
    story: Told, ada: User, as_user: Sign
) -> None:
    finding = behaved(2 * DAY)
    rita, other, owner = as_user(story.rita), as_user(ada), as_user(story.ines)
    empty = rita.get(PATH).content.decode()
    assert ("Nothing was held by itself" in empty, "No rule" in empty) == (True, True)
    # Nothing is marked, nobody chosen beforehand.
    new = rita.get(f"{PATH}new/").content.decode()
    assert (new.count("checked"), 'value="" selected>choose a person' in new) == (0, True)
    replayed = rita.post(f"{PATH}new/", form(story) | {"act": "try"})
    words = (
        "In the last 30 days it would have held 1 of 1 identity: 1 no authority.",
        "Of none of these findings it was later said that it was wrong.",
        f"/findings/{finding.key}/",
        f"Credential {story.credential.short}",
    )
    page = replayed.content.decode()
    assert replayed.status_code == 200
    assert [one for one in words if one not in page] == []
    assert HoldRule.objects.count() == 0
    answer = rita.post(f"{PATH}new/", form(story) | {"act": "propose"})
    row = HoldRule.objects.get()
    assert (answer["Location"], row.replayed["held"]) == (row.url, 1)
    page = rita.get(row.url).content.decode()
    for one in (*words, "You proposed it: a second person signs.", "A second person is missing."):
        assert one in page
    assert "would have held" not in owner.get(row.url).content.decode().replace(
        "What it would have held is shown", ""
    )
    assert rita.post(f"{row.url}sign/").status_code == 403
    assert confirmed(other, f"{row.url}sign/")["Location"] == row.url
    page = owner.get(row.url).content.decode()
    assert "What was known when it was signed" in page
    assert "it would have held 1 of 1 identity" in page
    assert owner.post(f"{row.url}end/", {"reason": "x"}).status_code == 403
    assert rita.post(f"{row.url}end/", {"reason": " "}).status_code == 409
    assert rita.post(f"{row.url}end/", {"reason": "done"})["Location"] == row.url
    page = rita.get(row.url).content.decode()
    assert ("Rita switched it off: done" in page, "Switch it off" in page) == (True, False)


def test_hold_is_listed_shown_with_its_times_and_released(
    story: Told, ada: User, as_user: Sign
) -> None:
    row = held(story, ada, as_user)
    ines, other = as_user(story.ines), as_user(make_user("olga", "owner"))
    assert row.url in ines.get(PATH).content.decode()
    assert row.url not in other.get(PATH).content.decode()
    assert other.get(row.url).status_code == 404
    page = ines.get(row.url).content.decode()
    for words in ("The finding was stored", "It was held", row.case.key, "REV-", "Release it now"):
        assert words in page
    case = ines.get(f"/cases/{row.case.key}/").content.decode()
    assert (f'href="{row.url}"' in case, f"{row.key}: release it" in case) == (True, True)
    assert "Incident: svc-report: no authority" in case
    assert ines.post(f"{row.url}release/", {"reason": "mine"}).status_code == 409
    given = {"reason": "mine", "finding_was": "expected"}
    assert as_user(story.otto).post(f"{row.url}release/", given).status_code == 403
    assert ines.post(f"{row.url}release/", given)["Location"] == row.url
    page = ines.get(row.url).content.decode()
    assert ("released" in page, "Release it now" in page) == (True, False)
    assert Finding.objects.get(pk=row.finding_id).state == "open"
    assert ProposedChange.objects.get().document["disposition"] == "expected"


def test_what_is_typed_is_kept_and_escaped(story: Told, as_user: Sign) -> None:
    rita = as_user(story.rita)
    for wrong, words in (
        ({"per_hour": "0"}, "greater than or equal to 1"),
        ({"per_hour": "9", "per_day": "3"}, "In a day it holds at least as many as in an hour."),
        ({"days": "91"}, "less than or equal to 90"),
        ({"classes": ["no_run"]}, "Select a valid choice"),
        ({"asked": str(story.ines.person_id)}, "Select a valid choice"),
        ({"services": HOSTILE}, "There is no service"),
        ({"reason": " "}, "This field is required"),
    ):
        answer = rita.post(f"{PATH}new/", form(story) | wrong | {"act": "propose"})
        page = answer.content.decode()
        assert (answer.status_code, words in page, HOSTILE in page) == (400, True, False), wrong
    assert HoldRule.objects.count() == 0


@pytest.mark.parametrize(
    "path",
    [f"{PATH}AUTO-999/", f"{PATH}x/", f"{PATH}held/AH-999/", f"{PATH}held/x/", f"/api{PATH}x/"],
)
def test_what_is_not_there_is_absent(story: Told, as_user: Sign, path: str) -> None:
    assert as_user(story.rita).get(path).status_code == 404


def test_script_replays_proposes_and_releases_and_signs_nothing(
    story: Told, ada: User, as_user: Sign
) -> None:
    finding = behaved(2 * DAY)
    api, rita = f"/api{PATH}", token(story.rita, "read", "act")
    said = {"classes": ["no_authority"], "scope": {"kinds": ["service_account"]}}

    def post(path: str, body: Any, headers: Any = rita) -> Any:
        return Client().post(f"{api}{path}", body, headers=headers, content_type="application/json")

    tried = post("replay/", said).json()
    assert (tried["held"], tried["identities"], tried["later"]) == (1, 1, {"open": 1})
    more = {"asked": "rita@example.org", "reason": "quick"}
    made = post("rules/", said | more)
    assert (made.status_code, made.json()["state"], made.json()["replay"]["held"]) == (
        201,
        "proposed",
        1,
    )
    assert post("rules/", said | more | {"asked": "x@example.org"}).status_code == 409
    key = made.json()["rule"]
    assert post(f"{key}/sign/", {}, token(ada, "act")).status_code == 403
    assert post(f"{key}/refuse/", {"reason": "no"}).json()["code"] == "person_required"
    signed_in = by_hand(story.rita)
    assert post(f"{key}/refuse/", {"reason": "no"}, signed_in).json()["state"] == "refused"
    finding.delete()
    Finding.objects.all().delete()
    row = held_again(story, ada, as_user)
    one = Client().get(f"{api}held/{row.key}/", headers=rita).json()
    assert (one["state"], one["seconds_to_sent"], one["why_not_release"]) == ("held", None, None)
    listed = Client().get(api, headers=rita).json()["rows"]
    assert [one["hold"] for one in listed] == [row.key]
    given = {"reason": "mine", "finding_was": "false"}
    assert post(f"held/{row.key}/release/", given).json()["code"] == "person_required"
    done = post(f"held/{row.key}/release/", given, by_hand(story.rita))
    assert done.json()["state"] == "released"


def held_again(story: Told, ada: User, as_user: Sign) -> AutomaticHold:
    HoldRule.objects.all().delete()
    return held(story, ada, as_user)


def test_pages_cost_the_same_with_many(story: Told, ada: User, as_user: Sign) -> None:
    row = held(story, ada, as_user)
    rita = as_user(story.rita)

    def cost() -> list[int]:
        counts = []
        for path in (PATH, row.url, row.rule.url, f"/cases/{row.case.key}/"):
            with CaptureQueriesContext(connection) as found:
                assert rita.get(path).status_code == 200
            counts.append(len(found))
        return counts

    cost()  # what the menu counts is remembered for a while
    before = cost()
    for number in range(8):
        finding = Finding.objects.get(pk=row.finding_id)
        finding.pk, finding.family, finding.number = None, f"f{number}", 9_000 + number
        finding.save(force_insert=True)
        other = AutomaticHold.objects.get(pk=row.pk)
        other.pk, other.number, other.finding = None, 9_000 + number, finding
        other.save(force_insert=True)
    assert cost() == before
