"""Cases in others' trackers: what each is told, in order and never lost, and what it says back.

Owns CaseTicket, TicketMessage and TicketWord rows. A message is the state a case has come to, not a
note of each act: a sweep writes one where that differs from the last. What a tracker says is noted,
and decides nothing. A sealed case is never told, and answers as one that is not there.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.fields.json import KT

from evidence import nudge
from identities.acting import Acting
from identities.enforcers.contract import plain
from reviews.actions import entries
from reviews.models import Case, CaseTicket, Room, TicketMessage, TicketWord
from reviews.notices import trackers
from reviews.notices.failures import Permanent, Temporary
from reviews.notices.trackers import Tracker

LEASE = timedelta(minutes=2)
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=30), timedelta(hours=6)
OVER = ("closed", "cancelled")
LONGEST_TICKET, LONGEST_STATE, LONGEST_COMMENT, LONGEST_URL = 100, 100, 4_000, 500
MOST_AHEAD = timedelta(minutes=5)
# Cases that nobody has looked at for this are told to no tracker that is set up later.
MOST_WRITTEN = 500


# --- What is told --------------------------------------------------------------------------------


def write_next(*, now: datetime) -> bool:
    """Write what one case has come to, for one tracker that does not know it; False where all know.
    Two workers write it once: the case is locked, and the second finds it written."""
    for tracker in _told():
        for pk in _behind(tracker)[:MOST_WRITTEN]:
            with transaction.atomic():
                rows = Case.objects.select_for_update(of=("self",), skip_locked=True)
                case = rows.select_related("identity").filter(pk=pk, sealed=False).first()
                if case is not None and _write(case, tracker, now=now):
                    return True
    return False


def _told() -> list[Tracker]:
    try:
        return [one for one in trackers.entries() if one.url]
    except trackers.NotRead:
        return []  # doctor says what is wrong with the file; nothing is lost meanwhile


def _behind(tracker: Tracker) -> list[Any]:
    """The cases of which this tracker's last message says something else than is so: by state and
    severity, which a database compares; the rest of a message follows with the next one."""
    last = (
        TicketMessage.objects.filter(ticket__case=OuterRef("pk"), ticket__tracker=tracker.name)
        .annotate(state=KT("data__state"), severity=KT("data__severity"))
        .order_by("-number")
    )
    severity = Room.objects.filter(case=OuterRef("pk")).values("severity")[:1]
    rows = Case.objects.filter(door__in=tracker.doors, sealed=False).exclude(state="draft")
    rows = rows.annotate(
        told_state=last.values("state")[:1], told_severity=last.values("severity")[:1]
    ).alias(known=Exists(last), is_severe=severity)
    fresh = Q(known=False) & ~Q(state__in=OVER)
    moved = Q(known=True) & ~Q(told_state=F("state"))
    severer = Q(known=True, is_severe__isnull=False) & ~Q(told_severity=F("is_severe"))
    return list(
        rows.filter(fresh | moved | severer).order_by("number").values_list("pk", flat=True)
    )


def _write(case: Case, tracker: Tracker, *, now: datetime) -> bool:
    ticket, _ = CaseTicket.objects.get_or_create(
        case=case, tracker=tracker.name, defaults={"not_before": now}
    )
    last = ticket.messages.order_by("-number").first()
    data = said_of(case)
    if last is not None and last.data == data:
        return False
    kind = "case.changed"
    if last is None:
        kind = "case.opened"
    elif case.state in OVER and last.data["state"] not in OVER:
        kind = "case.closed"
    TicketMessage.objects.create(
        ticket=ticket,
        number=1 if last is None else last.number + 1,
        type=kind,
        data=data,
        written_at=now,
    )
    nudge.after_commit("tickets.waiting")
    return True


def said_of(case: Case) -> dict[str, Any]:
    """What a tracker is told of a case: where it stands, and no evidence."""
    room = Room.objects.filter(case=case).first()
    return {
        "case": case.key,
        "url": f"{settings.BASE_URL}/cases/{case.key}/",
        "door": case.door,
        "title": case.title[:500],
        "identity": None if case.identity is None else case.identity.key,
        "state": case.state,
        "severity": None if room is None else room.severity,
        "opened_at": case.opened_at.isoformat(),
        "closed_at": None if case.closed_at is None else case.closed_at.isoformat(),
    }


def send_next(*, now: datetime) -> bool:
    """Send the oldest message of one case to its tracker; False when none is due. What cannot be
    sent is tried again for ever, and what comes after it of the same case waits."""
    known = {one.name: one for one in _told()}
    with transaction.atomic():
        waiting = TicketMessage.objects.filter(
            ticket=OuterRef("pk"), sent_at__isnull=True, dropped_at__isnull=True
        )
        due = CaseTicket.objects.select_for_update(of=("self",), skip_locked=True).filter(
            Q(leased_until__isnull=True) | Q(leased_until__lt=now),
            Exists(waiting),
            tracker__in=known,
            not_before__lte=now,
        )
        ticket = due.select_related("case").order_by("not_before", "pk").first()
        if ticket is None:
            return False
        message = (
            ticket.messages.filter(sent_at__isnull=True, dropped_at__isnull=True)
            .order_by("number")
            .first()
        )
        if message is None:
            return True
        if Case.objects.filter(pk=ticket.case_id, sealed=True).exists():
            # Sealed since it was written: it is told to nobody any more.
            message.dropped_at = now
            message.save(update_fields=["dropped_at"])
            return True
        ticket.leased_until, ticket.attempts = now + LEASE, ticket.attempts + 1
        ticket.save(update_fields=["leased_until", "attempts"])
    body = {
        "type": message.type,
        "timestamp": message.written_at.isoformat(),
        "data": message.data | {"number": message.number, "ticket": ticket.ticket or None},
    }
    try:
        # The same message sent twice after a crash has the same id.
        name = f"{ticket.case.key}.{ticket.tracker}.{message.number}"
        trackers.send(known[ticket.tracker], message=name, body=body, now=now)
    except (Permanent, Temporary) as problem:
        _later(ticket, str(problem), now)
    else:
        with transaction.atomic():
            TicketMessage.objects.filter(pk=message.pk).update(sent_at=now)
            CaseTicket.objects.filter(pk=ticket.pk).update(
                leased_until=None, failed_why="", attempts=0, not_before=now
            )
    return True


def _later(ticket: CaseTicket, why: str, now: datetime) -> None:
    wait = min(FIRST_WAIT * 2 ** min(ticket.attempts - 1, 20), LONGEST_WAIT)
    CaseTicket.objects.filter(pk=ticket.pk).update(
        leased_until=None, failed_why=why[:500], not_before=now + wait
    )


# --- What is heard -------------------------------------------------------------------------------


class Unclear(Exception):
    """The message does not say what it should; the sentence names the member."""


class NotHere(Exception):
    """No case of this key is told to this tracker; so answers a sealed one as well."""


class Heard(NamedTuple):
    """What a tracker said, as far as it is understood."""

    case: str
    ticket: str
    at: datetime
    url: str = ""
    state: str = ""
    comment: str = ""
    by: str = ""
    asks_to_close: bool = False


def read(data: Mapping[str, Any], *, now: datetime) -> Heard:
    """The word in these members. Raises Unclear."""
    case, ticket = _text(data, "case", 40), _text(data, "ticket", LONGEST_TICKET)
    for name, said in (("case", case), ("ticket", ticket)):
        if not said:
            raise Unclear(f"{name} is missing")
    url = _text(data, "url", LONGEST_URL)
    if url and urlsplit(url).scheme not in ("http", "https"):
        raise Unclear("url is no http or https address")
    close = data.get("close", False)
    if type(close) is not bool:
        raise Unclear("close is neither true nor false")
    heard = Heard(
        case,
        ticket,
        _moment(data.get("at"), now),
        url,
        _text(data, "state", LONGEST_STATE),
        _text(data, "comment", LONGEST_COMMENT),
        _text(data, "by", LONGEST_STATE),
        close,
    )
    if not (heard.state or heard.comment or close or heard.url):
        raise Unclear("it says neither state, comment, url nor close")
    return heard


def _text(data: Mapping[str, Any], name: str, longest: int) -> str:
    value = data.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Unclear(f"{name} is no text")
    if len(value) > longest:
        raise Unclear(f"{name} has more than {longest:,} characters")
    return plain(value)


def _moment(value: Any, now: datetime) -> datetime:
    if value is None:
        return now
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
        utc = found.astimezone(UTC) if found is not None and found.tzinfo is not None else None
    except (ValueError, OverflowError):
        utc = None
    if utc is None:
        raise Unclear("at is no time with its zone (RFC 3339)")
    if utc > now + MOST_AHEAD:
        raise Unclear("at lies ahead")
    return utc


def take(*, tracker: Tracker, message: str, heard: Heard, digest: str, now: datetime) -> bool:
    """Note it on the case; whether it is new. It closes, opens and decides nothing. `digest`: of
    what was signed, by which a message that comes again is known. Raises NotHere, Unclear."""
    number = heard.case.upper().removeprefix("CS-")
    with transaction.atomic():
        found = (
            Case.objects.filter(number=int(number), door__in=tracker.doors).first()
            if number.isascii() and number.isdigit() and len(number) < 16
            else None
        )
        if found is None or found.sealed:
            raise NotHere
        case = entries.locked(found.pk)
        if case.sealed:
            raise NotHere
        word = TicketWord(
            tracker=tracker.name,
            message=message,
            digest=digest,
            case=case,
            ticket=heard.ticket,
            state=heard.state,
            comment=heard.comment,
            said_by=heard.by,
            asks_to_close=heard.asks_to_close,
            said_at=heard.at,
            heard_at=now,
        )
        try:
            with transaction.atomic():
                word.save(force_insert=True)
        except IntegrityError:
            before = TicketWord.objects.get(tracker=tracker.name, message=message)
            if (before.case_id, before.digest) != (case.pk, digest):
                raise Unclear("webhook-id was used for another word") from None
            return False
        _follow(case, tracker, heard, now=now)
        entries.note(
            case,
            act="ticket.said",
            words=_words(tracker, heard)[:1_000],
            by=Acting(f"tracker:{tracker.name}", tracker.name),
            now=now,
            data={
                "tracker": tracker.name,
                "ticket": heard.ticket,
                "message": message,
                "state": heard.state,
                "close": heard.asks_to_close,
            },
        )
        entries.touched(case.pk)
    return True


def _follow(case: Case, tracker: Tracker, heard: Heard, *, now: datetime) -> None:
    """What the ticket is called and how it stands, by its own time: an older word changes nothing."""
    ticket, _ = CaseTicket.objects.select_for_update().get_or_create(
        case=case, tracker=tracker.name, defaults={"not_before": now}
    )
    if ticket.heard_at is not None and heard.at < ticket.heard_at:
        return
    ticket.ticket, ticket.heard_at = heard.ticket, heard.at
    ticket.url, ticket.state = heard.url or ticket.url, heard.state or ticket.state
    ticket.save(update_fields=["ticket", "url", "state", "heard_at"])


def _words(tracker: Tracker, heard: Heard) -> str:
    by = f", {heard.by}," if heard.by else ""
    said = f"{tracker.name}{by} says of its ticket {heard.ticket}"
    if heard.state:
        said += f": {heard.state}"
    if heard.asks_to_close:
        said += "; it asks that the case is closed, which people do"
    return f"{said}: {heard.comment}" if heard.comment else said
