"""Words of erased evidence go out of every text that quotes them: reasons, comments, titles, notices.

Owns where such texts lie, by the names of columns that the whole house uses, and that a page of
rows is one transaction which may be repeated. Content is looked for while its bytes are still there
and once more when they are gone; names, when the dictionary has forgotten them. What authority says
is not touched: a delegation would mean something else. Must not know which apps there are; the
wiring says so (config/celery.py).
"""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.db import connection, models, transaction

from evidence import capsules, ledger
from evidence.models import Actor, Capsule, Erasure, LedgerEntry, LegalHold, Term
from evidence.quotes import Column, Names, Wanted, cut, tail
from evidence.words import counted

PAGE = 1_000
# Labels of the apps whose texts are looked through besides the ledger and capsules, and what they
# derive from the name of a resource. Filled by the wiring.
labels: list[str] = []
derived: list[Callable[[str], str]] = []

WRITTEN = (
    "answer", "because", "comment", "ended_reason", "explained_who", "explained_words", "follow_ups",
    "note", "purpose", "reason", "review_words", "settled_reason", "state_reason", "text",
)  # fmt: skip
MADE = (
    "body", "carried_words", "comparison", "could_read", "detail", "details", "facts", "failed_why", "found", "held_why",
    "left_why", "links", "missing", "proposal", "recommendation_reason", "residual", "result",
    "snapshot", "subject", "title", "words",
)  # fmt: skip
NAME = ("family",)
COLUMNS = (
    dict.fromkeys(WRITTEN, Column.WRITTEN)
    | dict.fromkeys(MADE, Column.MADE)
    | dict.fromkeys(NAME, Column.NAME)
)
# Of a capsule, frozen rows go by their own step (evidence/emptying.py).
FROZEN = ("events", "links", "deposits")
# What the ledger says of rows of its own that lost words: `entries`, by id the digest before and
# the one after.
ERASED = ledger.ERASED
# Texts that events of this erasure say, whatever becomes of them.
SAID = """
SELECT DISTINCT t.value FROM evidence_erasure w
JOIN evidence_deposit d ON d.id = w.deposit_id
JOIN evidence_event e ON e.at BETWEEN d.first_at AND d.last_at AND e.deposit_id = d.id
    AND (w.ordinal IS NULL OR e.ordinal = w.ordinal)
CROSS JOIN LATERAL unnest(evidence_said_by(e)) AS n(id)
JOIN evidence_term t ON t.id = -n.id
WHERE w.id = %s
"""


class Place(NamedTuple):
    """Where texts lie: a table, and its columns."""

    model: type[models.Model]
    columns: dict[str, Column]

    @property
    def table(self) -> str:
        return self.model._meta.db_table


def places() -> list[Place]:
    """Every table with such columns."""
    found = [
        Place(LedgerEntry, {"words": Column.MADE, "data": Column.MADE}),
        Place(Capsule, {"body": Column.MADE}),
        Place(LegalHold, {"reason": Column.WRITTEN}),
    ]
    for label in labels:
        for model in apps.get_app_config(label).get_models():
            columns = {
                field.name: Column.NAME if _is_unique(field) else COLUMNS[field.name]
                for field in model._meta.concrete_fields
                if field.name in COLUMNS and _holds_text(field) and not _is_of_a_list(field)
            }
            if columns:
                found.append(Place(model, columns))
    return found


def _holds_text(field: Any) -> bool:
    inner = field.base_field if isinstance(field, ArrayField) else field
    return isinstance(inner, models.TextField | models.CharField | models.JSONField)


def _is_of_a_list(field: Any) -> bool:
    """Whether a constraint says which words may stand there: such a word quotes nothing."""
    return any(
        isinstance(one, models.CheckConstraint) and _asks(one.condition, f"{field.name}__in")
        for one in field.model._meta.constraints
    )


def _is_unique(field: Any) -> bool:
    return any(
        isinstance(one, models.UniqueConstraint) and field.name in one.fields
        for one in field.model._meta.constraints
    )


def _asks(condition: Any, name: str) -> bool:
    if isinstance(condition, models.Q):
        return any(_asks(one, name) for one in condition.children)
    return isinstance(condition, tuple) and condition[0] == name


def said_by(erasure: Erasure) -> list[str]:
    """What the events of an erasure say by the dictionary."""
    with connection.cursor() as cursor:
        cursor.execute(SAID, [erasure.pk])
        return [text for (text,) in cursor.fetchall()]


def names(forgotten: Iterable[str]) -> Names:
    """What is looked for when the dictionary has forgotten these: they, what this app derives from
    them, and the part by which people call them, unless a name that is left has the same."""
    whole = set(forgotten)
    makers = (*derived, tail)
    more = {made for name in whole for maker in makers if (made := maker(name))} - whole
    for model in (Term, Actor) if more else ():
        for name in model._default_manager.values_list("value", flat=True).iterator(10_000):
            more -= {name, *(maker(name) for maker in makers)}
    return Names(whole | more)


