"""Automatic holds under two workers, and after one that was killed: each finding holds once."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from evidence.models import LedgerEntry
from identities.models import Finding, Revocation
from reviews.automatic import holding, rules, settling
from reviews.models import AutomaticHold, Case, HoldRule, Notice

from .conftest import Told, tell_story
from .holding import LATER, MINUTE, behaves, ruled, sweep
from .test_races import together

pytestmark = pytest.mark.django_db(transaction=True)
MANY = 6
AT = LATER + 2 * MINUTE


@pytest.fixture
def told(transactional_db: None) -> Told:
    return tell_story()


def more(finding: Finding, many: int) -> None:
    """As many findings of other families over the same events."""
    events = list(finding.events.all())
    for number in range(many):
        one = Finding.objects.get(pk=finding.pk)
        one.pk, one.family, one.number = None, f"copy {number}", 9_000 + number
        one.save(force_insert=True)
        for event in events:
            event.pk, event.finding = None, one
            event.save(force_insert=True)


def test_workers_at_once_hold_for_each_finding_once(told: Told) -> None:
    ruled(told, per_hour=1)
    more(behaves(), MANY - 1)
    rows = together(*[lambda: len(sweep(AT))] * 3)
    assert rows == [MANY] * 3
    states = sorted(AutomaticHold.objects.values_list("state", flat=True))
    assert states == ["asked"] * (MANY - 1) + ["held"]
    assert (Case.objects.count(), Revocation.objects.count()) == (1, 1)
    assert LedgerEntry.objects.filter(act="hold.automatic").count() == 1
    assert HoldRule.objects.get().state == "in_force"
    told_of = Notice.objects.filter(occasion__startswith=f"{Case.objects.get().key} AH-")
    assert told_of.count() == told_of.values("occasion", "person").distinct().count()


def test_switched_off_while_it_holds_it_holds_nothing_afterwards(told: Told) -> None:
    rule = ruled(told)
    finding = behaves()

    def off() -> int:
        rules.end(rule=rule, reason="too much", by=told.rita, now=AT)
        return AutomaticHold.objects.count()

    _, before = together(lambda: len(sweep(AT)), off)
    more(finding, 1)
    assert (holding.hold_next(now=AT), AutomaticHold.objects.count()) == (False, before)


def test_releasing_at_once_releases_once(told: Told) -> None:
    ruled(told)
    behaves()
    (row,) = sweep(AT)

    def release() -> str:
        try:
            settling.release(hold=row, finding_was="false", reason="x", by=told.ines, now=AT)
        except Exception as refused:  # noqa: BLE001 - what is refused is what is asked for here
            return str(refused)
        return "released"

    assert sorted(together(*[release] * 3)) == [f"{row} holds nothing now."] * 2 + ["released"]
    assert LedgerEntry.objects.filter(act="hold.released").count() == 1


DYING = """
import django, os, signal, sys
django.setup()
from datetime import datetime
from django.db import connection
from reviews.automatic import holding, incidents, settling
now = datetime.fromisoformat(sys.argv[2])
connection.settings_dict["NAME"] = sys.argv[3]

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

step = sys.argv[1]
if step == "case":
    holding._stop = die
elif step == "hold":
    holding._say = die
elif step == "told":
    settling.reminders.send = die
elif step == "committed":
    holding.hold_next(now=now)
    die()
holding.hold_next(now=now)
"""


@pytest.mark.parametrize("step", ["case", "hold", "told", "committed"])
def test_killed_worker_has_held_whole_or_not_at_all(told: Told, step: str) -> None:
    ruled(told)
    behaves()
    done = subprocess.run(
        [sys.executable, "-c", DYING, step, AT.isoformat(), connection.settings_dict["NAME"]],
        cwd=Path(settings.BASE_DIR),
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    left = (AutomaticHold.objects.count(), Case.objects.count(), Revocation.objects.count())
    assert left == ((1, 1, 1) if step == "committed" else (0, 0, 0))
    (row,) = sweep(AT)
    assert (row.state, Case.objects.count(), Revocation.objects.count()) == ("held", 1, 1)
