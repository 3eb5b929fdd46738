"""Keys that only records of use show: in scope of a policy, among the items, and on pages."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from evidence.models import Source
from identities.models import Credential, User
from reviews import policy_document, policy_scope
from reviews.actions import proposing
from tests.identities.conftest import DAY, NOW, active, identity, user
from tests.identities.test_following import KEY, source, take
from tests.identities.test_keyholding import OTHER, arn, bound, call

__all__ = ["active", "identity", "source", "user"]

pytestmark = pytest.mark.django_db

Make = Callable[..., Any]


def with_standing_credential() -> list[str]:
    said = policy_document.parse({"scope": {"standing_credential": True}}, name="keys")
    return [one.name for one in policy_scope.in_scope(said, now=NOW)]


def test_a_key_that_is_only_used_is_in_scope_and_an_item(source: Source, active: Make) -> None:
    one = active("svc-report")
    bound(one, "svc")
    assert with_standing_credential() == []
    take(source, call("svc", days=9), call("svc", days=2))
    assert with_standing_credential() == ["svc-report"]
    items = [
        item for item in proposing.propose([one], now=NOW)[one.pk] if item.kind == "credential"
    ]
    assert [(item.title, item.note) for item in items] == [
        (
            "Credential AKIA…MPLE",
            f"standing, its issuance is in no evidence we hold, observed with {arn('svc')} only",
        )
    ]
    said = items[0].snapshot
    assert (said["count"], said["first_at"], said["last_at"]) == (
        2,
        (NOW - 9 * DAY).isoformat(),
        (NOW - 2 * DAY).isoformat(),
    )
    # Late evidence of another user: no longer this identity's.
    take(source, call("other", days=20))
    assert with_standing_credential() == []
    assert "credential" not in {item.kind for item in proposing.propose([one], now=NOW)[one.pk]}


def test_pages_say_with_whom_a_key_was_observed(
    source: Source, active: Make, user: Callable[..., User], client: Client
) -> None:
    one = active("svc-report")
    bound(one, "svc")
    take(source, call("svc", days=9), call("svc", OTHER, days=3))
    client.force_login(user("rita", "reviewer"))
    key = Credential.objects.get(actor__value=KEY).key
    for page, of_it in (
        (f"/identities/{one.key}/", f"observed with {arn('svc')}"),
        ("/credentials/", f"observed with {arn('svc')}"),
        (f"/credentials/{key}/", "<dt>Observed with</dt>"),
    ):
        shown = client.get(page).content.decode()
        assert of_it in shown, page
        assert "15 Nov" in shown, page
    rows = client.get("/api/credentials/").json()["rows"]
    assert [row["seen_with"] for row in rows] == [arn("svc"), arn("svc")]


def test_many_keys_take_as_many_statements_as_one(
    source: Source, active: Make, user: Callable[..., User], client: Client
) -> None:
    one = active("svc-report")
    bound(one, "svc")
    client.force_login(user("rita", "reviewer"))

    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get("/credentials/").status_code == 200
        return len(captured)

    take(source, call("svc"))
    statements()
    first = statements()
    take(source, *(call("svc", f"AKIAMANY{n:012d}") for n in range(30)))
    assert Credential.objects.filter(identity=one).count() == 31
    assert statements() == first
