"""Correlation of stored deposits, set-based: spans a second, over everything and in batches.

A log of API events and the traces beside it, written straight by SQL, in the proportions of the
recorded lab: eight spans a run, two of them calls of an SDK. Of ten runs seven state request ids,
two credentials, and one neither, so that every rule has work. Over everything, all of it waits, the
log too, and what is timed is what a worker does then, five times from the same tables: the middle.
In batches, the log is linked and one deposit of spans comes after another. The dense part is one
session key with 10,000 events of one action and a span for each.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.utils import timezone

from evidence import bulk, links, nudge, partitions, tasks
from evidence.models import Deposit
from reviews import exports
from tests.bench import database, intake

START = datetime(2026, 9, 1, tzinfo=UTC)
DAYS = 20
EVENTS = 300_000
RUNS = 24_000
TURNS = 5
SPANS_A_RUN = 8
APART = 6  # one of so many events is a run's
KEYS = 2_000
BATCH = 10_000  # spans a deposit
BATCHES = 5
DENSE = 10_000

NAMES = f"""
INSERT INTO evidence_actor (key, realm, kind, value, created_at)
SELECT md5('links-user' || i)::uuid, 'aws:123456789012', 'arn',
    'arn:aws:iam::123456789012:user/links-' || i, now() FROM generate_series(1, 50) i;
INSERT INTO evidence_actor (key, realm, kind, value, created_at)
SELECT md5('links-key' || i)::uuid, 'aws', 'access_key', 'ASIA' || lpad(i::text, 16, '9'), now()
FROM generate_series(0, {KEYS}) i;
INSERT INTO evidence_actor (key, realm, kind, value, created_at)
SELECT md5('links-service' || i)::uuid, 'otel:links-traces', 'service', 'links-' || i, now()
FROM generate_series(1, 50) i;
INSERT INTO evidence_term (key, kind, value)
SELECT md5('links-action' || i)::uuid, 1, (ARRAY['s3:GetObject', 's3:PutObject', 's3:ListObjects',
    'secretsmanager:GetSecretValue', 'dynamodb:GetItem', 'kms:Decrypt'])[i]
FROM generate_series(1, 6) i;
INSERT INTO evidence_term (key, kind, value)
SELECT md5('links-tool' || i)::uuid, 1, (ARRAY['get_object', 'put_object', 'list_objects',
    'get_secret_value', 'get_item', 'decrypt'])[i] FROM generate_series(1, 6) i;
INSERT INTO evidence_term (key, kind, value) VALUES (md5('links-agent')::uuid, 1, 'links-agent');
INSERT INTO evidence_term (key, kind, value)
SELECT md5('links-address' || i)::uuid, 3, '10.1.0.' || i FROM generate_series(1, 50) i;
"""

# Event i is at its place of the whole time; its user, key and action follow from i. Twelve that
# follow each other are of one user.
LOG = """
INSERT INTO evidence_event (at, id, received_at, deposit_id, action_id, principal_id,
    credential_id, address_id, source_id, ordinal, plane, activity, outcome, time_basis, reading,
    digest, request_id)
SELECT date_trunc('second', %(start)s::timestamptz + i * %(step)s::interval), %(base)s + i, now(),
    %(deposit)s, %(action)s + i %% 5, %(user)s + i / 12 %% 50, %(key)s + i / 12 %% %(keys)s,
    %(address)s + i / 12 %% 50, %(trail)s, i %% 10000, 1, 3, 1, 1, 1, md5(%(base)s || 'e' || i)::uuid,
    upper(md5('links-request' || i))
FROM generate_series(%(first)s::bigint, %(last)s::bigint) i
"""
# Run r: the agent, and twice a model call, a tool call and the SDK's span; a model call between.
# Its calls are two events.
SPANS = """
INSERT INTO evidence_event (at, id, received_at, deposit_id, action_id, principal_id,
    credential_id, source_id, ordinal, plane, activity, outcome, time_basis, reading, digest,
    trace, span, parent_span, duration, request_id)
