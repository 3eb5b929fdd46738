"""Doors that know a sender by a signature: a wrong, an old and a repeated one change nothing that is
in force; and the admin site, which changes nothing for anybody.
"""

import hmac
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import get_resolver
from django.utils import timezone
from standardwebhooks.webhooks import Webhook

from evidence import actions, doors
from evidence.models import Source
from evidence.permissions import COMMAND
from identities.models import User
from reviews.models import Case
from reviews.notices import trackers
from tests.admin_site import admin_site
from tests.evidence.test_hooks import installation
from tests.reviews.conftest import Told, story
from tests.reviews.incidents.alerted import BEFORE, SECRET, plain, source_of
from tests.reviews.incidents.conftest import opened
from tests.road import insider_state as state
from tests.road.insider_routes import routes

__all__ = ["story"]
pytestmark = pytest.mark.django_db
OLD = timedelta(minutes=6)


class Door:
    """Where a sender delivers, and how it signs."""

    def __init__(self, address: str, secret: str, body: Any) -> None:
        self.address, self.secret, self.body = address, secret, json.dumps(body).encode()

    def send(self, *, secret: str = "", ago: timedelta = timedelta(), headers: Any = None) -> int:
        at = timezone.now() - ago
        signature = Webhook(secret or self.secret).sign("m1", at, self.body.decode())
        said = {
            "webhook-id": "m1",
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": signature,
        }
        return self._post(said | (headers or {}))

    def _post(self, headers: dict[str, str]) -> int:
        answer = Client().post(
            self.address, self.body, content_type="application/json", headers=headers
        )
        return int(answer.status_code)


class GitHub(Door):
    """Signs no time: what it sends again under one number is one event."""

    def send(self, *, secret: str = "", headers: Any = None, **_: Any) -> int:
        key = (secret or self.secret).encode()
        said = {
            "X-GitHub-Event": "installation",
            "X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
            "X-Hub-Signature-256": f"sha256={hmac.new(key, self.body, 'sha256').hexdigest()}",
        }
        return self._post(said | (headers or {}))


@pytest.fixture
def door(
    request: pytest.FixtureRequest,
    story: Told,
    secret_file: Callable[..., Any],
    settings: Any,
    tmp_path: Path,
) -> Iterator[Door]:
    made: Door
    if request.param == "alerts":
        secret_file("ALERTS_SECRET", SECRET)
        secret_file("ALERTS_BEFORE", BEFORE)
        source_of()
        made = Door("/api/alerts/from/siem/", SECRET, plain())
    elif request.param == "tickets":
        case: Case = opened(story, now=timezone.now())[0]
        (tmp_path / "theirs").write_text(SECRET)
        entry = {
            "name": "servicenow",
            "url": "https://it.example/case",
            "secrets": [f"file:{tmp_path / 'theirs'}"],
            "answers": [f"file:{tmp_path / 'theirs'}"],
        }
        (tmp_path / "tickets.yaml").write_text(json.dumps({"trackers": [entry]}))
        settings.TICKETS = str(tmp_path / "tickets.yaml")
        word = {"case": case.key, "ticket": "INC1", "state": "Closed", "close": True}
        made = Door("/api/tickets/servicenow/", SECRET, {"type": "ticket.changed", "data": word})
    else:
        row = Source.objects.create(name="hooks", created_at=timezone.now(), created_by="x")
        row, _ = actions.new_token(source=row, by=COMMAND, now=timezone.now())
        made = GitHub("/api/evidence/hooks/github/", doors.webhook_secret(row), installation())
    yield made
    trackers._read.cache_clear()


@pytest.mark.parametrize("door", ["alerts", "tickets", "github"], indirect=True)
def test_wrong_old_and_repeated_signatures_change_nothing(door: Door) -> None:
    before = state.in_force()
    wrong = "whsec_" + "eHh4" * 11
    unsigned = {"webhook-signature": "v1,AAAA", "X-Hub-Signature-256": "sha256=" + "0" * 64}
    assert door.send(secret=wrong) == 401
    assert door.send(headers=unsigned) == 401
    if not isinstance(door, GitHub):
        assert door.send(ago=OLD) == 401
        assert door.send(ago=-OLD) == 401
        later = {"webhook-timestamp": str(int(timezone.now().timestamp()))}
        assert door.send(ago=OLD, headers=later) == 401
    assert state.differs(before, state.in_force()) == frozenset()
    # The right one is taken, as evidence or as a word; the same again is not.
    assert door.send() < 300
    once = state.in_force()
    assert state.differs(before, once) <= {"evidence"}
    assert door.send() < 300
    assert state.differs(once, state.in_force()) == frozenset()


def test_admin_site_changes_nothing_for_a_superuser(story: Told, settings: Any) -> None:
    """Every address of it, by every verb, with a body that its form would take."""
    root = User.objects.create_superuser("root", "root@example.org", "x")
    root.person = story.rita.person
    root.save()
    client = Client(raise_request_exception=False)
    client.force_login(root, backend="django.contrib.auth.backends.ModelBackend")
    before, answered = state.in_force(), set()
    with admin_site(settings):
        under = [one for one in routes(get_resolver()) if one.path.startswith("admin/")]
        assert len(under) > 100
        assert client.get("/admin/").status_code == 200
        for one in under:
            address = "/" + one.path.replace("<path:object_id>", str(story.identity.pk))
            address = address.replace("<int:content_type_id>", "1").replace("<path:object_id>", "1")
            address = address.replace("(?P<app_label>", "<").replace("^", "").replace("$", "")
            for verb in ("POST", "PUT", "PATCH", "DELETE"):
                body = {
                    "post": "yes",
                    "name": "x",
                    "action": "delete_selected",
                    "_selected_action": "1",
                }
                response = client.generic(verb, address, json.dumps(body), "application/json")
                answered.add(response.status_code)
            answered.add(client.post(address, {**body, "_save": "1"}).status_code)
    assert answered <= {200, 302, 301, 403, 404, 405}
    assert state.differs(before, state.in_force()) == frozenset()
