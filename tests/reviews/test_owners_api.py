"""Answers of owners for scripts: what is not understood is refused, and each row says its own."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from identities.models import Identity, User, VendorAttestation
from reviews.actions import offers
from reviews.models import OwnerOffer
from tests.signed_in import by_hand

from .conftest import DAY, Told, make_user
from .test_owned_pages import gone

pytestmark = pytest.mark.django_db


def post(user: User, path: str, **said: Any) -> Any:
    return Client().post(path, said, content_type="application/json", headers=by_hand(user))


def test_taking_back_is_no_answer_to_a_succession(story: Told) -> None:
    row = gone(story)
    url = f"/api/owned/succession/{row.pk}/"
    for answer in ("withdraw", "maybe", ""):
        refused = post(story.marek, url, answer=answer, reason="oops")
        assert (refused.status_code, list(refused.json())) == (400, ["answer"])
    asked = post(story.marek, url, answer="decline", reason="no", ask="leila")
    assert (asked.status_code, asked.json()) == (
        400,
        {"ask": ["Nobody knows this member. Known: answer, reason."]},
    )
    row.refresh_from_db()
    assert (row.state, str(row.heir)) == ("asked", "Marek")
    assert post(story.marek, url, answer="decline", reason="no").json()["heir"] == "Leila"


def test_whom_to_ask_instead_goes_with_declining_only(story: Told) -> None:
    nora, now = make_user("nora", "owner"), timezone.now()
    row = offers.offer(
        identity=story.identity, to="nora", how="not_mine", reason="x", by=story.ines, now=now
    )
    url = f"/api/owned/offers/{row.pk}/"
    refused = post(nora, url, answer="accept", ask="marek")
    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        "Whom to ask instead is said with decline, and with nothing else.",
    )
    assert post(nora, url, answer="accept", asks="marek").status_code == 400
    assert OwnerOffer.objects.get(pk=row.pk).state == "open"


def test_a_vendors_dated_word_is_recorded_as_on_the_page(story: Told) -> None:
    Identity.objects.update(kind="integration", evidence_boundary="ours only")
    path = f"/api/identities/{story.identity.key}/vendor/"
    said = {"what": "SOC 2 type II", "stated_on": "2026-01-01", "valid_until": "2026-12-31"}
    assert post(story.otto, path, attested=said).status_code == 403
    assert VendorAttestation.objects.count() == 0
    assert post(story.ines, path, attested=said, vendor_contact="v@crm.example").status_code == 200
    row = VendorAttestation.objects.get()
    assert (row.what, str(row.stated_on), str(row.valid_until), row.recorded_by) == (
        "SOC 2 type II",
        "2026-01-01",
        "2026-12-31",
        story.ines.person,
    )


@pytest.mark.parametrize(
    ("said", "status", "words"),
    [
        ({"attested": {"what": "SOC 2", "stated_on": "2999-01-01"}}, 409, "in the future"),
        ({"attested": {"what": "SOC 2"}}, 400, "stated_on"),
        ({"attested": "SOC 2"}, 400, "attested"),
        ({"attested": {"what": "x", "stated_on": "2026-01-01", "until": "y"}}, 400, "Nobody knows"),
        ({"attest": {"what": "x"}}, 400, "Nobody knows this member"),
    ],
)
def test_what_is_wrong_with_it_leaves_all_as_it_was(
    story: Told, said: dict[str, Any], status: int, words: str
) -> None:
    Identity.objects.update(kind="integration", evidence_boundary="ours only")
    path = f"/api/identities/{story.identity.key}/vendor/"
    refused = post(story.ines, path, vendor_contact="v@crm.example", **said)
    assert (refused.status_code, words in refused.content.decode()) == (status, True)
    story.identity.refresh_from_db()
    assert (story.identity.vendor_contact, VendorAttestation.objects.count()) == ("", 0)


def test_one_unknown_key_is_a_row_of_its_own(story: Told) -> None:
    Identity.objects.create(name="hidden", kind="agent", created_at=timezone.now())
    until = (timezone.now() + 20 * DAY).isoformat()
    keys = ["NHI-9999", story.identity.key, "hidden", story.identity.name]
    done = post(story.ines, "/api/owned/attest/", identities=keys, expires_at=until)
    assert done.status_code == 200
    why = "Its criticality is normal: renew it alone, with its purpose read."
    assert [(one["identity"], one["why_not"]) for one in done.json()["rows"]] == [
        ("NHI-9999", "There is no such identity."),
        (story.identity.key, why),
        ("hidden", "There is no such identity."),
        (story.identity.key, why),
    ]
