"""What the answers so far say of evidence: how often what named somebody was right.

Owns the counting. It decides in which order people are asked and whom it is no use to ask again;
it gives nobody anything. Evidence is counted by the bundle, not by the thing: one register that
is wrong about four hundred things is one mistake.
"""

from collections import defaultdict
from dataclasses import dataclass, field

from django.db import connection

from identities.claims.choosing import EXPECTED

# So many answers weigh as much as what is expected before the first.
PRIOR = 10
# From so many answers on, of which fewer than one in so many was a yes, it is not asked again.
LEAST_OF_PARTY, LEAST_OF_STEP, ONE_IN = 4, 8, 8

# By what it was asked for (the kind of evidence, else the step) and of whom.
ANSWERED = """
SELECT basis, party, sum(yes)::int, sum(no)::int FROM (
    SELECT coalesce(nullif(c.kind, ''), 'step ' || c.step) AS basis, c.party_id AS party,
           count(DISTINCT c.bundle) AS yes, 0 AS no
    FROM identities_claim c JOIN identities_claimanswer a ON a.id = c.answer_id
    WHERE c.state = 'owned' AND a.answer = 'yes' GROUP BY 1, 2
    UNION ALL
    SELECT r.basis, r.party_id, 0, count(DISTINCT r.bundle) FROM identities_claimrefusal r
    WHERE r.basis <> '' AND NOT r.silent GROUP BY 1, 2
) f GROUP BY 1, 2
"""


@dataclass(slots=True)
class Record:
    """How often a yes came, by basis, and by party and basis."""

    by_basis: dict[str, tuple[int, int]] = field(default_factory=dict)
    by_party: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)

    def expected(self) -> dict[str, float]:
        """The share of a question of each basis that a yes is expected of, 0 to 1."""
        found = {}
        for basis, before in EXPECTED.items():
            yes, no = self.by_basis.get(basis, (0, 0))
            found[basis] = (yes + before * PRIOR) / (yes + no + PRIOR)
        return found

    def useless(self, party: str, basis: str) -> bool:
        """Whether this party has nearly always said no to what this gave them."""
        return _useless(self.by_party.get((party, basis), (0, 0)), LEAST_OF_PARTY)

    def useless_step(self, step: str) -> bool:
        """Whether whoever was asked by this step has nearly always said no."""
        return _useless(self.by_basis.get(f"step {step}", (0, 0)), LEAST_OF_STEP)


def _useless(said: tuple[int, int], least: int) -> bool:
    yes, no = said
    return yes + no >= least and yes * ONE_IN < yes + no


def read() -> Record:
    """One statement over what was answered."""
    by_basis: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    by_party = {}
    with connection.cursor() as cursor:
        cursor.execute(ANSWERED)
        for basis, party, yes, no in cursor.fetchall():
            by_party[str(party), basis] = (yes, no)
            by_basis[basis][0] += yes
            by_basis[basis][1] += no
    return Record({basis: (yes, no) for basis, (yes, no) in by_basis.items()}, by_party)
