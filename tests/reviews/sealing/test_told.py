"""Nobody else is told of a sealed case: every mail, webhook, daily mail and calendar is the same, byte
for byte, with the case and without it.

The same days pass twice: deadlines come, tasks are late, reminders and daily mails go out. What was
sent and what a calendar holds is compared for everybody who is no member, administrator, auditor
and the person whom the case is about included.
"""

import re
from typing import Any, NamedTuple

import pytest
from django.conf import LazySettings
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from django.utils import timezone

from config.celery import SCHEDULE
from evidence.models import Event
from identities.models import Person, User
from reviews import actions, tasks
from reviews.actions import feeds
from reviews.incidents import opening, rooms
from reviews.incidents import tasks as tasks_of
from reviews.models import Case, Item, Notice, Room
from reviews.sealing import enclosing, members, unsealing
from reviews.sealing.enclosing import Named
from tests.reviews.conftest import HOUR, NOW, Told, make_user, party, person_of
from tests.reviews.test_notices import SECRET as SIGNED
from tests.reviews.test_notices import Receiver, receiver

from .conftest import LATER, SECRET, incident, seal
from .test_absent import fill, world

__all__ = ["receiver", "world"]
pytestmark = pytest.mark.django_db
MEMBERS = ("rex", "dora", "mia")
# Moments at which everything that happens by itself does: before, at and after the deadlines.
MOMENTS = [NOW + hours * HOUR for hours in (20, 25, 172)]
# What asks outside, makes packs, counts all there is, or follows who left: it tells of no case.
QUIET = {
    f"reviews.tasks.{name}"
    for name in ("ask_outside", "packs", "count_shares", "find_unusual", "owners")
}
STAMP = re.compile(r"^DTSTAMP:.*$", re.MULTILINE)


class Sent(NamedTuple):
    """What reached whom: (to, subject, body, other headers) of mails, bodies of webhooks, and the
    calendar of each login."""

    mails: list[tuple[str, str, str, str]]
    webhooks: list[str]
    calendars: dict[str, str]


@pytest.fixture
def told(world: Told, settings: LazySettings, receiver: Receiver) -> Told:
    """What everybody is told of anyway: the review and the incident, with something to answer."""
    settings.WEBHOOK_URL = f"http://127.0.0.1:{receiver.server_address[1]}/"
    settings.WEBHOOK_SECRET = SIGNED
    settings.ALLOW_PRIVATE = ["127.0.0.0/8"]
    dave = User.objects.get(username="dave")
    case = Case.objects.get(door="incident")
    Item.objects.create(
        case=case, position=1, kind="credential", ref=world.credential.pk, title="its key"
    )
    tasks_of.add(case=case, words="look", owner=party(dave), due_at=LATER, by=dave, now=NOW)
    actions.comment(case=case, text="@rita: look", by=dave, now=NOW)
    return world


def at_first(story: Told, rex: User, dora: User, mia: User) -> Case:
    """Sealed when it is opened; members come and go, and its end is asked for."""
    named = Named(
        [person_of(dora), person_of(mia)],
        [person_of(story.ines)],
        {"identity_owner": person_of(dora)},
    )
    new = opening.New(story.identity, f"{SECRET} title", f"{SECRET} reason", "critical")
    case = enclosing.open_sealed(
        identity=story.identity, new=new, named=named, reason=SECRET, by=rex, now=NOW
    )
    late = make_user("late", "responder")
    members.add(case=case, person=person_of(late), reason=SECRET, by=rex, now=NOW)
    unsealing.ask(case=case, reason=SECRET, by=rex, now=NOW)
    fill(story, case, rex, dora)
    Item.objects.create(case=case, position=91, kind="credential", title=f"{SECRET} other")
    rooms.set_severity(case=case, severity="critical", reason=SECRET, by=dora, now=NOW)
    return case


def later(story: Told, rex: User, dora: User, mia: User) -> Case:
    """Sealed when its owners sat in it already, before anything of it was sent."""
    Room.objects.update(takes=None)  # it would join the one that everybody sees
    case = incident(story, rex)
    Item.objects.create(
        case=case, position=91, kind="credential", ref=story.credential.pk, title=f"{SECRET} item"
    )
    event = Event.objects.order_by("at", "id")[0]
    actions.pin(case=case, at=event.at, event_id=event.id, note=SECRET, by=rex, now=NOW)
    tasks_of.add(case=case, words=SECRET, owner=party(dora), due_at=LATER, by=rex, now=NOW)
    fresh = Case.objects.get(pk=case.pk)
    return seal(fresh, rex, dora, mia, subjects=[story.ines], instead={"identity_owner": dora})


def days_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything on the schedule of this app, at each of these moments."""
    names = {name for name, _ in SCHEDULE.values() if name.startswith("reviews.")} - QUIET
    for moment in MOMENTS:
        monkeypatch.setattr(timezone, "now", lambda moment=moment: moment)
        for name in sorted(names):
            getattr(tasks, name.rpartition(".")[2])()


def sent(mailoutbox: list[Any], receiver: Receiver, secrets: dict[str, str]) -> Sent:
    """All that went out, but to members."""
    addresses = set(
        Person.objects.filter(name__in=[name.title() for name in (*MEMBERS, "late")]).values_list(
            "email", flat=True
        )
    )
    mails = [
        (one.to[0], one.subject, one.body, str(sorted(set(one.extra_headers) - {"Message-ID"})))
        for one in mailoutbox
        if one.to[0] not in addresses
    ]
    calendars = {}
    for name, secret in secrets.items():
        cache.clear()
        answer = Client().get(f"/queue/feed/{secret}.ics")
        text = f"{answer.status_code} {sorted(answer.headers.items())} {answer.content.decode()}"
        calendars[name] = STAMP.sub("", text)
    return Sent(sorted(mails), sorted(body.decode() for _, body in receiver.got), calendars)


def played(
    scene: Any,
    story: Told,
    mailoutbox: list[Any],
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[Sent, int]:
    """(what others were told, how much members were) when days pass; then it has not been."""
    mailoutbox.clear()
    receiver.got.clear()
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    with transaction.atomic():
        secrets = {
            user.username: feeds.renew(user=user, now=NOW)
            for user in User.objects.exclude(username__in=MEMBERS).order_by("username")
            if feeds.why_not_feed(user) is None
        }
        if scene is not None:
            scene(story, *(User.objects.get(username=name) for name in MEMBERS))
        days_pass(monkeypatch)
        found = sent(mailoutbox, receiver, secrets)
        members_of = len(mailoutbox) - len(found.mails)
        assert Notice.objects.filter(sent_at=None, not_before__lte=MOMENTS[-1]).count() == 0
        transaction.set_rollback(True)
    return found, members_of


def test_everybody_else_is_told_the_same(
    told: Told, mailoutbox: list[Any], receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    without, few = played(None, told, mailoutbox, receiver, monkeypatch)
    # It is worth comparing: much goes out, and of the sealed case too, to its members.
    assert len(without.mails) > 10
    assert len(without.webhooks) > 2
    assert sum("BEGIN:VEVENT" in text for text in without.calendars.values()) >= 2
    for scene in (at_first, later):
        with_it, many = played(scene, told, mailoutbox, receiver, monkeypatch)
        assert many > few
        for one, other in zip(with_it, without, strict=True):
            assert one == other
        assert SECRET not in repr(with_it)
