"""Change freezes: proposed by one, signed by another, over by themselves or ended by one person.

Owns Freeze rows, and that nobody answers with a cut in one without knowing. A freeze is never changed in
place; what silence would have cut while it holds waits for a person (braking.py), also afterwards.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import Q, QuerySet

from evidence import ledger, locks, nudge
from evidence.locks import Lock
from evidence.words import counted
from identities.actions import two_person
from identities.models import Person, User
from identities.permissions import NotPossible, require
from identities.reasons import reason_given
from reviews import freeze_permissions, freezes, policy_words
from reviews.ladder import CUTS
from reviews.models import Case, Freeze, Notice
from reviews.policy_document import Scope

from . import policy_versions

# Each one that is not over costs every sweep of deadlines a part of its question.
MOST_FREEZES = 20


def words(freeze: Freeze) -> str:
    """ "kind agent" or "Every identity": what it is about."""
    return policy_words.of_scope(freezes.document(freeze.scope).scope or Scope())


def may_be_asked(*, now: datetime) -> QuerySet[Person]:
    """Persons who can be asked in place of the clock: they may release what is held."""
    return (
        Person.objects.filter(
            Q(left_at__isnull=True) | Q(left_at__gt=now),
            users__is_active=True,
            users__groups__name__in=freeze_permissions.ASKED,
        )
        .exclude(users__groups__name="auditor")
        .distinct()
        .order_by("name", "pk")
    )


class Longest(NamedTuple):
    """How long a freeze may last, and which policy says so: "access review, version 3"."""

    days: int
    policy: str


def longest(*, now: datetime) -> Longest:
    """What the policy of access reviews says now."""
    policy = policy_versions.signed(policy_versions.POLICY)
    policy = policy or policy_versions.first(policy_versions.POLICY, now=now)
    return Longest(policy_versions.document_of(policy).freeze_days, str(policy))


def propose(
    *,
    scope: dict[str, Any],
    since: datetime,
    until: datetime,
    asked: Person,
    reason: str,
    by: User,
    now: datetime,
) -> Freeze:
    """Ask for a second person's signature. Nothing is held before it."""
    require(freeze_permissions.why_not_propose_freeze(by, now=now))
    reason = reason_given(reason, what="what is not to be changed, and why")
    policy_versions.require_known(freezes.document(scope))
    _check_times(since, until, now=now)
    _check_asked(asked, now=now)
    try:
        with transaction.atomic():
            row = Freeze.objects.create(
                scope=scope,
                since=since,
                until=until,
                asked=asked,
                **two_person.proposal(by=by, now=now, reason=reason),
            )
            row.refresh_from_db(fields=["number"])
            _note(row, "freeze.proposed", f"{by.called} proposed {_said(row)}", by, now)
    except IntegrityError:
        raise NotPossible("This freeze waits for its second signature already.") from None
    return row


