"""Making what is registered active: one by one, many at once, by page and by script."""

from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from evidence.models import LedgerEntry
from identities.models import Attestation, Identity
from identities.permissions import NotAllowed, NotPossible
from reviews.actions import activating
from tests.signed_in import sure

from .conftest import DAY, NOW, Told, party
from .read_forms import as_read

pytestmark = pytest.mark.django_db
LATER = NOW + 90 * DAY


def draft(story: Told, name: str = "shop-04", **more: Any) -> Identity:
    said = {"owner": party(story.ines), "purpose": "the shop's orders", "expires_at": LATER} | more
    row = Identity.objects.create(name=name, kind="workload", created_at=NOW, **said)
    row.refresh_from_db()
    return row


def states() -> dict[str, str]:
    return dict(Identity.objects.exclude(name="svc-report").values_list("name", "state"))


def test_the_owner_states_what_it_is_for_with_it(story: Told) -> None:
    row = activating.activate(identity=draft(story), by=story.ines, now=NOW)
    assert (row.state, row.expires_at) == ("active", LATER)
    said = Attestation.objects.get(identity=row)
    assert (said.purpose, said.attested_by) == ("the shop's orders", story.ines.person)
    acts = LedgerEntry.objects.filter(subject=row.key).order_by("pk").values_list("act", flat=True)
    assert list(acts) == ["identity.attested", "identity.activated"]


def test_what_is_claimed_gets_what_it_lacks(story: Told) -> None:
    row = draft(story, purpose="", expires_at=None)
    assert activating.missing(row, now=NOW) == ["a purpose", "an end"]
    with pytest.raises(NotPossible, match="without a purpose and an expiry"):
        activating.activate(identity=row, by=story.ines, now=NOW)
    activating.activate(
        identity=row, by=story.ines, now=NOW, purpose="orders of the shop", expires_at=LATER
    )
    row.refresh_from_db()
    assert (row.state, row.purpose, row.expires_at) == ("active", "orders of the shop", LATER)


def test_the_policys_bounds_hold(story: Told) -> None:
    with pytest.raises(NotPossible, match="at most 366 days"):
        activating.activate(
            identity=draft(story, expires_at=NOW + 800 * DAY), by=story.ines, now=NOW
        )
    with pytest.raises(NotPossible, match="3 words"):
        activating.activate(identity=draft(story, "two", purpose="x"), by=story.ines, now=NOW)
    assert set(states().values()) == {"draft"}


def test_a_reviewer_states_nothing_for_the_owner(story: Told) -> None:
    row = draft(story)
    with pytest.raises(NotAllowed, match="may attest shop-04"):
        activating.activate(identity=row, by=story.rita, now=NOW, expires_at=LATER + DAY)
    activating.activate(identity=row, by=story.rita, now=NOW)
    assert (states(), Attestation.objects.count()) == ({"shop-04": "active"}, 0)


def test_an_auditor_and_a_stranger_may_not(story: Told) -> None:
    row = draft(story)
    for user in (story.otto, story.samuel):
        with pytest.raises(NotAllowed):
            activating.activate(identity=row, by=user, now=NOW)


def test_many_at_once_and_what_each_lacks(story: Told, client: Client) -> None:
    rows = [draft(story, "a"), draft(story, "b", purpose=""), draft(story, "c", expires_at=None)]
    client.force_login(story.ines)
    sure(client)
    page = client.get("/owned/").content.decode()
    assert '<a href="/owned/?state=draft">3 identities</a> are not active yet' in page
    assert page.count("Select to make active: ") == 3
    # A draft shows only what applies to it.
    drafts = client.get("/owned/?state=draft").content.decode()
    assert ("Renew" in drafts, "renew it alone" in drafts) == (False, False)
    assert "lacks a purpose" in page
    said = client.post("/owned/activate/", {"pick": [str(one.pk) for one in rows]})
    words = said.content.decode()
    assert (said.status_code, states()) == (200, {"a": "active", "b": "draft", "c": "draft"})
    assert "1 of 3 made active" in words
    assert "Not active: b cannot become active without a purpose." in words
    until = (LATER + DAY).date()
    client.post(
        "/owned/activate/",
        {
            "pick": [str(one.pk) for one in rows[1:]],
            "purpose": "orders of the shop",
            "until": until,
        },
    )
    assert set(states().values()) == {"active"}
    assert set(
        Identity.objects.filter(name__in="bc").values_list("expires_at__date", flat=True)
    ) == {until}
    assert "not active yet: nobody" not in client.get("/owned/").content.decode()


