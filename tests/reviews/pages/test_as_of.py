"""The page of an identity at an earlier moment, against the population export of that moment and
against its events, counted one by one: at random moments, for every identity of the story."""

import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from evidence.intake.admitting import micros
from evidence.vocabulary import PLANE_IDENTITY
from identities.actions import credentials, stretches
from identities.models import Credential, Finding, FindingEvent, Identity, User
from identities.models.behaviour import INSIDE, OUTSIDE
from reviews.pages import line, line_data
from reviews.pages.dossier import dossier
from reviews.population.tables import CREDENTIALS, ENTITLEMENTS, IDENTITIES, OWNERS, Table
from tests.planted import Planted

pytestmark = pytest.mark.django_db
MOMENTS = 8
# Retold tool calls are one call, on every page.
EVENTS = """
SELECT count(*), count(*) FILTER (WHERE a.verdict = %s), count(*) FILTER (WHERE a.verdict = %s),
    max(a.at)
FROM identities_attribution a WHERE a.identity_no = %s AND a.plane = %s AND a.at <= %s
"""


def population(table: Table, at: datetime) -> dict[str, dict[str, Any]]:
    """The rows of one table of the export, by key."""
    columns = table.columns.split()
    with connection.cursor() as cursor:
        cursor.execute(table.rows, {"at": at})
        return {key: dict(zip(columns, values, strict=False)) for key, *values in cursor.fetchall()}


def moments(dice: random.Random, planted: Planted) -> list[datetime]:
    """Half of them on the story's last day, on which nearly everything happens."""
    day = timedelta(days=1)
    spans = [day if number % 2 else 220 * day for number in range(MOMENTS)]
    return [planted.now - dice.random() * span for span in spans]


@pytest.fixture
def auditor(planted: Planted) -> User:
    return User.objects.get(groups__name="auditor")


def disturb(dice: random.Random, planted: Planted) -> None:
    """Keys revoked, and identities suspended and resumed, at random moments of the last day."""
    now = planted.now
    for number, key in enumerate(Credential.objects.filter(standing=True).order_by("number")):
        if number % 2:
            at = now - dice.random() * timedelta(days=1)
            credentials.mark(credential=key, state="revoked", at=at, now=now, because="seen")
    for identity in Identity.objects.order_by("number"):
        for hours, state in ((20, "suspended"), (dice.randrange(1, 19), "active")):
            stretches.of_identity(
                identity, state=state, at=now - timedelta(hours=hours), now=now, by="countersign"
            )


def test_everything_is_told_as_it_was(planted: Planted, auditor: User) -> None:
    dice, now, seen = random.Random(4), planted.now, set()
    disturb(dice, planted)
    for at in moments(dice, planted):
        known = {table.name: population(table, at) for table in
                 (IDENTITIES, CREDENTIALS, ENTITLEMENTS, OWNERS)}  # fmt: skip
        for identity in Identity.objects.order_by("number"):
            d = dossier(identity, now=now, at=at)
            row = known["identities"].get(identity.key)
            if row is not None:
                assert (d.was.state or None, d.was.purpose or None, d.was.ends_at) == (
                    row["state"], row["purpose"], row["ends_at"])  # fmt: skip
            owners = {place: known["owners"].get(f"{identity.key}/{place}", {}).get("party")
                      for place in ("owner", "sponsor", "backup")}  # fmt: skip
            assert d.owners == {place: party for place, party in owners.items() if party}
            keys = {key: one for key, one in known["credentials"].items()
                    if one["identity"] == identity.key}  # fmt: skip
            counts: dict[tuple[bool, str], int] = {}
            for one in keys.values():
                group = (one["standing"], one["state"] or "not_known")
                counts[group] = counts.get(group, 0) + 1
            assert d.credential_counts == counts
            for shown in d.credentials:
                assert (keys[shown.key]["state"] or "not_known") == shown.state
                seen.add(shown.state)
            rights = {(one["system"], one["principal"]) for one in known["entitlements"].values()
                      if one["identity"] == identity.key}  # fmt: skip
            assert {(one.system, one.principal) for one in d.entitlements} == rights
            seen.add(d.was.state)
            _behaviour(identity, at, now)
            _page(identity, auditor, at, now)
    assert {"active", "revoked", "suspended"} <= seen


