"""What links change of a finding is told for each event, not only for the weakest of them."""

import pytest

from identities.actions.bindings import foreseeing
from identities.models import Finding


def finding(**strengths: int) -> Finding:
    weakest = min({"inferred": 1, "key": 2, "exact": 3}[one] for one in strengths)
    return Finding(number=7, count=sum(strengths.values()), strength=weakest, strengths=strengths)


@pytest.mark.parametrize(
    ("before", "then", "said"),
    [
        (
            {"exact": 4, "key": 3},
            {"exact": 1, "key": 6},
            ("weakens", "7 events, 4 exact, 3 by key, become 7 events, 1 exact, 6 by key."),
        ),
        (
            {"key": 6, "inferred": 1},
            {"key": 7, "inferred": 1},
            ("adds", "7 events, 6 by key, 1 inferred, become 8 events, 7 by key, 1 inferred."),
        ),
        ({"exact": 2}, {"key": 2}, ("weakens", "2 events, exact, become 2 events, key.")),
        ({"exact": 2}, {"exact": 3}, ("adds", "2 events, exact, become 3 events, exact.")),
        ({"exact": 2, "key": 1}, {"exact": 2, "key": 1}, None),
    ],
)
def test_finding_whose_events_become_less_sure_is_weakened(
    before: dict[str, int], then: dict[str, int], said: tuple[str, str] | None
) -> None:
    fact = foreseeing._changed(finding(**before), finding(**then))
    if said is None:
        assert fact is None
        return
    assert fact is not None
    assert (fact.about, fact.weakens) == (said[0], said[0] == "weakens")
    assert fact.words.endswith(said[1])
