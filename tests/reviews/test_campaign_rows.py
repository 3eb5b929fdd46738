"""Each number of a campaign leads to the rows under it: as many, paged, as files, over the API."""

import csv
import io
import json
import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from identities.models import Identity, User
from reviews import actions
from reviews.campaigns import launching, progress
from reviews.models import Campaign, CampaignIdentity, Case, CaseMember, Item

from . import crowd
from .conftest import NOW, make_user, party, person_of
from .test_campaign_pages import as_user, rita, run, text
from .test_campaigns import prepared

__all__ = ["rita"]
pytestmark = pytest.mark.django_db
LINK = re.compile(
    r'<a (?:class="[^"]*" )?href="(/campaigns/CMP-\d+/(?:identities|reviews|items)/[^"]*)">([^<]*)</a>'
)


@pytest.fixture
def olga(db: None) -> User:
    return make_user("olga", "owner")


@pytest.fixture
def campaign(rita: User, olga: User) -> Campaign:
    """Three identities, fifteen items: one decided by both, one in conflict, one answered once."""
    now = timezone.now()
    sam = make_user("sam", "owner")
    owners = [party(olga), party(sam)]
    crowd.identities(3, owners=owners[:1], of=crowd.services(1, owners), now=now)
    Identity.objects.create(name="idle", kind="agent", mode="ask", owner=owners[0], created_at=now)
    made = prepared(rita)
    launching.launch(campaign=made, by=rita, now=now, reason="go")
    Identity.objects.filter(name="idle").update(state="retired")
    run(made)
    case = made.cases.order_by("number").first()
    assert case is not None
    answers: list[tuple[int, str, User, str]] = [
        (0, "identity_owner", olga, "keep"),
        (0, "ai_owner", sam, "keep"),
        (1, "identity_owner", olga, "keep"),
        (1, "ai_owner", sam, "revoke"),
        (2, "identity_owner", olga, "keep"),
    ]
    for position, seat, user, answer in answers:
        case.refresh_from_db()
        actions.decide(
            case=case,
            item=case.items.order_by("position")[position],
            seat=case.seats.get(kind=seat),
            answer=answer,
            reason="because",
            by=user,
            now=now,
            version=case.version,
        )
    progress.count(made, now=now)
    return made


def body(client: Client, url: str, **more: Any) -> str:
    response: Any = client.get(url, **more)
    assert response.status_code == 200, (url, response.status_code)
    return b"".join(response.streaming_content).decode()


def as_json(url: str) -> str:
    path, _, query = url.partition("?")
    return f"{path[:-1]}.json?{query.replace('&amp;', '&')}"


def test_every_number_of_the_page_leads_to_as_many_rows(campaign: Campaign, rita: User) -> None:
    client = as_user(rita)
    page = text(client, f"/campaigns/{campaign.key}/")
    links = LINK.findall(page)
    assert len({url for url, _ in links}) > 20
    for url, words in links:
        (number,) = re.findall(r"\d+", words.split(" of ")[0])
        rows = json.loads(body(client, as_json(url)))
        assert len(rows) == int(number), (url, words)
        shown = text(client, url.replace("&amp;", "&"))
        assert shown.count("<tr>") == len(rows) + bool(rows), url


def test_each_person_stands_in_one_row_after_answering(campaign: Campaign, olga: User) -> None:
    parts = progress.read(campaign).parts
    mine = [one for one in parts if one.person == str(person_of(olga).pk)]
    assert [(one.seat, one.answered, one.items) for one in mine] == [("identity_owner", 3, 15)]
    assert len(parts) == 2


@pytest.mark.parametrize("what", ["identities", "reviews", "items"])
def test_csv_json_and_api_hold_the_same_rows(campaign: Campaign, rita: User, what: str) -> None:
    client = as_user(rita)
    rows = json.loads(body(client, f"/campaigns/{campaign.key}/{what}.json"))
    table = csv.DictReader(io.StringIO(body(client, f"/campaigns/{campaign.key}/{what}.csv")))
    assert [{k: "" if v is None else str(v) for k, v in row.items()} for row in rows] == [*table]
    assert json.loads(body(client, f"/api/campaigns/{campaign.key}/{what}/")) == rows
    assert len(rows) == {"identities": 4, "reviews": 3, "items": 15}[what]


