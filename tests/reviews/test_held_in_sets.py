"""What is held for some days first is held, and ended, with many others: the same rows, few statements."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from identities.models import Credential, Entitlement, Person, Revocation, User
from reviews import actions
from reviews.actions import batches, policy_versions
from reviews.models import Case, Item, Quarantine, ReviewPolicy

from . import crowd, decided, silent
from .conftest import DAY, HOUR, NOW
from .cut_rows import written

pytestmark = pytest.mark.django_db
ENDS = NOW + silent.WITHIN
AT = ENDS + HOUR
DAYS = 7


def world(many: int) -> list[Case]:
    """Cases whose two keys and two delegations are revoked, of every other one what AWS allows too;
    one key is held already and one is gone."""
    source = silent.at_work(opened=NOW, until=NOW + 60 * DAY)
    policy = policy_versions.in_force(now=NOW)
    ReviewPolicy.objects.filter(pk=policy.pk).update(
        document=policy.document | {"quarantine_days": DAYS}
    )
    cases = silent.cases(
        many, silence="suspend", parties=crowd.people(6), source=source, opened=NOW, policy=policy
    )
    readings = [
        Entitlement(
            identity=case.identity,
            system="okta",
            principal=f"user/{case.title}",
            during=(NOW - DAY, None),
            read_at=NOW,
            digest="x",
            possible=[],
            recorded_at=NOW,
        )
        for case in cases[::2]
    ]
    Entitlement.objects.bulk_create(readings)
    Item.objects.bulk_create(
        [
            Item(case=case, position=4, kind="entitlement", ref=row.pk, title="allowed")
            for case, row in zip(cases[::2], readings, strict=True)
        ]
    )
    first = Item.objects.filter(case=cases[0], kind="credential").order_by("position")
    for item, state in zip(first, ("held", "revoked"), strict=True):
        Credential.objects.filter(pk__in=[item.ref]).update(state=state)
    person = Person.objects.create(name="Signer")
    user = User.objects.create(username="signer", person=person)
    user.groups.add(Group.objects.get_or_create(name="reviewer")[0])
    decided.decide(cases, by=user, at=ENDS, answers=[["revoke"]] * 5)
    return cases


def sweep(at: Any) -> int:
    """Carry out until nothing is left; in how many statements."""
    with CaptureQueriesContext(connection) as asked:
        while actions.carry_out_next(now=at):
            pass
    return len(asked)


def rows_after(
    cases: Sequence[Case], monkeypatch: pytest.MonkeyPatch, most: int
) -> dict[str, dict[str, list[str]]]:
    monkeypatch.setattr("reviews.actions.carrying.MOST", most)
    monkeypatch.setattr(batches, "MOST", most)
    sweep(AT)
    Revocation.objects.filter(system="aws").update(state="effective")
    sweep(AT + DAYS * DAY)
    return written(cases)


def test_together_and_one_by_one_write_the_same_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for most in (250, 1):
        with transaction.atomic():
            found.append(rows_after(world(4), monkeypatch, most))
            transaction.set_rollback(True)
    assert found[0] == found[1]
    first = found[0]["silent-suspend-00000"]
    assert any("stays held; revoked for good on" in row for row in first["ledger of the case"])
    assert len(first["quarantines"]) == 3
    assert all("'revoked'" in row for row in first["quarantines"])
    refused = [row for row in first["items"] if "No enforcer changes what okta allows" in row]
    assert len(refused) == 1


def test_what_many_cost_is_what_few_cost() -> None:
    costs = []
    for many in (4, 40):
        with transaction.atomic():
            cases = world(many)
            held = sweep(AT)
            rows = Quarantine.objects.filter(case__in=cases)
            # One key is gone: there was nothing to hold.
            assert rows.filter(state="held").count() == 4 * many - 1
            ended = sweep(AT + timedelta(days=DAYS))
            assert rows.filter(state="revoked").count() == 4 * many - 1
            transaction.set_rollback(True)
        costs.append((held, ended))
    assert costs[0] == costs[1]
