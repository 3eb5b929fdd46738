"""A recording whose truth is known, as people see it: whose calls they are, what is found, and what
is not said where it cannot be known."""

import json
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from config import pipeline
from evidence.models import Source, Term
from evidence.names import memory
from evidence.vocabulary import PROOF_TOKEN, PROOFS
from identities import coverage
from identities.coverage import Coverage, Shared
from identities.models import Identity, UsageDay
from tests.company import hearing, stories, wire
from tests.company.playing import EXACT, Play
from tests.evidence.conftest import NOW
from tests.road.conftest import exported, run

pytestmark = pytest.mark.django_db
START = int((NOW - timedelta(hours=10)).timestamp()) * 1_000_000
LATER = NOW + timedelta(days=3)
USER = f"arn:aws:iam::{wire.ACCOUNT}:user/"
BOTH, OWN = "AKIAPAYABLES00000001", "AKIAAUDITOR000000002"


def register(tmp_path: Path, **identities: list[dict[str, Any]]) -> None:
    """People declare what they know: agents, and the users whose keys they were given."""
    document = {
        "identities": [
            {"name": name, "kind": "agent", "purpose": "the company's", "actors": actors}
            for name, actors in identities.items()
        ]
    }
    (tmp_path / "known.json").write_text(json.dumps(document))
    run("register", tmp_path / "known.json", imported=True)


def agent(name: str) -> dict[str, Any]:
    return {"agent": name, "source": "ai"}


def played(tmp_path: Path, kept: float, order: int | None = None) -> Play:
    """Payables, with so many of its runs kept; both agents are said to share one user."""
    memory.forget()
    shared = {"arn": f"{USER}svc-payables", "shared": True}
    register(
        tmp_path,
        clerk=[agent("clerk"), shared],
        auditor=[agent("auditor"), shared, {"arn": f"{USER}svc-auditor"}],
    )
    play = stories.payables(7, START, kept)
    hearing.bring(play, hearing.bodies(play, order), now=LATER)
    Source.objects.filter(plane="ai").update(watermark=LATER, completeness="declared")
    pipeline.drain(LATER)
    return play


def told() -> dict[str, set[tuple[Any, ...]]]:
    """The findings of each rule: whose, about what, how many events."""
    found: dict[str, set[tuple[Any, ...]]] = {}
    for row in exported("findings"):
        if row["state"] == "open":
            what = (row["identity"], row["credential"], row["count"], tuple(row["agents"]))
            found.setdefault(row["rule"], set()).add(what)
    return found


@pytest.mark.parametrize("order", [None, 3])
def test_complete_recording_names_strangers_and_sharing_and_nobody_else(
    tmp_path: Path, order: int | None
) -> None:
    play = played(tmp_path, 1.0, order)
    people = Counter(
        play.logs["trail"][one.number]["userIdentity"]["accessKeyId"]
        for one in play.truth
        if one.who == "person"
    )
    assert people == {BOTH: 7, OWN: 3}
    found = told()
    # A person's calls, no agent's; the key that both agents may use is nobody's alone.
    assert found["no_run"] == {(None, BOTH, 7, ()), ("auditor", OWN, 3, ())}
    # That they share one user was said; that they share the other's key was not.
    assert found["shared_credential"] == {("auditor", OWN, 14, ("auditor", "clerk"))}
    clerk, auditor = (Identity.objects.get(name=name) for name in ("clerk", "auditor"))
    exact = Counter(
        next(one.agent.name for one in play.runs if one.trace == told_.run)
        for told_ in play.truth
        if told_.strength == EXACT
    )
    assert exact == {"clerk": 20, "auditor": 24}
    here = coverage.of_identity(clerk.number, until=LATER)
    # What cannot be told of the key of both: seven of the person's, five first tries. The clerk is
    # not linked to the other's user: that it made seven calls with that key is claimed, and asked
    # about as sharing.
    assert here == Coverage(
        calls=25, exact=13, none=12, spans=84, sdk=20, sdk_named=20, system="aws"
    )
    assert coverage.shared(clerk.number, until=LATER) == [
        Shared(BOTH, exact=13, key=0, untold=12, agents=2),
    ]
    assert coverage.shared(auditor.number, until=LATER) == [
        Shared(BOTH, exact=17, key=0, untold=12, agents=2),
        Shared(OWN, exact=7, key=13, untold=0, agents=2),
    ]


def test_sampled_recording_says_of_nobody_that_no_run_was_there(tmp_path: Path) -> None:
    played(tmp_path, 0.75)
    found = told()
    assert "no_run" not in found
    assert found["shared_credential"] == {("auditor", OWN, 10, ("auditor", "clerk"))}


@pytest.mark.parametrize("order", [None, 5])
def test_usage_counts_a_call_once_that_three_spans_tell(tmp_path: Path, order: int | None) -> None:
    memory.forget()
    server = {"service": "github-mcp", "source": "ai"}
    register(tmp_path, triage=[agent("triage")], fixer=[agent("fixer")], server=[server])
    play = stories.desk(7, START)
    hearing.bring(play, hearing.bodies(play, order), now=LATER)
    pipeline.drain(LATER)
    action = Term.objects.get(kind=Term.ACTION, value="create_issue").pk
    used = Counter[str]()
    for row in UsageDay.objects.filter(action_id=action):
        used[Identity.objects.get(number=row.identity_no).name] += row.count
    # Fifteen runs each; all spans stay, and the server's are its agent's.
    assert used == {"triage": 15, "fixer": 15}
    # Of a token that a thief used in the time of a span, two addresses: the export says so.
    told_of = Counter(
        row["surplus"] for row in exported("links") if row["proof"] == PROOFS[PROOF_TOKEN]
    )
    assert told_of == {0: 25, 1: 10}
