"""Pages of review policies: plain forms, two people, nothing shown to whom it does not concern."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from evidence.models import LedgerEntry
from identities.models import Identity
from reviews import actions
from reviews.actions import policy_versions
from reviews.models import Case, ReviewPolicy
from tests.signed_in import unsure

from .conftest import NOW, Told, make_user
from .test_opening import finding
from .test_pages import PASSWORD, answered, as_user
from .test_policy_versions import proposed, put_in_force

__all__ = ["answered", "as_user"]
pytestmark = pytest.mark.django_db
Sign = Callable[..., Client]
HOSTILE = "<img src=x onerror=alert(1)>{{7*7}}"
SCOPED = {"scope": {"kinds": ["service_account"]}, "every_days": 365}


def confirmed(client: Client, path: str) -> Any:
    """Post, and say who one is when that is asked for; it goes on by itself afterwards."""
    unsure(client)
    response = client.post(path)
    assert response["Location"].split("?")[0] == "/accounts/reauthenticate/"
    return client.post(response["Location"], {"password": PASSWORD})


def form(**said: Any) -> dict[str, str]:
    return {"name": "agents", "document": json.dumps(said), "reason": "the audit asks for it"}


def test_list_shows_what_holds_from_the_start_and_writes_nothing(
    story: Told, as_user: Sign
) -> None:
    text = as_user(story.ines).get("/policies/").content.decode()
    assert "Access review" in text
    assert "At the deadline the case goes to the backups and the tie-breaker." in text
    assert "A request that nobody approves by the deadline is denied." in text
    assert ReviewPolicy.objects.count() == 0
    assert as_user(story.ines).get("/policies/access-review/1/").status_code == 200


def test_try_says_what_it_would_do_and_saves_nothing(story: Told, as_user: Sign) -> None:
    said = form(**SCOPED, silence="suspend")
    response = as_user(story.rita).post("/policies/new/", said | {"act": "try"})
    text = response.content.decode()
    assert response.status_code == 200
    for words in (
        "At the deadline the identity is suspended.",
        "Today it is about 1 identity.",
        "1 review would be opened at once; in observe mode, none.",
        "In every seat somebody could be asked.",
    ):
        assert words in text
    assert ReviewPolicy.objects.count() == 0


def test_problem_is_shown_beside_its_place_with_what_was_typed(story: Told, as_user: Sign) -> None:
    said = form(scope={"kinds": ["robot"]}, every_days=5, stages=[HOSTILE])
    response = as_user(story.rita).post("/policies/new/", said | {"act": "propose"})
    text = response.content.decode()
    assert response.status_code == 400
    assert "<code>scope.kinds[0]</code> Write one of: agent, service_account" in text
    assert "<code>stages[0]</code> Write an object" in text
    assert "robot" in text
    assert "<img src=x" not in text


def test_one_proposes_and_another_signs_by_plain_forms(story: Told, as_user: Sign) -> None:
    rita, ada = as_user(story.rita), as_user(make_user("ada", "administrator"))
    response = rita.post("/policies/new/", form(**SCOPED) | {"act": "propose"})
    assert (response.status_code, response["Location"]) == (302, "/policies/agents/1/")
    page = rita.get("/policies/agents/1/").content.decode()
    assert "You proposed it: a second person signs." in page
    assert rita.post("/policies/agents/1/sign/").status_code == 403
    assert ReviewPolicy.objects.get().state == "proposed"
    page = ada.get("/policies/agents/1/").content.decode()
    assert 'action="/policies/agents/1/sign/"' in page
    assert confirmed(ada, "/policies/agents/1/sign/")["Location"] == "/policies/agents/1/"
    assert ReviewPolicy.objects.get().state == "signed"
    assert "in force" in ada.get("/policies/agents/1/").content.decode()
    assert actions.open_due(now=NOW) == 1


def test_refused_with_a_reason(story: Told, as_user: Sign) -> None:
    row = proposed(story.rita, silence="suspend")
    ada = as_user(make_user("ada", "administrator"))
    assert ada.post(f"{row.url}refuse/", {"reason": ""}).status_code == 409
    assert ada.post(f"{row.url}refuse/", {"reason": "too hard"}).status_code == 302
    assert "Ada refused it: too hard" in ada.get(row.url).content.decode()


def test_version_says_what_changed_and_leads_to_who_is_counted(story: Told, as_user: Sign) -> None:
    put_in_force(story, name="agents", **SCOPED)
    row = proposed(story.rita, name="agents", **SCOPED, silence="revoke")
    client = as_user(story.rita)
    page = client.get(row.url).content.decode()
    assert "At the deadline what not every seat answered is revoked." in page
    assert "At the deadline the case goes to the backups and the tie-breaker." in page
    for which in ("scope", "due", "nobody"):
        assert f"{row.url}identities/?which={which}" in page
    listed = client.get(f"{row.url}identities/?which=due").content.decode()
    assert f"/identities/{story.identity.key}/" in listed
    nobody = client.get(f"{row.url}identities/?which=nobody").content.decode()
    assert f"/identities/{story.identity.key}/" not in nobody


def test_owner_reads_the_words_and_not_whom_it_concerns(story: Told, as_user: Sign) -> None:
    key = Identity.objects.create(name="other", kind="agent", created_at=NOW)
    key.refresh_from_db()
    exempt = [{"identity": key.key, "until": "2026-12-01", "reason": "a secret project"}]
    row = put_in_force(story, name="agents", **SCOPED, exemptions=exempt)
    owner, rita = as_user(story.ines), as_user(story.rita)
    page = owner.get(row.url).content.decode()
    assert "kind service account" in page
    assert [word in page for word in (key.key, "a secret project", "Today it is")] == [False] * 3
    assert "Only a reviewer or an administrator may change a review policy." in page
    assert owner.get(f"{row.url}identities/").status_code == 404
    assert "a secret project" in rita.get(row.url).content.decode()


def test_case_leads_to_the_version_it_was_opened_under(
    story: Told, case: Case, as_user: Sign
) -> None:
    put_in_force(story, silence="suspend")
    client = as_user(story.ines)
    page = client.get(f"/cases/{case.key}/").content.decode()
    assert '<a href="/policies/access-review/1/">access review, version 1</a>' in page
    assert client.get(f"/cases/{case.key}.json").json()["policy"] == "access review, version 1"
    old = client.get("/policies/access-review/1/").content.decode()
    assert ("replaced by version 2" in old, "1 case opened under this one" in old) == (True, True)
    address = "/cases/?policy=access+review&amp;version=1"
    assert f'<a href="{address}">' in old
    listed = [
        case.key in client.get(f"/cases/?policy=access+review&version={version}").content.decode()
        for version in (1, 2)
    ]
    assert listed == [True, False]


def test_auditor_changes_nothing(story: Told, as_user: Sign) -> None:
    row = proposed(story.rita, silence="suspend")
    otto, before = as_user(story.otto), LedgerEntry.objects.count()
    answers = [
        otto.post("/policies/new/", form(**SCOPED) | {"act": "propose"}).status_code,
        otto.post(f"{row.url}sign/").status_code,
        otto.post(f"{row.url}refuse/", {"reason": "x"}).status_code,
    ]
    assert answers == [400, 403, 403]
    assert (LedgerEntry.objects.count(), ReviewPolicy.objects.get(pk=row.pk).state) == (
        before,
        "proposed",
    )


@pytest.mark.parametrize(
    "path",
    [
        "/policies/nothing/1/",
        "/policies/access-review/2/",
        "/policies/access-review/99999999999999999999/",
        "/policies/nothing/1/identities/",
    ],
)
def test_versions_of_nothing_are_absent(story: Told, as_user: Sign, path: str) -> None:
    assert as_user(story.rita).get(path).status_code == 404


def test_first_version_of_all_is_signed_already(story: Told, as_user: Sign) -> None:
    response = as_user(story.rita).post("/policies/access-review/1/sign/")
    assert response.status_code == 403
    assert "signed already, by Countersign" in response.content.decode()


@pytest.mark.parametrize("path", ["/policies/", "/policies/new/", "/policies/access-review/1/"])
def test_pages_need_a_login(story: Told, path: str) -> None:
    assert Client().get(path)["Location"].split("?")[0] == "/accounts/login/"


def test_pages_ask_the_same_for_many_policies_and_versions(story: Told, as_user: Sign) -> None:
    client = as_user(story.rita)

    def questions(path: str) -> int:
        client.get(path)
        with CaptureQueriesContext(connection) as seen:
            assert client.get(path).status_code == 200
        return len(seen)

    put_in_force(story, name="agents", **SCOPED)
    put_in_force(story, name="agents", silence="narrow")
    paths = ("/policies/", "/policies/agents/2/", "/policies/agents/1/identities/")
    before = [questions(path) for path in paths]
    for number in range(10):
        put_in_force(story, name=f"more {number}", **SCOPED)
        Identity.objects.create(name=f"n{number}", kind="service_account", created_at=NOW)
    for hours in range(30, 40):
        row = proposed(story.rita, name="agents", decide_within_hours=200 + hours)
        ReviewPolicy.objects.filter(pk=row.pk).update(state="refused")
    assert [questions(path) for path in paths] == before


def test_finding_of_an_exempt_identity_says_why_no_review_is_opened(
    story: Told, as_user: Sign
) -> None:
    until = (timezone.now() + timedelta(days=9)).date().isoformat()
    exempt = [{"identity": story.identity.key, "until": until, "reason": "is being rebuilt"}]
    row = proposed(story.rita, now=timezone.now(), exemptions=exempt)
    policy_versions.sign(policy=row, by=make_user("ada", "administrator"), now=timezone.now())
    left, asked = (finding(story.identity, rule) for rule in ("no_authority", "no_run"))
    client = as_user(story.rita)
    said = f"leaves {story.identity.key} alone until {until}: is being rebuilt"
    seen = [said in client.get(f"/findings/{one.key}/").content.decode() for one in (left, asked)]
    assert seen == [True, False]


def test_list_says_which_version_waits_and_what_is_not_in_force(story: Told, as_user: Sign) -> None:
    proposed(story.rita, silence="suspend")
    proposed(story.rita, name="agents", **SCOPED)
    text = as_user(story.ines).get("/policies/").content.decode()
    waiting = re.findall(r'href="(/policies/[^"]+)">version (\d+) <span', text)
    assert waiting == [("/policies/access-review/2/", "2"), ("/policies/agents/1/", "1")]
    assert text.count("not in force") == 1
