"""The worker, THE schedule, and which task a nudge wakes.

Owns names only: tasks live in the apps. A nudge is prompt, the schedule is certain: every task
that a nudge wakes is also on the schedule, or found by one that is (decisions 1).
"""

import gc
import os
import warnings
from datetime import timedelta
from typing import Any

from celery import Celery
from celery.exceptions import SecurityWarning
from celery.signals import task_prerun, worker_process_init
from kombu.entity import Queue
from kombu.transport import redis

from config import waking

# config/root.py refuses root where it is not wanted; once is enough.
warnings.filterwarnings("ignore", category=SecurityWarning)
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# Name said by evidence.nudge.after_commit -> names of the tasks it wakes.
NUDGES: dict[str, tuple[str, ...]] = {
    "evidence.stored": (
        "evidence.tasks.link_stored",
        "evidence.tasks.seal_deposits",
        "reviews.tasks.sealed",
        "reviews.tasks.alerts",
    ),
    "pull.asked": ("evidence.tasks.pull",),
    "erasure.confirmed": ("evidence.tasks.erase",),
    "reread.asked": ("evidence.tasks.reread",),
    "upload.signed": ("evidence.tasks.read_uploads",),
    "inventory.asked": ("identities.tasks.read_inventories",),
    "evidence.linked": ("identities.tasks.judge_stored",),
    "identities.changed": (
        "identities.tasks.judge_stored",
        "identities.tasks.claims",
        "identities.tasks.signals",
    ),
    "identities.judged": (
        "reviews.tasks.hold_automatically",
        "reviews.tasks.open_from_findings",
        "reviews.tasks.micro_reviews",
    ),
    "claims.changed": ("identities.tasks.claims",),
    "revocation.requested": ("identities.tasks.enforce",),
    "grants.changed": ("identities.tasks.grants_due", "reviews.tasks.break_glass"),
    "signals.waiting": ("identities.tasks.signals",),
    "mode.signed": ("reviews.tasks.modes",),
    "mode.moved": (
        "reviews.tasks.open_from_findings",
        "reviews.tasks.open_due",
        "reviews.tasks.micro_reviews",
    ),
    "people.changed": ("reviews.tasks.owners", "identities.tasks.claims"),
    "policy.signed": ("reviews.tasks.open_due", "reviews.tasks.find_triggers"),
    "case.changed": (
        "reviews.tasks.carry_out",
        "reviews.tasks.hold_automatically",
        "reviews.tasks.containment",
    ),
    "tickets.waiting": ("reviews.tasks.tell_trackers",),
    "campaign.changed": ("reviews.tasks.campaigns",),
    "notice.written": ("reviews.tasks.send_notices",),
    "pack.asked": ("reviews.tasks.packs",),
}

