"""The coverage of an identity: a part of its page that is asked for alone, at a constant cost."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from evidence.models import Event, Source
from evidence.names import memory
from evidence.vocabulary import PLANE_IDENTITY, TOOL_CALL
from identities.models import Attribution, CredentialAgent, Identity, User
from identities.models.behaviour import AS_CREDENTIAL, BY_KEY, ONE_OF
from reviews.pages import covered
from tests.evidence.conftest import NOW
from tests.evidence.test_links_by_key import SERVICE, arrive, call, step
from tests.linked import link_everybody

pytestmark = pytest.mark.django_db


@pytest.fixture
def identity() -> Identity:
    memory.forget()
    said = {"created_at": NOW, "created_by": "test"}
    trail = Source.objects.create(name="covered-log", **said)
    traces = Source.objects.create(name="covered-traces", plane="ai", **said)
    arrive(
        (trail, [call(1, request_id="REQ"), call(2, action="s3:PutObject")]),
        (
            traces,
            [
                step(3, 1, activity=TOOL_CALL, credential=None),
                step(4, 1, request_id="REQ", principal=SERVICE),
            ],
        ),
    )
    link_everybody(NOW)
    who = Identity.objects.create(name="reader", kind="agent", created_at=NOW)
    for event in Event.objects.filter(source_id__in=[trail.pk, traces.pk]):
        Attribution.objects.create(
            at=event.at, event_id=event.id, binding_id=1, identity_no=who.number,
            source_id=event.source_id, role=AS_CREDENTIAL, strength=BY_KEY, plane=event.plane,
        )  # fmt: skip
    return who


def test_coverage_says_how_many_reach_a_run_and_what_would_raise_it(identity: Identity) -> None:
    found = covered.context(identity, until=NOW + timedelta(days=1))
    assert found["sentence"] == "50 % of its 2 newest API events reach a run by an exact key."
    assert [(row["kind"], row["count"]) for row in found["ways"]] == [
        ("exact", 1),
        ("no_evidence", 1),
    ]
    assert found["switch"].startswith("All spans of its calls that are here state a request id")
    assert found["shared"] == []


def test_shared_credential_is_split_into_what_can_be_told(identity: Identity) -> None:
    log = Source.objects.get(name="covered-log")
    event = Event.objects.get(source_id=log.pk, plane=PLANE_IDENTITY, request_id=None)
    assert event.credential_id is not None
    Attribution.objects.filter(event_id=event.id).update(strength=ONE_OF, role=AS_CREDENTIAL)
    for agent in (7, 8):
        CredentialAgent.objects.create(
            credential_actor=event.credential_id, agent_actor=agent, address_id=0, source_id=1,
            first_at=NOW, last_at=NOW,
        )  # fmt: skip
    (row,) = covered.context(identity, until=NOW + timedelta(days=1))["shared"]
    assert row == {"credential": "AKIA1", "exact": 0, "key": 1, "untold": 1, "agents": 2}


def test_part_is_asked_for_alone_and_is_a_page_of_its_own(
    identity: Identity, django_assert_num_queries: Callable[..., Any]
) -> None:
    user = User.objects.create_user("reads", "r@example.com", "long enough 4 tests")
    user.groups.add(Group.objects.get_or_create(name="reviewer")[0])
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    line = client.get(f"/identities/{identity.key}/")
    url = f"/identities/{identity.key}/coverage/"
    assert f'hx-get="{url}"'.encode() in line.content
    page = client.get(url)
    assert b"reach a run by an exact key" in page.content
    assert b"<html" in page.content
    part = client.get(url, headers={"HX-Request": "true", "HX-Request-Type": "partial"})
    assert part.content.lstrip().startswith(b'<section class="cs-card" id="coverage"')
    assert client.get("/identities/NHI-999999/coverage/").status_code == 404
    with django_assert_num_queries(2):
        covered.context(identity, until=timezone.now())


def test_nothing_known_needs_nothing(identity: Identity) -> None:
    other = Identity.objects.create(name="quiet", kind="agent", created_at=NOW)
    found = covered.context(other, until=NOW)
    assert (found["sentence"], found["ways"], found["switch"]) == (
        "No API event of it is known, so nothing has to reach a run.", [], "",
    )  # fmt: skip
