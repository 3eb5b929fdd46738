"""What an identity's criticality is when its file says nothing of it."""

import pytest

from identities.models import Identity
from tests.identities.test_registration import FILE, load

pytestmark = pytest.mark.django_db


def test_criticality_that_nobody_said_follows_the_service_and_what_was_said_stays() -> None:
    def criticality() -> str:
        return Identity.objects.get(name="svc-report-agent").criticality

    load()
    load(FILE.replace("criticality: high", "criticality: critical"))
    assert criticality() == "critical"
    said = FILE.replace(
        "    kind: service_account", "    kind: service_account\n    criticality: low"
    )
    load(said)
    load(said.replace("criticality: high", "criticality: critical"))
    assert criticality() == "low"