def _behaviour(identity: Identity, at: datetime, now: datetime) -> None:
    d = dossier(identity, now=now, at=at)
    with connection.cursor() as cursor:
        cursor.execute(EVENTS, [INSIDE, OUTSIDE, identity.number, PLANE_IDENTITY, at])
        calls, inside, outside, last = cursor.fetchone()
    assert (d.api.calls, d.api.inside, d.api.outside, d.api.last) == (calls, inside, outside, last)
    assert sum(one.calls for one in d.permissions) == calls
    for finding in d.findings:
        events = FindingEvent.objects.filter(finding_id=finding.pk, at__lte=at)
        assert finding.count == events.count() > 0
        assert finding.first_at <= at
        assert finding.last_at <= at
    said = line_data.as_data(d)
    assert said["what_behaviour"]["events"] == calls
    assert sum(one["count"] for one in said["what_identity"]["credential_counts"]) == sum(
        d.credential_counts.values()
    )


def _page(identity: Identity, user: User, at: datetime, now: datetime) -> None:
    shown = line.context(identity, user, now=now, at=at)
    times = [one["issued_at"] for one in shown["credentials"] if one["issued_at"]]
    times += [one[name] for one in shown["runs"] for name in ("first_at", "last_at")]
    times += [one["at"] for one in shown["findings"]]
    times += [one[name] for one in shown["permissions"] for name in ("first_at", "last_at")]
    times += [one["at"] for one in shown["lanes"]["table"]]
    assert all(one <= at for one in times)
    assert sum(one["count"] for one in shown["permissions"]) <= shown["lanes"]["count"]


def test_lanes_hold_nothing_later(planted: Planted, client: Client, auditor: User) -> None:
    client.force_login(auditor)
    identity = Identity.objects.get(name="report-agent")
    for at in moments(random.Random(5), planted):
        data = client.get(f"/identities/{identity.key}/lanes.json?at={at.isoformat()}").json()
        end = micros(at)
        assert data["to"] <= end
        assert all(one[0] <= end for one in data["events"])
        assert all(one["at"] <= end for one in data["marks"])
        for one in data["life"]["credentials"]:
            assert one["from"] <= one["to"] <= end
        calls = sum(one[2] for one in data["life"]["density"])
        d = dossier(identity, now=planted.now, at=at)
        assert calls == d.api.calls + d.ai.calls


def test_key_that_was_revoked_later_is_active_and_one_made_later_is_not_there(
    planted: Planted,
) -> None:
    identity = Identity.objects.get(name="report-agent")
    key = Credential.objects.filter(identity=identity, standing=True, issued_at__isnull=False)
    first, second = key.order_by("issued_at")[:2]
    assert second.issued_at is not None
    before = second.issued_at - timedelta(minutes=10)
    credentials.mark(
        credential=first, state="revoked", at=planted.now, now=planted.now, because="revoked"
    )
    d = dossier(identity, now=timezone.now(), at=before)
    assert [(one.pk, one.state) for one in d.credentials if one.standing] == [(first.pk, "active")]
    assert d.credential_counts[True, "active"] == 1
    assert (True, "revoked") not in d.credential_counts


def test_finding_that_was_closed_later_was_open(planted: Planted) -> None:
    finding = Finding.objects.filter(state="open", identity__isnull=False, count__gt=1).first()
    assert finding is not None
    assert finding.identity is not None
    then, now = finding.last_at, planted.now
    Finding.objects.filter(pk=finding.pk).update(state="expected", state_at=now)
    later = now + timedelta(minutes=5)
    at = finding.first_at
    (shown,) = [one for one in dossier(finding.identity, now=later, at=at).findings
                if one.pk == finding.pk]  # fmt: skip
    assert shown.state == "open"
    assert shown.count < finding.count
    assert shown.words == f"{shown.count} of {finding.count} by then: {finding.words}"
    assert finding.pk in {one.pk for one in dossier(finding.identity, now=later, at=then).findings}
    assert finding.pk not in {one.pk for one in dossier(finding.identity, now=later).findings}
