"""Alerts that lead to incidents: read from their deposits, matched with an identity, opened or kept.

Owns Alert and AlertDeposit rows. A deposit is read once, in one transaction with what follows from
it: a crash leaves it unread, and the sweep finds it. Who an alert is about is said by confirmed
bindings of the names in it, exactly or through the key; where that is nobody, or more than one, a
person says it, or the day when it is known (unmatched.py). Nothing is dropped.
"""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef
from zstandard import ZstdError

from evidence import intake, ledger
from evidence.formats.alerts import NAME
from evidence.formats.record import ActorName
from evidence.formats.signals import NAME as SIGNALS
from evidence.keys import key_of
from evidence.models import Actor, Connection, Deposit, Source
from evidence.sources.alerts import NEVER
from evidence.stores import bodies
from identities.acting import Acting, By, acting
from identities.actions import changes
from identities.actions.changes import Line
from identities.judging.holders import Holders
from identities.models import Identity, ProposedChange, User
from identities.permissions import NotPossible, require
from identities.reasons import reason_given
from reviews.actions import entries
from reviews.actions.second_signatures import why_not_subject
from reviews.incidents import alert_rights, alert_shapes, opening, rights
from reviews.incidents.alert_shapes import Alerted, Read
from reviews.models import Alert, AlertDeposit, Case
from reviews.models.alerts import ALERT_SEVERITIES
from reviews.models.incidents import SEVERITIES

# Deposits from before are not read any more: what they tell is of the past by then.
LATELY = timedelta(days=14)
MOST_DEPOSITS = 50
# The kind of proposed change that dismisses one, or matches it against its names.
KIND = "alert"
UNMATCHED = "None of its names is of an identity that we know."
NOTHING_NAMED = "It names nobody in a way that can be matched."


def opens_from(link: Connection) -> str:
    """From which severity on alerts of this source open incidents; "never"."""
    said: str = link.settings.get("opens") or NEVER
    return said


def read_next(*, now: datetime) -> bool:
    """Read the oldest deposit that was not read for alerts; False where there is none."""
    return any(read(deposit, link, now=now) is not None for deposit, link in _unread(now=now))


def _unread(*, now: datetime) -> Iterable[tuple[Deposit, Connection]]:
    """What sources of alerts sent lately, and sources of signals that may open incidents."""
    links = {
        link.source_id: link
        for link in Connection.objects.filter(connector__in=[NAME, SIGNALS]).select_related(
            "source"
        )
        if link.connector == NAME or opens_from(link) != NEVER
    }
    done = Exists(AlertDeposit.objects.filter(deposit_id=OuterRef("pk")))
    for pk, link in links.items():
        rows = Deposit.objects.filter(source=pk, received_at__gte=now - LATELY).exclude(done)
        for one in rows.order_by("received_at", "pk")[:MOST_DEPOSITS]:
            yield one, link


def read(deposit: Deposit, link: Connection, *, now: datetime) -> AlertDeposit | None:
    """Read one deposit for alerts, and do what follows. None: another reader has done so."""
    source = link.source
    try:
        body = bodies.unpack(deposit)
    except (OSError, ValueError, ZstdError) as problem:
        found = Read([], [alert_shapes.Wrong("body", f"its bytes cannot be read: {problem}"[:300])])
    else:
        found = alert_shapes.read(body, intake.asked(source), format=deposit.format)
    with transaction.atomic():
        try:
            with transaction.atomic():
                row = AlertDeposit.objects.create(
                    deposit_id=deposit.pk,
                    read_at=now,
                    alerts=len(found.alerts),
                    wrong=[list(one) for one in found.wrong[: alert_shapes.MOST]],
                )
        except IntegrityError:
            return None
        for one in found.alerts:
            _take(one, deposit, source, opens_from(link), now=now)
    return row


def _take(one: Alerted, deposit: Deposit, source: Source, opens: str, *, now: datetime) -> None:
    at = min(one.at, now)
    row, new = Alert.objects.select_for_update().get_or_create(
        source=source,
        uid=one.uid,
        defaults={
            "deposit_id": deposit.pk,
            "position": one.position,
            "shape": one.shape,
            "rule": one.rule,
            "title": one.title,
            "severity": one.severity,
            "at": at,
            "received_at": deposit.received_at,
            "last_at": at,
            "names": [[name.realm, name.kind, name.value] for name in one.names],
            "keys": keys_of(one.names),
            "over": one.over,
            "state": "unmatched",
            "state_at": now,
        },
    )
    if not new:
        graver = _rank(one.severity) > _rank(row.severity)
        row.repeats, row.last_at = row.repeats + 1, max(row.last_at, at)
        row.severity, row.over = one.severity if graver else row.severity, one.over
        row.save(update_fields=["repeats", "last_at", "severity", "over"])
        if not graver or row.state != "noted":
            return
    follow(row, keys_of(one.names), opens, now=now)