SELECT %(start)s::timestamptz + e * %(step)s::interval + k %% 4 * interval '10 milliseconds',
    %(base)s + r * 8 + k, now(), %(deposit)s,
    CASE k %% 4 WHEN 2 THEN %(tool)s + e %% 5
           WHEN 3 THEN CASE WHEN r %% 10 = 9 THEN %(agent)s ELSE %(action)s + e %% 5 END
           ELSE %(agent)s END,
    %(service)s + r %% 50,
    CASE WHEN k %% 4 = 3 AND r %% 10 IN (7, 8) THEN %(key)s + r %% %(keys)s END,
    %(traces)s, 0, 2,
    CASE WHEN k = 0 THEN 6 WHEN k %% 4 = 2 THEN 7
         WHEN k %% 4 = 3 THEN CASE WHEN r %% 10 = 9 THEN 10 ELSE 11 END ELSE 8 END,
    1, 1, 1, md5(%(base)s || 's' || r || '-' || k)::uuid, md5(%(base)s || 'run' || r)::uuid,
    r * 8 + k, CASE WHEN k %% 4 = 3 THEN r * 8 + k - 1 WHEN k > 0 THEN r * 8 END, 200000,
    CASE WHEN k %% 4 = 3 AND r %% 10 < 7 THEN upper(md5('links-request' || e)) END
FROM (SELECT r, k, (r * 2 + k / 4) * %(apart)s AS e
      FROM generate_series(%(first)s::bigint, %(last)s::bigint) r, generate_series(0, 7) k) span
