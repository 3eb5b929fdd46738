"""Forms that two people have open at once: what came first is shown to whoever comes second, and
nobody writes over what they have not read."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from identities.models import Identity
from reviews.models import Provisional, ReviewPolicy
from tests.signed_in import by_hand, sure

from .conftest import DAY, Told, party
from .hurry import answer, kept, lines
from .read_forms import as_read
from .test_api import token
from .test_pages import answered, as_user, now_story, open_case
from .test_policy_versions import put_in_force

__all__ = ["answered", "as_user", "now_story", "open_case"]
pytestmark = pytest.mark.django_db
Sign = Callable[..., Client]
SINCE = "has changed since you opened this page"


def words_of(response: Any) -> str:
    return str(response.content.decode())


def test_an_owner_reads_what_a_sponsor_stated_meanwhile(story: Told, as_user: Sign) -> None:
    Identity.objects.update(sponsor=party(story.rita))
    path = f"/identities/{story.identity.key}/renew/"
    ines, rita = as_user(story.ines), as_user(story.rita)
    first, second = as_read(ines, path), as_read(rita, path)
    day = (timezone.now() + 20 * DAY).date().isoformat()
    hers = {"purpose": "quarterly reports only", "until": day}
    assert rita.post(path, second | hers).status_code == 302
    mine = {"purpose": "everything of finance", "until": day}
    refused = ines.post(path, first | mine)
    text = words_of(refused)
    assert (refused.status_code, SINCE in text) == (409, True)
    # What stands is shown, and what was typed is still there.
    stands = text.split("What stands there now", 1)[1].split("</section>", 1)[0]
    assert ("quarterly reports only" in stands, "everything of finance" in text) == (True, True)
    story.identity.refresh_from_db()
    assert story.identity.purpose == "quarterly reports only"
    assert ines.post(path, as_read(ines, path) | mine).status_code == 302
    story.identity.refresh_from_db()
    assert story.identity.purpose == "everything of finance"
    assert ines.post(path, mine).status_code == 409


def test_a_vendors_form_takes_back_nothing_of_another(story: Told, as_user: Sign) -> None:
    Identity.objects.update(kind="integration", sponsor=party(story.rita))
    path = f"/identities/{story.identity.key}/vendor/"
    ines, rita = as_user(story.ines), as_user(story.rita)
    first = as_read(ines, path)
    theirs = {"form": "stated", "evidence_boundary": "calls of ours", "vendor_contact": ""}
    assert rita.post(path, as_read(rita, path) | theirs).status_code == 302
    mine = {"form": "stated", "evidence_boundary": "", "vendor_contact": "security@crm.example"}
    refused = ines.post(path, first | mine)
    text = words_of(refused)
    assert (refused.status_code, SINCE in text) == (409, True)
    assert ("What stands there now" in text, "calls of ours" in text) == (True, True)
    story.identity.refresh_from_db()
    said = (story.identity.evidence_boundary, story.identity.vendor_contact)
    assert said == ("calls of ours", "")
    # A script states some of it and leaves the rest as it is.
    body = {"vendor_contact": "security@crm.example"}
    path = f"/api/identities/{story.identity.key}/vendor/"
    assert (
        Client(headers=by_hand(story.ines)).post(path, body, "application/json").status_code == 200
    )
    story.identity.refresh_from_db()
    said = (story.identity.evidence_boundary, story.identity.vendor_contact)
    assert said == ("calls of ours", "security@crm.example")


def test_a_second_look_confirms_only_what_it_was_shown(
    now_story: Told, open_case: Any, as_user: Sign
) -> None:
    now = timezone.now()
    kept(open_case, now_story.ines, 49, at=now)
    first, later = lines(open_case, 2)
    answer(open_case, first, now_story.ines, now=now)
    client, path = sure(as_user(now_story.rita)), f"/cases/{open_case.key}/second-look/"
    read = as_read(client, path)
    answer(open_case, later, now_story.ines, now=now)
    said = {"how": "confirm", "reason": "I know all fifty"}
    refused = client.post(path, read | said)
    text = words_of(refused)
    assert refused.status_code == 409
    assert text.count("These answers have changed since you opened this page") == 1
    assert ("I know all fifty" in text, later.title in text) == (True, True)
    assert Provisional.objects.get().settled_at is None
    assert client.post(path, said).status_code == 409
    assert client.post(path, as_read(client, path) | said).status_code == 302
    assert Provisional.objects.get().how == "confirmed"


def test_a_proposal_takes_back_nothing_that_was_signed_meanwhile(
    story: Told, as_user: Sign
) -> None:
    otto, path = as_user(story.rita), "/policies/new/?name=access+review"
    read = as_read(otto, path)
    assert read == {"began_name": "access review", "began": "1"}
    put_in_force(story, decide_within_hours=24, remind_before_hours=[2], silence="suspend")
    document = json.dumps({"decide_within_hours": 96})
    mine = {"name": "access review", "document": document, "reason": "less haste"}
    refused = otto.post("/policies/new/", read | mine | {"act": "propose"})
    text = words_of(refused)
    assert refused.status_code == 400
    assert "access review, version 2 is in force, and you began from version 1" in text
    assert "Signed since you began" in text
    assert "At the deadline the identity is suspended." in text
    assert "&quot;decide_within_hours&quot;: 96" in text
    assert not ReviewPolicy.objects.filter(state="proposed").exists()
    # Trying it shows the same before anything is proposed.
    tried = otto.post("/policies/new/", read | mine | {"act": "try"})
    assert (tried.status_code, "Signed since you began" in words_of(tried)) == (200, True)
    again = read | {"began": "2"} | mine | {"act": "propose"}
    assert otto.post("/policies/new/", again).status_code == 302
    assert ReviewPolicy.objects.get(state="proposed").version == 3


def test_another_policy_s_name_is_not_written_over_unread(story: Told, as_user: Sign) -> None:
    scope = {"scope": {"kinds": ["agent"]}, "every_days": 90}
    put_in_force(story, name="agents", **scope)
    client = as_user(story.rita)
    read = as_read(client, "/policies/new/")
    new = {"name": "agents", "document": json.dumps(scope | {"every_days": 30}), "reason": "often"}
    refused = client.post("/policies/new/", read | new | {"act": "propose"})
    assert "agents, version 1 is in force, and you began from another policy" in words_of(refused)


@pytest.mark.parametrize(("based_on", "status"), [(1, 409), (2, 201), (None, 201)])
def test_a_script_says_what_its_proposal_was_written_from(
    story: Told, based_on: int | None, status: int
) -> None:
    put_in_force(story, silence="suspend")
    body: dict[str, Any] = {"name": "access review", "reason": "why"}
    body["document"] = {"decide_within_hours": 96}
    body |= {} if based_on is None else {"based_on": based_on}
    client = Client(headers=token(story.rita, "read", "act"))
    answered = client.post("/api/policies/", body, "application/json")
    assert answered.status_code == status


def test_what_is_wrong_is_said_once(story: Told, as_user: Sign) -> None:
    """The frame of every page says it: twice is read out twice."""
    said = {"name": "a name, with signs", "document": "{}", "reason": "x", "act": "propose"}
    page = as_user(story.rita).post("/policies/new/", said)
    assert words_of(page).count("Name the policy in at most 8 words") == 1
