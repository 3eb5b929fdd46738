"""External integrations: what is stated of them, by whom, in the register and in the ledger."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.db import IntegrityError, ProgrammingError, transaction

from evidence.models import LedgerEntry
from identities.acting import COMMAND
from identities.actions import registration, vendors
from identities.models import Identity, VendorAttestation
from identities.permissions import NotAllowed, NotPossible
from identities.register import RegisterError, read
from tests.identities.conftest import DAY, NOW

pytestmark = pytest.mark.django_db
Make = Callable[..., Any]
SAID = vendors.Stated(
    evidence_boundary="calls of ours only",
    vendor_contact="security@crm.example",
    contract_ends_at=NOW + 90 * DAY,
    data_leaving="names and addresses",
)


def attested(row: Identity, **said: Any) -> VendorAttestation:
    usual: dict[str, Any] = {
        "what": "SOC 2 type II",
        "stated_on": date(2026, 1, 31),
        "valid_until": date(2027, 1, 31),
        "reference": "the vendor file",
        "now": NOW,
    }
    return vendors.attested(identity=row, **usual | said)


def test_what_is_stated_goes_into_the_ledger_once(active: Make, user: Make) -> None:
    owner = user("ann", "owner")
    row = active(owner=owner, kind="integration")
    for _ in range(2):
        row = vendors.describe(identity=row, said=SAID, by=owner, now=NOW)
    row.refresh_from_db()
    assert (row.vendor_contact, row.contract_ends_at) == (
        "security@crm.example",
        NOW + 90 * DAY,
    )
    entry = LedgerEntry.objects.get()
    assert entry.words == (
        "Ann stated of svc-report: evidence boundary, vendor contact, contract ends at, data leaving"
    )
    assert attested(row, by=owner).recorded_by == owner.person


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"what": " "}, "Say what the vendor has attested"),
        ({"stated_on": date(2026, 12, 1)}, "cannot have stated it in the future"),
        ({"valid_until": date(2025, 1, 1)}, "cannot end before it begins"),
        ({"reference": "x" * 2_001}, "at most 2,000 characters"),
    ],
)
def test_what_cannot_be_recorded(
    active: Make, user: Make, said: dict[str, Any], sentence: str
) -> None:
    owner = user("ann", "owner")
    row = active(owner=owner, kind="integration")
    with pytest.raises(NotPossible, match=sentence):
        attested(row, by=owner, **said)
    assert VendorAttestation.objects.count() == 0


def test_only_integrations_have_a_vendor(active: Make, user: Make) -> None:
    owner = user("ann", "owner")
    row = active(owner=owner)
    with pytest.raises(NotPossible, match="is no external integration"):
        vendors.describe(identity=row, said=SAID, by=owner, now=NOW)
    with pytest.raises(NotPossible, match="is no external integration"):
        attested(row, by=owner)


@pytest.mark.parametrize(
    ("who", "may"),
    [("reviewer", True), ("administrator", True), ("responder", False), ("auditor", False)],
)
def test_who_may_state_it(active: Make, user: Make, who: str, may: bool) -> None:
    row, by = active(kind="integration"), user("somebody", who)
    if may:
        vendors.describe(identity=row, said=SAID, by=by, now=NOW)
    else:
        with pytest.raises(NotAllowed):
            vendors.describe(identity=row, said=SAID, by=by, now=NOW)
    assert LedgerEntry.objects.count() == int(may)


def test_a_register_states_it_as_well() -> None:
    text = (
        "identities: [{name: crm-sync, kind: integration, evidence_boundary: ours,"
        " vendor_contact: v@crm.example, data_leaving: names, contract_ends: %s}]"
    )
    for _ in range(2):
        done = registration.register(
            entries=read("x.yaml", text % "2027-05-31"), by=COMMAND, now=NOW
        )
    assert done.count("kept") == 1
    row = Identity.objects.get()
    assert (row.vendor_contact, row.data_leaving, row.contract_ends_at) == (
        "v@crm.example",
        "names",
        datetime(2027, 5, 31, tzinfo=UTC),
    )
    with pytest.raises(RegisterError) as refused:
        read("x.yaml", text % "90d")
    assert [one.path for one in refused.value.problems] == ["identities[0].contract_ends"]


def test_an_attestation_runs_forward_in_the_database(active: Make, user: Make) -> None:
    owner = user("ann", "owner")
    said: dict[str, Any] = {
        "identity": active(owner=owner, kind="integration"),
        "what": "x",
        "stated_on": date(2026, 1, 31),
        "recorded_at": NOW,
        "recorded_by": owner.person,
    }
    row = VendorAttestation.objects.create(**said)
    with pytest.raises(IntegrityError, match="runs_forward"), transaction.atomic():
        VendorAttestation.objects.create(valid_until=date(2020, 1, 1), **said)
    with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
        VendorAttestation.objects.filter(pk=row.pk).update(what="y")
