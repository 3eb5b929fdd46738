"""Opening incidents: one open room of an identity, which everything else about it joins.

Owns that duplicates meet: openers of an identity wait for each other at its row, and the database
lets one room alone take what comes (Room.takes). A sealed incident takes nothing, because to be
told that one was joined would tell that it exists.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import transaction

from evidence import nudge
from identities.acting import By, acting
from identities.models import Finding, Identity
from identities.permissions import NotPossible, require
from identities.reasons import LONGEST_REASON, reason_given
from reviews import ladder
from reviews.actions import entries, policy_versions, reminders, rungs, seats
from reviews.actions.asked import Asked
from reviews.actions.opening import locked
from reviews.incidents import rights, rooms
from reviews.models import Case, Room, Rung
from reviews.permissions import SIGNING

LONGEST_TITLE = 200
MOST_FINDINGS = 200


class New(NamedTuple):
    """An incident that is to be opened, of a locked identity."""

    identity: Identity
    title: str
    reason: str
    severity: str = "medium"
    detected_at: datetime | None = None  # None: now


def open_or_join(
    *,
    identity: Identity,
    title: str,
    reason: str,
    by: By,
    severity: str = "medium",
    findings: Collection[Finding] = (),
    detected_at: datetime | None = None,
    now: datetime,
) -> tuple[Case, bool]:
    """The open incident of this identity joined, or a new one; and whether it is new.

    Called inside a transaction. Joining adds the findings, may make it more severe and moves the
    detection to an earlier moment; the reason is in the ledger.
    """
    who = acting(by)
    with transaction.atomic():
        identity = locked([identity.pk])[0]
        if who.user is not None:
            require(rights.why_not_open(who.user, identity, now=now))
        reason = reason_given(reason, what="what happened")
        severity = rooms.severity_of(severity)
        _about(identity, findings)
        detected_at = min(detected_at or now, now)
        room = taking(identity)
        if room is not None:
            case = _join(room, findings, reason, severity, detected_at, by=by, now=now)
            return case, False
        new = New(identity, _title(title), reason, severity, detected_at)
        case = make_all([new], by=by, now=now)[0]
        case.findings.add(*findings)
        send_all([(case, new)], by=by, now=now)
        if who.user is not None and who.user.person is not None:
            rooms.give(rooms.room_of(case), "lead", who.user.person, by=by, now=now)
    return case, True


def _about(identity: Identity, findings: Collection[Finding]) -> None:
    if len(findings) > MOST_FINDINGS:
        raise NotPossible(f"At most {MOST_FINDINGS} findings are added at once.")
    for one in findings:
        if one.identity_id not in (None, identity.pk):
            raise NotPossible(f"{one.key} is not about {identity.name}.")


def _title(said: str) -> str:
    title = " ".join(said.replace("\0", "").split())
    if not title:
        raise NotPossible("Give it a title: what happened, in a few words.")
    if len(title) > LONGEST_TITLE:
        raise NotPossible(f"The title is longer than {LONGEST_TITLE} characters: shorten it.")
    return title


def taking(identity: Identity) -> Room | None:
    """The room that takes what comes about a locked identity, its case locked; None: a new one."""
    room = Room.objects.filter(takes=identity).first()
    if room is None:
        return None
    case = entries.locked(room.case_id)
    if case.sealed or case.state in rights.OVER:
        Room.objects.filter(pk=room.pk).update(takes=None)
        return None
    room.refresh_from_db()
    room.case = case
    return room


def _join(
    room: Room,
    findings: Collection[Finding],
    reason: str,
    severity: str,
    detected_at: datetime,
    *,
    by: By,
    now: datetime,
) -> Case:
    case, who = room.case, acting(by)
    known = set(
        case.findings.filter(pk__in=[one.pk for one in findings]).values_list("pk", flat=True)
    )
    more = [one for one in findings if one.pk not in known]
    case.findings.add(*more)
    if detected_at < room.detected_at:
        room.detected_at = detected_at
        room.save(update_fields=["detected_at"])
    names = f" with {', '.join(one.key for one in more[:5])}" if more else ""
    entries.note(
        case,
        act="incident.joined",
        words=f"{who.name} reported to {case.key}{names}: {reason}"[:1_000],
        by=by,
        now=now,
        data={
            "reason": reason,
            "findings": [str(one.pk) for one in more],
            "detected_at": detected_at.isoformat(),
        },
    )
    rooms.raise_severity(room, severity, reason[:LONGEST_REASON], by=by, now=now)
    entries.changed(case)
    return case


def make_all(those: Sequence[New], *, by: By, now: datetime) -> list[Case]:
    """The incident of each of these, each of another locked identity: case, room and seats. They
    take what comes from now on, in place of rooms that did."""
    if not those:
        return []
    who, policy = acting(by), policy_versions.in_force(now=now)
    time = {name: rooms.time_for(name, policy) for name in {one.severity for one in those}}
    cases = Case.objects.bulk_create(
        Case(
            door="incident",
            state="open",
            title=f"Incident: {one.title}"[:500],
            identity=one.identity,
            policy=policy,
            opened_at=now,
            opened_by=who.ref,
            opened_by_name=who.name,
            reason=one.reason[:LONGEST_REASON],
            deadline_at=now + time[one.severity],
            # What is held stays held until people say otherwise: nobody's silence does more.
            silence="escalate",
            grace=rungs.grace(policy),
            legal_entity=one.identity.legal_entity,
        )
        for one in those
    )
    numbers = dict(
        Case.objects.filter(pk__in=[one.pk for one in cases]).values_list("pk", "number")
    )
    for case in cases:
        case.number = numbers[case.pk]
    Room.objects.filter(takes__in=[one.identity for one in those]).update(takes=None)
    both = list(zip(cases, those, strict=True))
    rooms.make_all(
        [
            Room(
                case=case,
                takes=one.identity,
                severity=one.severity,
                detected_at=one.detected_at or now,
            )
            for case, one in both
        ],
        by=by,
        now=now,
    )
    seats.build_all([(case, one.identity) for case, one in both], now=now, in_stages=False)
    return cases


def send_all(those: Sequence[tuple[Case, New]], *, by: By, now: datetime) -> None:
    """Their rungs, the ledger, and the first word: to those whose answers they wait for, and, where
    nothing is to be answered yet, to those who sit in them."""
    if not those:
        return
    cases = [case for case, _ in those]
    seats.never_alone_all(cases, now=now)
    Rung.objects.bulk_create(_rungs(cases), ignore_conflicts=True)
    name = acting(by).name
    entries.note_all(
        [
            entries.Said(
                case,
                "case.opened",
                f"{name} opened {case.key}, an incident of {one.identity.name}: {case.reason}",
                {
                    "identity": one.identity.key,
                    "severity": one.severity,
                    "detected_at": (one.detected_at or now).isoformat(),
                },
            )
            for case, one in those
        ],
        by=by,
        now=now,
    )
    asked = Asked(cases, now=now)
    with_items = asked.unsettled
    reminders.ask_all([case for case in cases if with_items.get(case.pk)], now=now)
    for case in cases:
        if not with_items.get(case.pk):
            signing = [seat for seat in asked.seats[case.pk] if seat.kind in SIGNING]
            persons = [one for seat in signing for one in asked.of(case, seat)]
            reminders.tell(
                case,
                persons,
                occasion="opened",
                subject="an incident is open",
                body="It is about what you answer for. Its room says what is known and what is open.",
                now=now,
            )
    nudge.after_commit("case.changed")


def _rungs(cases: Iterable[Case]) -> list[Rung]:
    known: dict[object, Sequence[ladder.Rung]] = {}
    return [
        one for case in cases for one in rungs.planned(case, known) if one.does not in ladder.CUTS
    ]