def sign(*, freeze: Freeze, by: User, now: datetime) -> Freeze:
    """The second signature: from its beginning on nothing of its scope is cut by a clock."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            locks.take(cursor, Lock.CHANGE_FREEZES)
        row = _locked(freeze)
        require(freeze_permissions.why_not_sign_freeze(by, row, now=now))
        _check_asked(row.asked, now=now)
        _check_length(row.since, row.until, now=now)  # the policy may have changed since
        live = list(Freeze.objects.filter(state="in_force", until__gt=now).order_by("until"))
        if len(live) >= MOST_FREEZES:
            raise NotPossible(f"{MOST_FREEZES} freezes are not over: end one, or widen one.")
        for one in live:
            if one.scope == row.scope and one.since < row.until and row.since < one.until:
                raise NotPossible(
                    f"{freezes.words(one)} for the same scope: let this one begin then, or end"
                    f" {one.key} first."
                )
        two_person.settle(row, "in_force", by=by, now=now)
        _note(row, "freeze.signed", f"{by.called} signed {_said(row)}", by, now)
        _tell_asked(row, now=now)
    return row


def refuse(*, freeze: Freeze, reason: str, by: User, now: datetime) -> Freeze:
    """It never holds."""
    with transaction.atomic():
        row = _locked(freeze)
        require(freeze_permissions.why_not_refuse_freeze(by, row, now=now))
        reason = reason_given(reason, what="why nothing is frozen")
        two_person.settle(row, "refused", by=by, now=now, reason=reason)
        _note(row, "freeze.refused", f"{by.called} refused {row}: {reason}", by, now)
    return row


def end(*, freeze: Freeze, reason: str, by: User, now: datetime) -> Freeze:
    """It holds nothing more from now on. What it has held waits for a person all the same."""
    with transaction.atomic():
        row = _locked(freeze)
        require(freeze_permissions.why_not_end_freeze(by, row, now=now))
        reason = reason_given(reason, what="why it may be changed again")
        row.state, row.ended_at, row.ended_reason = "ended", now, reason
        row.ended_by, row.ended_by_name = by.ref, by.called
        row.save(update_fields=["state", "ended_at", "ended_by", "ended_by_name", "ended_reason"])
        _note(row, "freeze.ended", f"{by.called} ended {row} early: {reason}", by, now)
    return row


def why_confirm(
    case: Case, answer: str, *, now: datetime, known: Sequence[Freeze] | None = None
) -> str:
    """The sentence that a person has to confirm who cuts in a freeze; "" where none holds.

    `known`: what holds for its identity now or will, where that was read already.
    """
    if answer not in CUTS:
        return ""
    known = freezes.ahead(case.identity, now=now) if known is None else known
    holding = [one for one in known if one.since <= now]
    return f"{freezes.words(holding[0])}." if holding else ""


def knowingly(case: Case, answer: str, reason: str, confirmed: bool, *, now: datetime) -> str:
    """The reason of an answer as it is stored: a person may cut in a freeze, and says that they
    know. NotPossible where that is missing.

    It stands in the reason, so that whoever may not read the answer yet does not read this either.
    """
    why = why_confirm(case, answer, now=now)
    if not why:
        return reason
    if not confirmed:
        raise NotPossible(
            f"{why} Your answer works all the same: confirm that it is meant for now, and say why"
            " in your reason."
        )
    return f"{reason.strip()} (meant for now, though {why.removesuffix('.')})" if reason else reason


def _check_times(since: datetime, until: datetime, *, now: datetime) -> None:
    if until <= now:
        raise NotPossible("It would be over already: let it end later.")
    if until <= since:
        raise NotPossible("It would end before it begins.")
    _check_length(since, until, now=now)


def _check_length(since: datetime, until: datetime, *, now: datetime) -> None:
    most = longest(now=now)
    if until - since > timedelta(days=most.days):
        raise NotPossible(
            f"A freeze lasts at most {counted(most.days, 'day')} ({most.policy} says so): propose"
            " the next one for what comes after."
        )


def _check_asked(person: Person, *, now: datetime) -> None:
    if not may_be_asked(now=now).filter(pk=person.pk).exists():
        raise NotPossible(
            f"{person.name} may not release what is held: name a reviewer, a responder or an"
            " administrator who is there."
        )


def _said(row: Freeze) -> str:
    begins, ends = (f"{one:%-d %b %Y %H:%M} UTC" for one in (row.since, row.until))
    return (
        f"{row}: {words(row)}, from {begins} to {ends}, {row.asked.name} is asked instead:"
        f" {row.reason}"
    )


def _locked(freeze: Freeze) -> Freeze:
    rows = Freeze.objects.select_for_update(of=("self",)).select_related("asked")
    return rows.get(pk=freeze.pk)


def _tell_asked(row: Freeze, *, now: datetime) -> None:
    """Whoever is asked in place of the clock hears of it before it asks."""
    begins, ends = (f"{one:%-d %b %Y %H:%M} UTC" for one in (row.since, row.until))
    Notice.objects.create(
        person=row.asked,
        subject=f"{row}: you are asked in place of the clock",
        body=f"From {begins} to {ends} nothing of {words(row)} is cut because nobody answered."
        f" What would have been waits for you: release it or drop it.\n\n"
        f"{settings.BASE_URL}{row.url}\n",
        occasion=f"{row} signed",
        created_at=now,
        not_before=now,
    )
    nudge.after_commit("notice.written")


def _note(row: Freeze, act: str, said: str, by: User, now: datetime) -> None:
    ledger.append(
        at=now,
        by=by.ref,
        by_name=by.called,
        act=act,
        subject=row.key,
        words=said[:1_000],
        data={
            "freeze": str(row.pk),
            "scope": row.scope,
            "since": row.since.isoformat(),
            "until": row.until.isoformat(),
            "asked": str(row.asked_id),
        },
    )
