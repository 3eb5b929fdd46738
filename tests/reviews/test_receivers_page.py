"""The page of a revocation shows what was proved, and by whom."""

from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client

from identities.actions.revocations import receiving
from identities.enforcers.webhook_answers import Told
from identities.models import Revocation

from .conftest import Told as Story

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("state", "outcome"), [("sent", "effective"), ("effective", "failed")])
def test_a_receivers_word_stands_on_the_page(story: Story, state: str, outcome: str) -> None:
    now = datetime.now(UTC)
    row = Revocation.objects.create(
        identity=story.identity,
        step="revoke",
        system="webhook",
        target={"system": "webhook", "account": "crm", "kind": "user", "name": "svc"},
        words="Revoke user svc",
        state=state,
        requested_at=now,
        requested_by="test",
        sending_at=now,
        sent_at=now,
        effective_at=now if state == "effective" else None,
        not_before=now + timedelta(days=1),
    )
    row.refresh_from_db()
    told = Told(by="crm", outcome=outcome, message="msg_1", seen_at=now, said="one <b>account</b>")
    receiving.take(told=told, key=row.key, step="revoke", now=now)
    browser: Any = Client()
    browser.force_login(story.rita)
    page = browser.get(f"/revocations/{row.key}/").content.decode()
    assert "<b>account</b>" not in page
    assert f"crm says {outcome} in msg_1, seen {now.isoformat()}: one <b>" in unescape(page)
    assert f'<td data-label="Result">{outcome}</td>' in page
