"""What a micro-review shows of the use that it asks about: how often, first, last, and the rows."""

from typing import Any

import pytest
from django.test import Client

from reviews.models import Item
from reviews.pages.case_item import usage

from .conftest import HOUR, NOW, Told
from .test_manifests import run_with_calls, signed
from .test_micro_reviews import micro, reviewed, sweep, traced

pytestmark = pytest.mark.django_db


def test_new_tool_says_how_often_it_was_used_and_leads_to_each(story: Told) -> None:
    reviewed(story)
    for number in range(3):
        traced(story, "read_invoice", "send_email", at=NOW + (1 + number) * HOUR, trace=8 + number)
    traced(story, "send_email", at=NOW + 9 * HOUR, trace=20)
    sweep()
    items = {one.title: one for one in Item.objects.filter(kind="use")}
    assert {title: usage(one) for title, one in items.items()} == {
        "Tool read_invoice": "3 uses",
        "Tool send_email": "4 uses",
    }
    seen = items["Tool send_email"].snapshot
    assert (seen["first_at"][:16], seen["last_at"][:16]) == ("2026-11-24T13:00", "2026-11-24T21:00")
    url = f"/events/?identity={story.identity.key}&action=send_email"
    assert seen["events_url"] == url
    client = Client()
    client.force_login(story.ines, backend="django.contrib.auth.backends.ModelBackend")
    text = client.get(f"/cases/{micro('new_tool').key}/").content.decode()
    assert f'<a href="{url.replace("&", "&amp;")}">4 uses</a>' in text
    assert client.get(url).content.decode().count('data-label="Action"') == 4


def test_call_beside_a_manifest_counts_those_on_its_resources_alone(story: Told, sign: Any) -> None:
    signed(
        story,
        sign,
        permissions=[{"actions": ["S3:Get*"], "resources": ["arn:aws:s3:::invoices/*"]}],
    )
    run_with_calls(
        story,
        ("GetObject", "invoices/7.pdf"),
        ("GetObject", "payroll/2026.csv"),
        ("GetObject", "payroll/2027.csv"),
        at=NOW + 2 * HOUR,
    )
    sweep()
    item = micro("outside_manifest").items.get()
    assert (item.title, usage(item)) == ("Call s3:GetObject on payroll/*", "2 uses")
    assert item.snapshot["events_url"].endswith("&action=s3%3AGetObject&family=payroll%2F%2A")
