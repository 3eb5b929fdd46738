"""Small reviews under two workers and after a worker that died: each thing is asked about once."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from identities.models import Credential, Identity, Manifest, NewUse
from reviews import actions
from reviews.actions import manifests, policy_versions
from reviews.models import Case, Notice, Trigger
from reviews.triggers import facts, opening, uses

from .conftest import DAY, HOUR, NOW, Told, make_user, party, tell_story
from .test_manifests import SAID
from .test_micro_reviews import LATER, reviewed, sweep, traced
from .test_opening import finding
from .test_races import together
from .test_serious import all_of_it

pytestmark = pytest.mark.django_db(transaction=True)
MANY = 30


@pytest.fixture
def told(transactional_db: None) -> Told:
    return tell_story()


def worker(now: Any = LATER) -> int:
    """What a worker does in its turn: all sweeps until they find nothing."""
    done = 0
    while facts.find_next(now=now) or uses.look_next(now=now) or opening.open_next(now=now):
        done += 1
    return done


def test_workers_at_once_ask_about_each_thing_once(told: Told) -> None:
    reviewed(told)
    traced(told, *(f"tool_{number:02}" for number in range(MANY)), at=NOW + HOUR)
    Credential.objects.update(expires_at=LATER + DAY)
    for number in range(8):
        Identity.objects.create(
            name=f"more-{number}",
            kind="agent",
            mode="ask",
            created_at=NOW,
            owner=told.identity.owner,
        )
    facts.find_next(now=NOW)
    Identity.objects.exclude(pk=told.identity.pk).update(owner=party(make_user("olga", "owner")))
    together(*[worker] * 3)
    assert Trigger.objects.filter(name="new_tool", state="asked").count() == MANY
    assert Case.objects.filter(trigger="new_tool").count() == 1
    assert Case.objects.get(trigger="new_tool").items.count() == MANY
    assert Case.objects.filter(trigger="owner_changed").values("identity").distinct().count() == 8
    assert Case.objects.filter(trigger="owner_changed").count() == 8
    assert Case.objects.filter(trigger="credential_expiry").count() == 1
    asked = Notice.objects.filter(occasion__endswith=" asked", channel="mail")
    assert asked.count() == asked.values("occasion", "person").distinct().count()
    assert worker() == 0


def test_pipelines_at_once_declare_one_manifest_and_one_case(told: Told) -> None:
    def declare() -> str:
        row = manifests.declare(
            identity=told.identity, said=SAID, by=told.rita, now=NOW, reason="the next release"
        )
        return row.key

    keys = together(*[declare] * 4)
    assert len(set(keys)) == 1
    assert (Manifest.objects.count(), Case.objects.count()) == (1, 1)


DYING = """
import django, os, signal, sys
django.setup()
from datetime import datetime
from django.db import connection
from reviews.triggers import facts, noting, opening, uses
now = datetime.fromisoformat(sys.argv[2])
connection.settings_dict["NAME"] = sys.argv[3]

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

step = sys.argv[1]
if step == "uses":
    written = noting.note
    # After the triggers are written, before their rows are marked and committed.
    uses.note = lambda rows: (written(rows), die())
    uses.look_next(now=now)
elif step == "facts":
    written = noting.note
    facts.note = lambda rows: (written(rows), die())
    facts.find_next(now=now)
elif step == "serious":
    opening._note = die
    facts.find_of("serious_finding", now=now)
    opening.open_next(now=now)
else:
    opening._note = die
    uses.look_next(now=now)
    opening.open_next(now=now)
"""


def died(step: str) -> subprocess.CompletedProcess[bytes]:
    """A worker that is killed in the middle of this step."""
    return subprocess.run(
        [sys.executable, "-c", DYING, step, LATER.isoformat(), connection.settings_dict["NAME"]],
        cwd=Path(settings.BASE_DIR),
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"},
        check=False,
        capture_output=True,
        timeout=120,
    )


@pytest.mark.parametrize("step", ["uses", "facts", "open"])
def test_worker_that_is_killed_between_two_writes_loses_nothing(told: Told, step: str) -> None:
    reviewed(told)
    facts.find_next(now=NOW)
    traced(told, "send_email", at=NOW + HOUR)
    Identity.objects.filter(pk=told.identity.pk).update(owner=party(make_user("olga", "owner")))
    dead = died(step)
    assert dead.returncode == -signal.SIGKILL, dead.stderr.decode()[-2_000:]
    if step != "open":
        assert not Trigger.objects.exists()
    assert NewUse.objects.filter(looked_at=None).exists() == (step != "open")
    assert not Case.objects.exclude(trigger="").exists()
    sweep()
    assert sorted(Case.objects.exclude(trigger="").values_list("trigger", flat=True)) == [
        "new_tool",
        "owner_changed",
    ]


def test_workers_at_once_and_after_one_that_died_ask_about_each_serious_finding_once(
    told: Told,
) -> None:
    policy_versions.in_force(now=NOW)
    for number in range(20):
        one = Identity.objects.create(
            name=f"more-{number}",
            kind="agent",
            mode="ask",
            created_at=NOW,
            owner=told.identity.owner,
        )
        for where in range(3):
            finding(one, "no_run", f"from {where}")
        finding(one, "no_authority")
    assert died("serious").returncode == -signal.SIGKILL
    assert set(Trigger.objects.values_list("state", flat=True)) == {"waiting"}
    assert not Case.objects.exists()
    together(*[all_of_it] * 3)
    all_of_it()
    cases = Case.objects.filter(trigger="serious_finding")
    assert (cases.count(), cases.values("identity").distinct().count()) == (20, 20)
    assert {(one.items.count(), one.findings.count()) for one in cases} == {(1, 3)}
    whole = Case.objects.filter(trigger="")
    assert {one.findings.get().rule for one in whole} == {"no_authority"}
    assert whole.count() == 20
    assert Trigger.objects.filter(state="asked").count() == 20
    asked = Notice.objects.filter(occasion__endswith=" asked")
    assert asked.count() == asked.values("occasion", "person").distinct().count() == 40


def test_review_that_a_person_opens_meanwhile_and_a_trigger_do_not_ask_twice(told: Told) -> None:
    Credential.objects.update(expires_at=LATER + DAY)
    facts.find_next(now=LATER)
    together(
        worker,
        lambda: actions.open_review(
            identity=told.identity, by=told.rita, now=LATER, reason="yearly"
        ),
    )
    assert Trigger.objects.filter(state="asked").count() == 1
    assert Case.objects.filter(trigger="").count() == 1