# Everything that happens by itself, and how often.
SCHEDULE: dict[str, tuple[str, timedelta]] = {
    "link what is stored": ("evidence.tasks.link_stored", timedelta(seconds=10)),
    "judge what is linked": ("identities.tasks.judge_stored", timedelta(seconds=10)),
    "pull what is due": ("evidence.tasks.pull", timedelta(seconds=5)),
    "read what was sent by hand": ("evidence.tasks.read_uploads", timedelta(minutes=1)),
    "read deposits again": ("evidence.tasks.reread", timedelta(seconds=30)),
    "seal the ledger": ("evidence.tasks.seal_ledger", timedelta(seconds=1)),
    "verify the ledger": ("evidence.tasks.verify_ledger", timedelta(minutes=10)),
    "anchor the ledger": ("evidence.tasks.anchor", timedelta(minutes=1)),
    "look at files again": ("identities.tasks.look_at_files", timedelta(minutes=30)),
    "enforce what is due": ("identities.tasks.enforce", timedelta(seconds=2)),
    "grants that are due": ("identities.tasks.grants_due", timedelta(seconds=1)),
    "signals": ("identities.tasks.signals", timedelta(seconds=5)),
    "signals that are kept": ("identities.tasks.keep_signals", timedelta(minutes=30)),
    "look at what is stated": ("identities.tasks.look_again", timedelta(seconds=30)),
    "ask for our rights": ("identities.tasks.ask_rights", timedelta(minutes=10)),
    "deadlines": ("reviews.tasks.deadlines", timedelta(seconds=5)),
    "break-glass": ("reviews.tasks.break_glass", timedelta(seconds=5)),
    "recoveries of logins": ("reviews.tasks.recoveries", timedelta(seconds=30)),
    "sealed credentials in use": ("reviews.tasks.sealed", timedelta(seconds=10)),
    "what break-glass asks outside": ("reviews.tasks.ask_outside", timedelta(seconds=30)),
    "carry out what is decided": ("reviews.tasks.carry_out", timedelta(seconds=5)),
    "containment": ("reviews.tasks.containment", timedelta(seconds=3)),
    "alerts": ("reviews.tasks.alerts", timedelta(seconds=30)),
    "tickets of cases": ("reviews.tasks.tell_trackers", timedelta(seconds=15)),
    "automatic holds": ("reviews.tasks.hold_automatically", timedelta(seconds=5)),
    "cases from findings": ("reviews.tasks.open_from_findings", timedelta(seconds=30)),
    "micro-reviews": ("reviews.tasks.micro_reviews", timedelta(seconds=30)),
    "what happened since": ("reviews.tasks.find_triggers", timedelta(minutes=1)),
    "what is unusual": ("reviews.tasks.find_unusual", timedelta(minutes=30)),
    "campaigns": ("reviews.tasks.campaigns", timedelta(seconds=5)),
    "reviews that are due": ("reviews.tasks.open_due", timedelta(minutes=10)),
    "modes of scopes": ("reviews.tasks.modes", timedelta(minutes=1)),
    "who answers for what": ("reviews.tasks.owners", timedelta(minutes=1)),
    "at work": ("reviews.tasks.beat", timedelta(minutes=1)),
    "notices": ("reviews.tasks.send_notices", timedelta(seconds=10)),
    "packs": ("reviews.tasks.packs", timedelta(minutes=5)),
    "how aligned we are": ("reviews.tasks.count_shares", timedelta(hours=1)),
    "daily mails": ("reviews.tasks.digests", timedelta(minutes=5)),
    "credentials that were born": ("identities.tasks.born_credentials", timedelta(seconds=30)),
    "propose bindings": ("identities.tasks.propose_bindings", timedelta(minutes=5)),
    "answers to claims": ("identities.tasks.claims", timedelta(seconds=10)),
    "look for owners": ("identities.tasks.look_for_owners", timedelta(minutes=10)),
    "expire": ("identities.tasks.expire", timedelta(seconds=30)),
    "read inventories": ("identities.tasks.read_inventories", timedelta(minutes=1)),
    "read entitlements": ("identities.tasks.read_entitlements", timedelta(minutes=15)),
    "watermarks": ("evidence.tasks.watermarks", timedelta(seconds=30)),
    "partitions ahead": ("evidence.tasks.partitions_ahead", timedelta(hours=6)),
    "seal the deposits": ("evidence.tasks.seal_deposits", timedelta(seconds=10)),
    "retention": ("evidence.tasks.prune", timedelta(hours=6)),
    "erase what is confirmed": ("evidence.tasks.erase", timedelta(minutes=1)),
    "orphaned files": ("evidence.tasks.sweep_orphans", timedelta(hours=1)),
}

# What asks outside systems or tells them, which may answer slowly or never: nothing else waits
# behind it. Notices have a queue of their own, because each one that is written sends a message: in
# one queue, pulls would wait behind all of them. What stops something waits behind nothing else: no
# import that is judged, no campaign that is launched. A worker without --queues takes from all.
QUEUE, SOURCES, NOTICES = "countersign", "countersign-sources", "countersign-notices"
STOPPING = "countersign-stopping"
QUEUES = (QUEUE, SOURCES, NOTICES, STOPPING)
ROUTES = {
    "identities.tasks.enforce": {"queue": STOPPING},
    "identities.tasks.grants_due": {"queue": STOPPING},
    "reviews.tasks.hold_automatically": {"queue": STOPPING},
    "reviews.tasks.containment": {"queue": STOPPING},
    "evidence.tasks.anchor": {"queue": SOURCES},
    "evidence.tasks.pull": {"queue": SOURCES},
    "identities.tasks.read_inventories": {"queue": SOURCES},
    "identities.tasks.read_entitlements": {"queue": SOURCES},
    "identities.tasks.ask_rights": {"queue": SOURCES},
    "identities.tasks.look_again": {"queue": SOURCES},
    "identities.tasks.look_at_files": {"queue": SOURCES},
    "identities.tasks.signals": {"queue": NOTICES},
    "reviews.tasks.ask_outside": {"queue": SOURCES},
    "reviews.tasks.send_notices": {"queue": NOTICES},
    "reviews.tasks.tell_trackers": {"queue": NOTICES},
}


