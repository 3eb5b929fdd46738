"""The page of alignment: every figure of it opens as many rows as it says."""

import pytest
from django.test import Client
from django.utils import timezone

from identities.models import Credential, Identity
from reviews import shares
from reviews.models import ShareDay

from .conftest import Told
from .test_every_number import walked, world

__all__ = ["world"]
pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("who", ["rita", "samuel", "otto"])
def test_alignment_by_system_and_source(world: Told, client: Client, who: str) -> None:
    shares.keep(now=timezone.now())
    client.force_login(getattr(world, who))
    page = client.get("/alignment/")
    found = walked(client, page.content.decode())
    assert {url: said for url, (said, _) in found.items()} == {
        url: behind for url, (_, behind) in found.items()
    }
    assert {share.whole for share in shares.EVERY} <= set(found)
    (row,) = [one for one in page.context["systems"] if one["url"].endswith("=quarterly")]
    (calls,) = [one for one in row["cells"] if one["column"].startswith("calls that reach")]
    assert (calls["lacking"], calls["whole"]) == (10, 40)
    assert calls["lacking_url"] in found
    sources = page.context["sources"]
    assert (sources is None) is (who == "samuel")
    assert sources is None or sources
    ShareDay.objects.all().delete()
    (first,) = [
        one
        for one in client.get("/alignment/").context["systems"]
        if one["url"].endswith("=quarterly")
    ]
    assert [one["whole"] for one in first["cells"]] == [one["whole"] for one in row["cells"]]


def test_what_more_is_counted(world: Told) -> None:
    now = timezone.now()
    found = shares.counts(shares.of_all(), now=now, which=shares.EVERY)
    living = Identity.objects.exclude(state="retired")
    assert found["attested"].whole == living.count()
    assert found["attested"].part == living.filter(shares.ATTESTED).count()
    active = Credential.objects.filter(state="active")
    assert found["short"] == (active.filter(standing=False).count(), active.count())
    assert found["alone"] == (active.count(), active.count())
    by = shares.by_system(now=now)
    service = world.identity.service
    assert service is not None
    assert by[service.pk, "runs"] == (30, 40)
    assert {name for _, name in by} <= {share.name for share in shares.EVERY}
