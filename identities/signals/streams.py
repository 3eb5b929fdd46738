"""What receivers and administrators do to streams: each act locks, checks, saves and is written.

Owns SignalReceiver, SignalStream and SignalSubject rows. A receiver reaches its own streams alone;
what a person of ours changes is told to the receiver on the stream (SSF 1.0, 8.1.5).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F

from evidence import ledger, nudge
from evidence.names import plain
from identities import permissions
from identities.acting import By, acting
from identities.enforcers import signal_keys
from identities.models import SignalReceiver, SignalSet, SignalStream, SignalSubject, User
from identities.models.signals import NAMED, STREAM_STATES, SUBJECTS
from identities.permissions import NotPossible
from identities.reasons import reason_given

from . import reading, telling, vocabulary
from .vocabulary import STREAM_UPDATED, VERIFICATION, Wrong

MOST_STREAMS = 10
MOST_SUBJECTS = 10_000
LONGEST_NAME, LONGEST_AUDIENCE = 200, 1_000


class NoStream(Exception):
    """This receiver has no such stream."""


class TooOften(Exception):
    """More than a stream takes in a while."""


# --- receivers -----------------------------------------------------------------------------------


def register(
    *,
    name: str,
    user: User,
    audience: str,
    default_subjects: str,
    named_by: str,
    by: By,
    now: datetime,
) -> SignalReceiver:
    """Let a login's tokens (scope signals) manage streams of this audience."""
    permissions.require(permissions.why_not_administer(by, now=now))
    name, audience = plain(name).strip(), plain(audience).strip()
    if not name or len(name) > LONGEST_NAME:
        raise NotPossible(f"A receiver has a name of at most {LONGEST_NAME} characters.")
    if not audience or len(audience) > LONGEST_AUDIENCE:
        raise NotPossible("Say the audience: what the receiver expects as aud in what it gets.")
    if default_subjects not in SUBJECTS:
        raise NotPossible(f"A stream begins with {' or '.join(SUBJECTS)} of the identities.")
    if named_by not in NAMED:
        raise NotPossible(f"Identities are named by one of {', '.join(NAMED)}.")
    try:
        with transaction.atomic():
            row = SignalReceiver.objects.create(
                name=name,
                user=user,
                audience=audience,
                default_subjects=default_subjects,
                named_by=named_by,
                created_at=now,
                created_by=acting(by).ref,
            )
            _write(row, "signals.receiver", f"{name} may receive signals, as {audience}", by, now)
    except IntegrityError:
        raise NotPossible(f"There is a receiver {name}, or one of this login, already.") from None
    return row


def login_called(name: str) -> User:
    """The login of this name that a receiver may use; raises NotPossible."""
    login = User.objects.filter(username=name, is_active=True).first()
    if login is None:
        raise NotPossible("There is no such login that is switched on.")
    return login


def end(*, receiver: SignalReceiver, reason: str, by: By, now: datetime) -> SignalReceiver:
    """Tell a receiver nothing more: its streams end, and its tokens manage none."""
    permissions.require(permissions.why_not_administer(by, now=now))
    reason = reason_given(reason, what="it goes into the ledger")
    with transaction.atomic():
        row = SignalReceiver.objects.select_for_update().get(pk=receiver.pk)
        if row.ended_at is not None:
            raise NotPossible(f"{row.name} receives nothing any more.")
        row.ended_at = now
        row.save(update_fields=["ended_at"])
        for stream in row.streams.select_for_update().filter(deleted_at=None):
            _deleted(stream, now)
        _write(row, "signals.ended", f"{row.name} receives no more signals: {reason}", by, now)
    return row


def receiver_of(user: User) -> SignalReceiver | None:
    """The receiver that this login is; None where it is none."""
    return SignalReceiver.objects.filter(user=user, ended_at=None).first()


# --- streams, as their receiver manages them -----------------------------------------------------


def of(receiver: SignalReceiver) -> list[SignalStream]:
    """The streams of a receiver, the oldest first."""
    rows = receiver.streams.filter(deleted_at=None).select_related("receiver")
    return list(rows.order_by("created_at", "pk"))


def find(receiver: SignalReceiver, stream_id: Any, *, lock: bool = False) -> SignalStream:
    """One stream of this receiver. Raises Wrong without an id, NoStream where it is none of its."""
    if type(stream_id) is not str or not stream_id:
        raise Wrong("stream_id is missing: say which stream.")
    try:
        key = UUID(stream_id)
    except ValueError:
        raise NoStream from None
    rows = SignalStream.objects.filter(receiver=receiver, deleted_at=None).select_related(
        "receiver"
    )
    row = (rows.select_for_update(of=("self",)) if lock else rows).filter(pk=key).first()
    if row is None:
        raise NoStream
    return row


