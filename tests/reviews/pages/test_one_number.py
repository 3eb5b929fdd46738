"""Each number of one identity is the same on every page, list and export that shows it."""

import pytest
from django.test import Client

from identities.models import Identity, User
from reviews import shares
from reviews.pages import covered, line, line_data, lists
from reviews.pages.answers import three
from reviews.pages.dossier import dossier
from tests.planted import Planted

pytestmark = pytest.mark.django_db


@pytest.fixture
def auditor(planted: Planted) -> User:
    found = User.objects.filter(groups__name="auditor").first()
    assert found is not None
    return found


def test_numbers_of_an_identity_agree(planted: Planted, auditor: User, client: Client) -> None:
    now = planted.now
    client.force_login(auditor)
    listed = {row["key"]: row for row in lists.identities(auditor, {}, now=now)["rows"]}
    for identity in Identity.objects.order_by("number"):
        d = dossier(identity, now=now)
        row, page = listed[identity.key], line.context(identity, auditor, now=now, at=None)
        data = line_data.as_data(d)["what_behaviour"]
        answer = three(identity, now)["behaviour"]
        for name in ("inside", "outside"):
            assert row[name] == getattr(d.api, name) == data[name] == answer[name]
        said = answer["headline"]
        assert f"{d.api.outside:,} outside" in said if d.api.outside else " outside," not in said
        # Calls that are not judged are neither.
        assert d.api.inside + d.api.outside <= d.api.calls == data["events"]
        assert row["calls"] == d.api.calls == sum(one["count"] for one in page["permissions"])
        assert row["linked"] == d.api.linked == data["linked_exactly"]
        in_list = lists.findings(auditor, {"identity": identity.key}, now=now)["rows"]
        assert row["findings"] == d.finding_count == len(page["findings"]) == len(in_list)
        active = [one for one in d.credentials if one.state == "active"]
        assert row["credentials"] == len(active)
        lanes = client.get(f"/identities/{identity.key}/lanes.json").json()
        assert sum(one[2] for one in lanes["life"]["density"]) == d.api.calls + d.ai.calls


def test_systems_and_shares_count_the_same_calls(planted: Planted, auditor: User) -> None:
    now = planted.now
    by_system = shares.by_system(now=now)
    rows = {row["name"]: row for row in lists.ai_systems(auditor, {}, now=now)["rows"]}
    seen = 0
    for (service, name), one in by_system.items():
        if name != "runs" or not one.whole:
            continue
        title = Identity.objects.filter(service=service).values_list("service__name", flat=True)[0]
        assert rows[title]["linked_share"] == 100 * one.part // one.whole
        assert one.percent is not None
        assert (one.percent == 100) == (one.part == one.whole)
        seen += 1
    assert seen > 1


def test_coverage_of_part_says_that_it_is_part(planted: Planted) -> None:
    identity = Identity.objects.get(name="report-agent")
    shown = covered.context(identity, until=planted.now)
    d = dossier(identity, now=planted.now)
    assert shown["calls"] == d.api.calls or "newest" in shown["sentence"]
