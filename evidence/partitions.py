"""Monthly range partitions: how tables are made, and how their partitions are made ahead.

Owns the list of partitioned tables of evidence and identities by their table names only.
Partitions are made by a SECURITY DEFINER function (decisions 17): the app's role has no DDL.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

from django.db import connection, migrations, transaction

# Everything that follows the events' time, so that old data opens all its partitions at once.
BY_EVENT_TIME = ("evidence_event", "evidence_link", "identities_attribution")
BY_RECEIPT = ("evidence_depositbody",)

# At most so many new partitions for one deposit (decisions 4): a forged clock opens no thousand.
MOST_NEW = 24

ENSURE = """
CREATE FUNCTION countersign_ensure_partition(parent text, month date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    child text := parent || to_char(month, '"_"YYYY"_"MM');
    begins timestamptz := date_trunc('month', month::timestamp) AT TIME ZONE 'UTC';
    ends timestamptz :=
        (date_trunc('month', month::timestamp) + interval '1 month') AT TIME ZONE 'UTC';
    by_column text;
BEGIN
    SELECT a.attname INTO by_column
    FROM pg_partitioned_table p
    JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
    WHERE p.partrelid = to_regclass(quote_ident(parent)) AND p.partstrat = 'r';
    IF by_column IS NULL THEN
        RAISE EXCEPTION 'no range-partitioned table %', parent;
    END IF;
    IF to_regclass(quote_ident(child)) IS NOT NULL THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended(child, 0));
    -- Asked of the table itself: to_regclass may still remember that there was none.
    IF EXISTS (SELECT FROM pg_class
               WHERE relname = child AND relnamespace = 'public'::regnamespace) THEN
        RETURN false;
    END IF;
    -- CREATE, CHECK, ATTACH: PARTITION OF would wait behind every open insert (measured).
    PERFORM set_config('lock_timeout', '5s', true);
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', child, parent);
    EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I CHECK (%I >= %L AND %I < %L)',
        child, child || '_month', by_column, begins, by_column, ends);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        parent, child, begins, ends);
    EXECUTE format('ALTER TABLE %I DROP CONSTRAINT %I', child, child || '_month');
    RETURN true;
END $$;
REVOKE ALL ON FUNCTION countersign_ensure_partition(text, date) FROM PUBLIC;
"""


class CreatePartitioned(migrations.CreateModel):
    """CreateModel for a table that is range-partitioned by one column."""

    def __init__(self, partition_by: str, name: str, fields: Any, **rest: Any) -> None:
        self.partition_by = partition_by
        super().__init__(name, fields, **rest)

    def database_forwards(
        self,
        app_label: str,
        schema_editor: Any,
        from_state: Any,  # noqa: ARG002 - Django passes it
        to_state: Any,
    ) -> None:
        model = to_state.apps.get_model(app_label, self.name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            sql, parameters = schema_editor.table_sql(model)
            schema_editor.execute(f"{sql} PARTITION BY RANGE ({self.partition_by})", parameters)


def month_of(moment: datetime) -> date:
    """The first day of the month, UTC."""
    return moment.astimezone(UTC).date().replace(day=1)


def bounds(month: date) -> tuple[datetime, datetime]:
    """The first moment of a month and the first after it, UTC."""
    begins = datetime(month.year, month.month, 1, tzinfo=UTC)
    later = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    return begins, datetime(later.year, later.month, 1, tzinfo=UTC)


def missing(tables: Iterable[str], months: Iterable[date]) -> list[tuple[str, date]]:
    """Which of these partitions do not exist yet."""
    wanted = {
        f"{table}_{month:%Y_%m}": (table, month) for table in tables for month in sorted(months)
    }
    if not wanted:
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relname = ANY(%s)", [list(wanted)])
        there = {name for (name,) in cursor.fetchall()}
    return [pair for name, pair in wanted.items() if name not in there]


def ensure(pairs: Iterable[tuple[str, date]]) -> int:
    """Make these partitions, each in a transaction of its own; how many were new."""
    made = 0
    for table, month in pairs:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT countersign_ensure_partition(%s, %s)", [table, month])
            row = cursor.fetchone()
            made += bool(row and row[0])
    return made


def ahead(now: datetime, months: int = 3) -> int:
    """Make the partitions of the coming months before anything needs them (the schedule)."""
    first = month_of(now)
    coming = []
    for step in range(months + 1):
        year, month = divmod(first.month - 1 + step, 12)
        coming.append(date(first.year + year, month + 1, 1))
    return ensure(missing((*BY_EVENT_TIME, *BY_RECEIPT), coming))