def create(
    *, receiver: SignalReceiver, body: Mapping[str, Any], by: By, now: datetime
) -> SignalStream:
    """A new stream. Raises Wrong, NotPossible."""
    requested, said = reading.events(body.get("events_requested")), body.get("description")
    delivery, described = reading.delivery(body.get("delivery")), reading.description(said)
    signal_keys.keys()  # nothing is promised that cannot be signed
    with transaction.atomic():
        receiver = SignalReceiver.objects.select_for_update().get(pk=receiver.pk)
        if receiver.streams.filter(deleted_at=None).count() >= MOST_STREAMS:
            raise NotPossible(f"A receiver has at most {MOST_STREAMS} streams: delete one first.")
        row = SignalStream(
            receiver=receiver,
            requested=requested,
            description=described,
            created_at=now,
            changed_at=now,
            not_before=now,
        )
        _deliver(row, delivery, keep=False)
        row.save()
        _write(row.receiver, "signals.created", f"a stream to {_where(row)}", by, now, row)
    return row


def update(
    *, receiver: SignalReceiver, body: Mapping[str, Any], by: By, now: datetime, replace: bool
) -> SignalStream:
    """Change what is said of a stream; `replace`: what is not said is taken away. Raises Wrong,
    NoStream."""
    with transaction.atomic():
        row = find(receiver, body.get("stream_id"), lock=True)
        reading.require_ours(body, row)
        if replace or "events_requested" in body:
            row.requested = reading.events(body.get("events_requested"))
        if replace or "description" in body:
            row.description = reading.description(body.get("description"))
        if replace or "delivery" in body:
            _deliver(row, reading.delivery(body.get("delivery")), keep=not replace)
        row.changed_at, row.failures, row.not_before = now, 0, now
        row.failed_why = row.who_must_act = ""
        row.save()
        _write(receiver, "signals.changed", f"its stream goes to {_where(row)} now", by, now, row)
        nudge.after_commit("signals.waiting")
    return row


def _deliver(row: SignalStream, delivery: reading.Delivery, *, keep: bool) -> None:
    """`keep`: an Authorization header that is not said stays, as long as it goes to the same host."""
    same = row.endpoint != "" and _host(row.endpoint) == _host(delivery.endpoint)
    row.delivery, row.endpoint = delivery.method, delivery.endpoint
    if delivery.authorization is not None:
        row.authorization = signal_keys.sealed(delivery.authorization)
    elif not (keep and same):
        row.authorization = ""