def test_population_says_who_was_not_asked_and_outcomes(campaign: Campaign, rita: User) -> None:
    client = as_user(rita)
    rows = json.loads(body(client, f"/campaigns/{campaign.key}/identities.json"))
    assert [(one["identity_name"], one["not_asked"]) for one in rows if not one["case"]] == [
        ("idle", launching.RETIRED)
    ]
    items = json.loads(body(client, f"/campaigns/{campaign.key}/items.json"))
    assert sorted(one["outcome"] for one in items)[-2:] == ["conflict", "keep"]
    assert [one["held"] for one in items if one["outcome"] == "conflict"] == ["revoke"]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("items/?color=red", "is not narrowed by"),
        ("items.json?color=red", "is not narrowed by"),
        ("items/?outcome=red", "choose one of decided, left, conflict"),
        ("items/?party=red", "give its id, or nobody"),
        ("reviews/?state=red", "choose one of draft, open"),
        ("identities.csv?road=red", "choose one of reviewed"),
    ],
)
def test_what_a_list_does_not_know_is_refused(
    campaign: Campaign, rita: User, address: str, words: str
) -> None:
    client = as_user(rita)
    assert words in text(client, f"/campaigns/{campaign.key}/{address}", status=409)
    what, _, query = address.replace(".json", "/").replace(".csv", "/").partition("/")
    said = client.get(f"/api/campaigns/{campaign.key}/{what}/{query}")
    assert (said.status_code, words in said.json()["detail"]) == (409, True)


def test_owner_sees_no_rows(campaign: Campaign, olga: User) -> None:
    client = as_user(olga)
    for address in ("items/", "items.csv", "identities.json"):
        text(client, f"/campaigns/{campaign.key}/{address}", status=403)
    assert client.get(f"/api/campaigns/{campaign.key}/items/").status_code == 403


def test_sealed_review_is_in_no_list(campaign: Campaign, rita: User) -> None:
    case = campaign.cases.order_by("number").first()
    assert case is not None
    before = progress.count(campaign, now=NOW)
    Case.objects.filter(pk=case.pk).update(sealed=True)
    client = as_user(rita)
    after = progress.count(campaign, now=NOW)
    # Neither is it counted: each number is that of the rows behind it.
    rows = {
        what: json.loads(body(client, f"/campaigns/{campaign.key}/{what}.json"))
        for what in ("reviews", "items")
    }
    assert (sum(after.cases.values()), after.items) == (len(rows["reviews"]), len(rows["items"]))
    assert after.items < before.items
    owners = [(one.reviews, one.items) for one in after.seats]
    assert owners == [(len(rows["reviews"]), len(rows["items"]))] * len(owners)
    for what in ("identities", "reviews", "items"):
        assert f'"{case.key}"' not in body(client, f"/campaigns/{campaign.key}/{what}.json")
        assert f">{case.key}<" not in text(client, f"/campaigns/{campaign.key}/{what}/")
    CaseMember.objects.create(case=case, person=person_of(rita), since=NOW)
    assert f'"{case.key}"' in body(client, f"/campaigns/{campaign.key}/reviews.json")


@pytest.fixture
def draft(rita: User, olga: User) -> Campaign:
    """Three identities of Olga with five items each, one of them under review; one of nobody's."""
    now = timezone.now()
    sam = make_user("sam", "owner")
    owners = [party(olga), party(sam)]
    made = crowd.identities(3, owners=owners[:1], of=crowd.services(1, owners), now=now)
    Identity.objects.create(name="idle", kind="agent", mode="ask", created_at=now)
    Identity.objects.filter(name="crowd-00002").update(mode="observe")
    actions.open_review(identity=made[0], by=rita, now=now, reason="before")
    return prepared(rita)


def test_every_number_of_a_draft_leads_to_as_many_rows(draft: Campaign, rita: User) -> None:
    client = as_user(rita)
    links = LINK.findall(text(client, f"/campaigns/{draft.key}/"))
    found: dict[str, int] = {}
    for url, words in links:
        (number,) = re.findall(r"\d+", words)
        rows = json.loads(body(client, as_json(url)))
        assert len(rows) == int(number), (url, words)
        path, _, query = url.rpartition("/")
        kind = re.sub(r"=[0-9a-f-]{36}", "", query.removeprefix("?"))
        found.setdefault(f"{path.rpartition('/')[2]} {kind}", len(rows))
        assert text(client, url.replace("&amp;", "&")).count("<tr>") == len(rows) + 1
    # Items: five of each of the two that would be asked about, and itself of the idle one.
    assert found == {
        "items ": 11,
        "identities road=opened": 3,
        "identities road=scope": 4,
        "identities road=joined": 1,
        "identities silence=it+goes+to+the+backups+and+the+tie-breaker": 2,
        "identities silence=it+is+only+noted%3A+it+is+in+observe+mode": 1,
        "identities nobody=identity_owner": 1,
        "identities person": 2,
        "items person": 10,
    }
    assert len(links) == len(found) + 2  # two people
    assert not CampaignIdentity.objects.exists()
    assert not Item.objects.filter(case__campaign=draft).exists()


