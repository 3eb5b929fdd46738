"""Opening reviews: by a person, or because findings ask for one.

Owns that an identity has one open review at a time, whatever opens it (the constraint
case_open_review_once), and that a scope that only observes gets a draft nobody is asked about.
"""

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q

from evidence.words import counted
from identities.acting import COUNTERSIGN, By, acting
from identities.models import Finding, Identity
from identities.permissions import NotPossible, require
from reviews import permissions
from reviews.models import Case, ReviewPolicy

from . import entries, items, seats
from .reminders import ask, ask_again

POLICY = "access review"
# Asked about in every mode: what they show is not a matter of how authority was written down.
IN_EVERY_MODE = ("left_task", "no_run", "shared_credential")
LIVE = ("draft", "open")


def policy_in_force(*, now: datetime, name: str = POLICY) -> ReviewPolicy:
    """The newest version of the policy; the first is made with the model's own numbers."""
    row = ReviewPolicy.objects.filter(name=name).order_by("-version").first()
    if row is not None:
        return row
    row, _ = ReviewPolicy.objects.get_or_create(
        name=name,
        version=1,
        defaults={
            "remind_before_hours": [48, 4],
            "recorded_at": now,
            "recorded_by": COUNTERSIGN.ref,
        },
    )
    return row


def open_review(
    *, identity: Identity, by: By, now: datetime, reason: str, policy: ReviewPolicy | None = None
) -> Case:
    """Open an access review of an identity, or send out the one that is proposed.

    A second opener is given the case that is open already.
    """
    reason = entries.reason_given(reason, what="what should be looked at, and what for")
    user = acting(by).user
    with transaction.atomic():
        identity = _locked_identity(identity)
        if user is not None:
            require(permissions.why_not_open(user, identity, now=now))
        if identity.state == "retired":
            raise NotPossible(f"{identity.name} is retired: there is nothing to review.")
        known = _live(identity)
        if known is not None and known.state == "open":
            return known
        if known is not None:
            return _start(known, by=by, now=now, reason=reason)
        case = _new(identity, by=by, now=now, reason=reason, policy=policy, state="open")
        _fill(case, identity, by=by, now=now)
        ask(case, now=now)
    return case


def start(*, case: Case, by: By, now: datetime, reason: str) -> Case:
    """Send a proposed review to its seats."""
    reason = entries.reason_given(reason, what="why this is asked now")
    user = acting(by).user
    with transaction.atomic():
        case = entries.locked(case.pk)
        if user is not None:
            require(permissions.why_not_start(user, case, now=now))
        return _start(case, by=by, now=now, reason=reason)


def _start(case: Case, *, by: By, now: datetime, reason: str) -> Case:
    """The clock starts now; items and seats are made anew from what is true now."""
    case = entries.locked(case.pk)
    to = entries.moved(case, "open")
    policy = policy_in_force(now=now) if case.policy is None else case.policy
    identity = case.identity
    if identity is not None:
        items.build(case, identity, now=now)
        seats.never_alone(case, now=now)
    entries.changed(
        case,
        state=to,
        opened_at=now,
        reason=reason,
        policy=policy,
        silence=policy.silence,
        deadline_at=now + timedelta(hours=policy.decide_within_hours),
    )
    entries.note(
        case,
        act="case.opened",
        words=f"{acting(by).name} sent {case.key} to its seats: {reason}",
        by=by,
        now=now,
    )
    ask(case, now=now)
    return case


def open_from_findings_next(*, now: datetime) -> bool:
    """Give one finding without a case to the review of its identity; False when none waits."""
    with transaction.atomic():
        waiting = (
            Finding.objects.filter(state="open", identity__isnull=False, cases__isnull=True)
            .exclude(identity__state="retired")
            .filter(~Q(identity__mode="observe") | Q(rule__in=IN_EVERY_MODE))
        )
        finding = waiting.select_related("identity").order_by("number").first()
        if finding is None or finding.identity is None:
            return False
        # The identity is locked before any finding is touched: two workers of one identity
        # wait here, and the second sees what the first has done.
        identity = _locked_identity(finding.identity)
        if waiting.filter(pk=finding.pk).exists():
            _attach(finding, identity, now=now)
    return True