def _rank(severity: str) -> int:
    return ALERT_SEVERITIES.index(severity)


def follow(row: Alert, keys: Sequence[uuid.UUID], opens: str, *, now: datetime) -> None:
    """What a locked alert leads to by itself. `keys`: of whom it names."""
    whose = whose_are(keys, at=row.at)
    if len(whose) != 1:
        names = ", ".join(identity.name for identity in whose[:5])
        why = f"Its names are of several identities: {names}." if whose else UNMATCHED
        _settle(row, "unmatched", why if keys else NOTHING_NAMED, now=now)
        return
    (identity,) = whose
    if row.over:
        _settle(row, "noted", "Its sender says that it is closed.", now=now, identity=identity)
    elif opens == NEVER or _rank(row.severity) < _rank(opens):
        why = "Alerts of its source open no incident."
        if opens != NEVER:
            why = f"Alerts of its source open an incident from {opens} on; this is {row.severity}."
        _settle(row, "noted", why, now=now, identity=identity)
    else:
        by = Acting(f"source:{row.source.name}", row.source.title or row.source.name)
        reason = f"alert {row.uid} of {row.source.name}: {row.title}"
        try:
            with transaction.atomic():
                _open(row, identity, reason, by=by, now=now)
        except NotPossible as problem:
            _settle(row, "noted", str(problem)[:500], now=now, identity=identity)


def _open(row: Alert, identity: Identity, reason: str, *, by: By, now: datetime) -> Case:
    """Its incident, opened or joined."""
    case, new = opening.open_or_join(
        identity=identity,
        title=row.title[: opening.LONGEST_TITLE],
        reason=reason[:500],
        by=by,
        severity=row.severity if row.severity in SEVERITIES else "medium",
        detected_at=row.received_at,
        now=now,
    )
    state, why = ("opened", "It opened {}.") if new else ("joined", "It joined {}.")
    _settle(row, state, why.format(case.key), now=now, identity=identity, case=case, by=by)
    return case


def _settle(
    row: Alert,
    state: str,
    why: str,
    *,
    now: datetime,
    identity: Identity | None = None,
    case: Case | None = None,
    by: By | None = None,
) -> None:
    who = ("", "") if by is None else (acting(by).ref, acting(by).name)
    row.state, row.why, row.state_at = state, why, now
    row.identity, row.case = identity or row.identity, case or row.case
    row.state_by, row.state_by_name = who
    row.save(
        update_fields=[
            *("state", "why", "state_at", "identity", "case", "state_by", "state_by_name")
        ]
    )


def keys_of(names: Sequence[ActorName]) -> list[uuid.UUID]:
    """The keys of these actors and of those that they came from (the user of a key, the role of a
    session)."""
    wanted: dict[ActorName, None] = {}
    for name in names:
        here: ActorName | None = name
        while here is not None and here not in wanted:
            wanted[here._replace(parent=None)] = None
            here = here.parent
    return [key_of(one.realm, one.kind, one.value) for one in wanted]


def whose_are(keys: Sequence[uuid.UUID], *, at: datetime) -> list[Identity]:
    """The identities that actors are of at a moment, by confirmed bindings of exactly these, or of
    what evidence shows them to come from."""
    actors = list(Actor.objects.filter(key__in=keys).values_list("pk", flat=True))
    holders = Holders(actors)
    numbers = {bound.identity for one in actors for bound in holders.at(one, at)}
    return list(Identity.objects.filter(number__in=numbers).order_by("number"))


def known_of(row: Alert) -> list[Identity]:
    """Whom a kept alert is about, as far as it is known by now."""
    kept = [ActorName(realm, kind, value, None) for realm, kind, value in row.names]
    return whose_are(row.keys or keys_of(kept), at=row.at)


# --- what people say of them ---------------------------------------------------------------------


