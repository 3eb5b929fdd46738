"""Silence stops and asks a person before it cuts more than its policy allows within one hour."""

from datetime import timedelta
from typing import Any

import pytest

from evidence.models import Source
from identities.models import Attribution, Identity
from reviews import actions, policy_words
from reviews.models import Case, Heartbeat, Notice, ReviewPolicy, Rung
from reviews.policy_consequences import Brake
from reviews.policy_document import DocumentError, parse

from . import crowd
from .conftest import DAY, HOUR, NOW, Told
from .test_rungs import at, everything_until
from .test_rungs import opened as opened_ladder

pytestmark = pytest.mark.django_db
MANY = 6
WORDS = (
    "The brake of agents, version 1: silence may cut {most} within one hour, and has cut {most}."
    " Look whether something is wrong before you release it."
)


def opened(story: Told, brake: dict[str, int], *, mode: str = "enforce") -> list[Identity]:
    """A review of each of six agents, all due at once, under a policy whose silence suspends."""
    policy = ReviewPolicy.objects.create(
        name="agents",
        state="signed",
        document={"brake": brake, "silence": "suspend", "scope": {"kinds": ["agent"]}},
        silence="suspend",
        remind_before_hours=[48, 4],
        recorded_at=NOW,
        recorded_by="countersign",
    )
    owners = crowd.people(2)
    rows = crowd.identities(MANY, owners=owners, of=crowd.services(1, owners), mode=mode)
    Identity.objects.filter(pk__in=[one.pk for one in rows]).update(
        state="active", purpose="x", expires_at=NOW + 90 * DAY
    )
    for one in rows:
        actions.open_review(identity=one, by=story.rita, now=NOW, reason="x", policy=policy)
    Notice.objects.filter(sent_at=None).update(sent_at=NOW)
    Heartbeat.objects.create(since=NOW - DAY, until=NOW + 60 * DAY)
    Attribution.objects.bulk_create(
        [
            Attribution(
                at=NOW - HOUR,
                event_id=number,
                binding_id=0,
                identity_no=one.number,
                source_id=Source.objects.get().pk,
                role=1,
                strength=3,
                plane=1,
            )
            for number, one in enumerate(rows)
        ]
    )
    Source.objects.update(watermark=NOW + 60 * DAY, completeness="declared")
    return rows


def suspended() -> int:
    return Identity.objects.filter(state="suspended").count()


def held() -> list[str]:
    return list(Rung.objects.filter(state="held").order_by("pk").values_list("held_why", flat=True))


@pytest.mark.parametrize(
    ("brake", "most"),
    [({"identities": 2}, 2), ({"percent": 50}, 3), ({"identities": 4, "percent": 20}, 1)],
)
def test_what_would_be_cut_beyond_the_bound_waits_for_a_person(
    story: Told, brake: dict[str, int], most: int
) -> None:
    opened(story, brake)
    everything_until(at(168))
    assert (suspended(), set(held())) == (
        most,
        {WORDS.format(most=most)},
    )
    assert len(held()) == MANY - most
    # The next hour cuts nothing either: what is held waits for a person, and asks those above.
    everything_until(at(200))
    assert (suspended(), Case.objects.filter(silence="escalate").count()) == (most, MANY - most)
    waiting = Case.objects.filter(rungs__state="held").order_by("number")
    actions.release(case=waiting[0], by=story.rita, now=at(200), reason="looked at it")
    everything_until(at(200))
    assert (suspended(), len(held())) == (most + 1, MANY - most - 1)


def test_the_bound_is_of_one_hour(story: Told) -> None:
    rows = opened(story, {"identities": 3})
    late = Case.objects.filter(identity__in=rows[3:])
    moved = timedelta(hours=2)
    for case in late:
        Case.objects.filter(pk=case.pk).update(deadline_at=case.deadline_at + moved)
        for rung in case.rungs.all():
            Rung.objects.filter(pk=rung.pk).update(at=rung.at + moved, after=rung.after + moved)
    everything_until(at(168))
    everything_until(at(170))
    assert (suspended(), held()) == (6, [])


def test_later_rungs_are_braked_as_well(story: Told) -> None:
    case = opened_ladder(story, [("suspend", 216)])
    assert case.policy is not None
    policy = case.policy
    ReviewPolicy.objects.filter(pk=policy.pk).update(
        document=policy.document | {"brake": {"percent": 1}}
    )
    everything_until(at(168))
    everything_until(at(217))
    story.identity.refresh_from_db()
    assert (story.identity.state, len(held())) == ("active", 1)
    actions.release(case=case, by=story.rita, now=at(218), reason="looked at it")
    everything_until(at(218))
    story.identity.refresh_from_db()
    assert story.identity.state == "suspended"


@pytest.mark.parametrize("mode", ["ask", "observe"])
def test_nothing_is_held_where_nothing_would_be_cut(story: Told, mode: str) -> None:
    opened(story, {"identities": 1}, mode=mode)
    everything_until(at(168) + HOUR)
    assert (suspended(), held()) == (0, [])


@pytest.mark.parametrize(
    ("brake", "population", "most"),
    [
        (Brake(identities=5), 0, 5),
        (Brake(percent=5), 99, 4),
        (Brake(identities=5, percent=5), 1_000, 5),
        (Brake(identities=50, percent=5), 100, 5),
        (Brake(percent=1), 99, 0),
    ],
)
def test_the_smaller_bound_holds(brake: Brake, population: int, most: int) -> None:
    assert brake.most(population) == most


def test_the_policy_says_it_in_words(story: Told) -> None:

    said: Any = {"brake": {"identities": 50, "percent": 5}, "quarantine_days": 7}
    lines = dict(policy_words.lines(parse(said, name="agents"), name="agents"))
    assert lines["Brake"].startswith("When silence would cut more than 50 identities or 5 % of")
    assert lines["What is revoked"].startswith(
        "A credential, a delegation or what a system allows is held for 7 days"
    )
    wrongs: list[Any] = [{"brake": {}}, {"brake": {"percent": 0}}, {"quarantine_days": 91}]
    for wrong in wrongs:
        with pytest.raises(DocumentError):
            parse(wrong, name="agents")
    with pytest.raises(DocumentError, match="does nothing for access requests"):
        parse({"quarantine_days": 7}, name="access request")
