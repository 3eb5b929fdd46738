"""Sealed credentials when several do the same at once: one case, one signature, one look back."""

from functools import partial
from typing import Any

import pytest

from identities.permissions import NotAllowed, NotPossible
from reviews.models import Case, Notice, SealedCredential, SealedDecision, SealedUse
from reviews.sealed import deciding, declaring, looking
from tests.reviews.conftest import HOUR, NOW, ingest
from tests.reviews.test_races import together

from .conftest import MINUTE, call, of_case, read_of, said, tell_sealed, work
from .test_made import THING, mints

pytestmark = pytest.mark.django_db(transaction=True)


def test_two_workers_with_two_deposits_open_one_case() -> None:
    tell_sealed()
    for number in range(4):
        ingest([call(number, NOW + number * MINUTE)])
    results = together(*[partial(work, NOW + HOUR)] * 4)
    assert sum(one for one in results if isinstance(one, int)) == 4
    use = SealedUse.objects.get()
    assert (use.calls, use.first_at, use.last_at) == (4, NOW, NOW + 3 * MINUTE)
    assert Case.objects.count() == 1
    assert Notice.objects.values("occasion").distinct().count() == 1


def test_two_signatures_and_two_look_backs_at_once_are_one() -> None:
    sealed = tell_sealed()
    row = declaring.propose(declared=said(kept="bank"), reason="x", by=sealed.rita, now=NOW)
    together(*[partial(declaring.sign, sealed=row, by=sealed.root, now=NOW)] * 3)
    assert SealedCredential.objects.filter(state="in_force").count() == 1
    ingest([call(1, NOW)])
    work(NOW + HOUR)
    case = Case.objects.get()
    given: dict[str, Any] = {"kind": "misuse", "words": "x", "follow_ups": ["y"], "now": NOW + HOUR}
    given |= {"case": case, "read": read_of(of_case(case))}
    results = together(
        *[partial(looking.look_back, by=by, **given) for by in (sealed.rita, sealed.root)]
    )
    assert sum(isinstance(one, NotAllowed) for one in results) == 1
    assert of_case(case).capsule is not None


def test_two_decisions_on_one_thing_at_once_are_one() -> None:
    sealed = tell_sealed()
    ingest([mints(1, NOW)])
    work(NOW + HOUR)
    given: dict[str, Any] = {"case": Case.objects.get(), "thing": THING, "words": "x", "now": NOW}
    results = together(
        partial(deciding.decide, by=sealed.rita, answer="stays", **given),
        partial(deciding.decide, by=sealed.root, answer="gone", **given),
    )
    assert sum(isinstance(one, NotPossible) for one in results) == 1
    assert SealedDecision.objects.count() == 1
