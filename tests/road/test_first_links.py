"""A new user's file links an agent to its account before anything was received: links are exact."""

from collections import Counter
from pathlib import Path

import pytest
import yaml

from tests.config.test_first_user import README, block
from tests.road.conftest import exported, run

pytestmark = pytest.mark.django_db

ARN = "arn:aws:iam::123456789012:user/svc-report"


def test_links_of_the_readme_s_file_are_exact_from_the_first_ingest(
    tmp_path: Path, recording: Path
) -> None:
    # As written, but for the account that the lab has.
    text = block("yaml").replace(ARN, f"{ARN}-agent")
    (tmp_path / "house.yaml").write_text(text)
    road = README.read_text("utf-8").split("## The road\n")[1].split("\n## ")[0]
    # The agent is named with the source that the road sends the traces to.
    (agent,) = [
        one["source"] for one in yaml.safe_load(text)["identities"][0]["actors"] if "agent" in one
    ]
    assert f"ingest traces.pb.jsonl --source {agent} --complete" in road
    run("register", tmp_path / "house.yaml", imported=True)
    run("ingest", recording / "lab" / "cloudtrail.json", source="prod-trail")
    run("ingest", recording / "lab" / "traces.pb.jsonl", source=agent, complete=True)
    links = [
        one for one in exported("links") if one["effect"]["credential"] == "AKIARZPUZDIKPXXF2B44"
    ]
    assert Counter(one["strength"] for one in links) == {"exact": 12}
