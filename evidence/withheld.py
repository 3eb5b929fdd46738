"""Which rows of the ledger are commitments only, and to whom: those of sealed cases.

Owns how such a row is recognised. What was written while a case was sealed carries it
(`LedgerEntry.sealed_case`); what was written before is known by its subject, by the case that its
data names, or was found when the case was sealed. Words that only mention a sealed case are shown
without its name: nobody hides a row of theirs by writing a number into it. Which cases those are,
the app above says when it starts: evidence knows none.
"""

import json
import re
from collections.abc import Callable
from functools import cached_property
from uuid import UUID

from django.db.models import Q, QuerySet

from evidence.models import LedgerEntry

UNNAMED = "a sealed case"


class Withheld:
    """Sealed cases by id and key ("CS-12"), the rows that were found to be theirs, and the cases
    that were sealed once and are not any more."""

    def __init__(
        self,
        cases: frozenset[UUID] = frozenset(),
        keys: frozenset[str] = frozenset(),
        rows: frozenset[int] = frozenset(),
        disclosed: frozenset[UUID] = frozenset(),
    ) -> None:
        self.cases, self.keys, self.rows, self.disclosed = cases, keys, rows, disclosed

    @cached_property
    def names(self) -> frozenset[str]:
        """What data calls one of them."""
        return self.keys | {str(one) for one in self.cases}

    @cached_property
    def _named(self) -> re.Pattern[str] | None:
        if not self.names:
            return None
        return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, sorted(self.names)))})(?!\w)")

    def hides(self, entry: LedgerEntry) -> bool:
        """Whether this row is one of theirs."""
        if entry.sealed_case in self.cases or entry.subject in self.keys:
            return True
        said = entry.data.get("case") if isinstance(entry.data, dict) else None
        return entry.pk in self.rows or (isinstance(said, str) and said in self.names)

    def unnamed(self, words: str) -> str:
        """Words of another row without the name of any of them."""
        return words if self._named is None else self._named.sub(UNNAMED, words)

    def keeps_out(self, entry: LedgerEntry) -> bool:
        """Whether a file that anybody may be given carries only the digest of this row: what was
        bound stays so until its case is known to be open again, and what cannot be shown without
        a name of theirs, because the digest is over all of it."""
        if entry.sealed_case is not None and entry.sealed_case not in self.disclosed:
            return True
        if self._named is None:
            return False
        if self.hides(entry) or self._named.search(entry.words) is not None:
            return True
        return self._named.search(json.dumps(entry.data, ensure_ascii=False)) is not None

    def left_out(self, rows: QuerySet[LedgerEntry]) -> QuerySet[LedgerEntry]:
        """These rows without those that are theirs, for a search."""
        if not self.names:
            return rows
        return (
            rows.exclude(sealed_case__in=self.cases)
            .exclude(subject__in=self.keys)
            .exclude(pk__in=self.rows)
            .exclude(Q(data__has_key="case") & Q(data__case__in=sorted(self.names)))
        )


NOTHING = Withheld()


def _nothing() -> Withheld:
    return NOTHING


# Set when the app starts, by who knows cases: all that are sealed now, and all that once were.
everywhere: Callable[[], Withheld] = _nothing
