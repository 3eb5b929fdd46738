"""What bundles in force may give is what the layer below asks its rights for."""

import pytest
from django.utils import timezone

from identities.actions.grants import lacking
from identities.enforcers.contract import Permission
from reviews.break_glass import offered
from reviews.models import Bundle

from .conftest import Company

pytestmark = pytest.mark.django_db


def test_bundles_in_force_are_told_to_the_layer_below(company: Company) -> None:
    rows = Bundle.objects.filter(state="in_force")
    known = {row.document["target"]["name"] for row in rows}
    whats = list(offered.offered())
    assert (len(whats), {one.name for one in whats}) == (rows.count(), known)
    assert all(isinstance(one.permissions[0], Permission) for one in whats)
    asked = lacking.wanted(now=timezone.now())
    assert {(one.system, one.account) for one in whats} == set(asked)
    rows.update(state="ended")
    assert lacking.wanted(now=timezone.now()) == {}