def mark(erasure: Erasure) -> str:
    """What stands for a quotation; the same whenever it is carried out."""
    assert erasure.settled_at is not None  # noqa: S101 - it is confirmed
    return f"[erased {erasure.settled_at:%Y-%m-%d}, deposit {erasure.deposit_id}]"


def out_of_all(
    wanted: Wanted,
    claimed: Callable[[], Erasure | None],
    write: Callable[..., None],
    count: Callable[[Erasure, int], None],
) -> None:
    """Take it out of every place.

    `claimed` gives the erasure in the running transaction, or None when this step is over; `write`
    writes to the ledger about it, and `count` how many rows lost words.
    """
    for place in places():
        for keys in _quoting(place, wanted):
            with transaction.atomic():
                erasure = claimed()
                if erasure is None:
                    return
                count(erasure, _rows(place, keys, wanted, erasure, write))


def _quoting(place: Place, wanted: Wanted) -> Iterator[list[Any]]:
    """The keys of rows that quote it, a page at a time."""
    rows = place.model._base_manager.order_by("pk")
    after = None
    while True:
        page = list(
            (rows if after is None else rows.filter(pk__gt=after)).values("pk", *place.columns)[
                :PAGE
            ]
        )
        if not page:
            return
        after = page[-1]["pk"]
        if keys := [row["pk"] for row in page if _without(place, row, wanted, "")]:
            yield keys


def _without(place: Place, row: dict[str, Any], wanted: Wanted, said: str) -> dict[str, Any]:
    """The columns that quote something, as they are to be."""
    found = {}
    for name, column in place.columns.items():
        was = row[name]
        if place.model is Capsule:
            kept = {key: was[key] for key in FROZEN if key in was}
            rest = {key: one for key, one in was.items() if key not in FROZEN}
            new = cut(rest, wanted, column, said)
            if new is not rest:
                found[name] = new | kept
            continue
        # Names of one kind stay different from each other.
        own = f"{said[:-1]}, {row['pk']}]" if column is Column.NAME else said
        new = cut(was, wanted, column, own)
        if new is not was:
            found[name] = new
    return found


def _rows(
    place: Place, keys: list[Any], wanted: Wanted, erasure: Erasure, write: Callable[..., None]
) -> int:
    append_only = place.model in (LedgerEntry, Capsule) or not _may_update(place.table)
    rows = place.model._base_manager.filter(pk__in=keys).order_by("pk")
    if not append_only:
        rows = rows.select_for_update(of=("self",))
    entries, many = {}, 0
    for row in rows.values("pk", *place.columns):
        new = _without(place, row, wanted, mark(erasure))
        if not new:
            continue
        many += 1
        if not append_only:
            place.model._base_manager.filter(pk=row["pk"]).update(**new)
        elif place.model is LedgerEntry:
            entries[str(row["pk"])] = _entry(erasure, row["pk"], new)
        elif place.model is Capsule:
            _capsule(erasure, row["pk"], new["body"], write)
        else:
            _cut(erasure, place.table, row["pk"], new, b"", b"")
    if entries:
        write(
            erasure,
            act=ERASED,
            words=f"{counted(many, 'row')} of the ledger lost words of what is erased",
            data={"entries": entries},
        )
    elif many and place.model is not Capsule:
        write(
            erasure,
            act="words.erased",
            words=f"{counted(many, 'row')} of {place.table} lost words of what is erased",
            data={"table": place.table, "rows": many},
        )
    return many


def _may_update(table: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT has_table_privilege(%s, 'UPDATE') AND NOT EXISTS (SELECT FROM pg_trigger"
            " WHERE tgrelid = %s::regclass AND tgname = 'append_only')",
            [table, table],
        )
        return bool(cursor.fetchone()[0])


def _cut(
    erasure: Erasure, table: str, key: Any, new: dict[str, Any], gone: bytes, left: bytes
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT countersign_cut_words(%s, %s, %s, %s::jsonb, %s, %s)",
            [erasure.pk, table, str(key), json.dumps(new, ensure_ascii=False), gone, left],
        )


def _entry(erasure: Erasure, key: int, new: dict[str, Any]) -> list[str]:
    """(digest before, digest after) of a row of the ledger, as hex. It loses its salt, so that
    nobody can try which words gave the digest that stays."""
    row = LedgerEntry.objects.get(pk=key)
    gone = ledger.digest_of(row)
    for name, value in {**new, "salt": b""}.items():
        setattr(row, name, value)
    left = ledger.digest_of(row)
    _cut(erasure, "evidence_ledgerentry", key, new, gone, left)
    return [gone.hex(), left.hex()]


def _capsule(erasure: Erasure, key: Any, body: Any, write: Callable[..., None]) -> None:
    row = Capsule.objects.get(pk=key)
    gone, left = capsules.digest(row.body), capsules.digest(body)
    _cut(erasure, "evidence_capsule", key, {"body": body}, gone, left)
    write(
        erasure,
        act=capsules.ERASED,
        words=f"{row.key} lost words of what is erased",
        data={
            "capsule": row.key,
            "gone_digest": gone.hex(),
            "left_digest": left.hex(),
            "events": 0,
        },
    )