"""


class Speed(NamedTuple):
    """Rows, the seconds they took by the clock, and the CPU of this process and of the server."""

    rows: int
    wall: float
    cpu: float
    made: int

    @property
    def per_second(self) -> float:
        return self.rows / self.wall

    @property
    def per_cpu_second(self) -> float:
        """What the same would be on a machine that does nothing else."""
        return self.rows / max(self.cpu, 0.001)


class World:
    """The names in the database, and deposits written on demand."""

    def __init__(self) -> None:
        database.as_owner(NAMES)
        trail = intake.source("links-trail", "identity")
        traces = intake.source("links-traces", "ai")
        months = {partitions.month_of(START + timedelta(days=day)) for day in range(-2, 45)}
        partitions.ensure(
            partitions.missing((*partitions.BY_EVENT_TIME, *partitions.BY_RECEIPT), months)
        )
        self.step = timedelta(days=DAYS) / EVENTS
        self.facts: dict[str, Any] = {
            "start": START,
            "keys": KEYS,
            "step": self.step,
            "apart": APART,
        }
        with connection.cursor() as cursor:
            for name, table, key in (
                ("user", "actor", "links-user1"),
                ("key", "actor", "links-key0"),
                ("service", "actor", "links-service1"),
                ("action", "term", "links-action1"),
                ("tool", "term", "links-tool1"),
                ("agent", "term", "links-agent"),
                ("address", "term", "links-address1"),
            ):
                cursor.execute(
                    f"SELECT id FROM evidence_{table} WHERE key = md5(%s)::uuid",
                    [key],
                )
                self.facts[name] = cursor.fetchone()[0]
        self.facts |= {"trail": trail.pk, "traces": traces.pk}
        self.made = 0

    def deposit(self, sql: str, first: int, last: int, **said: Any) -> Deposit:
        """Rows `first` to `last` as one deposit that nobody has linked."""
        self.made += 1
        rows = (last - first + 1) * (1 if sql is LOG else SPANS_A_RUN)
        source = self.facts["trail" if sql is LOG else "traces"]
        facts: dict[str, Any] = {**self.facts, "base": 0 if sql is LOG else 10**12} | said
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT nextval(pg_get_serial_sequence('evidence_deposit', 'id'))")
            number = cursor.fetchone()[0]
            cursor.execute(sql, {**facts, "first": first, "last": last, "deposit": number})
            cursor.execute(
                "INSERT INTO evidence_deposit (id, source_id, received_at, received_by, name,"
                " format, received_digest, received_bytes, kept_digest, kept_bytes, place,"
                " rule_version, records, events, duplicates, rejects, first_at, last_at,"
                " redactions)"
                " SELECT %s, %s, now(), 'bench', '', 'otlp', %s, 1, '\\x00', 1, '', 1, %s, %s, 0, 0,"
                " min(at), max(at), '{}' FROM evidence_event WHERE deposit_id = %s",
                [number, source, self.made.to_bytes(32), rows, rows, number],
            )
        return Deposit.objects.get(pk=number)


def _cpu() -> float:
    """Seconds of CPU so far, of this process and of the server with all that it has started (0
    where it runs on another machine)."""
    try:
        server = _stat(connection.connection.info.backend_pid)[1]
        children = Path(f"/proc/{server}/task/{server}/children").read_text("ascii").split()
    except OSError:
        return time.process_time()
    ticks = 0
    for child in children:
        # One that has just ended counts among those below.
        with suppress(OSError):
            ticks += sum(_stat(int(child))[11:13])
    # The server's own, and of children that have ended.
    ticks += sum(_stat(server)[11:15])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def _stat(process: int) -> list[int]:
    """The numbers of proc(5) from the fourth on, behind the process's name and state; the parent
    is at 1."""
    said = Path(f"/proc/{process}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    return [0, *(int(one) for one in said[1:])]


def _timed(rows: int, work: Callable[[], int]) -> Speed:
    connection.ensure_connection()
    wall, cpu = time.perf_counter(), _cpu()
    made = work()
    return Speed(rows, time.perf_counter() - wall, _cpu() - cpu, made)


def derived(deposits: list[Deposit], rows: int) -> Speed:
    """One after the other, each committed."""

    def link() -> int:
        made = 0
        for deposit in deposits:
            with transaction.atomic():
                made += links.derive(deposit, now=timezone.now())
        return made

    return _timed(rows, link)


def everything(rows: int) -> Speed:
    """All that waits, as a worker links it."""

    def link() -> int:
        made = 0
        while many := bulk.link_many(now=timezone.now(), hands=tasks.HANDS):
            made += many
        return made

    return _timed(rows, link)


def _shown() -> int:
    """Every link as the export gives it, with what cannot be told."""
    return sum(1 for _ in exports.links())


def measure() -> Iterator[tuple[str, Speed]]:
    """Each part with its name, as it is done."""
    world = World()
    log = [world.deposit(LOG, first, first + 49_999) for first in range(0, EVENTS, 50_000)]
    # A worker has met its broker before it links anything.
    nudge.after_commit("evidence.linked")
    each = BATCH // SPANS_A_RUN
    whole = RUNS - BATCHES * each
    for first in range(0, whole, each):
        world.deposit(SPANS, first, min(first + each, whole) - 1)
    database.as_owner("VACUUM ANALYZE")
    spans = whole * SPANS_A_RUN
    turns = (everything(spans) for _ in database.turns(TURNS))
    speeds = sorted(turns, key=lambda one: one.wall)
    speed = speeds[TURNS // 2]
    yield f"over everything: {spans:,} spans, {EVENTS:,} events", speed
    yield f"  the slowest of {TURNS}", speeds[-1]
    yield "  its spans and API events", speed._replace(rows=spans + EVENTS)
    database.as_owner("VACUUM ANALYZE")
    batches = [world.deposit(SPANS, first, first + each - 1) for first in range(whole, RUNS, each)]
    yield f"in batches of {BATCH:,}", derived(batches, BATCHES * BATCH)
    yield "the log again", derived(log[:2], 100_000)
    database.as_owner("VACUUM ANALYZE")
    # The one key: a hundred calls a second, each of a run of its own, then all of one run.
    dense: dict[str, Any] = {
        "keys": 1,
        "key": int(str(world.facts["key"])) + KEYS,
        "step": timedelta(seconds=0.01),
        "apart": 1,
    }
    sql = SPANS.replace("r %% 10 IN (7, 8)", "true")
    sql = sql.replace("r %% 10 < 7", "false").replace("r %% 10 = 9", "false")
    one = sql.replace("%(base)s || 'run' || r", "%(base)s::text")
    for name, text, day, base in (("many runs", sql, 30, 2), ("one run", one, 31, 4)):
        start = START + timedelta(days=day)
        calls = world.deposit(LOG, 0, DENSE - 1, base=base * 10**12, start=start, **dense)
        made = world.deposit(
            text, 0, DENSE // 2 - 1, base=(base + 1) * 10**12, start=start, **dense
        )
        database.as_owner("VACUUM ANALYZE")
        yield f"one key, {DENSE:,} calls of {name}: spans", derived([made], 4 * DENSE)
        yield f"one key, {DENSE:,} calls of {name}: log", derived([calls], DENSE)
    database.as_owner("VACUUM ANALYZE")
    shown = _timed(1, _shown)
    yield "links exported, all of these", shown._replace(rows=shown.made)