def test_a_draft_says_who_would_be_asked_about_what(
    draft: Campaign, rita: User, olga: User
) -> None:
    client = as_user(rita)
    rows = json.loads(body(client, f"/campaigns/{draft.key}/identities.json"))
    assert {one["identity_name"]: one["asked"] for one in rows} == {
        "crowd-00000": "",  # asked already
        "crowd-00001": "Olga as identity owner; Sam as AI-system owner",
        "crowd-00002": "Olga as identity owner; Sam as AI-system owner",
        "idle": "nobody as identity owner",
    }
    mine = f"/campaigns/{draft.key}/items.json?person={person_of(olga).pk}"
    items = json.loads(body(client, mine))
    assert {one["item_kind"] for one in items} == {"delegation", "credential", "entitlement"}
    assert {one["identity_name"] for one in items} == {"crowd-00001", "crowd-00002"}
    assert json.loads(body(client, f"/api{mine.replace('.json', '/')}")) == items
    # The launch asks exactly that.
    titles = [(one["identity_name"], one["item_title"]) for one in items]
    launching.launch(campaign=draft, by=rita, now=timezone.now(), reason="go")
    run(draft)
    asked = Item.objects.filter(case__campaign=draft, case__identity__owner=party(olga))
    opened = asked.exclude(case__identity__name="crowd-00000")
    assert titles == list(
        opened.order_by("case__identity__number", "position").values_list(
            "case__identity__name", "title"
        )
    )


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("reviews/", "only its identities and items are known"),
        ("identities/?road=nothing", "choose one of scope"),
        ("identities/?person=olga", "give the id of a person"),
        ("items/?road=opened", "only by nobody, person, silence"),
        ("items.csv?nobody=tie_breaker", "choose one of identity_owner"),
    ],
)
def test_what_a_draft_does_not_know_is_refused(
    draft: Campaign, rita: User, address: str, words: str
) -> None:
    assert words in text(as_user(rita), f"/campaigns/{draft.key}/{address}", status=409)


def test_pages_of_a_drafts_items_hold_each_once(rita: User, olga: User) -> None:
    crowd.identities(23, owners=[party(olga)], of=[], now=timezone.now())
    Identity.objects.create(name="idle", kind="agent", mode="ask", created_at=timezone.now())
    draft = prepared(rita)
    client = as_user(rita)
    whole = [
        (one["identity_name"], one["item_title"])
        for one in json.loads(body(client, f"/campaigns/{draft.key}/items.json"))
    ]
    assert len(set(whole)) == 23 * 5 + 1
    shown = []
    for page in (1, 2, 3, 4):
        found = client.get(f"/campaigns/{draft.key}/items/", {"page": page}).context["rows"]
        shown += [(one["identity_name"], one["item_title"]) for one in found]
    assert shown == whole


@pytest.mark.parametrize("what", ["identities", "reviews", "items", "items?seat=identity_owner"])
def test_lists_ask_the_same_for_one_and_many(rita: User, what: str) -> None:
    client = as_user(rita)

    def queries(count: int) -> int:
        Campaign.objects.update(state="closed")
        owners = crowd.people(count, name=f"of{count}-")
        crowd.identities(count, owners=owners, of=[], name=f"many{count}")
        campaign = prepared(rita, name=str(count))
        launching.launch(campaign=campaign, by=rita, now=timezone.now(), reason="go")
        run(campaign)
        with CaptureQueriesContext(connection) as seen:
            text(
                client,
                f"/campaigns/{campaign.key}/{what}/".replace("?", "/?").rstrip("/")
                if "?" in what
                else f"/campaigns/{campaign.key}/{what}/",
            )
        return len(seen)

    queries(1)
    assert queries(2) == queries(60)
    assert Item.objects.count() > 300
