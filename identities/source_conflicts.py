"""Open findings of sources that contradict each other, by source: for the pages of sources
(evidence/contradictions.py), `doctor` and who is mailed.

Owns how the family of such a finding is read: "forger against trail 2026-11-24".
"""

from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlencode

from django.db.models import Count, Max, Min, QuerySet, Sum

from evidence.contradictions import Contradiction
from identities.findings import AGAINST, CONFLICT, UNLIKE
from identities.models import Finding


class Pair(NamedTuple):
    """Two sources of which one is wrong; the same twice, where one states several traces."""

    one: str
    how: str  # AGAINST, BESIDE, UNLIKE
    other: str

    def __str__(self) -> str:
        return " ".join(self)

    @property
    def words(self) -> str:
        """As the page of the first source says it."""
        if self.how == AGAINST:
            return f"contradicts the log {self.other}"
        if self.how == UNLIKE and self.one == self.other:
            return "holds records that tell one request differently"
        if self.how == UNLIKE:
            return f"tells requests otherwise than {self.other}"
        if self.one == self.other:
            return "states several traces of one call"
        return f"contradicts the traces of {self.other}"

    @property
    def turned(self) -> str:
        """As the page of the other source says it."""
        if self.how == AGAINST:
            return f"is contradicted by the traces of {self.one}"
        return self._replace(one=self.other, other=self.one).words


class Open(NamedTuple):
    """What is open of one pair."""

    calls: int
    since: datetime
    url: str


def of_pairs(rows: QuerySet[Finding] | None = None) -> dict[Pair, Open]:
    """The pairs of these findings, else of all that are open, by name: one query."""
    rows = Finding.objects.all() if rows is None else rows
    found: dict[Pair, list[tuple[int, datetime, int, int]]] = {}
    for family, *of_family in (
        rows.filter(rule=CONFLICT, state__in=["open", "confirmed"])
        .values_list("family")
        .annotate(Sum("count"), Min("first_at"), Count("pk"), Max("number"))
        .order_by("family")
    ):
        named = family.split(" ")
        if len(named) == 4:
            found.setdefault(Pair(*named[:3]), []).append(tuple(of_family))
    return {pair: _open(pair, rows_) for pair, rows_ in found.items()}


def _open(pair: Pair, rows: list[tuple[int, datetime, int, int]]) -> Open:
    calls, firsts, findings, numbers = zip(*rows, strict=True)
    url = f"/findings/F-{numbers[0]}/"
    if sum(findings) > 1:
        url = f"/findings/?{urlencode({'rule': CONFLICT, 'q': str(pair)})}"
    return Open(sum(calls), min(firsts), url)


def by_source() -> dict[str, list[Contradiction]]:
    """What the pages of sources say."""
    said: dict[str, list[Contradiction]] = {}
    for pair, one in of_pairs().items():
        said.setdefault(pair.one, []).append(Contradiction(pair.words, *one))
        if pair.other != pair.one:
            said.setdefault(pair.other, []).append(Contradiction(pair.turned, *one))
    return said