def _host(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _where(row: SignalStream) -> str:
    return urlsplit(row.endpoint).netloc if row.delivery == "push" else "whoever polls it"


def delete(*, receiver: SignalReceiver, stream_id: Any, by: By, now: datetime) -> None:
    """End a stream; what waits on it is told to nobody. Raises Wrong, NoStream."""
    with transaction.atomic():
        row = find(receiver, stream_id, lock=True)
        _deleted(row, now)
        _write(receiver, "signals.deleted", "a stream is deleted by its receiver", by, now, row)


def _deleted(row: SignalStream, now: datetime) -> None:
    row.deleted_at, row.authorization = now, ""
    row.save(update_fields=["deleted_at", "authorization"])
    _drop(row, now)


def _drop(row: SignalStream, now: datetime) -> None:
    """What waits is told to nobody, and counted."""
    gone = SignalSet.objects.filter(stream=row, state="waiting", control=False)
    count = gone.update(state="dropped", settled_at=now)
    SignalStream.objects.filter(pk=row.pk).update(dropped=F("dropped") + count)


def set_status(
    *, receiver: SignalReceiver, body: Mapping[str, Any], by: By, now: datetime
) -> SignalStream:
    """The receiver enables, pauses or disables its stream. Raises Wrong, NoStream."""
    status, reason = reading.status(body)
    with transaction.atomic():
        row = find(receiver, body.get("stream_id"), lock=True)
        _status(row, status, reason, now)
        said = f"its stream is {status}{reason and f': {reason}'}"
        _write(receiver, "signals.status", said, by, now, row)
    return row


def _status(row: SignalStream, status: str, reason: str, now: datetime) -> None:
    row.status, row.status_reason, row.changed_at, row.not_before = status, reason, now, now
    row.save(update_fields=["status", "status_reason", "changed_at", "not_before"])
    if status == "disabled":
        _drop(row, now)
    nudge.after_commit("signals.waiting")


def subject(
    *, receiver: SignalReceiver, body: Mapping[str, Any], included: bool, by: By, now: datetime
) -> None:
    """Add a subject to a stream, or remove it. Whether we know it is not said. Raises Wrong,
    NoStream, TooOften."""
    found = vocabulary.matched_by(body.get("subject"))
    if type(body.get("verified", True)) is not bool:
        raise Wrong("verified must be true or false.")
    with transaction.atomic():
        row = find(receiver, body.get("stream_id"), lock=True)
        key = vocabulary.digest(found)
        there = SignalSubject.objects.filter(stream=row)
        if not there.filter(digest=key).exists() and there.count() >= MOST_SUBJECTS:
            raise TooOften(f"A stream holds at most {MOST_SUBJECTS:,} subjects.")
        SignalSubject.objects.update_or_create(
            stream=row,
            digest=key,
            defaults={"subject": found, "included": included, "said_at": now},
        )
        said = "added to" if included else "removed from"
        _write(receiver, "signals.subject", f"a subject is {said} its stream", by, now, row)


def verify(*, receiver: SignalReceiver, body: Mapping[str, Any], now: datetime) -> None:
    """The receiver asks for a verification event. Raises Wrong, NoStream, TooOften."""
    state = reading.state(body)
    with transaction.atomic():
        row = find(receiver, body.get("stream_id"), lock=True)
        if row.status == "disabled":
            raise Wrong("This stream is disabled and sends nothing: enable it first.")
        least = timedelta(seconds=reading.MIN_VERIFICATION_SECONDS)
        if row.asked_at is not None and now < row.asked_at + least:
            raise TooOften(f"Ask for a verification every {least.seconds} seconds at most.")
        _verify(row, {} if state is None else {"state": state}, now)


def _verify(row: SignalStream, payload: Mapping[str, Any], now: datetime) -> None:
    row.asked_at = row.not_before = now
    row.save(update_fields=["asked_at", "not_before"])
    # A stream that is paused sends nothing (SSF 1.0, 8.1.2.1): it waits there with the others.
    telling.of_the_stream(row, VERIFICATION, payload, control=False, now=now)


# --- streams, as our people manage them ----------------------------------------------------------


def test(*, stream: SignalStream, by: By, now: datetime) -> SignalStream:
    """Send a verification event: when it is taken, the stream works from end to end."""
    permissions.require(permissions.why_not_administer(by, now=now))
    with transaction.atomic():
        row = _ours(stream)
        if row.status != "enabled":
            raise NotPossible(f"The stream is {row.status} and sends nothing: enable it first.")
        _verify(row, {}, now)
        _write(row.receiver, "signals.tested", "a verification is sent on its stream", by, now, row)
    return row


def change_status(
    *, stream: SignalStream, status: str, reason: str, by: By, now: datetime
) -> SignalStream:
    """A person of ours enables, pauses or disables a stream, and its receiver is told on it."""
    permissions.require(permissions.why_not_administer(by, now=now))
    reason = reason_given(reason, what="the receiver and the ledger are told")
    if status not in STREAM_STATES:
        raise NotPossible(f"A stream is one of {', '.join(STREAM_STATES)}.")
    with transaction.atomic():
        row = _ours(stream)
        if row.status == status:
            raise NotPossible(f"The stream is {status} already.")
        _status(row, status, reason, now)
        # The reason stays here: the receiver learns that it was an administrator.
        payload = {"status": status, "reason": "Changed by an administrator of Countersign."}
        telling.of_the_stream(row, STREAM_UPDATED, payload, control=True, now=now)
        _write(row.receiver, "signals.status", f"its stream is {status}: {reason}", by, now, row)
    return row


def remove(*, stream: SignalStream, reason: str, by: By, now: datetime) -> SignalReceiver:
    """End a stream from our side."""
    permissions.require(permissions.why_not_administer(by, now=now))
    reason = reason_given(reason, what="it goes into the ledger")
    with transaction.atomic():
        row = _ours(stream)
        _deleted(row, now)
        _write(row.receiver, "signals.deleted", f"its stream is removed: {reason}", by, now, row)
    return row.receiver


def _ours(stream: SignalStream) -> SignalStream:
    row = SignalStream.objects.select_for_update(of=("self",)).select_related("receiver").get(
        pk=stream.pk
    )  # fmt: skip
    if row.deleted_at is not None:
        raise NotPossible("This stream is deleted.")
    return row


def _write(
    receiver: SignalReceiver,
    act: str,
    words: str,
    by: By,
    now: datetime,
    stream: SignalStream | None = None,
) -> None:
    who = acting(by)
    ledger.append(
        at=now,
        by=who.ref,
        by_name=who.name,
        act=act,
        subject=f"signals:{receiver.pk}",
        words=f"signals to {receiver.name}: {words}"[:1_000],
        data={"receiver": str(receiver.pk)} | ({"stream": stream.stream_id} if stream else {}),
    )
