"""What doctor says of reviews, well and not well."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from reviews import checks
from reviews.models import Notice

pytestmark = pytest.mark.django_db


def said() -> dict[str, tuple[bool, str]]:
    return {name: (ok, message) for name, ok, message, _ in checks.doctor()}


def notice(**given: Any) -> Notice:
    then = timezone.now() - timedelta(hours=1)
    values = {"subject": "s", "body": "b", "occasion": "CS-1 asked"}
    return Notice.objects.create(**values | {"created_at": then, "not_before": then} | given)


def test_doctor_has_nothing_to_say_of_a_new_installation(settings: Any) -> None:
    settings.WEBHOOK_SECRET = ""
    assert said() == {
        "notices": (True, "none waits for long"),
        "webhooks": (True, "no secret to sign them with; 0 notices waiting"),
    }


def test_doctor_says_why_notices_did_not_go_out() -> None:
    notice(failed_why="there is no mail address")
    notice(failed_why="later", occasion="CS-2 asked")
    notice(sent_at=timezone.now(), occasion="CS-3 asked")
    assert said()["notices"] == (
        False,
        "2 notices did not go out; the oldest: there is no mail address",
    )


def test_doctor_counts_notices_that_nobody_sends() -> None:
    notice()
    notice(occasion="CS-2 asked", not_before=timezone.now() + timedelta(hours=1))
    assert said()["notices"] == (False, "1 notice due and not sent for ten minutes")


def test_doctor_asks_for_the_secret_once_a_webhook_waits(settings: Any) -> None:
    notice(channel="webhook", address="https://192.0.2.1/")
    settings.WEBHOOK_SECRET = ""
    assert said()["webhooks"] == (False, "no secret to sign them with; 1 notice waiting")
    settings.WEBHOOK_SECRET = "A" * 32
    assert said()["webhooks"] == (True, "are signed")
