"""What somebody answers for, as pages and API: plain forms, the same refusals, constant queries."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from identities.models import Attestation, Identity, VendorAttestation
from reviews.actions import offers
from reviews.models import OwnerOffer, SuccessionItem
from reviews.succession import noticing
from tests.signed_in import by_hand

from .conftest import Told, make_user, party, person_of
from .owning import put_in_force
from .read_forms import as_read
from .test_api import token
from .test_pages import answered, as_user

__all__ = ["answered", "as_user"]
pytestmark = pytest.mark.django_db
Sign = Callable[..., Client]
DAY = timedelta(days=1)
HOSTILE = "<img src=x onerror=alert(1)>{{7*7}}"


def many(story: Told, count: int, **said: Any) -> None:
    Identity.objects.bulk_create(
        Identity(
            **{
                "name": f"batch-{number:02d}",
                "kind": "agent",
                "owner": party(story.ines),
                "purpose": "moves files to Finance",
                "criticality": "low",
                "created_at": timezone.now(),
            }
            | said
        )
        for number in range(count)
    )


def test_list_shows_what_is_theirs_at_a_constant_cost(story: Told, as_user: Sign) -> None:
    client = as_user(story.ines)
    client.get("/owned/")
    costs = []
    for count in (0, 30):
        many(story, count)
        with CaptureQueriesContext(connection) as asked:
            text = client.get("/owned/").content.decode()
        costs.append(len(asked))
    assert costs[0] == costs[1]
    assert f"/identities/{story.identity.key}/renew/" in text
    assert "Its criticality is normal: renew it alone, with its purpose read." in text
    assert text.count('name="pick"') == 31
    assert " checked" not in text


def test_list_of_somebody_else_is_empty(story: Told, as_user: Sign) -> None:
    text = as_user(make_user("nora", "owner")).get("/owned/").content.decode()
    assert "Nothing is yours as owner, sponsor or backup" in text
    assert story.identity.name not in text


@pytest.mark.parametrize(
    ("mode", "criticality", "at_end"),
    [
        ("enforce", "normal", "the identity is suspended."),
        (
            "enforce",
            "critical",
            "a named person is told, and nothing is cut, because what is critical is never cut by a clock.",
        ),
        (
            "ask",
            "normal",
            "a named person is told, and nothing is cut, because report-agent is in ask mode.",
        ),
    ],
)
def test_renewing_says_what_the_end_of_this_identity_would_do(
    story: Told, as_user: Sign, mode: str, criticality: str, at_end: str
) -> None:
    put_in_force(attestation={"at_end": "suspend"})
    Identity.objects.filter(pk=story.identity.pk).update(
        name="report-agent", mode=mode, criticality=criticality
    )
    text = as_user(story.ines).get(f"/identities/{story.identity.key}/renew/").content.decode()
    assert f"If nobody renews it by then, {at_end}" in text


def test_renewing_by_a_plain_form(story: Told, as_user: Sign) -> None:
    put_in_force(attestation={"longest_days": 30, "purpose_at_least": 10})
    client = as_user(story.ines)
    path = f"/identities/{story.identity.key}/renew/"
    text = client.get(path).content.decode()
    assert "It may last at most 30 days" in text
    late = (timezone.now() + 40 * DAY).date().isoformat()
    refused = client.post(path, {"purpose": HOSTILE, "until": late})
    assert refused.status_code == 409
    said = refused.content.decode()
    assert "access review, version 1 says so for every identity" in said
    assert (HOSTILE in said, "&lt;img src=x" in said) == (False, True)
    until = (timezone.now() + 20 * DAY).date()
    new = {"purpose": "quarterly reports", "until": until.isoformat()}
    done = client.post(path, as_read(client, path) | new)
    assert done["Location"] == "/owned/"
    row = Attestation.objects.get()
    assert (row.purpose, row.expires_at.date()) == ("quarterly reports", until)
    assert as_user(story.rita).post(path, {"purpose": "x" * 20, "until": late}).status_code == 403


def test_renewing_many_has_a_row_for_each(story: Told, as_user: Sign) -> None:
    many(story, 2)
    client, until = as_user(story.ines), (timezone.now() + 20 * DAY).date().isoformat()
    picked = [str(one.pk) for one in Identity.objects.all()]
    text = client.post("/owned/renew/", {"pick": picked, "until": until}).content.decode()
    assert "2 of 3 renewed" in text
    assert "Not renewed: Its criticality is normal" in text
    assert Attestation.objects.count() == 2
    assert client.post("/owned/renew/", {"pick": picked}).status_code == 409
    assert client.post("/owned/renew/", {"pick": ["x"], "until": until}).status_code == 409


def test_handing_over_from_page_to_page(story: Told, as_user: Sign) -> None:
    nora = make_user("nora", "owner")
    client, path = as_user(story.ines), f"/identities/{story.identity.key}/hand-over/"
    assert "not mine" in client.get(path).content.decode()
    refused = client.post(path, {"to": "nobody", "how": "not_mine", "reason": HOSTILE})
    assert refused.status_code == 409
    assert "There is nobody called" in refused.content.decode()
    assert HOSTILE not in refused.content.decode()
    client.post(path, {"to": "nora", "how": "not_mine", "reason": "hers"})
    row = OwnerOffer.objects.get()
    assert "is asked by Ines" in client.get(path).content.decode()
    theirs = as_user(nora)
    queue = theirs.get("/queue/").content.decode()
    assert "<b>1 question</b>" in queue
    text = theirs.get("/owned/").content.decode()
    assert f"/owned/offers/{row.pk}/accept/" in text
    assert as_user(make_user("omar")).post(f"/owned/offers/{row.pk}/accept/").status_code == 404
    assert as_user(story.rita).post(f"/owned/offers/{row.pk}/accept/").status_code == 403
    assert theirs.post(f"/owned/offers/{row.pk}/accept/")["Location"] == "/owned/"
    story.identity.refresh_from_db()
    assert str(story.identity.owner) == "Nora"


def test_declining_names_whom_to_ask(story: Told, as_user: Sign) -> None:
    nora, omar = make_user("nora", "owner"), make_user("omar", "owner")
    now = timezone.now()
    row = offers.offer(
        identity=story.identity, to="nora", how="hand_over", reason="x", by=story.ines, now=now
    )
    url = f"/owned/offers/{row.pk}/decline/"
    assert as_user(nora).post(url, {"reason": "", "ask": "omar"}).status_code == 409
    as_user(nora).post(url, {"reason": "Omar built it", "ask": "omar"})
    assert str(OwnerOffer.objects.get(state="open").to) == "Omar"
    mine = OwnerOffer.objects.get(state="open")
    as_user(story.marek).post(f"/owned/offers/{mine.pk}/withdraw/")
    assert OwnerOffer.objects.filter(state="withdrawn").count() == 1
    assert omar.is_active


def gone(story: Told) -> SuccessionItem:
    person = person_of(story.ines)
    person.left_at = timezone.now() - DAY
    person.save()
    while noticing.notice_next(now=timezone.now()):
        pass
    return SuccessionItem.objects.select_related("succession").get(role="owner")


def test_succession_is_shown_and_answered(story: Told, as_user: Sign) -> None:
    row = gone(story)
    marek = as_user(story.marek)
    text = marek.get("/owned/").content.decode()
    assert "Ines is no longer there, so it came to Marek." in text
    assert as_user(story.rita).post(f"/owned/succession/{row.pk}/accept/").status_code == 404
    assert marek.get("/successions/").status_code == 403
    rita = as_user(story.rita)
    assert "Ines has left" in rita.get("/successions/?q=ines").content.decode()
    assert "Ines has left" not in rita.get("/successions/?q=nora").content.decode()
    page = f"/successions/{row.succession.key}/"
    text = rita.get(page).content.decode()
    assert "The login ines was switched off." in text
    assert "asked to accept" in text
    assert marek.get(page).status_code == 403
    assert rita.get("/successions/SUC-999999/").status_code == 404
    assert rita.get("/successions/x/").status_code == 404
    assert marek.post(f"/owned/succession/{row.pk}/decline/", {"reason": ""}).status_code == 409
    marek.post(f"/owned/succession/{row.pk}/accept/")
    assert "accepted" in rita.get(page).content.decode()


def test_list_of_a_leaver_is_named_to_whoever_may_open_it(story: Told, as_user: Sign) -> None:
    row = gone(story)
    key = row.succession.key
    link = f'<a href="/successions/{key}/">{key}, all that was theirs</a>'
    marek = as_user(story.marek)
    assert key not in marek.get("/owned/").content.decode()
    story.marek.groups.add(Group.objects.get(name="reviewer"))
    assert link in marek.get("/owned/").content.decode()
    assert marek.get(f"/successions/{key}/").status_code == 200


def test_line_offers_both_acts_with_reasons(story: Told, as_user: Sign) -> None:
    path = f"/identities/{story.identity.key}/"
    text = as_user(story.ines).get(path).content.decode()
    assert f'href="{path}renew/"' in text
    assert f'href="{path}hand-over/"' in text
    text = as_user(story.rita).get(path).content.decode()
    assert "Only its owner, sponsor, backup or AI-system owner may attest svc-report." in text
    assert "Only the owner of svc-report or an administrator may hand it over." in text


def test_vendor_of_an_integration_is_stated_and_shown(story: Told, as_user: Sign) -> None:
    client, path = as_user(story.ines), f"/identities/{story.identity.key}/vendor/"
    assert client.get(path).status_code == 404
    Identity.objects.update(kind="integration")
    said = {
        "form": "stated",
        "evidence_boundary": "calls of ours; nothing inside CRM Ltd",
        "vendor_contact": "security@crm.example",
        "contract_ends": "2027-05-31",
        "data_leaving": HOSTILE,
    }
    assert client.post(path, as_read(client, path) | said)["Location"] == path
    attested = {
        "form": "attested",
        "what": "SOC 2 type II",
        "stated_on": "2026-01-31",
        "valid_until": "2026-02-28",
    }
    assert client.post(path, attested)["Location"] == path
    wrong = client.post(path, attested | {"valid_until": "2025-01-01"})
    assert (wrong.status_code, "It cannot end before it begins." in wrong.content.decode()) == (
        409,
        True,
    )
    assert client.post(path, {"form": "attested"}).status_code == 400
    assert VendorAttestation.objects.count() == 1
    line = client.get(f"/identities/{story.identity.key}/").content.decode()
    for words in ("nothing inside CRM Ltd", "security@crm.example", "31 May 2027", "SOC 2 type II"):
        assert words in line
    assert "no longer valid" in line
    assert HOSTILE not in line
    assert as_user(make_user("nora")).post(path, said).status_code == 404
    assert as_user(story.otto).post(path, said).status_code == 403


def post(user: Any, path: str, **said: Any) -> Any:
    return Client().post(path, said, content_type="application/json", headers=by_hand(user))


def test_api_renews_within_bounds(story: Told) -> None:
    put_in_force(attestation={"longest_days": 30})
    path, now = f"/api/identities/{story.identity.key}/attest/", timezone.now()
    late = post(story.ines, path, purpose="p", expires_at=(now + 60 * DAY).isoformat())
    assert (late.status_code, "access review, version 1" in late.json()["detail"]) == (409, True)
    assert Attestation.objects.count() == 0
    many(story, 1)
    answer = post(
        story.marek, "/api/owned/attest/", identities=["batch-00"], expires_at=now.isoformat()
    ).json()
    assert answer["rows"][0]["why_not"] == "There is no such identity."
    until = (now + 20 * DAY).isoformat()
    done = post(
        story.samuel, "/api/owned/attest/", identities=[story.identity.key], expires_at=until
    ).json()
    assert done["rows"][0]["renewed"] is False


def test_api_hands_over_and_answers(story: Told) -> None:
    nora = make_user("nora", "owner")
    made = post(
        story.ines,
        f"/api/identities/{story.identity.key}/hand-over/",
        to="nora",
        reason="hers",
        how="not_mine",
    )
    assert (made.status_code, made.json()["state"]) == (201, "open")
    headers = by_hand(nora)
    listed = Client().get("/api/owned/", headers=headers).json()
    assert [one["identity"] for one in listed["offers"]] == [story.identity.key]
    url = f"/api/owned/offers/{made.json()['id']}/"
    assert Client().get(url, headers=headers).json()["reason"] == "hers"
    refused = Client().post(
        url, {"answer": "decline"}, content_type="application/json", headers=headers
    )
    assert (refused.status_code, refused.json()["detail"][:7]) == (409, "Say why")
    done = Client().post(
        url, {"answer": "accept"}, content_type="application/json", headers=headers
    )
    assert done.json()["state"] == "accepted"
    outsider = token(make_user("omar"), "read")
    assert Client().get(url, headers=outsider).status_code == 404
    listed = Client().get("/api/owned/", headers=headers).json()
    assert [(one["key"], one["role"]) for one in listed["rows"]] == [(story.identity.key, "owner")]


def test_api_answers_what_came_by_succession(story: Told) -> None:
    row = gone(story)
    url = f"/api/owned/succession/{row.pk}/"
    assert post(story.rita, url, answer="accept").status_code == 404
    assert post(story.marek, url, answer="decline").status_code == 409
    assert post(story.marek, url, answer="accept").json()["state"] == "accepted"


def test_api_states_the_vendor_of_an_integration(story: Told) -> None:
    path = f"/api/identities/{story.identity.key}/vendor/"
    assert post(story.ines, path, vendor_contact="v@crm.example").status_code == 409
    Identity.objects.update(kind="integration", evidence_boundary="ours only")
    assert post(story.rita, path, data_leaving="names").status_code == 200
    said = post(story.ines, path, vendor_contact="v@crm.example").json()
    assert [said[name] for name in ("evidence_boundary", "vendor_contact", "data_leaving")] == [
        "ours only",
        "v@crm.example",
        "names",
    ]
    assert post(story.otto, path, data_leaving="").status_code == 403


def test_renewing_says_in_plain_words_what_an_end_does_in_observe_mode(
    story: Told, as_user: Sign
) -> None:
    Identity.objects.update(mode="observe")
    text = as_user(story.ines).get(f"/identities/{story.identity.key}/renew/").content.decode()
    assert "3 words. It is in observe mode, so nothing is cut at its end" in text
