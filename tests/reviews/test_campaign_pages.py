"""Pages of campaigns: by plain forms, at a constant number of queries, shown to who may see them."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from identities.models import User
from reviews.campaigns import launching, progress, steps
from reviews.models import Campaign, Case
from tests.signed_in import sure

from . import crowd
from .conftest import make_user
from .test_campaigns import prepared

pytestmark = pytest.mark.django_db


@pytest.fixture
def rita(db: None) -> User:
    return make_user("rita", "reviewer")


def as_user(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    sure(client)
    return client


def text(client: Client, url: str, status: int = 200) -> str:
    response = client.get(url)
    assert response.status_code == status, response.status_code
    return response.content.decode()


def post(client: Client, url: str, status: int = 302, **said: Any) -> Any:
    response = client.post(url, said)
    assert response.status_code == status, (response.status_code, response.content[:2_000])
    return response


def run(campaign: Campaign) -> None:
    now = timezone.now()
    while launching.launch_next(now=now):
        pass
    campaign.refresh_from_db()
    progress.count(campaign, now=now)


def acted(client: Client, url: str, act: str, **said: Any) -> str:
    """The page after an act, with what it says of it."""
    response = client.post(f"{url}{act}/", said, follow=True)
    assert response.status_code == 200, response.content[:2_000]
    return str(response.content.decode())


def work() -> None:
    while steps.next_part(now=timezone.now()):
        pass


def test_campaign_from_the_form_to_its_end(rita: User) -> None:
    owners = crowd.people(2)
    crowd.identities(3, owners=owners, of=crowd.services(2, owners))
    client = as_user(rita)
    assert "No campaign yet" in text(client, "/campaigns/")
    form = text(client, "/campaigns/new/")
    policy = form.split('name="policy"', 1)[1].split('<option value="', 1)[1].split('"', 1)[0]
    said: dict[str, Any] = {
        "name": "Agents",
        "policy": policy,
        "kinds": ["agent"],
        "reason": "once a year",
    }
    url = post(client, "/campaigns/new/", **said).headers["Location"]
    dry = text(client, url)
    assert ">15 items</a></b> in" in dry
    assert ">3 reviews</a>" in dry
    assert Case.objects.count() == 0
    post(client, f"{url}launch/", reason="go")
    assert "being launched" in text(client, url)
    run(Campaign.objects.get())
    assert re.sub(r"<a [^>]*>|</a>", "", text(client, url)).count("<b>0 of 15 items</b>") == 1
    post(client, f"{url}pause/", reason="freeze")
    assert "It stands still" in text(client, url)
    assert "goes on, as much later" in acted(client, url, "resume", reason="thaw")
    assert "is being resumed, 0 of 3 reviews are done" in text(client, url)
    post(client, f"{url}close/", reason="too early", status=403)
    work()
    assert "is being resumed" not in text(client, url)
    post(client, f"{url}extend/", to="2199-01-01T00:00", reason="x", status=409)
    post(client, f"{url}extend/", reason="x", status=409)
    assert "is asked again" in acted(client, url, "reiterate", reason="late")
    work()
    assert "2 people" in text(client, url).split("Asked again", 1)[1][:300]
    again = acted(client, url, "reiterate", reason="later")
    assert "2 people were asked again in Agents today already" in again
    work()
    assert "nobody: all have answered, or were asked that day" in text(client, url)
    assert "What is decided goes out. Open reviews keep their deadlines" in text(client, url)
    assert "0 of 15 items decided" in acted(client, url, "close", reason="enough")
    assert "It is closed" in text(client, url)
    assert "Agents" in text(client, "/campaigns/?q=agen")
    assert "No campaign matches" in text(client, "/campaigns/?q=other")


def test_form_names_what_is_wrong(rita: User) -> None:
    client = as_user(rita)
    response = post(client, "/campaigns/new/", status=400, name="", reason="")
    assert response.content.decode().count("This field is required.") == 3
    assert not Campaign.objects.exists()


def test_dry_run_of_an_empty_scope_says_so(rita: User) -> None:
    campaign = prepared(rita)
    assert "No identity is in this scope" in text(as_user(rita), f"/campaigns/{campaign.key}/")


def test_page_names_identities_with_nobody(rita: User) -> None:
    crowd.identities(120, owners=[], of=[])
    page = text(as_user(rita), f"/campaigns/{prepared(rita).key}/")
    assert 'nobody=identity_owner">120 identities</a>' in page
    assert "and 20 more" in page


def test_owner_sees_why_there_is_no_campaign_for_them(rita: User) -> None:
    campaign = prepared(rita)
    client = as_user(make_user("olga", "owner"))
    assert "Campaigns are shown to reviewers" in text(client, "/campaigns/")
    assert campaign.name not in text(client, "/campaigns/")
    text(client, f"/campaigns/{campaign.key}/", status=403)
    text(client, "/campaigns/new/", status=403)


def test_auditor_sees_and_steers_nothing(rita: User) -> None:
    campaign = prepared(rita)
    client = as_user(make_user("otto", "auditor"))
    assert "auditors read everything and change nothing" in text(
        client, f"/campaigns/{campaign.key}/"
    )
    post(client, f"/campaigns/{campaign.key}/launch/", status=403, reason="x")
    assert Campaign.objects.get().state == "draft"


@pytest.mark.parametrize("key", ["CMP-0", "CMP-99999", "CS-1", "CMP-x"])
def test_campaign_that_is_not_there_is_absent(rita: User, key: str) -> None:
    text(as_user(rita), f"/campaigns/{key}/", status=404)


def test_page_asks_the_same_number_of_queries_for_one_and_many(rita: User) -> None:
    client = as_user(rita)

    def queries(count: int) -> int:
        Campaign.objects.all().update(state="closed")
        owners = crowd.people(count, name=f"of{count}-")
        crowd.identities(count, owners=owners, of=[], name=f"many{count}")
        campaign = prepared(rita, name=str(count))
        url = f"/campaigns/{campaign.key}/"
        with CaptureQueriesContext(connection) as dry:
            text(client, url)
        launching.launch(campaign=campaign, by=rita, now=timezone.now(), reason="go")
        run(campaign)
        with CaptureQueriesContext(connection) as running:
            text(client, url)
        return len(dry) * 1_000 + len(running)

    queries(1)
    assert queries(2) == queries(60)


def test_launch_that_nobody_has_counted_yet_says_no_number(rita: User) -> None:
    crowd.identities(2, owners=crowd.people(1), of=[])
    campaign = prepared(rita)
    launching.launch(campaign=campaign, by=rita, now=timezone.now(), reason="go")
    page = text(as_user(rita), f"/campaigns/{campaign.key}/")
    assert "Everybody is told when all of them are open." in page
    assert "0 of 0" not in page
    campaign.refresh_from_db()
    progress.count(campaign, now=timezone.now())
    assert "0 of 2 reviews</a> are open. Everybody" in text(
        as_user(rita), f"/campaigns/{campaign.key}/"
    )