def match(
    *, alert: Alert, identity: Identity, reason: str, by: User, now: datetime
) -> Case | ProposedChange:
    """Say whom an alert is about: its incident is opened, or the open one joined. A second person
    signs it first where its names are of somebody else, or of several."""
    with transaction.atomic():
        row = _locked(alert)
        require(alert_rights.why_not_settle_alert(by, now=now))
        require(rights.why_not_open(by, identity, now=now))
        _require_open(row)
        reason = reason_given(reason, what="why it is about this identity")
        if known_of(row) not in ([], [identity]):
            return _propose(row, identity, reason, by=by, now=now)
        return _match(row, identity, reason, by=by, now=now)


def dismiss(*, alert: Alert, reason: str, by: User, now: datetime) -> ProposedChange:
    """Say that nothing follows from an alert, and why; a second person signs it. It is kept."""
    with transaction.atomic():
        row = _locked(alert)
        require(alert_rights.why_not_settle_alert(by, now=now))
        _require_open(row)
        reason = reason_given(reason, what="why nothing follows from it")
        return _propose(row, None, reason, by=by, now=now)


def _propose(
    row: Alert, identity: Identity | None, reason: str, *, by: User, now: datetime
) -> ProposedChange:
    return changes.propose(
        kind=KIND,
        subject=row.key,
        title=f"alert {row.key}",
        document={"alert": row.number, "identity": None if identity is None else identity.key},
        lines=_lines(row, identity),
        reason=reason,
        by=by,
        now=now,
    )


def _lines(row: Alert, identity: Identity | None) -> list[Line]:
    """What it changes, as two people sign it."""
    then = "dismissed" if identity is None else f"in an incident of {identity.name}"
    return [Line(row.key, f"{row.title}: {row.state} → {then}")]


class Settling:
    """Nothing follows from an alert, or it is about an identity that its names are not of: a second
    one of those who may say so, and not about an identity that they are."""

    @staticmethod
    def why_not_sign(user: User, row: ProposedChange, *, now: datetime) -> str | None:
        alert, identity = _named(row)
        why = alert_rights.why_not_settle_alert(user, now=now)
        if why is None and identity is not None:
            why = rights.why_not_open(user, identity, now=now)
        return why or why_not_subject(user, identity or alert.identity)

    @staticmethod
    def apply(row: ProposedChange, *, by: Acting, now: datetime) -> Sequence[Line]:
        alert, identity = _named(row)
        alert = _locked(alert)
        _require_open(alert)
        done = _lines(alert, identity)
        if identity is None:
            _dismiss(alert, row.reason, by=by, now=now)
        else:
            _match(alert, identity, row.reason, by=by, now=now)
        return done


def _named(row: ProposedChange) -> tuple[Alert, Identity | None]:
    alert = Alert.objects.select_related("identity").get(number=row.document["alert"])
    key = row.document["identity"]
    return alert, None if key is None else Identity.objects.get(number=int(key[4:]))


def _match(row: Alert, identity: Identity, reason: str, *, by: By, now: datetime) -> Case:
    said = f"alert {row.uid} of {row.source.name}: {row.title}. {reason}"
    case = _open(row, identity, said, by=by, now=now)
    # Under the case, so that it is withheld with it where it is sealed one day.
    words = f"{acting(by).name} said that {row.key} is about {identity.name}: {reason}"
    entries.note(case, act="alert.matched", words=words[:1_000], by=by, now=now, data=_data(row))
    return case


def _dismiss(row: Alert, reason: str, *, by: Acting, now: datetime) -> None:
    ledger.append(
        at=now,
        by=by.ref,
        by_name=by.name,
        act="alert.dismissed",
        subject=f"source:{row.source.name}",
        words=f"{by.name} said that {row.key} leads to nothing: {reason}"[:1_000],
        data=_data(row),
    )
    _settle(row, "dismissed", reason, now=now, by=by)


def _locked(alert: Alert) -> Alert:
    return Alert.objects.select_for_update(of=("self",)).select_related("source").get(pk=alert.pk)


def _require_open(row: Alert) -> None:
    """Nothing has become of it yet."""
    if row.state in ("opened", "joined"):
        raise NotPossible(f"{row.key} is in an incident already.")
    if row.state == "dismissed":
        raise NotPossible(f"{row.key} was dismissed by {row.state_by_name}: {row.why}"[:500])


def _data(row: Alert) -> dict[str, Any]:
    return {"alert": row.key, "uid": row.uid, "deposit": str(row.deposit_id)}
