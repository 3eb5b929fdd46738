"""Pages say who signed an authority, not who is accountable for it."""

import pytest

from identities.models import Delegation, DelegationVersion, Identity
from reviews import signers
from reviews.break_glass import bypassing
from reviews.pages import authority
from reviews.pages.answers import three
from tests.reviews.break_glass.conftest import (
    MINUTE,
    Company,
    approve,
    asked,
    company,
)
from tests.reviews.conftest import DAY, NOW, party

__all__ = ["company"]
pytestmark = pytest.mark.django_db


def in_force(human: Identity) -> list[DelegationVersion]:
    rows = DelegationVersion.objects.filter(
        delegation__grantee=human, state="in_force", superseded_at__isnull=True
    )
    return list(rows.select_related("delegation__grantor__person", "delegation__grantor__team"))


def test_break_glass_that_two_signed_names_both(company: Company) -> None:
    case = asked(company)
    approve(case, company.pia)
    approve(case, company.sven)
    (row,) = in_force(company.human)
    said = signers.of([row])[row.pk]
    assert (said.words, said.alone) == ("Pia and Sven", False)
    assert str(row.delegation.grantor) not in said.words


def test_break_glass_that_who_asked_approved_says_so(company: Company) -> None:
    case = asked(company)
    later = NOW + 10 * MINUTE
    bypassing.bypass(case=case, reason="nobody is there", by=company.dana, factor="totp", now=later)
    (row,) = in_force(company.human)
    said = signers.of([row])[row.pk]
    assert (said.words, said.alone) == ("Dana, self-approved", True)
    facts = three(company.human, later)["authority"]["facts"]
    (emergency,) = [one for one in facts if one["label"] == "Break-glass"]
    assert ", by Dana, self-approved: " in emergency["words"]
    assert (emergency["kind"], emergency["note"]) == ("waits", f"{row.delegation.key}, {case.key}")
    assert [one for one in facts if one["label"] == "By"] == []
    at = later + MINUTE
    shown = authority.context(company.human, {}, at=at, known_at=at, now=at)
    assert [words for _, words in shown["delegations"]] == ["Dana, self-approved"]


def test_imported_delegation_names_its_grantor_and_is_unsigned(company: Company) -> None:
    grantor = party(company.owen)
    row = Delegation.objects.create(grantee=company.human, grantor=grantor, created_at=NOW)
    row.refresh_from_db()
    DelegationVersion.objects.create(
        delegation=row,
        version=1,
        state="in_force",
        actions=["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
        resources=["invoices/*"],
        during=(NOW - DAY, None),
        imported=True,
        recorded_at=NOW - DAY,
        by="test",
    )
    answer = three(company.human, NOW)["authority"]
    assert answer["headline"] == "Delete, write and read invoices/*"
    said = answer["facts"][0]
    assert (said["words"], said["note"]) == (f"Owen, {row.key}", "imported, unsigned")
