"""People, policies and sweeps that the tests of ownership share."""

from datetime import datetime
from typing import Any

from identities.models import Membership, Party, Person, Team, User
from reviews.actions import expiring, offers, policy_versions
from reviews.models import Heartbeat, Notice, ReviewPolicy
from reviews.succession import noticing, passing, vacant

from .conftest import DAY, NOW, make_user


def put_in_force(name: str = "access review", **document: Any) -> ReviewPolicy:
    """A signed policy that says this."""
    version = ReviewPolicy.objects.filter(name=name).count() + 1
    persons = [Person.objects.create(name=f"signer {n} of {name} {version}") for n in range(2)]
    return ReviewPolicy.objects.create(
        name=name,
        version=version,
        state="signed",
        document=document,
        **policy_versions._numbers(policy_versions.of_document(document, name)),
        recorded_at=NOW,
        recorded_by="user:x",
        proposed_person=persons[0],
        settled_person=persons[1],
        settled_at=NOW,
    )


def team(name: str, *people: User) -> Party:
    """A team of these people, and its party."""
    row = Team.objects.create(name=name)
    for one in people:
        assert one.person is not None
        Membership.objects.create(
            team=row, person=one.person, during=(NOW - 100 * DAY, None), recorded_at=NOW
        )
    return Party.objects.create(team=row)


def sweep(now: datetime) -> int:
    """Everything that the worker does about owners, until nothing is left; how many steps."""
    steps = 0
    for step in (
        noticing.notice_next,
        passing.pass_on_next,
        vacant.refill_next,
        offers.lapse_next,
        expiring.expire_next,
    ):
        while step(now=now):
            steps += 1
            assert steps < 200, "a sweep finds the same thing for ever"
    return steps


def delivered(at: datetime) -> None:
    """Every notice so far has gone out, and Countersign was at work all the time."""
    Notice.objects.filter(sent_at__isnull=True).update(sent_at=at)
    Heartbeat.objects.get_or_create(since=NOW - 400 * DAY, defaults={"until": NOW + 400 * DAY})


__all__ = ["delivered", "make_user", "put_in_force", "sweep", "team"]
