"""The story of the table of permissions, and the ways its rows change it and ask.

Every access reads the rows again, so that what a row has changed is seen and what is taken back is
gone.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.contrib.auth.models import Group

from identities.models import Identity, Person, User
from reviews import permissions
from reviews.models import Case, Item, ReviewPolicy, Seat

from . import stages
from .conftest import DAY, HOUR, NOW, Told, item_of, make_user, seat_of


class World:
    """The planted story as it is now: every access reads the rows again."""

    def __init__(self, story: Told) -> None:
        self.story = story
        make_user("rex", "responder")
        make_user("root", "administrator")
        make_user("gus", "owner")
        make_user("nobody", "reviewer")
        User.objects.filter(username="nobody").update(person=None)
        make_user("off", "reviewer")
        User.objects.filter(username="off").update(is_active=False)
        self.number = stages.opened(story, stages.FIRST, {"name": "Again", "hours": 24}).pk
        self.other = Item.objects.create(
            case=Case.objects.create(
                door="access_review", title="x", opened_at=NOW, opened_by="x", deadline_at=NOW
            ),
            position=0,
            kind="binding",
            title="x",
        )
        # A signed version, and one that Rita has proposed.
        self.policy = ReviewPolicy.objects.create(
            name="asked", recorded_at=NOW, recorded_by="x", proposed_person=story.rita.person
        )

    def user(self, name: str) -> User:
        return User.objects.select_related("person").get(username=name)

    def case(self, **fields: Any) -> Case:
        Case.objects.filter(pk=self.number).update(**fields)
        return stages.fresh(Case(pk=self.number))

    def seat(self, kind: str = "identity_owner", stage: str = "Owners", **fields: Any) -> Seat:
        row = (
            seat_of(self.case(), kind)
            if kind == "tie_breaker"
            else stages.seat(self.case(), kind, stage)
        )
        Seat.objects.filter(pk=row.pk).update(**fields)
        return Seat.objects.select_related("stage", "party__person", "person").get(pk=row.pk)

    def item(self, **fields: Any) -> Item:
        row = item_of(self.case(), "credential")
        Item.objects.filter(pk=row.pk).update(**fields)
        row.refresh_from_db()
        return row

    def identity(self, **fields: Any) -> Identity:
        Identity.objects.filter(pk=self.story.identity.pk).update(**fields)
        return Identity.objects.select_related("service").get(pk=self.story.identity.pk)

    def left(self, name: str) -> User:
        Person.objects.filter(users__username=name).update(left_at=NOW - DAY)
        return self.user(name)

    def sign(self, name: str = "ines", said: str = "keep", kind: str = "identity_owner") -> None:
        stages.say(self.case(), self.user(name), said, stages.seat(self.case(), kind, "Owners"))

    def conflict(self) -> Item:
        self.sign()
        self.sign("samuel", "revoke", "ai_owner")
        return self.item()

    def proposed(self, **fields: Any) -> ReviewPolicy:
        ReviewPolicy.objects.filter(pk=self.policy.pk).update(**fields)
        return ReviewPolicy.objects.get(pk=self.policy.pk)


class Row(NamedTuple):
    """`ask` changes the story and asks; `said` is the sentence, None where it is allowed."""

    permission: str
    ask: Callable[[World], str | None]
    said: str | None


type Ask = Callable[[World], str | None]


def person(name: str, world: World) -> Any:
    return world.user(name).person_id


def barred(world: World, name: str, **more: Any) -> str | None:
    """Whether this person may sit in the identity owner's seat."""
    subjects = more.pop("subjects", frozenset())
    return permissions.why_not_person(
        person(name, world), world.case(**more), world.seat(), subjects=subjects
    )


def sits(name: str, **fields: Any) -> Ask:
    return lambda w: permissions.why_not_sit(w.user(name), w.case(), w.seat(**fields), now=NOW)


def decides(
    name: str = "ines",
    seat: dict[str, Any] | None = None,
    item: dict[str, Any] | None = None,
    case: dict[str, Any] | None = None,
) -> Ask:
    return lambda w: permissions.why_not_decide(
        w.user(name),
        w.case(**(case or {})),
        w.seat(**(seat or {})),
        w.item(**(item or {})),
        now=NOW,
    )


def settled(
    w: World, *, late: bool, kind: str = "tie_breaker", conflict: bool = True
) -> str | None:
    item = w.conflict() if conflict else w.item()
    now = NOW + (60 * HOUR if late else HOUR)
    return permissions.why_not_settle(w.user("leila"), w.case(), w.seat(kind), item, now=now)


def undone(w: World, *, signed: bool = True, **more: Any) -> str | None:
    if signed:
        w.sign()
    now = more.pop("now", NOW)
    return permissions.why_not_undo(w.user("ines"), w.case(**more), w.item(), now=now)


def tie_broken(w: World) -> str | None:
    w.conflict()
    late = NOW + 60 * HOUR
    tie = w.seat("tie_breaker")
    Seat.objects.filter(pk=tie.pk).update(person=w.user("leila").person)
    item = w.item()
    first = item.decisions.first()
    assert first is not None
    first.pk, first.seat, first.person = None, tie, w.user("leila").person  # type: ignore[assignment]  # there
    first.save(force_insert=True)
    return permissions.why_not_decide(w.user("ines"), w.case(), w.seat(), item, now=late)


def differed(w: World) -> str | None:
    w.conflict()
    late = NOW + 60 * HOUR
    return permissions.why_not_decide(w.user("ines"), w.case(), w.seat(), w.item(), now=late)


def released(name: str, **fields: Any) -> Ask:
    return lambda w: permissions.why_not_release(
        w.user(name),
        w.case(**{key: person(value, w) for key, value in fields.items() if key == "requester"}),
        subjects=frozenset({person(fields["subject"], w)}) if "subject" in fields else frozenset(),
    )


def cancels(name: str, **fields: Any) -> Ask:
    return lambda w: permissions.why_not_cancel(
        w.user(name),
        w.case(
            **{
                key: person(one, w)
                if key == "requester"
                else w.user(one).ref
                if key == "opened_by"
                else one
                for key, one in fields.items()
            }
        ),
        now=NOW,
    )


def reviews(w: World, name: str) -> User:
    """This person, as a reviewer too."""
    w.user(name).groups.add(Group.objects.get(name="reviewer"))
    return w.user(name)


TWO_SEATS = "You sign as AI-system owner in this case: one person never signs two seats."


def signs_elsewhere(w: World) -> str | None:
    Seat.objects.filter(pk=w.seat("ai_owner").pk).update(person=w.user("ines").person)
    return barred(w, "ines")