class Channel(redis.Channel):
    """One that says that its broker is gone.

    kombu closes a channel again, and acknowledges on it, after it has forgotten where the broker
    was. It then failed at a name of nothing, for which nobody waits, and that ended the worker.
    """

    def _connparams(self, asynchronous: bool = False) -> Any:
        if self.connection is None or self.connection.client is None:
            raise ConnectionError("the broker of this channel is gone")
        return super()._connparams(asynchronous)  # type: ignore[no-untyped-call]  # no types


redis.Transport.Channel = Channel


@worker_process_init.connect  # type: ignore[untyped-decorator]  # celery ships no types
def begin_life(**_: object) -> None:
    """What a worker has in common with the process it was forked from is never garbage.

    Looking through it copied all of it, page by page, in the middle of some revocation: 0.6 s.
    """
    gc.collect()
    gc.freeze()


LONGEST_TASK = 600  # seconds; longer work is cut into rows


def beat_schedule() -> dict[str, dict[str, Any]]:
    """SCHEDULE in Celery's words. A run that nobody took before the next one is due is dropped."""
    return {
        name: {
            "task": task,
            "schedule": every,
            "options": {"expires": max(5.0, every.total_seconds())},
        }
        for name, (task, every) in SCHEDULE.items()
    }


def make_app() -> Celery:
    from django.conf import settings

    celery = Celery("countersign")
    celery.conf.update(
        broker_url=settings.BROKER_URL,
        broker_connection_retry_on_startup=True,
        broker_transport_options={
            # A task of a killed worker is given out again after this; longer than any task.
            "visibility_timeout": LONGEST_TASK * 2,
            # Whoever acts on a page waits so long for a broker that hangs (see evidence/nudge.py).
            "socket_timeout": 3,
            "socket_connect_timeout": 5,
            "max_retries": 2,
            "interval_start": 0.1,
            "interval_max": 0.5,
        },
        broker_pool_limit=4,
        task_default_queue=QUEUE,
        task_queues=[Queue(name, routing_key=name) for name in QUEUES],  # type: ignore[no-untyped-call]  # kombu ships no types
        task_routes=ROUTES,
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_track_started=False,
        task_time_limit=LONGEST_TASK,
        task_soft_time_limit=LONGEST_TASK - 30,
        task_serializer="json",
        accept_content=["json"],
        event_serializer="json",
        worker_prefetch_multiplier=1,
        worker_max_tasks_per_child=2000,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_send_task_events=False,
        beat_schedule=beat_schedule(),
        beat_schedule_filename=str(settings.VAR / "beat-schedule"),
        beat_max_loop_interval=5,
        timezone="UTC",
        enable_utc=True,
    )
    celery.autodiscover_tasks()
    return celery


app = make_app()


# Every task that some name wakes.
WOKEN = frozenset(task for tasks in NUDGES.values() for task in tasks)


def send(name: str) -> None:
    """Wake the tasks of this nudge. Raises when the broker is away; the nudge swallows it."""
    waking.wake(app, NUDGES[name])


@task_prerun.connect  # type: ignore[untyped-decorator]  # celery ships no types
def begins(sender: Any, **_: object) -> None:
    """It reads its rows now: whatever is said from here on wakes it again."""
    if sender.name in WOKEN:
        waking.begun(app, sender.name)


def connect_nudges() -> None:
    """Give the lowest layer its way to say a name."""
    from config import pipeline
    from evidence import nudge, rereading, retention, unquoting
    from identities.findings import family
    from identities.judging.caller_addresses import let_go
    from identities.rereading import follow as identities_follow
    from reviews.rereading import follow as reviews_follow

    nudge.send = send
    nudge.drain = pipeline.drain
    rereading.followers[:] = [identities_follow, reviews_follow]
    retention.followers[:] = [let_go]
    unquoting.labels[:], unquoting.derived[:] = ["identities", "reviews"], [family]