def test_the_list_shows_drafts_alone(story: Told, client: Client) -> None:
    draft(story)
    client.force_login(story.ines)
    sure(client)
    page = client.get("/owned/?state=draft").content.decode()
    assert "shop-04" in page
    assert "/identities/NHI-" in page
    assert page.count("data-select") == 1
    rows = client.get("/api/owned/?state=draft").json()["rows"]
    assert [(one["name"], one["lacks"]) for one in rows] == [("shop-04", [])]


def test_nothing_selected_or_no_date_is_said(story: Told, client: Client) -> None:
    client.force_login(story.ines)
    sure(client)
    for body, words in (
        ({}, "Select what is to be made active."),
        ({"pick": "x"}, "Select it on the page, by its box."),
        ({"pick": str(draft(story).pk), "until": "soon"}, "Say until when as 2027-03-31"),
    ):
        said = client.post("/owned/activate/", body)
        assert (said.status_code, words in said.content.decode()) == (409, True)


def test_from_its_page(story: Told, client: Client) -> None:
    row = draft(story)
    client.force_login(story.ines)
    sure(client)
    line = client.get(f"/identities/{row.key}/").content.decode()
    assert f'href="/identities/{row.key}/renew/"' in line
    assert "Make active" in line
    form = client.get(f"/identities/{row.key}/renew/").content.decode()
    assert 'name="activate"' in form
    assert f'value="{LATER.date():%Y-%m-%d}"' in form
    body = {"purpose": "orders of the shop", "until": f"{LATER.date():%Y-%m-%d}", "activate": "1"}
    body |= as_read(client, f"/identities/{row.key}/renew/")
    said = client.post(f"/identities/{row.key}/renew/", body, follow=True)
    assert "and active." in said.content.decode()
    assert states() == {"shop-04": "active"}


def test_a_reviewer_from_its_page(story: Told, client: Client) -> None:
    row, bare = draft(story), draft(story, "bare", purpose="")
    client.force_login(story.rita)
    sure(client)
    line = client.get(f"/identities/{bare.key}/").content.decode()
    assert "It lacks a purpose: whoever answers for it says what." in line
    assert (
        f'action="/identities/{row.key}/activate/"'
        in client.get(f"/identities/{row.key}/").content.decode()
    )
    client.post(f"/identities/{row.key}/activate/")
    assert client.post(f"/identities/{bare.key}/activate/").status_code == 409
    assert states() == {"shop-04": "active", "bare": "draft"}


def test_by_api_one_and_many(story: Told, client: Client) -> None:
    a, b, c = draft(story, "a"), draft(story, "b", purpose=""), draft(story, "c", expires_at=None)
    client.force_login(story.ines)
    sure(client)

    def post(path: str, body: dict[str, Any]) -> Any:
        return client.post(path, body, content_type="application/json")

    assert post(f"/api/identities/{a.key}/activate/", {}).json()["state"] == "active"
    said = post("/api/owned/activate/", {"identities": [b.key, "c", "nobody"]})
    assert said.json() == {
        "rows": [
            {
                "identity": b.key,
                "activated": False,
                "why_not": "b cannot become active without a purpose.",
            },
            {
                "identity": c.key,
                "activated": False,
                "why_not": "c cannot become active without an expiry.",
            },
            {"identity": "nobody", "activated": False, "why_not": "There is no such identity."},
        ]
    }
    more = {"purpose": "orders of the shop", "expires_at": LATER.isoformat()}
    said = post("/api/owned/activate/", {"identities": [b.key, c.key]} | more)
    assert [one["activated"] for one in said.json()["rows"]] == [True, True]
    assert post("/api/owned/activate/", {"identities": [a.key], "why": "x"}).status_code == 400
    assert post("/api/owned/activate/", {"identities": []}).status_code == 400


def test_a_first_load_says_how_it_goes_on(db: None, tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "house.yaml"
    file.write_text(
        "people: [{name: Ines Okafor, email: ines@example.org}]\n"
        "identities: [{name: svc-report, kind: workload, owner: ines@example.org}]\n"
    )
    call_command("register", str(file), "--imported")
    assert "  1 not active yet: " in capsys.readouterr().out
    call_command("register", str(file), "--imported")
    assert "not active yet" not in capsys.readouterr().out
