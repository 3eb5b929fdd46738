"""What others do not read of sealed cases: told to the apps below, and changed in rows they show.

Owns the way from a sealed case to the rows of the ledger that are its own, and the neutral words in
rows that stay visible. What stood there before is kept in the sealing and comes back with its end.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Min, Model, Q

from evidence.models import LedgerEntry
from evidence.withheld import Withheld
from identities.causes import NEUTRAL, RESPONDERS
from identities.models import Batch, Identity, IdentityState, Revocation, User
from reviews import visible
from reviews.models import Case, Sealing

MOST_ROWS = 20_000
# The tables whose rows others read, and the members in which they would read of the case.
NAMING: dict[str, tuple[type[Model], dict[str, str]]] = {
    "revocation": (
        Revocation,
        {
            "because": NEUTRAL,
            "case_key": "",
            "requested_by": RESPONDERS.ref,
            "requested_by_name": RESPONDERS.name,
        },
    ),
    "batch": (Batch, {"because": NEUTRAL, "case_key": "", "by_name": RESPONDERS.name}),
    "state": (IdentityState, {"because": NEUTRAL}),
}


def sealed(cases: Collection[UUID]) -> frozenset[UUID]:
    """Which of these cases are sealed."""
    rows = Case.objects.filter(pk__in=cases, sealed=True)
    return frozenset(rows.values_list("pk", flat=True))


def everywhere() -> Withheld:
    """What no file says that anybody may be given."""
    over = Sealing.objects.filter(unsealed_at__isnull=False, case__sealed=False)
    return _of(
        Case.objects.filter(sealed=True), frozenset(over.values_list("case", flat=True).distinct())
    )


def from_user(user: User, *, now: datetime) -> Withheld:
    """What this user does not read: the sealed cases of others."""
    return _of(visible.sealed_from(user, now=now), frozenset())


def _of(cases: Any, disclosed: frozenset[UUID]) -> Withheld:
    known = dict(cases.values_list("pk", "number"))
    if not known:
        return Withheld(disclosed=disclosed)
    lists = Sealing.objects.filter(case__in=known, unsealed_at__isnull=True)
    return Withheld(
        frozenset(known),
        frozenset(f"CS-{number}" for number in known.values()),
        frozenset(row for rows in lists.values_list("rows", flat=True) for row in rows),
        disclosed,
    )


def earlier_rows(case: Case) -> list[int]:
    """Rows of the ledger that were written before the case was sealed, are about something else and
    say why in its words: what it had changed, and what became of that."""
    first = LedgerEntry.objects.filter(subject=case.key).aggregate(first=Min("pk"))["first"]
    if first is None:
        return []
    revocations = Revocation.objects.filter(case=case.pk)
    whys = [one for one in revocations.values_list("because", flat=True).distinct() if one]
    identities = [one.key for one in Identity.objects.filter(pk__in=revocations.values("identity"))]
    batches = list(Batch.objects.filter(case=case.pk).values_list("number", flat=True))
    found = LedgerEntry.objects.filter(pk__gte=first).filter(
        Q(data__case__in=[case.key, str(case.pk)])
        | Q(subject__in=identities, data__because__in=whys)
        | Q(data__batch__in=[f"BAT-{one}" for one in batches])
    )
    return list(found.exclude(subject=case.key).order_by("pk").values_list("pk", flat=True))


def neutral(case: Case) -> list[list[Any]]:
    """Put neutral words into the rows that others read of what this case had changed; what stood
    there, as a sealing keeps it."""
    revocations = Revocation.objects.filter(case=case.pk)
    whys = [one for one in revocations.values_list("because", flat=True).distinct() if one]
    states = IdentityState.objects.filter(
        identity__in=revocations.values("identity"),
        because__in=whys,
        recorded_at__gte=case.opened_at,
    )
    kept = []
    for table, rows in (
        ("revocation", revocations),
        ("batch", Batch.objects.filter(case=case.pk)),
        ("state", states),
    ):
        model, words = NAMING[table]
        before = list(rows.order_by("pk").values("pk", *words)[:MOST_ROWS])
        kept += [[table, str(row.pop("pk")), row] for row in before]
        model._default_manager.filter(pk__in=[row[1] for row in kept if row[0] == table]).update(
            **words
        )
    return kept


def restore(case: Case, kept: Iterable[list[Any]]) -> None:
    """What stood in these rows before; what the case had changed while it was sealed names it."""
    for table, pk, words in kept:
        model, known = NAMING[table]
        said = {name: text for name, text in words.items() if name in known}
        model._default_manager.filter(pk=pk).update(**said)
    for model in (Revocation, Batch):
        rows = model._default_manager.filter(case=case.pk, case_key="")
        rows.update(case_key=case.key, because=f"decided in {case.key}")
