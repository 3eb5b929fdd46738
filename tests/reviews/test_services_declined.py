"""Who has said no to a service is not made the owner of what follows it, one by one."""

from datetime import datetime
from typing import Any

import pytest

from identities.models import Identity, Party, Person, Service
from reviews.models import SuccessionItem
from reviews.succession import passing

from .conftest import DAY, HOUR, NOW, Told, party
from .owning import sweep

pytestmark = pytest.mark.django_db


def gone(story: Told, **more: Any) -> list[Identity]:
    """Tom has left, who owned a service whose sponsor is Leila, and three identities of it."""
    tom = Party.objects.create(person=Person.objects.create(name="Tom", email="tom@example.org"))
    service = Service.objects.create(slug="zed", name="Zed", owner=tom, sponsor=party(story.leila))
    made = [
        Identity.objects.create(
            name=f"zed-{number}",
            kind="workload",
            service=service,
            owner=tom,
            sponsor=service.sponsor,
            **{"inherited": ["owner", "sponsor"]} | more,
            purpose="a job of Zed",
            expires_at=NOW + 90 * DAY,
            state="active",
            mode="enforce",
            created_at=NOW,
        )
        for number in range(3)
    ]
    Person.objects.filter(name="Tom").update(left_at=NOW)
    return made


def owners(now: datetime) -> set[str]:
    sweep(now)
    return {str(one.owner) for one in Identity.objects.filter(name__startswith="zed")}


def asked() -> list[str]:
    return [passing.about(one) for one in SuccessionItem.objects.filter(state="asked")]


def test_who_declined_the_service_is_asked_no_more_for_each_identity(story: Told) -> None:
    gone(story)
    assert owners(NOW + HOUR) == {"Leila"}
    item = SuccessionItem.objects.get(state="asked")
    passing.decline(item=item, reason="not ours", by=story.leila, now=NOW + HOUR)
    assert owners(NOW + 2 * HOUR) == {"Tom"}
    assert asked() == []
    rows = SuccessionItem.objects.filter(identity__name__startswith="zed", role="owner")
    # Nobody is left: each has its review, where what silence does is written down.
    assert [(one.state, one.case is not None, one.tried) for one in rows] == [
        ("unowned", True, [party(story.leila).pk])
    ] * 3


def test_who_was_silent_on_the_service_is_not_made_owner_again(story: Told) -> None:
    gone(story)
    sweep(NOW + HOUR)
    SuccessionItem.objects.filter(state="asked").update(deadline_at=NOW + 2 * HOUR)
    item = SuccessionItem.objects.get(state="asked")
    passing._pass_on(item, now=NOW + 3 * HOUR)
    assert owners(NOW + 4 * HOUR) == {"Tom"}
    assert asked() == []


def test_somebody_else_behind_an_identity_is_still_asked(story: Told) -> None:
    first, *_ = gone(story)
    Identity.objects.filter(pk=first.pk).update(backup=party(story.marek))
    sweep(NOW + HOUR)
    item = SuccessionItem.objects.get(state="asked")
    passing.decline(item=item, reason="not ours", by=story.leila, now=NOW + HOUR)
    assert owners(NOW + 2 * HOUR) == {"Tom", "Marek"}
    assert asked() == ["zed-0"]