def _attach(finding: Finding, identity: Identity, *, now: datetime) -> None:
    case = _live(identity)
    if case is None:
        # Observing asks nobody: the review is proposed, and a person sends it out.
        state = "draft" if identity.mode == "observe" else "open"
        case = _new(
            identity,
            by=COUNTERSIGN,
            now=now,
            reason=f"{finding.key}: {finding.words}",
            policy=None,
            state=state,
        )
        _fill(case, identity, by=COUNTERSIGN, now=now)
        case.findings.add(finding)
        if state == "open":
            ask(case, now=now)
        return
    case = entries.locked(case.pk)
    case.findings.add(finding)
    made = items.build(case, identity, now=now)
    if seats.never_alone(case, now=now) is not None and case.state == "open":
        ask(case, now=now)
    entries.touched(case.pk)
    for seat in case.seats.filter(person__isnull=False).select_related("person"):
        # Whoever has answered did so without knowing this.
        if seat.person is not None and seat.decisions.filter(superseded_at__isnull=True).exists():
            ask_again(
                case,
                seat.person,
                occasion=f"evidence {finding.key}",
                now=now,
                why="Evidence arrived after your answer. It stands unless you change it.",
            )
    more = f" and {counted(len(made), 'item')}" if made else ""
    entries.note(
        case,
        act="case.evidence",
        words=f"Countersign added {finding.key}{more}: {finding.words}"[:1_000],
        by=COUNTERSIGN,
        now=now,
        data={"finding": str(finding.pk), "items": [str(item.pk) for item in made]},
    )


def _live(identity: Identity) -> Case | None:
    return Case.objects.filter(identity=identity, door="access_review", state__in=LIVE).first()


def _locked_identity(identity: Identity) -> Identity:
    """Openers of one identity wait for each other here, so the constraint is never met.

    Without the key: whoever writes findings of the identity meanwhile does not wait for us.
    """
    return (
        Identity.objects.select_for_update(of=("self",), no_key=True)
        .select_related(
            "service__owner",
            "service__ai_owner",
            "service__backup",
            "service__sponsor",
            "owner",
            "backup",
            "sponsor",
        )
        .get(pk=identity.pk)
    )


def _new(
    identity: Identity,
    *,
    by: By,
    now: datetime,
    reason: str,
    policy: ReviewPolicy | None,
    state: str,
) -> Case:
    policy = policy or policy_in_force(now=now)
    who = acting(by)
    case = Case(
        door="access_review",
        state=state,
        title=f"Access review: {identity.name}",
        identity=identity,
        policy=policy,
        opened_at=now,
        opened_by=who.ref,
        opened_by_name=who.name,
        reason=reason[: entries.LONGEST_REASON],
        deadline_at=now + timedelta(hours=policy.decide_within_hours),
        silence=policy.silence,
        legal_entity=identity.legal_entity,
    )
    try:
        with transaction.atomic():
            case.save(force_insert=True)
    except IntegrityError as clash:
        raise NotPossible(f"{identity.name} is being reviewed already.") from clash
    case.refresh_from_db(fields=["number"])
    return case


def _fill(case: Case, identity: Identity, *, by: By, now: datetime) -> None:
    """Seats, items and the open findings, with one ledger entry."""
    made_seats = seats.build(case, identity, now=now)
    made = items.build(case, identity, now=now)
    seats.never_alone(case, now=now)
    case.findings.add(*Finding.objects.filter(identity=identity, state="open", cases__isnull=True))
    who = acting(by)
    verb = "proposed" if case.state == "draft" else "opened"
    entries.note(
        case,
        act=f"case.{verb}",
        words=f"{who.name} {verb} the review of {identity.name}: {case.reason}",
        by=by,
        now=now,
        data={
            "identity": identity.key,
            "items": len(made),
            "seats": [seat.kind for seat in made_seats],
            "deadline_at": case.deadline_at.isoformat(),
            "silence": case.silence,
        },
    )
    entries.changed(case)
