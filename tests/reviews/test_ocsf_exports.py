"""Findings and incidents as OCSF: every one goes out as it is, sealed ones to nobody."""

import pytest
from django.test import Client

from evidence.models import Actor
from identities.models import Finding
from reviews.exports import EXPORTS
from reviews.incidents import opening
from reviews.models import Case

from .conftest import HOUR, KEY, NOW, Told
from .test_api import token

pytestmark = pytest.mark.django_db


def finding_of(story: Told, **more: object) -> Finding:
    said = {
        "identity": story.identity,
        "rule": "no_run",
        "family": "invoices/*",
        "strength": 3,
        "words": "3 calls with no run",
        "count": 3,
        "first_at": NOW - HOUR,
        "last_at": NOW,
        "opened_at": NOW,
        "state_at": NOW,
    }
    return Finding.objects.create(**(said | more))


def test_findings_name_identity_or_actor(story: Told) -> None:
    finding_of(story)
    actor = Actor.objects.get(value=KEY)
    finding_of(story, identity=None, actor_id=actor.pk, rule="no_authority")
    one, two = EXPORTS["ocsf-findings"]()
    assert (one["class_uid"], one["evidences"][0]["actor"]["user"]["uid"]) == (
        2004,
        story.identity.key,
    )
    assert (two["class_uid"], two["user"]["uid"]) == (2008, KEY)


def test_incidents_go_out_as_they_are_and_sealed_ones_do_not(story: Told) -> None:
    case, _ = opening.open_or_join(
        identity=story.identity,
        title="key used elsewhere",
        reason="seen in the morning",
        by=story.ines,
        severity="critical",
        findings=[finding_of(story)],
        now=NOW,
    )
    (made,) = EXPORTS["ocsf-incidents"]()
    assert (made["class_uid"], made["activity_id"], made["severity_id"]) == (2005, 1, 5)
    assert made["finding_info_list"][0]["title"] == "3 calls with no run"
    Case.objects.filter(pk=case.pk).update(state="closed", closed_at=NOW + HOUR)
    (made,) = EXPORTS["ocsf-incidents"]()
    assert (made["activity_id"], made["status_id"]) == (3, 5)
    assert made["end_time"] - made["start_time"] == 3_600_000
    Case.objects.filter(pk=case.pk).update(sealed=True)
    assert list(EXPORTS["ocsf-incidents"]()) == []


def test_door_gives_them_a_line_each(story: Told) -> None:
    finding_of(story)
    answer = Client().get("/api/export/ocsf-findings/", headers=token(story.rita, "read"))
    assert answer.status_code == 200
    assert answer.getvalue().count(b"\n") == 1
    owner = Client().get("/api/export/ocsf-findings/", headers=token(story.ines, "read"))
    assert owner.status_code == 403
