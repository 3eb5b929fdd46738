"""The recording through the whole road: each issuance a credential, each agent proposed."""

import json
import os
from pathlib import Path

import pytest

from evidence import intake, links
from evidence.models import Source
from identities import judging
from identities.acting import COMMAND
from identities.actions import bindings, following, registration
from identities.models import (
    Binding,
    Credential,
    Identity,
)
from identities.register import read
from tests.identities.conftest import NOW
from tests.identities.test_following import source, take

__all__ = ["source"]

pytestmark = pytest.mark.django_db
DATA = Path(os.environ.get("COUNTERSIGN_DATA") or Path(__file__).parents[3] / "shared" / "data")


# tests/house fails in CI when the recordings are missing; elsewhere nothing is collected.
if (DATA / "lab").is_dir():

    def test_recording_through_the_whole_road(source: Source) -> None:
        """Every issuance of the recording is a credential; agents are proposed with their counts."""
        truth = json.loads((DATA / "lab" / "truth.json").read_text())
        traces = Source.objects.create(name="lab", plane="ai", created_at=NOW, created_by="test")
        registration.register(
            entries=read("truth.json", (DATA / "lab" / "truth.json").read_text()),
            by=COMMAND,
            now=NOW,
            imported=True,
        )
        take(source, *json.loads((DATA / "lab" / "cloudtrail.json").read_text())["Records"])
        intake.take(
            source=traces,
            body=(DATA / "lab" / "traces.pb.jsonl").read_bytes(),
            by="test",
            now=NOW,
            format="otlp",
        )
        while links.link_next(now=NOW):
            pass
        while following.follow_next(now=NOW):
            pass
        judging.judge_all(now=NOW)
        keys = dict(
            Credential.objects.filter(issued_at__isnull=False).values_list(
                "actor__value", "identity__name"
            )
        )
        assert set(truth["issuance"]) <= set(keys)
        for key, to in truth["issuance"].items():
            if to.startswith("arn:"):
                assert keys[key] == to.rsplit("/", 1)[-1]
        bindings.propose_from_links(now=NOW)
        proposed = {
            row.actor.value: (row.identity.name, row.seen, row.shared)
            for row in Binding.objects.filter(state="proposed").select_related("actor", "identity")
        }
        calls: dict[str, int] = {}
        for agent, facts in truth["agents"].items():
            traced = set(facts["traces"])
            calls[agent] = sum(trace in traced for trace in truth["request_to_trace"].values())
        assert {agent: seen for agent, (_, seen, _) in proposed.items()} == calls
        shared = set(truth["shared_credentials"])
        assert {agent for agent, row in proposed.items() if row[2]} == {
            agent for agent, facts in truth["agents"].items() if set(facts["keys"]) & shared
        }
        assert bindings.propose_from_links(now=NOW) == 0
        done, left = bindings.confirm_by_rule(
            rule=bindings.Rule(least_calls=1), by=COMMAND, now=NOW
        )
        assert ({row.actor.value for row in done}, left) == (
            {agent for agent, row in proposed.items() if not row[2]},
            [],
        )
        assert Identity.objects.filter(state="active").count() == 0
