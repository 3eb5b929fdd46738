"""An access request becomes a signed delegation; the endpoint says yes, and no at its deadline."""

import json
import time
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import expect

from config import pipeline
from identities.actions import tokens
from identities.models import Delegation, DelegationVersion, Identity, User
from reviews.models import Case
from tests.browser.conftest import Open
from tests.browser.signing import answer, confirm
from tests.planted import Planted

pytestmark = pytest.mark.django_db(transaction=True)
REASON = "The auditors want the ledgers in the report."


def allowed(token: str, *, resource: str = "ledgers/2026/q3.json") -> bool:
    """What the decision endpoint answers for report-agent, asked as a platform asks it."""
    question = {
        "subject": {"type": "identity", "id": "report-agent"},
        "action": {"name": "s3:GetObject"},
        "resource": {"type": "object", "id": resource},
    }
    response = Client().post(
        "/access/v1/evaluation",
        json.dumps(question),
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )
    assert response.status_code == 200
    decision: bool = response.json()["decision"]
    return decision


def test_request_is_signed_and_ends_by_itself(open_as: Open, planted: Planted) -> None:
    priya = User.objects.get(username="priya")
    jonas = User.objects.get(username="jonas")
    _, token = tokens.create(
        user=jonas,
        name="platform",
        scopes=["decide"],
        lasts=timedelta(days=1),
        by=jonas,
        now=timezone.now(),
    )
    assert not allowed(token)
    page = open_as(priya)
    page.goto("/requests/new/?identity=report-agent")
    page.get_by_label("Actions").fill("s3:GetObject")
    page.get_by_label("Resources").fill("ledgers/*")
    page.get_by_label("Purpose").fill("reports for the auditors")
    ends = timezone.now() + timedelta(hours=2)
    page.get_by_label("Until (UTC)").fill(f"{ends:%Y-%m-%dT%H:%M}")
    page.get_by_label("Reason").fill(REASON)
    page.get_by_role("button", name="Ask both seats").click()
    expect(page.get_by_role("heading", name="Access request: report-agent")).to_be_visible()
    case = Case.objects.filter(door="access_request").latest("opened_at")
    item = case.items.get()
    assert not allowed(token)
    for login in ("ines", "samuel"):
        answer(
            open_as(User.objects.get(username=login)),
            case.key,
            item.title,
            "approve",
            reason="Agreed with the auditors.",
        )
        pipeline.drain(timezone.now())
        assert allowed(token) == (login == "samuel")
    assert not allowed(token, resource="hr-records/salaries.csv")
    page.goto(f"/identities/{Identity.objects.get(name='report-agent').key}/")
    expect(page.get_by_text("ledgers/*").first).to_be_visible()
    # From here on nothing runs but the endpoint: no worker, no schedule.
    version = DelegationVersion.objects.get(
        delegation=Delegation.objects.latest("created_at"),
        state="in_force",
        superseded_at__isnull=True,
    )
    end = timezone.now() + timedelta(seconds=4)
    version.during = (version.during.lower, end)
    version.save(update_fields=["during"])
    assert allowed(token)
    time.sleep((end - timezone.now()).total_seconds() + 0.05)
    assert not allowed(token)


def test_nobody_signs_their_own_request(open_as: Open, planted: Planted) -> None:
    """The identity's owner asks; the seat then belongs to the backup, and says why."""
    page = open_as(User.objects.get(username="ines"))
    page.goto("/requests/new/?identity=report-agent")
    page.get_by_label("Actions").fill("s3:GetObject")
    page.get_by_label("Resources").fill("ledgers/*")
    page.get_by_label("Purpose").fill("reports")
    page.get_by_label("Until (UTC)").fill(f"{timezone.now() + timedelta(days=2):%Y-%m-%dT%H:%M}")
    page.get_by_label("Reason").fill(REASON)
    page.get_by_role("button", name="Ask both seats").click()
    confirm(page)
    expect(page.get_by_role("heading", name="Access request: report-agent")).to_be_visible()
    button = page.get_by_role("button", name="Sign")
    assert button.count() == 0 or button.is_disabled()
