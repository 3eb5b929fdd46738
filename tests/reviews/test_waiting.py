"""What is stored and not judged yet is said wherever "no evidence" would be; and is judged before the
command that registered an identity returns."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from evidence import intake, nudge
from evidence.models import Source
from identities import judging
from identities.models import Identity
from reviews.pages import answers, line_data
from reviews.pages.dossier import dossier

from .conftest import ARN, NOW, Told, record

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(minutes=5)


def store(*numbers: int, **said: Any) -> None:
    """Through the real intake; neither linked nor judged."""
    source, _ = Source.objects.get_or_create(
        name="cloudtrail", defaults={"created_at": NOW, "created_by": "command"}
    )
    records = [record(one, "GetObject", f"invoices/{one}.pdf", NOW, **said) for one in numbers]
    intake.take(
        source=source, body=json.dumps({"Records": records}).encode(), by="command", now=NOW
    )


def test_no_evidence_is_not_said_while_records_wait(story: Told, client: Client) -> None:
    other = Identity.objects.create(
        name="other", kind="workload", created_at=NOW, service=story.service
    )
    other.refresh_from_db()
    assert answers.behaviour(dossier(other, now=LATER))["headline"] == (
        "No evidence yet from any source"
    )
    store(901, 902, 903)
    said = "3 records are stored and not judged yet"
    assert answers.behaviour(dossier(other, now=LATER))["headline"] == f"Not known yet: {said}"
    client.force_login(story.otto)
    assert f"Not known yet: {said}" in client.get(f"/identities/{other.key}/").content.decode()
    # Of an identity with evidence it stands beside what is known.
    facts = answers.behaviour(dossier(story.identity, now=LATER))["facts"]
    assert {"label": "waits", "words": said, "kind": "no_evidence"} in facts
    data = line_data.as_data(dossier(story.identity, now=LATER))
    assert data["what_behaviour"]["records_not_judged_yet"] == 3
    assert nudge.drain is not None
    nudge.drain(LATER)
    judging.judge_all(now=LATER)
    assert not any(
        one["label"] == "waits"
        for one in answers.behaviour(dossier(story.identity, now=LATER))["facts"]
    )


def test_what_is_registered_is_judged_before_the_command_returns(db: None, tmp_path: Path) -> None:
    store(901, 902, 903)
    owners = tmp_path / "owners.yaml"
    owners.write_text(
        f"""
identities:
  - name: svc-report
    kind: service_account
    actors: [{{realm: "aws:111122223333", kind: arn, value: "{ARN}"}}]
"""
    )
    call_command("register", str(owners))
    found = Identity.objects.get(name="svc-report")
    behaviour = line_data.as_data(dossier(found, now=LATER))["what_behaviour"]
    assert (behaviour["events"], behaviour["records_not_judged_yet"]) == (3, 0)
    assert behaviour["findings"]
