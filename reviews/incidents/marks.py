"""Marks on the events of an incident: starred, labelled, pinned as evidence, noted.

Owns Mark and EventNote rows. Each act puts on or takes off one mark and nothing else, under the
case's lock: of two people at once none loses theirs. The case's version stays, as with a comment: a
form that somebody fills in meanwhile is not refused. Every mark is in the ledger.
"""

import re
from datetime import datetime

from django.db import transaction

from evidence.models import Event
from evidence.queries.events import one, ref_of
from identities.models import User
from identities.permissions import NotPossible, require
from reviews import readers
from reviews.actions import closing, commenting, entries
from reviews.incidents import reading, rights
from reviews.models import Case, EventNote, Mark, Pinned

LONGEST_LABEL = 40
MOST_LABELS = 10  # on one event
MOST_MARKS = 2_000  # in one case
# What a label is written in: it is a word for others to filter by.
LABEL = re.compile(r"[\w][\w .:/+-]*")

type Key = tuple[datetime, int]


def label_of(said: str) -> str:
    """A label as it is kept: in small letters, with single spaces. Raises NotPossible."""
    label = " ".join(said.split()).lower()
    if not label:
        raise NotPossible("Write the label first: a word or two.")
    if len(label) > LONGEST_LABEL:
        raise NotPossible(f"A label has at most {LONGEST_LABEL} characters: shorten it.")
    if LABEL.fullmatch(label) is None:
        raise NotPossible("A label is of letters, digits, spaces and . : / + - _")
    return label


def put(*, case: Case, key: Key, label: str, by: User, now: datetime) -> tuple[Mark, bool]:
    """Label an event, or star it (`label` ""); and whether that is new: twice is once."""
    kind = "label" if label else "star"
    label = label_of(label) if label else ""
    with transaction.atomic():
        case = _marking(case, by=by, now=now)
        _require_event(case, key, by=by, now=now)
        there = case.marks.filter(at=key[0], event_id=key[1], until=None)
        known = there.filter(kind=kind, label=label).first()
        if known is not None:
            return known, False
        if case.marks.filter(until=None).count() >= MOST_MARKS:
            raise NotPossible(
                f"{case.key} holds {MOST_MARKS:,} stars and labels: it takes no more."
            )
        if kind == "label" and there.filter(kind="label").count() >= MOST_LABELS:
            raise NotPossible(f"An event has at most {MOST_LABELS} labels: take one off first.")
        row = Mark.objects.create(
            case=case,
            at=key[0],
            event_id=key[1],
            kind=kind,
            label=label,
            since=now,
            by=by.ref,
            by_name=by.called,
        )
        did = f'labelled an event "{label}"' if label else "starred an event"
        _note(case, key, "timeline.marked", f"{by.called} {did}", label, by=by, now=now)
    return row, True


def take_off(*, case: Case, key: Key, label: str, by: User, now: datetime) -> bool:
    """Take a label off an event, or its star (`label` ""); False: somebody has done so already."""
    kind = "label" if label else "star"
    label = label_of(label) if label else ""
    with transaction.atomic():
        case = _marking(case, by=by, now=now)
        row = case.marks.filter(
            at=key[0], event_id=key[1], kind=kind, label=label, until=None
        ).first()
        if row is None:
            return False
        row.until, row.until_by, row.until_by_name = max(now, row.since), by.ref, by.called
        row.save(update_fields=["until", "until_by", "until_by_name"])
        did = f'took the label "{label}" off an event' if label else "took the star off an event"
        _note(case, key, "timeline.unmarked", f"{by.called} {did}", label, by=by, now=now)
    return True


def pin(*, case: Case, key: Key, by: User, now: datetime) -> Pinned:
    """Pin an event as evidence of the incident, for good; twice is once."""
    with transaction.atomic():
        case = _marking(case, by=by, now=now)
        _require_event(case, key, by=by, now=now)
        return closing.pin(case=case, at=key[0], event_id=key[1], by=by, now=now)


def note(*, case: Case, key: Key, text: str, by: User, now: datetime) -> EventNote:
    """Write a comment that is about an event; whom it names is told."""
    with transaction.atomic():
        case = _marking(case, by=by, now=now)
        _require_event(case, key, by=by, now=now)
        comment = commenting.comment(case=case, text=text, by=by, now=now)
        return EventNote.objects.create(comment=comment, case=case, at=key[0], event_id=key[1])


def _marking(case: Case, *, by: User, now: datetime) -> Case:
    case = entries.locked(case.pk)
    require(rights.why_not_work(by, case, now=now))
    return case


def _require_event(case: Case, key: Key, *, by: User, now: datetime) -> None:
    """There is such an event, and it is the case's or one that this user may see anyway."""
    found = Event.objects.filter(at=key[0], id=key[1]).exists()
    if found and not reading.belongs(case, key):
        found = one(key, scope=readers.reader(by, now).scope) is not None
    if not found:
        raise NotPossible("There is no such event.")


def _note(
    case: Case, key: Key, act: str, words: str, label: str, *, by: User, now: datetime
) -> None:
    entries.note(
        case,
        act=act,
        words=f"{words} in {case.key}",
        by=by,
        now=now,
        data={"event": ref_of(key), "label": label},
    )
