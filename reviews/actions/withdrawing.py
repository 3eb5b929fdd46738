"""Findings that late evidence withdraws after people signed on them (product.md, rule 5).

Owns the Withdrawal rows: whoever signed an item that showed the finding is told once, and told
again when it is found again. Judging withdraws (identities/judging); what can be undone is shown
by the case page, and giving back what was stopped is an act of its own, here.
"""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from identities.acting import COUNTERSIGN
from identities.actions import revocations
from identities.models import Finding, Identity, Person, Revocation, User
from identities.permissions import NotPossible
from identities.reasons import reason_given
from reviews.models import Case, Decision, Notice, Withdrawal
from reviews.shown import LIVE

from . import entries, items, reminders


def tell_withdrawn_next(*, now: datetime) -> bool:
    """Say one withdrawn finding, or one that came back, in its case; False when none waits."""
    return _withdrawn_next(now) or _back_next(now)


def _withdrawn_next(now: datetime) -> bool:
    pairs = Case.findings.through.objects
    told = Withdrawal.objects.filter(
        case=OuterRef("case"), finding=OuterRef("finding"), at=OuterRef("finding__state_at")
    )
    with transaction.atomic():
        pair = (
            pairs.filter(~Exists(told), finding__state="withdrawn")
            .exclude(case__state="cancelled")
            .order_by("pk")
            .first()
        )
        if pair is None:
            return False
        case = entries.locked(pair.case_id)
        finding = Finding.objects.get(pk=pair.finding_id)
        # Another sweep may have told it, or judging found it again, while we waited for the case.
        if finding.state == "withdrawn":
            _withdrawn(case, finding, now=now)
    return True


def _withdrawn(case: Case, finding: Finding, *, now: datetime) -> None:
    row, made = Withdrawal.objects.get_or_create(
        case=case,
        finding=finding,
        at=finding.state_at,
        defaults={"because": finding.state_reason, "items": _items_showing(case, finding)},
    )
    if not made:
        return
    persons = _told_of(case, finding)
    if case.identity is not None and case.state in ("draft", "open"):
        items.look_again(case, case.identity, now=now)
    _say(
        case,
        finding,
        persons,
        act="case.withdrawn",
        words=f"{finding.key} is withdrawn: {row.because}",
        occasion=f"withdrawn {finding.key} {row.at.isoformat()}",
        subject="a finding you signed on is withdrawn",
        body=(
            f"{finding.key} was withdrawn after you signed on it, because {row.because}."
            " Your answer stands. The case shows what can be undone, and by whom."
        ),
        now=now,
    )


def _back_next(now: datetime) -> bool:
    with transaction.atomic():
        row = (
            Withdrawal.objects.select_for_update(of=("self",), skip_locked=True)
            .filter(back_at__isnull=True, finding__state__in=LIVE)
            .select_related("finding")
            .order_by("pk")
            .first()
        )
        if row is None:
            return False
        Withdrawal.objects.filter(
            case=row.case_id, finding=row.finding_id, back_at__isnull=True
        ).update(back_at=now)
        case = entries.locked(row.case_id)
        if case.identity is not None and case.state in ("draft", "open"):
            items.look_again(case, case.identity, now=now)
        _say(
            case,
            row.finding,
            _told_of(case, row.finding),
            act="case.found_again",
            words=f"{row.finding.key} is found again, after it was withdrawn",
            occasion=f"found again {row.finding.key} {row.at.isoformat()}",
            subject="a withdrawn finding is found again",
            body=(
                f"{row.finding.key} was withdrawn after you signed on it. Evidence that came since"
                " shows it again. What was given back meanwhile may have to be stopped again."
            ),
            now=now,
        )
    return True


def _say(
    case: Case,
    finding: Finding,
    persons: list[Person],
    *,
    act: str,
    words: str,
    occasion: str,
    subject: str,
    body: str,
    now: datetime,
) -> None:
    reminders.tell(case, persons, occasion=occasion, subject=subject, body=body, now=now)
    names = ", ".join(person.name for person in persons[:20]) or "nobody had signed on it"
    entries.note(
        case,
        act=act,
        words=f"{words}; told: {names}"[:1_000],
        by=COUNTERSIGN,
        now=now,
        data={"finding": str(finding.pk), "told": [str(person.pk) for person in persons]},
    )
    entries.touched(case.pk)


def _showing(finding: Finding) -> Q:
    """Decisions whose frozen evidence, or whose item, names this finding."""
    return Q(capsule__body__shown__findings__contains=[finding.key]) | Q(
        item__snapshot__findings__contains=[finding.key]
    )


def _items_showing(case: Case, finding: Finding) -> list[UUID]:
    signed = Decision.objects.filter(_showing(finding), item__case=case)
    named = case.items.filter(snapshot__findings__contains=[finding.key])
    return sorted({*signed.values_list("item", flat=True), *named.values_list("pk", flat=True)})


def _told_of(case: Case, finding: Finding) -> list[Person]:
    """Who signed an item that showed it, or was told of it after having signed."""
    asked = Notice.objects.filter(case=case.pk, occasion=f"{case.key} evidence {finding.key}")
    signed = Decision.objects.filter(_showing(finding), item__case=case)
    return list(
        Person.objects.filter(
            Q(pk__in=asked.values("person")) | Q(pk__in=signed.values("person"))
        ).order_by("name", "pk")
    )


def give_back(*, case: Case, by: User, now: datetime, reason: str) -> list[Revocation]:
    """Release the case's identity, because what it was held for is withdrawn. What is suspended
    works again when its seats have signed it (resuming.py)."""
    reason = reason_given(reason, what="why it may work again")
    with transaction.atomic():
        case = entries.locked(case.pk)
        identity = case.identity
        if identity is None:
            raise NotPossible(f"{case.key} names no identity.")
        if not is_held(identity, now=now):
            raise NotPossible(f"{identity.name} is not held.")
        made = revocations.request(
            identity=identity,
            step="release",
            by=by,
            now=now,
            because=reason,
            case=case.pk,
            case_key=case.key,
        )
        entries.note(
            case,
            act="case.given_back",
            words=f"{by.called} ended the hold of {identity.name}: {reason}",
            by=by,
            now=now,
            data={"step": "release", "revocations": [row.key for row in made]},
        )
        entries.changed(case)
    return made


def is_held(identity: Identity, *, now: datetime) -> bool:
    """Whether the decision endpoint refuses an identity because of a hold."""
    return identity.states.filter(
        superseded_at__isnull=True, during__contains=now, state="held"
    ).exists()
