"""Revocations by pull request on the worker's road: opened once, believed when merged and gone."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from evidence.models import LedgerEntry
from identities import checks
from identities.acting import COUNTERSIGN
from identities.actions import revocations
from identities.actions.revocations import drifting, reach
from identities.models import Identity, Revocation
from tests.evidence.sources.server import Answer
from tests.identities.enforcers.github_lab import error
from tests.identities.enforcers.repository_lab import Repository, repository_lab
from tests.identities.enforcers.scim_lab import Provider, scim_lab
from tests.identities.repository_rows import (
    PATH,
    TEXT,
    WHO,
    WITHOUT,
    SetUp,
    agent,
    repo,
    scim_entry,
    set_up,
)
from tests.identities.revoking import work, work_at_once

__all__ = ["agent", "repo", "repository_lab", "scim_lab", "set_up"]

# Committed rows: the worker uses connections of its own.
pytestmark = pytest.mark.django_db(transaction=True)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def now() -> datetime:
    return datetime.now(UTC)


def fresh(row: Revocation) -> Revocation:
    row.refresh_from_db()
    return row


def ask(identity: Identity, at: datetime, step: str = "revoke", **said: Any) -> Revocation:
    rows = revocations.request(
        identity=identity, step=step, by=COUNTERSIGN, now=at, because="test", **said
    )
    (row,) = (one for one in rows if one.system == "pull_request")
    return row


def test_it_is_sent_until_somebody_merges_it(repo: Repository, agent: Identity) -> None:
    began = now()
    row = ask(agent, began, case_key="CASE-7")
    work(began)
    (pull,) = repo.pulls
    assert (pull["head"]["ref"], pull["title"]) == (
        f"countersign/{row.key.lower()}",
        f"Remove svc ({row.key})",
    )
    assert "/cases/CASE-7/" in pull["body"]
    assert repo.files(pull["branch"]) == {PATH: WITHOUT}
    assert repo.files() == {PATH: TEXT}
    for wait in (MINUTE, HOUR, DAY):
        work(began + wait)
        assert fresh(row).state == "sent"
    assert row.failed_why == f"#1 of acme/infrastructure waits to be merged: {pull['html_url']}"
    repo.merge(1)
    assert work(began + 2 * DAY) == ["confirmed", "effective"]
    assert len(repo.changes()) == 3
    tries = list(row.tries.order_by("pk").values_list("detail", flat=True))
    assert tries[-1] == f"{PATH} at main of acme/infrastructure does not name svc any more, by #1."


def test_one_that_is_closed_waits_for_a_person_and_is_opened_anew(
    repo: Repository, agent: Identity
) -> None:
    began = now()
    row = ask(agent, began)
    work(began)
    repo.close(1)
    work(began + HOUR)
    assert (fresh(row).state, row.who_must_act) == ("failed", WHO)
    assert row.failed_why.startswith("#1 of acme/infrastructure was closed by otto without being")
    revocations.retry(revocation=row, by=COUNTERSIGN, now=began + 2 * HOUR)
    work(began + 2 * HOUR)
    assert (fresh(row).state, [one["state"] for one in repo.pulls]) == ("sent", ["closed", "open"])
    repo.merge(2)
    assert work(began + DAY)[-1] == "effective"


def test_one_that_nobody_merges_names_who_must(repo: Repository, agent: Identity) -> None:
    began = now()
    row = ask(agent, began)
    work(began)
    work(began + 8 * DAY)
    assert (fresh(row).state, row.who_must_act) == ("failed", WHO)
    assert row.failed_why.startswith("#1 of acme/infrastructure was merged by nobody until ")


def test_what_somebody_else_took_out_needs_no_pull_request(
    repo: Repository, agent: Identity
) -> None:
    repo.commit("main", {PATH: WITHOUT})
    row = ask(agent, now())
    assert work(now())[-1] == "effective"
    assert (fresh(row).state, repo.changes()) == ("effective", [])


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_crash_between_two_steps_leaves_one_pull_request(
    repo: Repository, agent: Identity, after: int
) -> None:
    """`after`: the branch was made, the file was written, the pull request was opened."""
    began = now()
    row = ask(agent, began)
    branch = f"countersign/{row.key.lower()}"
    if after == 1:
        repo.fail("PUT", f"/contents/{PATH}", error(502, "Server Error"))
    if after == 2:
        repo.fail("POST", "/pulls", error(502, "Server Error"))
    work(began)
    if after == 3:
        Revocation.objects.filter(pk=row.pk).update(state="sending", not_before=began)
    else:
        assert (fresh(row).state, branch in repo.branches) == ("sending", True)
    # Meanwhile main goes on: what was begun is not written over it.
    repo.commit("main", {"other.tf": "new\n"})
    work(began + HOUR)
    assert (fresh(row).state, len(repo.pulls)) == ("sent", 1)
    repo.merge(1)
    assert repo.files() == {PATH: WITHOUT, "other.tf": "new\n"}
    assert work(began + DAY)[-1] == "effective"


def test_two_workers_open_one(repo: Repository, agent: Identity) -> None:
    row = ask(agent, now())
    work_at_once(3, now())
    assert (fresh(row).state, len(repo.pulls)) == ("sent", 1)


def test_a_host_that_says_done_and_does_nothing_is_found_out(
    repo: Repository, agent: Identity
) -> None:
    repo.lies, began = True, now()
    row = ask(agent, began)
    for minute in range(20):
        work(began + minute * MINUTE)
    assert (fresh(row).state, row.who_must_act) == ("failed", reach.ADMINISTRATOR)
    assert f"{PATH} at main of acme/infrastructure names svc." in row.failed_why


def test_merged_is_not_gone_while_its_own_system_shows_it(
    repo: Repository, agent: Identity, set_up: SetUp, scim_lab: Provider, tmp_path: Path
) -> None:
    scim_lab.user("u1", "svc")
    set_up(also=scim_entry(scim_lab, tmp_path), edit={"proof": "target"})
    scim_lab.lies, began = True, now()
    row = ask(agent, began)
    work(began)
    repo.merge(1)
    for wait in (HOUR, 2 * HOUR, DAY):
        work(began + wait)
        assert fresh(row).state == "sent"
    assert "but its own system still shows it" in row.failed_why
    assert "shows user svc as active" in row.failed_why
    scim_lab.users["u1"]["active"] = False  # applied
    work(began + 2 * DAY)
    assert fresh(row).state == "effective"
    late = ask(agent, began + 3 * DAY)
    repo.commit("main", {PATH: WITHOUT})
    scim_lab.users["u1"]["active"] = True
    work(began + 3 * DAY)
    work(began + 11 * DAY)
    assert (fresh(late).state, late.who_must_act) == ("failed", WHO)
    assert late.failed_why.endswith("Apply what was merged.")


def test_what_is_written_in_again_opens_the_revocation_and_another_pull_request(
    repo: Repository, agent: Identity
) -> None:
    began = now()
    row = ask(agent, began)
    work(began)
    repo.merge(1)
    work(began + HOUR)
    assert fresh(row).state == "effective"
    assert drifting.reopen_drifted(now=began + DAY) == 0
    repo.commit("main", {PATH: TEXT})
    assert drifting.reopen_drifted(now=began + DAY + HOUR) == 0  # once a day
    assert drifting.reopen_drifted(now=began + 2 * DAY, enough=lambda: True) == 0
    gate = threading.Barrier(2)

    def look(_: int) -> int:
        try:
            gate.wait(timeout=20)
            return drifting.reopen_drifted(now=began + 2 * DAY)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(look, range(2))) == [0, 1]
    assert (fresh(row).state, row.effective_at) == ("sending", None)
    assert row.reopened[0].startswith("terraform names svc again, seen ")
    work(began + 2 * DAY)
    assert (fresh(row).state, [one["state"] for one in repo.pulls]) == ("sent", ["closed", "open"])
    repo.merge(2)
    work(began + 3 * DAY)
    assert (fresh(row).state, repo.files()) == ("effective", {PATH: WITHOUT})
    assert LedgerEntry.objects.filter(act="revocation.reopened").count() == 1


def test_a_file_that_cannot_be_looked_at_re_opens_nothing(
    repo: Repository, agent: Identity
) -> None:
    began = now()
    row = ask(agent, began)
    work(began)
    repo.merge(1)
    work(began + HOUR)
    for days, fault in enumerate((error(503, "no"), error(404, "Not Found"), Answer(200, [])), 1):
        repo.fail("GET", f"/contents/{PATH}", fault)
        assert drifting.reopen_drifted(now=began + days * DAY) == 0
    assert fresh(row).state == "effective"
    looked = row.tries.filter(did="drift").order_by("pk").values_list("result", flat=True)
    assert list(looked) == ["temporary", "permanent", "temporary"]


def test_a_hold_is_said_to_be_none(repo: Repository, agent: Identity) -> None:
    row = ask(agent, now(), "hold")
    work(now())
    assert (fresh(row).state, row.who_must_act) == ("failed", "whoever asked for it")
    assert "A pull request is no hold: until it is merged nothing changes" in row.failed_why
    assert repo.there.asked == []


def test_an_entry_that_is_wrong_is_said_by_the_row(
    repo: Repository, agent: Identity, set_up: SetUp
) -> None:
    set_up(edit={"remove": "everything"})
    row = ask(agent, now())
    work(now())
    assert (fresh(row).state, row.who_must_act) == ("failed", reach.ADMINISTRATOR)
    assert "edit 1: remove is none of line, block, member" in row.failed_why


def test_doctor_says_what_could_not_be_taken_out_today(repo: Repository, agent: Identity) -> None:
    def said() -> tuple[bool, str, str]:
        name = "enforcer pull_request terraform"
        ((_, well, what, fix),) = [one for one in checks.doctor() if one[0] == name]
        return well, what, fix

    assert said()[:2] == (True, "may do everything it needs")
    repo.commit("main", {PATH: TEXT + '["svc"]\n'})
    assert said()[:2] == (False, "may not take out user")
    assert "stands there 2 times. Take it out there by hand" in said()[2]
    repo.permissions["pull_requests"] = "read"
    assert said()[:2] == (False, "may not pull_requests")
    assert repo.changes() == []
